// The types of the modules that functions/desk/build.rs generates, which the type checker cannot see.

declare module "*/currencies.js" {
  /** A currency's decimals and, if it has an unambiguous one, the symbol before its amounts. */
  type Writing = [decimals: number, symbol?: string];
  /** The currencies that a new request can have, by their codes. */
  export const CURRENCIES: Record<string, Writing>;
  /** The currencies that only older requests have, by their codes. */
  export const FORMER: Record<string, Writing>;
}

declare module "*/phones.js" {
  /** The digits of the world's valid phone numbers, as an automaton in text; `phone.js` reads it. */
  export const VALID: string;
  /** Likewise the digits that have the general form of a number, valid or not. */
  export const VIABLE: string;
  /** By calling code: the lengths of national numbers, the pattern of national prefixes, what takes their place. */
  export const NATIONAL_PREFIXES: Record<string, [lengths: number[], pattern: string, replacement?: string]>;
  /**
   * By country, main ones of a calling code first: the calling code and, where they are not the usual ones, the pattern
   * of international prefixes, and the country's own national prefixes with what takes their place.
   */
  export const COUNTRIES: Record<
    string,
    [code: string, international?: string, pattern?: string, replacement?: string]
  >;
}

declare module "*.css.js" {
  /** A style sheet's text. */
  const text: string;
  export default text;
}
