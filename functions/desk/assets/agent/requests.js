// The payment requests of one conversation. Changes arrive as live updates. Without those, the requests are polled.

/** @import { HistoryEntry, PaymentRequest, PaymentRequestList } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Live } from "../shared/live.js" */

import { UnreachableError } from "../client/index.js";
import { isPassing, now } from "../shared/api.js";
import { Poller } from "../shared/poller.js";
import { expiryReason, factsOf, isOpen, isSame, isStale, isUnclicked, repeatedBy } from "../shared/statuses.js";

/**
 * Without live updates: how often to read the conversation's requests while one of them can change, in milliseconds.
 * The pause grows up to `RARELY` while none does.
 */
const EVERY = 5_000;
const RARELY = 60_000;
/** How long after it expired unpaid a request is read, in milliseconds: late money can still arrive. */
const LATE_MONEY = 10 * 60_000;
const PAGE_SIZE = 100;
const PAGES_AT_MOST = 5;

/** The BroadcastChannel that informs other tabs of the same site about a new request in a conversation. */
const CHANNEL = "chat2pay.desk";

/**
 * Returns the history entries of failed attempts to pay. Such an entry leaves the status unchanged.
 * @param {PaymentRequest} request
 */
export function failedAttempts({ history }) {
  return history.filter((_, index) => repeatedBy(history, index) === "attempt");
}

/**
 * Returns the history entry of a failed delivery, or `null`. Such an entry is always the second one.
 * @param {PaymentRequest} request
 * @returns {HistoryEntry | null}
 */
function undelivered({ history }) {
  return history.length > 1 && repeatedBy(history, 1) === "undelivered" ? history[1] : null;
}

/**
 * Returns the entry of the failed delivery while the customer can still get the link; otherwise `null`.
 * @param {PaymentRequest} request
 */
export function failedDelivery(request) {
  return isUnclicked(request) ? undelivered(request) : null;
}

/**
 * Returns the entry of the failed delivery if the link expired without a click, which it explains; otherwise `null`.
 * @param {PaymentRequest} request
 */
export function missedDelivery(request) {
  return expiryReason(request) === "not_clicked" ? undelivered(request) : null;
}

/**
 * Returns whether a request can still change.
 * @param {PaymentRequest} request
 */
function mayChange(request) {
  if (isOpen(request)) return true;
  const isUnwritten = request.status !== request.history[request.history.length - 1].status;
  // The provider may need seconds or days, for a payment and for a refund.
  if (isUnwritten || factsOf(request.status).awaits === "provider") return true;
  return expiryReason(request) === "not_paid" && now() - Date.parse(request.updated_at) < LATE_MONEY;
}

/**
 * Returns the time until a request's deadline in milliseconds. The request is read right after it, so that the card
 * shows 0:00 only briefly.
 * @param {PaymentRequest} request
 */
function untilDeadline(request) {
  const left = request.link && isOpen(request) ? Date.parse(request.link.expires_at) - now() : 0;
  return left > 0 ? left + 50 : Number.POSITIVE_INFINITY;
}

/**
 * The requests of one conversation. It dispatches `change` for each request that is new or has changed (`detail`:
 * `request`, `before`, `isNews`), `loaded` when the list has been read (`detail`: `complete`), and `trouble` when
 * polling fails or works again (`detail`: the error or `null`).
 */
export class Requests extends EventTarget {
  #api;
  #conversation;
  #live;
  /** @type {Map<string, PaymentRequest>} */
  #known = new Map();
  #list;
  #ended = new AbortController();
  #pause = EVERY;
  #channel = new BroadcastChannel(CHANNEL);
  /** @type {Error | null} */
  #trouble = null;

  /**
   * @param {Api} api
   * @param {string} conversation
   * @param {Live} live
   */
  constructor(api, conversation, live) {
    super();
    this.#api = api;
    this.#conversation = conversation;
    this.#live = live;
    this.#list = new Poller((signal) => this.#pollList(signal), EVERY, live);
    live.addEventListener(
      "change",
      (event) => {
        /** @type {PaymentRequest} */
        const request = /** @type {CustomEvent} */ (event).detail;
        if (request.conversation_id === this.#conversation) this.update(request, true);
      },
      { signal: this.#ended.signal },
    );
    const atFirst = () => {
      this.#pause = EVERY;
    };
    live.addEventListener("down", atFirst, { signal: this.#ended.signal });
    this.#channel.addEventListener("message", ({ data }) => {
      if (data === this.#conversation) this.refresh();
    });
  }

  start() {
    this.#list.start();
  }

  /** Stops polling for good, and aborts the calls in flight. */
  stop() {
    this.#channel.close();
    this.#ended.abort();
    this.#list.stop();
  }

  /** Reads the whole list now, with requests that other tabs or agents have created. */
  refresh() {
    this.#list.now();
  }

  /**
   * Reads one request now.
   * @param {string} id
   */
  async refreshOne(id) {
    const { signal } = this.#ended;
    try {
      this.update(await this.#watch(signal, this.#api.get(id, signal)));
    } catch {
      // The next poll shows what this call did not.
      if (!signal.aborted) this.refresh();
    }
  }

  /**
   * Adds a request that was just created here, and informs other tabs.
   * @param {PaymentRequest} request
   */
  add(request) {
    this.update(request);
    this.#channel.postMessage(this.#conversation);
  }

  /**
   * Stores a received state of a request, unless it is stale, and dispatches `change` if it differs.
   * @param {PaymentRequest} request
   * @param {boolean} isNews whether it has just happened; a change of a request that is known always has
   */
  update(request, isNews = false) {
    const before = this.#known.get(request.id);
    if (before && isStale(before, request)) return;
    this.#known.set(request.id, request);
    if (isSame(before, request)) return;
    this.#pause = EVERY;
    // It may be the first one that can change.
    if (!this.#live.isOpen) this.#list.soon(EVERY);
    const detail = { request, before, isNews: isNews || before !== undefined };
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }

  /** @param {AbortSignal} signal */
  async #pollList(signal) {
    /** @type {PaymentRequest[]} */
    const found = [];
    /** @type {string | null} */
    let cursor = null;
    let pages = 0;
    do {
      /** @type {PaymentRequestList} */
      const page = await this.#watch(signal, this.#page(cursor, signal));
      found.push(...page.items);
      cursor = page.next_cursor;
      pages += 1;
    } while (cursor && pages < PAGES_AT_MOST);
    for (const request of found.reverse()) this.update(request);
    this.dispatchEvent(new CustomEvent("loaded", { detail: { complete: !cursor } }));
    const known = [...this.#known.values()].filter(mayChange);
    if (known.length === 0) return null;
    const pause = Math.min(this.#pause, ...known.map(untilDeadline));
    this.#pause = Math.min(this.#pause * 1.5, RARELY);
    return pause;
  }

  /**
   * @param {string | null} cursor
   * @param {AbortSignal} signal
   */
  #page(cursor, signal) {
    return this.#api.list(
      { conversation_id: this.#conversation, limit: PAGE_SIZE, cursor: cursor ?? undefined },
      signal,
      // The poller repeats it, and whoever looks at the page learns at once that there is no connection.
      1,
    );
  }

  /**
   * Waits for a call, and dispatches `trouble` if the call fails or works again.
   * @template Answer
   * @param {AbortSignal} signal
   * @param {Promise<Answer>} call
   */
  async #watch(signal, call) {
    try {
      const answer = await call;
      this.#setTrouble(null);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      this.#setTrouble(isPassing(error) ? new UnreachableError(error) : /** @type {Error} */ (error));
      throw error;
    }
  }

  /**
   * Stores the current error and dispatches `trouble` if it changed. When the error is gone, the list is read at once:
   * the failures had lengthened its pause.
   * @param {Error | null} error
   */
  #setTrouble(error) {
    if (error?.message === this.#trouble?.message) return;
    this.#trouble = error;
    if (!error) this.#list.now();
    this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
  }
}
