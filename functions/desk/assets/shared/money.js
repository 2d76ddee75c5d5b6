// Amounts of money: whole numbers of the minor unit, formatted by the rules of the customers' messages.

import { CURRENCIES, FORMER } from "./currencies.js";

/** The largest amount of a request, in minor units. */
export const AMOUNT_AT_MOST = 99_999_999;

/**
 * Returns whether a new request can be made in a currency (ISO 4217, in capital letters).
 * @param {string} code
 */
export function isCurrency(code) {
  return Object.hasOwn(CURRENCIES, code);
}

/** Returns the code of every currency that a new request can be made in. */
export function currencies() {
  return Object.keys(CURRENCIES);
}

/**
 * Returns how amounts of a currency are written. It also knows currencies that only older requests have.
 * @param {string} currency
 * @returns {[decimals: number, symbol?: string]}
 */
function writing(currency) {
  if (isCurrency(currency)) return CURRENCIES[currency];
  return Object.hasOwn(FORMER, currency) ? FORMER[currency] : [2];
}

/**
 * Returns how many decimals amounts of a currency have.
 * @param {string} currency
 */
export function decimals(currency) {
  return writing(currency)[0];
}

/**
 * Returns the symbol that amounts of a currency are written with, if there is one.
 * @param {string} currency
 */
export function symbol(currency) {
  return writing(currency)[1];
}

/**
 * Formats an amount: `R250.00`, `¥25,000`, `KWD 25.000`.
 * @param {number} minorUnits
 * @param {string} currency
 */
export function formatMoney(minorUnits, currency) {
  const [places, symbol] = writing(currency);
  const digits = String(Math.abs(minorUnits)).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places).replace(/\B(?=(\d{3})+$)/g, ",");
  const fraction = places > 0 ? `.${digits.slice(digits.length - places)}` : "";
  return `${minorUnits < 0 ? "-" : ""}${symbol ?? `${currency}\u00a0`}${whole}${fraction}`;
}

/**
 * Formats an amount without symbol or separators, as a person types it: `250.00`.
 * @param {number} minorUnits
 * @param {string} currency
 */
export function plainAmount(minorUnits, currency) {
  const places = decimals(currency);
  const digits = String(minorUnits).padStart(places + 1, "0");
  return places > 0 ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits;
}
