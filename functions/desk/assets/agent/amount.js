// Amounts of money as people type and paste them.

import { decimals, isCurrency, symbol } from "../shared/money.js";
import { plain } from "./digits.js";

/** A currency's sign, alone or behind letters: `€`, `R$`. */
const SIGN = "\\p{L}*\\p{Sc}";

/** A currency's code or abbreviation, such as `ZAR` or `د.إ`. */
const WORD = "\\p{L}[\\p{L}\\p{M}]*(?:\\.\\p{L}[\\p{L}\\p{M}]*)*";

/** A unit before an amount. `Rs.50` has none: its point may belong to the abbreviation or to the amount. */
const BEFORE = new RegExp(`^(?:(${SIGN}) ?|(${WORD}\\.?) |(${WORD})(?=\\d))`, "u");

/** A unit behind an amount. */
const BEHIND = new RegExp(` ?(${SIGN}|${WORD}\\.?)$`, "u");

/** The currencies whose amounts are grouped as `12,34,567` in their countries (CLDR: en-IN, bn-BD, ne-NP, dz-BT). */
const GROUPED_BY_TWO = ["INR", "BDT", "NPR", "BTN"];

/**
 * The result of reading a text: the amount in minor units, or the reason why it is rejected. The text is no amount
 * (`unreadable`), names a `unit` that is not the currency's, has more `decimals` than the currency, or can be read in
 * two ways (`ambiguous`).
 * @typedef {{ minorUnits: number }
 *   | { problem: "unreadable" | "decimals" }
 *   | { problem: "unit", unit: string }
 *   | { problem: "ambiguous", readings: [grouped: string, decimal: string | null] }} Reading
 */

/**
 * Reads a text as minor units; `null` if it is not exactly one amount of this currency.
 * @param {string} text
 * @param {string} currency
 */
export function parseAmount(text, currency) {
  const reading = readAmount(text, currency);
  return "minorUnits" in reading ? reading.minorUnits : null;
}

/**
 * Reads a text, with or without the currency's code or symbol: `1250.5`, `1,250.50`, `1.250,50`, `1 250,50`,
 * `1’250.50`, `.5`, `١٬٢٥٠٫٥٠`.
 *
 * A single mark before exactly three digits can separate thousands or decimals. For a currency with fewer than three
 * decimals, a comma separates thousands, and a point is rejected, because the text may be a typing error. For a
 * currency with three decimals, a point is the decimal mark, and a comma is rejected.
 * @param {string} text
 * @param {string} currency
 * @returns {Reading}
 */
export function readAmount(text, currency) {
  const { number, units } = parted(text);
  const other = units.find((unit) => !isUnitOf(unit, currency));
  if (other) return { problem: "unit", unit: other };
  const places = decimals(currency);
  const halves = split(number, places);
  const whole = halves && ungrouped(halves.whole, currency);
  if (!halves || whole === null) return { problem: "unreadable" };
  const { fraction, isAmbiguous } = halves;
  if (isAmbiguous) {
    // The text is an amount with decimals only if the currency has that many.
    const isDecimal = /^0*$/.test(fraction.slice(places)) && places > 0;
    const decimal = isDecimal ? `${whole}.${fraction.slice(0, places)}` : null;
    return { problem: "ambiguous", readings: [whole + fraction, decimal] };
  }
  if (fraction.length > places) return { problem: "decimals" };
  const minorUnits = Number(whole + fraction.padEnd(places, "0"));
  return Number.isSafeInteger(minorUnits) ? { minorUnits } : { problem: "unreadable" };
}

/**
 * Returns the currency whose code an amount is written with; `undefined` if it is written without one.
 * @param {string} text
 */
export function currencyIn(text) {
  return parted(text).units.map(unitName).find(isCurrency);
}

/**
 * Splits a text into the number and the units before and behind it.
 * @param {string} text
 */
function parted(text) {
  let number = plain(text);
  const units = [];
  for (const place of [BEFORE, BEHIND]) {
    const [all, ...found] = place.exec(number) ?? [];
    if (all === undefined) continue;
    units.push(found.find((unit) => unit !== undefined) ?? "");
    number = number.replace(place, "");
  }
  return { number, units };
}

/** @param {string} unit */
function unitName(unit) {
  return unit.replaceAll(".", "").toUpperCase();
}

/**
 * Returns whether this unit is the currency's code or one of its symbols. `$` is a symbol of every dollar.
 * @param {string} unit
 * @param {string} currency
 */
function isUnitOf(unit, currency) {
  const name = unitName(unit);
  if (!/^[A-Z]{3}$/.test(currency)) return false;
  if (name === currency || name === symbol(currency)) return true;
  return ["en", "ar"].some((language) => {
    /** @type {("symbol" | "narrowSymbol")[]} */
    const displays = ["symbol", "narrowSymbol"];
    return displays.some((currencyDisplay) => {
      const format = new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay });
      const local = format.formatToParts(0).find(({ type }) => type === "currency")?.value ?? "";
      return name === unitName(plain(local));
    });
  });
}

/**
 * Splits a number at its decimal mark; `null` if the text is no number. `isAmbiguous` says that its only mark may also
 * separate thousands.
 * @param {string} text
 * @param {number} places
 */
function split(text, places) {
  // A dash stands for no decimals: `250,-`.
  const number = text
    .replace(/(\d)[.,][-–—]{1,2}$/u, "$1")
    .replace(/['’‘ʼ＇\x60´٬]/gu, "'")
    .replace(/[،，]/gu, ",")
    .replace(/．/gu, ".");
  if (!/^[\d.,' ٫]+$/u.test(number)) return null;
  const marks = number.match(/[.,٫]/gu) ?? [];
  const last = number.lastIndexOf(marks[marks.length - 1] ?? "none");
  const [mark, before, behind] = [number[last], number.slice(0, last), number.slice(last + 1)];
  const isGrouping = marks.length > 1 && mark !== "٫" && marks.every((other) => other === mark);
  if (last < 0 || isGrouping) return { whole: number, fraction: "", isAmbiguous: false };
  if (!/^\d+$/.test(behind)) return null;
  // A number that is grouped by something else has its only mark before the decimals.
  const couldGroup = marks.length === 1 && mark !== "٫" && /^[1-9]\d{0,2}$/.test(before) && behind.length === 3;
  if (couldGroup && mark === "," && places < 3) return { whole: before + behind, fraction: "", isAmbiguous: false };
  return { whole: before || "0", fraction: behind, isAmbiguous: couldGroup && (mark === ".") === places < 3 };
}

/**
 * Returns a whole number's digits without separators; `null` if the separators do not separate thousands.
 * @param {string} whole
 * @param {string} currency
 */
function ungrouped(whole, currency) {
  const isGrouped =
    /^\d+$/.test(whole) ||
    /^[1-9]\d{0,2}([.,' ])\d{3}(\1\d{3})*$/.test(whole) ||
    (GROUPED_BY_TWO.includes(currency) && /^[1-9]\d?(,\d\d)*,\d{3}$/.test(whole));
  return isGrouped ? whole.replace(/\D/g, "") : null;
}
