// The payment requests of one conversation. Each is polled for as long as it can change.

/** @import { HistoryEntry, PaymentRequest, PaymentRequestList } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */

import { UnreachableError } from "../client/index.js";
import { isPassing, now } from "../shared/api.js";
import { Poller } from "../shared/poller.js";
import { expiryReason, factsOf, isOpen, isUnclicked, repeatedBy } from "../shared/statuses.js";

/** How often to poll a request that waits for its customer, in milliseconds. */
const EVERY = 1500;
/**
 * How long to poll a request after it expired unpaid, in milliseconds: late money can still arrive. The pauses grow up
 * to `RARELY`.
 */
const LATE_MONEY = 10 * 60_000;
const RARELY = 60_000;
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
 * Returns the pause before the next poll of a request in milliseconds, or `null` if the request cannot change any more.
 * @param {PaymentRequest} request
 */
function pollDelay(request) {
  if (request.link && isOpen(request)) {
    const left = Date.parse(request.link.expires_at) - now();
    // Polls right after the deadline, so that the card shows 0:00 only briefly.
    return left > 0 ? Math.min(EVERY, left + 50) : EVERY;
  }
  const last = request.history[request.history.length - 1];
  const unwritten = request.status !== last.status;
  if (unwritten) return EVERY;
  const age = now() - Date.parse(request.updated_at);
  const rarely = Math.min(Math.max(EVERY, age / 8), RARELY);
  // The provider may need seconds or days, for a payment and for a refund.
  if (factsOf(request.status).awaits === "provider") return rarely;
  const mayChange = expiryReason(request) === "not_paid";
  if (!mayChange || age > LATE_MONEY) return null;
  return rarely;
}

/**
 * Returns whether a received request is older than the known one: answers may arrive out of order.
 * @param {PaymentRequest} known
 * @param {PaymentRequest} received
 */
function isStale(known, received) {
  if (received.version !== known.version) return received.version < known.version;
  // When a deadline passes, the status changes before the version does.
  return isOpen(received) && !isOpen(known);
}

/**
 * The requests of one conversation. It dispatches `change` for each request that is new or has changed (`detail`:
 * `request`, `before`), `loaded` when the list has been read (`detail`: `complete`), and `trouble` when polling fails
 * or works again (`detail`: the error or `null`).
 */
export class Requests extends EventTarget {
  #api;
  #conversation;
  /** @type {Map<string, PaymentRequest>} */
  #known = new Map();
  #list = new Poller((signal) => this.#pollList(signal), EVERY);
  /** @type {Map<string, Poller>} */
  #pollers = new Map();
  #channel = new BroadcastChannel(CHANNEL);
  /** @type {Error | null} */
  #trouble = null;

  /**
   * @param {Api} api
   * @param {string} conversation
   */
  constructor(api, conversation) {
    super();
    this.#api = api;
    this.#conversation = conversation;
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
    this.#list.stop();
    for (const poller of this.#pollers.values()) poller.stop();
  }

  /** Reads the whole list now, with requests that other tabs or agents have created. */
  refresh() {
    this.#list.now();
  }

  /**
   * Polls one request now.
   * @param {string} id
   */
  refreshOne(id) {
    this.#pollers.get(id)?.now();
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
   */
  update(request) {
    const before = this.#known.get(request.id);
    if (before && isStale(before, request)) return;
    this.#known.set(request.id, request);
    this.#schedule(request);
    if (before?.version === request.version && before.status === request.status) return;
    this.dispatchEvent(new CustomEvent("change", { detail: { request, before } }));
  }

  /**
   * Starts polling a request if it can change, and stops if it cannot.
   * @param {PaymentRequest} request
   */
  #schedule(request) {
    const { id } = request;
    const poller = this.#pollers.get(id);
    if (pollDelay(request) === null) {
      poller?.stop();
      this.#pollers.delete(id);
    } else if (!poller) {
      const added = new Poller((signal) => this.#pollOne(id, signal), EVERY);
      this.#pollers.set(id, added);
      added.start();
    }
  }

  /**
   * @param {string} id
   * @param {AbortSignal} signal
   */
  async #pollOne(id, signal) {
    const received = await this.#watch(signal, this.#api.get(id, signal));
    this.update(received);
    return pollDelay(this.#known.get(id) ?? received);
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
    // From now on each request has its own poller. The list is read again when the page becomes visible again.
    return null;
  }

  /**
   * @param {string | null} cursor
   * @param {AbortSignal} signal
   */
  #page(cursor, signal) {
    return this.#api.list(
      { conversation_id: this.#conversation, limit: PAGE_SIZE, cursor: cursor ?? undefined },
      signal,
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
   * Stores the current error and dispatches `trouble` if it changed. When the error is gone, every poller polls at
   * once: the failures had lengthened their pauses.
   * @param {Error | null} error
   */
  #setTrouble(error) {
    if (error?.message === this.#trouble?.message) return;
    this.#trouble = error;
    if (!error) for (const poller of [this.#list, ...this.#pollers.values()]) poller.now();
    this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
  }
}
