// The API's time: deadlines are its, and an agent's own clock may be minutes off.

let offset = 0;

/**
 * Takes the time from an answer's `Date` header, to the second. `asked` and now are the moments around the call.
 * @param {Response} response
 * @param {number} asked
 */
export function setClock(response, asked) {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(date)) return;
  const answered = Date.now();
  // The header was written some time between the two, and cut to the whole second.
  const measured = date + 500 - (asked + answered) / 2;
  // A second of difference is what the header cannot tell.
  offset = Math.abs(measured) > 1500 ? measured : 0;
}

/** Returns the moment by the API's clock, in milliseconds. */
export function now() {
  return Date.now() + offset;
}

/**
 * Formats the time that is left as a clock shows it: `4:59`, `1:02:03`; `0:00` when it is over.
 * @param {number} milliseconds
 */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}
