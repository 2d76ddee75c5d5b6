// The payment requests of one conversation, looked at for as long as something about them can change.

/** @import { HistoryEntry, Page, PaymentRequest } from "../../types/api.d.ts" */
/** @import { Api } from "../shared/api.js" */

import { Problem, Unreachable } from "../shared/api.js";
import { now } from "../shared/clock.js";
import { Poller } from "../shared/poller.js";
import { expiryReason, factsOf, isOpen, isUnclicked, repeatedBy } from "../shared/statuses.js";

/** How often a request is looked at that waits for its customer. */
const EVERY = 1500;
/** Late money can still arrive for a request that expired unpaid: it is looked at for so long, ever more rarely. */
const LATE_MONEY = 10 * 60_000;
const RARELY = 60_000;
const PAGE_SIZE = 100;
const PAGES_AT_MOST = 5;

/** Tells other tabs of the same site that a conversation has one more request. */
const CHANNEL = "chat2pay.desk";

/**
 * Returns the history's entries of failed attempts to pay, which leave the status as it was.
 * @param {PaymentRequest} request
 */
export function failedAttempts({ history }) {
  return history.filter((_, index) => repeatedBy(history, index) === "attempt");
}

/**
 * Returns the history's entry that says that the link did not reach the customer; it follows the first one at once.
 * @param {PaymentRequest} request
 * @returns {HistoryEntry | null}
 */
function undelivered({ history }) {
  return history.length > 1 && repeatedBy(history, 1) === "undelivered" ? history[1] : null;
}

/**
 * Returns that entry while the customer could still be reached.
 * @param {PaymentRequest} request
 */
export function failedDelivery(request) {
  return isUnclicked(request) ? undelivered(request) : null;
}

/**
 * Returns that entry once the link has ended without a click: then it says why.
 * @param {PaymentRequest} request
 */
export function missedDelivery(request) {
  return expiryReason(request) === "not_clicked" ? undelivered(request) : null;
}

/**
 * Returns after how long to look at a request again, in milliseconds; `null` if nothing about it can change any more.
 * @param {PaymentRequest} request
 */
function nextLook(request) {
  if (request.link && isOpen(request)) {
    const left = Date.parse(request.link.expires_at) - now();
    // At the deadline at once, so that nobody looks at 0:00 for long.
    return left > 0 ? Math.min(EVERY, left + 50) : EVERY;
  }
  const last = request.history[request.history.length - 1];
  const unwritten = request.status !== last.status;
  if (unwritten) return EVERY;
  const age = now() - Date.parse(request.updated_at);
  const rarely = Math.min(Math.max(EVERY, age / 8), RARELY);
  // The provider may take seconds or days, to bring money and to send it back.
  if (factsOf(request.status).awaits === "provider") return rarely;
  const mayChange = expiryReason(request) === "not_paid";
  if (!mayChange || age > LATE_MONEY) return null;
  return rarely;
}

/**
 * Returns whether what was just heard is older than what is known: answers may overtake each other.
 * @param {PaymentRequest} known
 * @param {PaymentRequest} heard
 */
function isStale(known, heard) {
  if (heard.version !== known.version) return heard.version < known.version;
  // A deadline passes without a new version.
  return isOpen(heard) && !isOpen(known);
}

/**
 * Says `change` for every request that is new or has changed (`detail`: `request`, `before`), `loaded` when the list is
 * there (`detail`: `complete`), and `trouble` when looking fails or works again (`detail`: the error or `null`).
 */
export class Requests extends EventTarget {
  #api;
  #conversation;
  /** @type {Map<string, PaymentRequest>} */
  #known = new Map();
  #list = new Poller((signal) => this.#lookAtAll(signal), EVERY);
  /** @type {Map<string, Poller>} */
  #lookers = new Map();
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
      if (data === this.#conversation) this.lookAgain();
    });
  }

  start() {
    this.#list.start();
  }

  /** Ends for good, and gives up what is under way. */
  stop() {
    this.#channel.close();
    this.#list.stop();
    for (const looker of this.#lookers.values()) looker.stop();
  }

  /** Looks for requests that came from elsewhere, and at those that are known. */
  lookAgain() {
    this.#list.now();
  }

  /**
   * Looks at one request now.
   * @param {string} id
   */
  lookAt(id) {
    this.#lookers.get(id)?.now();
  }

  /**
   * Takes a request that was just made.
   * @param {PaymentRequest} request
   */
  add(request) {
    this.take(request);
    this.#channel.postMessage(this.#conversation);
  }

  /**
   * Takes what was heard about a request.
   * @param {PaymentRequest} request
   */
  take(request) {
    const before = this.#known.get(request.id);
    if (before && isStale(before, request)) return;
    this.#known.set(request.id, request);
    this.#keepLooking(request);
    if (before?.version === request.version && before.status === request.status) return;
    this.dispatchEvent(new CustomEvent("change", { detail: { request, before } }));
  }

  /**
   * Looks at a request from now on, or no more.
   * @param {PaymentRequest} request
   */
  #keepLooking(request) {
    const { id } = request;
    const looker = this.#lookers.get(id);
    if (nextLook(request) === null) {
      looker?.stop();
      this.#lookers.delete(id);
    } else if (!looker) {
      const another = new Poller((signal) => this.#lookAtOne(id, signal), EVERY);
      this.#lookers.set(id, another);
      another.start();
    }
  }

  /**
   * @param {string} id
   * @param {AbortSignal} signal
   */
  async #lookAtOne(id, signal) {
    const heard = await this.#heard(signal, this.#api.get(id, signal));
    this.take(heard);
    return nextLook(this.#known.get(id) ?? heard);
  }

  /** @param {AbortSignal} signal */
  async #lookAtAll(signal) {
    /** @type {PaymentRequest[]} */
    const found = [];
    /** @type {string | null} */
    let cursor = null;
    let pages = 0;
    do {
      /** @type {Page} */
      const page = await this.#heard(signal, this.#page(cursor, signal));
      found.push(...page.items);
      cursor = page.next_cursor;
      pages += 1;
    } while (cursor && pages < PAGES_AT_MOST);
    for (const request of found.reverse()) this.take(request);
    this.dispatchEvent(new CustomEvent("loaded", { detail: { complete: !cursor } }));
    // From here on each request is looked at by itself; the list once more when somebody comes back to the page.
    return null;
  }

  /**
   * @param {string | null} cursor
   * @param {AbortSignal} signal
   */
  #page(cursor, signal) {
    return this.#api.list({ conversation_id: this.#conversation, limit: PAGE_SIZE, cursor }, signal);
  }

  /**
   * Waits for what a call answers; how it went is told.
   * @template Answer
   * @param {AbortSignal} signal
   * @param {Promise<Answer>} call
   */
  async #heard(signal, call) {
    try {
      const answer = await call;
      this.#tell(null);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      this.#tell(error instanceof Problem && error.passing ? new Unreachable(error) : /** @type {Error} */ (error));
      throw error;
    }
  }

  /**
   * Says what is in the way, once. When nothing is any more, all that were slowed down by it look at once.
   * @param {Error | null} error
   */
  #tell(error) {
    if (error?.message === this.#trouble?.message) return;
    this.#trouble = error;
    if (!error) for (const poller of [this.#list, ...this.#lookers.values()]) poller.now();
    this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
  }
}
