// What changed while no live update could arrive.

/** @import { PaymentRequest, PaymentRequestList } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */

const PAGE_SIZE = 100;
const PAGES_AT_MOST = 5;
/**
 * The list is in the order of creation. A request usually ends within this time, in milliseconds; one that was created
 * earlier is not looked for.
 */
const LIFE = 60 * 60_000;

/**
 * Returns the person's requests that have changed since a moment, in the order of their changes.
 * @param {Api} api
 * @param {number} since in milliseconds by the API's clock
 * @param {AbortSignal} signal
 */
export async function missedSince(api, since, signal) {
  /** @type {PaymentRequest[]} */
  const missed = [];
  /** @type {string | null} */
  let cursor = null;
  let pages = 0;
  do {
    /** @type {PaymentRequestList} */
    const page = await api.list({ limit: PAGE_SIZE, cursor: cursor ?? undefined }, signal);
    missed.push(...page.items.filter(({ updated_at }) => Date.parse(updated_at) >= since));
    const oldest = page.items.at(-1);
    cursor = oldest && Date.parse(oldest.created_at) >= since - LIFE ? page.next_cursor : null;
    pages += 1;
  } while (cursor && pages < PAGES_AT_MOST);
  return missed.sort((one, other) => Date.parse(one.updated_at) - Date.parse(other.updated_at));
}
