// The reading of an endpoint's log page by page, newest first.

/** @import { WebhookDelivery } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */

const PAGE = 25;
const LARGEST_PAGE = 100;
/** How many pages are read at a time. After so many empty pages, the person decides whether to continue. */
const PAGES_AT_A_TIME = 10;

/** The deliveries to an endpoint in a status (`""` for any), as far as their pages have been read. */
export class Deliveries {
  #api;
  #id;
  #status;
  /**
   * The cursor of the next page; `null` if there is none, and `undefined` before the first page.
   * @type {string | null | undefined}
   */
  #cursor;

  /**
   * @param {Api} api
   * @param {string} id the endpoint's
   * @param {string} status
   */
  constructor(api, id, status) {
    this.#api = api;
    this.#id = id;
    this.#status = status;
    /**
     * The deliveries read so far.
     * @type {WebhookDelivery[]}
     */
    this.items = [];
  }

  /** Whether there may be more deliveries. */
  get hasMore() {
    return this.#cursor !== null;
  }

  /** Whether no page has been read yet. */
  get isNew() {
    return this.#cursor === undefined;
  }

  /**
   * Reads the next page with deliveries, and returns whether there was one. With a status, a page may be empty without
   * being the last.
   * @param {AbortSignal} signal
   * @param {number} [limit]
   */
  async more(signal, limit = PAGE) {
    for (let count = 0; count < PAGES_AT_A_TIME && this.hasMore; count += 1) {
      const { items, next_cursor: next } = await this.#page(limit, this.#cursor, signal);
      this.#cursor = next;
      const known = idsOf(this.items);
      this.items = [...this.items, ...items.filter(({ event_id: id }) => !known.has(id))];
      if (items.length > 0) return true;
    }
    return false;
  }

  /**
   * Reads the log again from the top: the newest hundred, or as many as are known.
   * @param {AbortSignal} signal
   */
  async refresh(signal) {
    const limit = Math.min(Math.max(this.items.length, PAGE), LARGEST_PAGE);
    const wanted = Math.min(this.items.length, limit);
    /** @type {WebhookDelivery[]} */
    const head = [];
    /** @type {string | null | undefined} */
    let cursor;
    for (
      let count = 0;
      count < PAGES_AT_A_TIME && cursor !== null && (count === 0 || head.length < wanted);
      count += 1
    ) {
      const page = await this.#page(limit, cursor, signal);
      head.push(...page.items);
      cursor = page.next_cursor;
    }
    const end = this.items.findIndex(({ event_id: id }) => id === head.at(-1)?.event_id);
    if (cursor === null || end < 0) {
      this.#cursor = cursor;
      this.items = head;
    } else {
      const read = idsOf(head);
      this.items = [...head, ...this.items.slice(end + 1).filter(({ event_id: id }) => !read.has(id))];
    }
  }

  /**
   * Reads on until the oldest delivery, and returns it. Of a very long log it is the oldest of the newest thousand.
   * @param {AbortSignal} signal
   */
  async oldest(signal) {
    for (let count = 0; count < PAGES_AT_A_TIME && this.hasMore; count += 1) await this.more(signal, LARGEST_PAGE);
    return this.items.at(-1);
  }

  /**
   * @param {number} limit
   * @param {string | null | undefined} cursor
   * @param {AbortSignal} signal
   */
  #page(limit, cursor, signal) {
    const parameters = { id: this.#id, status: this.#status || undefined, limit, cursor: cursor ?? undefined };
    return this.#api.deliveries(parameters, signal);
  }
}

/** @param {WebhookDelivery[]} items */
function idsOf(items) {
  return new Set(items.map(({ event_id: id }) => id));
}

/**
 * Returns the id of the payment request that an event is about, or `null` if it is about none.
 * @param {WebhookDelivery} delivery
 */
export function requestOf({ event_id: id }) {
  return /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})#\d+$/.exec(id)?.[1] ?? null;
}

/**
 * Returns a time in milliseconds before which the event cannot have happened, or `null` if nothing is known. An event
 * is later than its request, whose id (UUIDv7) begins with the time of its creation. The first attempt says less: an
 * event waits for the earlier ones of its request.
 * @param {WebhookDelivery} delivery
 */
export function earliestTime(delivery) {
  const request = requestOf(delivery);
  if (request?.[14] === "7") return Number.parseInt(request.slice(0, 13).replace("-", ""), 16);
  return delivery.attempts.length > 0 ? Date.parse(delivery.attempts[0].at) - 86_400_000 : null;
}
