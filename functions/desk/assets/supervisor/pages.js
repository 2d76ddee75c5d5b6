// A list that the API gives page by page, newest first.

/** @import { PaymentRequest } from "../../types/api.d.ts" */
/** @import { Api } from "../shared/api.js" */

import { isUnderWay } from "../shared/statuses.js";

const PAGE = 25;
const LARGEST_PAGE = 100;
/** How many pages are asked for at a time before somebody is asked whether to go on. */
const PAGES_AT_A_TIME = 10;

/** The requests that a question is answered with, as far as they were asked for. */
export class Pages {
  #api;
  #parameters;
  /**
   * Where the next page begins; `null` if there is none, and nothing before the first.
   * @type {string | null | undefined}
   */
  #cursor;

  /**
   * @param {Api} api
   * @param {Record<string, string>} parameters those of the list's route
   */
  constructor(api, parameters) {
    this.#api = api;
    this.#parameters = parameters;
    /**
     * What is known so far.
     * @type {PaymentRequest[]}
     */
    this.items = [];
  }

  /** Whether there may be more. */
  get hasMore() {
    return this.#cursor !== null;
  }

  /** Whether nothing was asked for yet. */
  get isNew() {
    return this.#cursor === undefined;
  }

  /**
   * Gets some more and answers whether there were any. A page may be empty without being the last; after many of them
   * it is up to a person to go on.
   * @param {AbortSignal} signal
   */
  async more(signal) {
    for (let asked = 0; asked < PAGES_AT_A_TIME && this.hasMore; asked += 1) {
      const { items, next_cursor: next } = await this.#page(PAGE, this.#cursor, signal);
      this.#cursor = next;
      const known = new Set(this.items.map(({ id }) => id));
      this.items = [...this.items, ...items.filter(({ id }) => !known.has(id))];
      if (items.length > 0) return true;
    }
    return false;
  }

  /**
   * Looks again from the top as far down as something can have changed: to the oldest one under way, and to what is
   * known.
   * @param {AbortSignal} signal
   */
  async refresh(signal) {
    const target = (this.items.findLast(isUnderWay) ?? this.items[0])?.created_at;
    /** @type {PaymentRequest[]} */
    const head = [];
    /** @type {string | null | undefined} */
    let cursor;
    for (let asked = 0; asked < PAGES_AT_A_TIME; asked += 1) {
      const page = await this.#page(this.items.length > PAGE ? LARGEST_PAGE : PAGE, cursor, signal);
      head.push(...page.items);
      cursor = page.next_cursor;
      const end = head.at(-1)?.created_at;
      if (cursor === null || (end !== undefined && (target === undefined || end <= target))) break;
    }
    const end = head.at(-1)?.created_at;
    if (cursor === null || target === undefined) {
      this.items = head;
      this.#cursor = cursor;
    } else if (end !== undefined) {
      const isGap = this.items[0].created_at < end;
      if (isGap) this.#cursor = cursor;
      const shown = new Set(head.map(({ id }) => id));
      const rest = isGap ? [] : this.items.filter((item) => item.created_at <= end && !shown.has(item.id));
      this.items = [...head, ...rest];
    }
  }

  /**
   * Gets everything, in pages as large as they can be.
   * @param {AbortSignal} signal
   * @param {(count: number) => void} progress is told after each page how many there are so far
   */
  async all(signal, progress) {
    /** @type {PaymentRequest[]} */
    const items = [];
    /** @type {string | null | undefined} */
    let cursor;
    do {
      const page = await this.#page(LARGEST_PAGE, cursor, signal);
      items.push(...page.items);
      cursor = page.next_cursor;
      progress(items.length);
    } while (cursor !== null);
    return items;
  }

  /**
   * @param {number} limit
   * @param {string | null | undefined} cursor
   * @param {AbortSignal} signal
   */
  #page(limit, cursor, signal) {
    return this.#api.list({ ...this.#parameters, limit, cursor }, signal);
  }
}
