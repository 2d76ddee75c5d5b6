// Phone numbers as people type and paste them. They are read by the tables that the API validates by, so the API
// accepts every number that this module returns. The tables are large, so this module is imported when a form opens.

import { plain } from "./digits.js";
import { COUNTRIES, NATIONAL_PREFIXES, VALID, VIABLE } from "./phones.js";

/** The most digits of a number: E.164 ends there. */
const MOST_DIGITS = 15;

/**
 * The fewest digits that are read as a number with a country code if it has neither plus nor separators. Shorter ones
 * are national numbers in many countries.
 */
const SURELY_ABROAD = 10;

/**
 * A state of an automaton: whether a number may end in it, and the next states by digit.
 * @typedef {{ ends: boolean, next: (State | null)[] }} State
 */

/**
 * Returns the initial state of an automaton that functions/desk/build/phones.rs wrote, which says how.
 * @param {string} text
 */
function automaton(text) {
  /** @type {State[]} */
  const shared = [];
  let at = 0;
  /** @returns {State} */
  function state() {
    const ends = text[at] === "!";
    if (ends) at += 1;
    /** @type {State["next"]} */
    const next = [];
    while (next.length < 10) {
      const symbol = text[at];
      at += 1;
      if (symbol === ".") next.push(null);
      else if (symbol === "*") next.push(state());
      else if (symbol === "+") {
        const place = next.push(state()) - 1;
        shared.push(/** @type {State} */ (next[place]));
      } else if (symbol < "A") {
        const last = next[next.length - 1];
        for (let more = Number(symbol); more > 0; more -= 1) next.push(last);
      } else {
        next.push(shared[52 * letter(symbol) + letter(text[at])]);
        at += 1;
      }
    }
    return { ends, next };
  }
  return state();
}

/** @param {string} symbol */
function letter(symbol) {
  return symbol >= "a" ? symbol.charCodeAt(0) - 71 : symbol.charCodeAt(0) - 65;
}

const valid = automaton(VALID);
const viable = automaton(VIABLE);

/**
 * Returns whether an automaton accepts these digits, which begin with a calling code.
 * @param {State} initial
 * @param {string} digits
 */
function accepts(initial, digits) {
  /** @type {State | null} */
  let state = initial;
  for (const digit of digits) state = state?.next[Number(digit)] ?? null;
  return state?.ends ?? false;
}

/**
 * A number as it is written: its digits, whether it has a plus, the digits before the first separator if there is one,
 * and whether those stand in brackets.
 * @typedef {{ digits: string, plus: boolean, first: string, isBracketed: boolean }} Written
 */

/**
 * Returns the numbers, in E.164 form, that a text can mean: none, one, or several for the agent to choose from. A
 * national number is read in `country`; no other country is guessed.
 * @param {string} text
 * @param {string} country ISO 3166-1 alpha-2 in capital letters, or empty
 */
export function readPhone(text, country) {
  const visible = plain(text);
  const found = new Set();
  // A zero in brackets behind the country code is not dialed from abroad, and in some countries never.
  for (const spelling of [visible, visible.replace(/(\d\D*)[([（]\s*0\s*[)\]）]/u, "$1")]) {
    const written = parts(spelling);
    for (const digits of written ? readings(written, country) : []) if (isAccepted(digits)) found.add(`+${digits}`);
  }
  return /** @type {string[]} */ ([...found]);
}

/**
 * Returns the parts of a number; `null` if the text is not written like one. Right-to-left texts can have the plus at
 * the end.
 * @param {string} text
 * @returns {Written | null}
 */
function parts(text) {
  const number = text.replace(/^tel:/i, "");
  const joined = number.replace(/[\s\-./()[\]‐-―−⁃﹣（）－-／ー]/gu, "");
  const [, before, digits, after] = /^([+＋﹢]?)(\d+)([+＋﹢]?)$/u.exec(joined) ?? [];
  if (!digits || (before && after)) return null;
  const [start, first] = /^\D*(\d+)/.exec(number) ?? ["", ""];
  const plus = Boolean(before || after);
  return { digits, plus, first: first === digits ? "" : first, isBracketed: /[([（]/u.test(start) };
}

/**
 * Returns what a number can mean, valid or not.
 * @param {Written} written
 * @param {string} country
 */
function readings(written, country) {
  const { digits, plus } = written;
  const found = digits.startsWith("00") ? [international(digits.slice(2))] : [];
  if (plus) return [...found, international(digits)];
  if (!isCountry(country)) return [...found, ...withoutPlus(written)];
  const [code, abroad = "00", ...own] = COUNTRIES[country];
  const [, rest] = new RegExp(`^(?:${abroad})([1-9]\\d*)$`).exec(digits) ?? [];
  if (rest) found.push(international(rest));
  const here = national(code, digits, own);
  found.push(here);
  // An area code stands in brackets more often than a country code does.
  if (!written.isBracketed || !isAccepted(here)) found.push(...withoutPlus(written, code));
  return found;
}

/**
 * Returns the readings of a number that has its country code without a plus. Such a number is valid as a whole, and if
 * it has separators, the first stands behind the country code.
 * @param {Written} written
 * @param {string} [here] the code of the country that it is written in, if that is known
 */
function withoutPlus({ digits, first }, here) {
  const number = international(digits);
  const [country] = countriesOf(`+${number}`);
  if (!country || !isAccepted(number)) return [];
  const [code] = COUNTRIES[country];
  if (code !== here && (first ? first !== code : digits.length < SURELY_ABROAD)) return [];
  // Where no country is known, North America's code is the one that is left out most often.
  return here || (first && first.length < 3) ? [number] : [number, `1${digits}`];
}

/**
 * Returns whether the API accepts these digits: they are a valid number, and already as libphonenumber writes it.
 * @param {string} digits
 */
function isAccepted(digits) {
  return digits.length <= MOST_DIGITS && accepts(valid, digits) && withoutPrefix(digits) === digits;
}

/**
 * Returns digits that begin with a calling code as they are written in E.164 form.
 * @param {string} digits
 */
function international(digits) {
  const form = withoutPrefix(digits);
  return isAccepted(form) ? form : (renumbered(digits) ?? form);
}

/**
 * Returns the digits of a national number with its calling code.
 * @param {string} code
 * @param {string} digits
 * @param {[pattern?: string, replacement?: string]} own the country's own national prefixes, if they are not those of
 *   its calling code
 */
function national(code, digits, own) {
  const form = withoutPrefix(code + digits, own);
  return isAccepted(form) ? form : international(code + digits);
}

/**
 * Returns a number's digits without its national prefix, unless it is viable with it and not without: as
 * `numbering_plan.rs` in the domain does.
 * @param {string} digits
 * @param {[pattern?: string, replacement?: string]} own
 */
function withoutPrefix(digits, own = []) {
  const starts = [1, 2, 3].map((length) => digits.slice(0, length));
  const code = starts.find((start) => Object.hasOwn(NATIONAL_PREFIXES, start));
  if (!code) return digits;
  const [lengths, ...usual] = NATIONAL_PREFIXES[code];
  const [pattern, replacement] = own[0] === undefined ? usual : own;
  const taken = withoutStart(digits.slice(code.length), pattern, replacement);
  const form = code + taken;
  const isSpoiled = accepts(viable, digits) && !accepts(viable, form);
  const isAllowed = lengths.includes(taken.length) || taken.length > Math.max(...lengths);
  return isSpoiled || !isAllowed ? digits : form;
}

/**
 * Returns a national number without the prefix that a pattern matches, or with the replacement in its place.
 * @param {string} digits
 * @param {string} [pattern]
 * @param {string} [replacement]
 */
function withoutStart(digits, pattern = "", replacement = "") {
  const start = new RegExp(`^(?:${pattern})`);
  const groups = start.exec(digits)?.slice(1) ?? [];
  return digits.replace(start, groups[groups.length - 1] === undefined ? "" : replacement);
}

/**
 * Returns the current form of a mobile number in an abolished form: Mexico's 1 before ten digits, and Brazil's eight
 * digits after the area code. `other_form.rs` in the domain does the same, and has the sources.
 * @param {string} digits
 */
function renumbered(digits) {
  const [, mexican] = /^521(\d{10})$/.exec(digits) ?? [];
  if (mexican) return `52${mexican}`;
  const [, area, mobile] = /^55(\d\d)([6-9]\d{7})$/.exec(digits) ?? [];
  return mobile ? `55${area}9${mobile}` : undefined;
}

/**
 * Returns the countries that share a number's calling code, the main one first.
 * @param {string} number in E.164 form
 */
export function countriesOf(number) {
  return Object.keys(COUNTRIES).filter((country) => number.startsWith(COUNTRIES[country][0], 1));
}

/**
 * Returns whether a text is the ISO 3166-1 code of a country that has phone numbers.
 * @param {string} country
 */
export function isCountry(country) {
  return Object.hasOwn(COUNTRIES, country);
}
