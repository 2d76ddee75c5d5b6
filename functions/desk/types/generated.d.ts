// What the build makes and the type checker cannot see: functions/desk/build.rs writes these modules.

declare module "*/currencies.js" {
  /** A currency's decimals and, where one is unmistakable, the symbol before its amounts. */
  type Writing = [decimals: number, symbol?: string];
  /** The currencies that a new request can be made in, by their codes. */
  export const CURRENCIES: Record<string, Writing>;
  /** Those that only older requests are in. */
  export const FORMER: Record<string, Writing>;
}

declare module "*.css.js" {
  /** A style sheet's text. */
  const text: string;
  export default text;
}
