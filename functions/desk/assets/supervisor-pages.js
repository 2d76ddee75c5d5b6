// A list that the API gives page by page, newest first.

const PAGE = 25;
const LARGEST_PAGE = 100;
/** How many pages are asked for at a time before somebody is asked whether to go on. */
const PAGES_AT_A_TIME = 10;

/** Whether a request's status is still to change by itself. */
export function isOpen(request) {
  return ["sent", "clicked", "processing"].includes(request.status);
}

/** The requests that a question is answered with, as far as they were asked for. */
export class Pages {
  #api;
  #parameters;
  #cursor;

  /** `parameters` are the list route's. */
  constructor(api, parameters) {
    this.#api = api;
    this.#parameters = parameters;
    /** What is known so far. */
    this.items = [];
  }

  /** Whether there may be more. */
  get hasMore() {
    return this.#cursor !== null;
  }

  /** Whether anything was asked for yet. */
  get isNew() {
    return this.#cursor === undefined;
  }

  /**
   * Gets some more and answers whether there were any. A page may be empty without being the last; after many of them it
   * is up to a person to go on.
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

  /** Looks again from the top as far down as something can have changed: to the oldest open one, and to what is known. */
  async refresh(signal) {
    const target = (this.items.findLast(isOpen) ?? this.items[0])?.created_at;
    const head = [];
    let cursor;
    for (let asked = 0; asked < PAGES_AT_A_TIME; asked += 1) {
      const page = await this.#page(this.items.length > PAGE ? LARGEST_PAGE : PAGE, cursor, signal);
      head.push(...page.items);
      cursor = page.next_cursor;
      if (cursor === null || (head.length > 0 && (target === undefined || head.at(-1).created_at <= target))) break;
    }
    if (cursor === null || target === undefined) {
      this.items = head;
      this.#cursor = cursor;
    } else if (head.length > 0) {
      const end = head.at(-1).created_at;
      const isGap = this.items[0].created_at < end;
      if (isGap) this.#cursor = cursor;
      const shown = new Set(head.map(({ id }) => id));
      const rest = isGap ? [] : this.items.filter((item) => item.created_at <= end && !shown.has(item.id));
      this.items = [...head, ...rest];
    }
  }

  /** Everything, in pages as large as they can be; `progress(count)` after each. */
  async all(signal, progress) {
    const items = [];
    for (let cursor; cursor !== null;) {
      const page = await this.#page(LARGEST_PAGE, cursor, signal);
      items.push(...page.items);
      cursor = page.next_cursor;
      progress(items.length);
    }
    return items;
  }

  #page(limit, cursor, signal) {
    return this.#api.list({ ...this.#parameters, limit, cursor }, signal);
  }
}
