// Conversion of typed and pasted texts to plain characters.

/** The zeros of the scripts whose digits keyboards type. In Unicode, the other nine digits follow each zero. */
const ZEROS = "0٠۰߀०০੦૦୦௦౦೦൦๐໐༠၀០᠐０";

/**
 * Returns a text with ASCII digits and plain spaces, trimmed, and without invisible characters such as marks of
 * direction. Nothing else changes: a superscript is no digit.
 * @param {string} text
 */
export function plain(text) {
  const visible = text.replace(/\s/gu, " ").replace(/[\p{C}\p{Default_Ignorable_Code_Point}]/gu, "");
  return visible.trim().replace(/\p{Nd}/gu, asciiDigit);
}

/** @param {string} digit */
function asciiDigit(digit) {
  for (const zero of ZEROS) {
    const value = digit.charCodeAt(0) - zero.charCodeAt(0);
    if (value >= 0 && value < 10) return String(value);
  }
  return digit;
}
