// The types of the modules that functions/desk/build.rs generates, which the type checker cannot see.

declare module "*/currencies.js" {
  /** A currency's decimals and, if it has an unambiguous one, the symbol before its amounts. */
  type Writing = [decimals: number, symbol?: string];
  /** The currencies that a new request can have, by their codes. */
  export const CURRENCIES: Record<string, Writing>;
  /** The currencies that only older requests have, by their codes. */
  export const FORMER: Record<string, Writing>;
}

declare module "*.css.js" {
  /** A style sheet's text. */
  const text: string;
  export default text;
}
