// Amounts of money: whole numbers of the minor unit, formatted and parsed by the same rules as customers' messages.

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

/**
 * Parses an amount that a person typed into minor units; returns `null` if it is not an amount of this currency.
 * Accepts `1250`, `1250.5`, `1,250.50`, `1 250,50` and `R1,250.50`. Rejects more decimals than the currency has, and
 * ambiguous amounts.
 * @param {string} text
 * @param {string} currency
 */
export function parseAmount(text, currency) {
  const [places, symbol] = writing(currency);
  let typed = text.trim();
  for (const unit of [symbol, currency]) {
    if (unit && typed.toUpperCase().startsWith(unit.toUpperCase())) typed = typed.slice(unit.length).trim();
  }
  typed = typed.replace(/[\s\u00a0\u202f']/g, "");
  if (!/^\d[\d.,]*$/.test(typed)) return null;
  const marks = typed.match(/[.,]/g) ?? [];
  const last = Math.max(typed.lastIndexOf("."), typed.lastIndexOf(","));
  const after = last < 0 ? "" : typed.slice(last + 1);
  const mark = typed[last];
  const repeated = marks.filter((other) => other === mark).length > 1;
  // A single comma before three digits groups thousands, except where the currency has three decimals: then it could be
  // either. A single point is always a decimal mark.
  const lone = marks.length === 1 && mark === "," && after.length === 3;
  if (lone && places === 3) return null;
  const isDecimal = marks.length > 0 && !repeated && !lone;
  const [whole, fraction] = isDecimal ? [typed.slice(0, last), after] : [typed, ""];
  const grouping = isDecimal ? otherMark(mark) : mark;
  const groups = grouping ? whole.split(grouping) : [whole];
  if (groups.some((group) => !/^\d+$/.test(group))) return null;
  if (groups.length > 1 && (groups[0].length > 3 || groups.slice(1).some((group) => group.length !== 3))) return null;
  if (fraction.length > places || (isDecimal && fraction.length === 0)) return null;
  const minorUnits = Number(groups.join("") + fraction.padEnd(places, "0"));
  return Number.isSafeInteger(minorUnits) ? minorUnits : null;
}

/** @param {string} mark */
function otherMark(mark) {
  return mark === "." ? "," : ".";
}
