// What people type and paste as numbers, in plain characters.

/** The zeros of the scripts whose digits keyboards type: each is followed by the other nine. */
const ZEROS = "0٠۰߀०০੦૦୦௦౦೦൦๐໐༠၀០᠐０";

/**
 * Returns a text with ASCII digits and plain spaces, without the characters that cannot be seen, such as marks of
 * direction, and without spaces around it. Nothing else changes: a superscript is no digit.
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
