// The reading of the API's list page by page, newest first.

/** @import { PaymentRequest } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */

import { Latest } from "../shared/live.js";
import { isStale, isUnderWay } from "../shared/statuses.js";

const PAGE = 25;
const LARGEST_PAGE = 100;
/** How many pages are read at a time. After so many empty pages, the person decides whether to continue. */
const PAGES_AT_A_TIME = 10;

/** The requests that match a query, as far as their pages have been read. */
export class Pages {
  #api;
  #parameters;
  /**
   * The cursor of the next page; `null` if there is none, and `undefined` before the first page.
   * @type {string | null | undefined}
   */
  #cursor;
  /**
   * The changes that arrived by themselves. A page that was being read meanwhile may not have them yet.
   */
  #heard = new Latest();

  /**
   * @param {Api} api
   * @param {Record<string, string>} parameters the query parameters of the list
   */
  constructor(api, parameters) {
    this.#api = api;
    this.#parameters = parameters;
    /**
     * The requests read so far.
     * @type {PaymentRequest[]}
     */
    this.items = [];
  }

  /** Whether there may be more requests. */
  get hasMore() {
    return this.#cursor !== null;
  }

  /** Whether no page has been read yet. */
  get isNew() {
    return this.#cursor === undefined;
  }

  /**
   * Takes a change that arrived by itself, and returns whether it is about a request that has been read.
   * @param {PaymentRequest} request
   */
  hear(request) {
    const newest = this.#newest(request);
    this.#heard.keep(newest);
    const place = this.items.findIndex(({ id }) => id === request.id);
    if (place < 0) return false;
    if (!isStale(this.items[place], newest)) this.items[place] = newest;
    return true;
  }

  /**
   * Returns the newest known state of a request.
   * @param {PaymentRequest} request
   */
  #newest(request) {
    const heard = this.#heard.get(request.id);
    return heard && isStale(heard, request) ? heard : request;
  }

  /**
   * Reads the next page with requests, and returns whether there was one. A page may be empty without being the last.
   * After `PAGES_AT_A_TIME` empty pages it gives up.
   * @param {AbortSignal} signal
   */
  async more(signal) {
    for (let count = 0; count < PAGES_AT_A_TIME && this.hasMore; count += 1) {
      const { items, next_cursor: next } = await this.#page(PAGE, this.#cursor, signal);
      this.#cursor = next;
      const known = new Set(this.items.map(({ id }) => id));
      this.items = [...this.items, ...items.filter(({ id }) => !known.has(id))];
      if (items.length > 0) return true;
    }
    return false;
  }

  /**
   * Reads the list again from the top, down to the oldest request that can still change, or to the newest known request
   * if none can.
   * @param {AbortSignal} signal
   */
  async refresh(signal) {
    const target = (this.items.findLast(isUnderWay) ?? this.items[0])?.created_at;
    /** @type {PaymentRequest[]} */
    const head = [];
    /** @type {string | null | undefined} */
    let cursor;
    for (let count = 0; count < PAGES_AT_A_TIME; count += 1) {
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
   * Reads all requests that match, in pages of the largest size.
   * @param {AbortSignal} signal
   * @param {(count: number) => void} progress is called after each page with the number of requests so far
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
  async #page(limit, cursor, signal) {
    const page = await this.#api.list({ ...this.#parameters, limit, cursor: cursor ?? undefined }, signal);
    return { ...page, items: page.items.map((item) => this.#newest(item)) };
  }
}
