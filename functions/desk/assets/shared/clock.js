// The API's clock. The API checks deadlines by its own clock, and an agent's clock may be minutes off.

/** The difference between the API's clock and this machine's, in milliseconds. */
let offset = 0;

/**
 * Sets the clock from the `Date` header of a response, which is exact to the second.
 * @param {Response} response
 * @param {number} sentAt when the call began, by this machine's clock
 */
export function setClock(response, sentAt) {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(date)) return;
  const receivedAt = Date.now();
  // The API wrote the header between the two moments, and truncated it to the whole second.
  const measured = date + 500 - (sentAt + receivedAt) / 2;
  // The header cannot show a difference of about a second, so a smaller one counts as none.
  offset = Math.abs(measured) > 1500 ? measured : 0;
}

/** Returns the current time by the API's clock, in milliseconds. */
export function now() {
  return Date.now() + offset;
}

/**
 * Formats the remaining time as a clock shows it: `4:59`, `1:02:03`; `0:00` when it is over.
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
