// The payment requests of one conversation, looked at for as long as something about them can change.

import { Problem, Unreachable } from "./api.js";
import { now } from "./clock.js";
import { Poller } from "./poller.js";

/** How often a request is looked at that waits for its customer. */
const EVERY = 1500;
/** Late money can still arrive for a request that expired unpaid: it is looked at for so long, ever more rarely. */
const LATE_MONEY = 10 * 60_000;
const RARELY = 60_000;
const PAGE = 100;
const PAGES_AT_MOST = 5;

/** Tells other tabs of the same site that a conversation has one more request. */
const CHANNEL = "chat2pay.desk";

/** Whether the customer can still act. */
export function isOpen({ status }) {
  return status === "sent" || status === "clicked";
}

/**
 * Why a request has expired. For a moment the deadline has passed and nobody has written so into the history yet.
 */
export function expiryReason({ history }) {
  const last = history.at(-1);
  if (last.status === "expired") return last.reason;
  return last.status === "sent" ? "not_clicked" : "not_paid";
}

/** The history's entries of failed attempts to pay, which leave the status as it was. */
export function failedAttempts({ history }) {
  return history.filter((entry, index) => entry.status === "clicked" && history[index - 1]?.status === "clicked");
}

/** The history's entry that says that the link did not reach the customer: what follows on `sent` without another status. */
function undelivered({ history }) {
  return history[1]?.status === "sent" ? history[1] : null;
}

/** That entry while the customer could still be reached. */
export function failedDelivery(request) {
  return request.status === "sent" ? undelivered(request) : null;
}

/** That entry once the link has ended without a click: then it says why. */
export function missedDelivery(request) {
  return request.status === "expired" && expiryReason(request) === "not_clicked" ? undelivered(request) : null;
}

/** After how long to look at a request again, in milliseconds; `null` if nothing about it can change any more. */
function nextLook(request) {
  if (isOpen(request)) {
    const left = Date.parse(request.link.expires_at) - now();
    // At the deadline at once, so that nobody looks at 0:00 for long.
    return left > 0 ? Math.min(EVERY, left + 50) : EVERY;
  }
  const last = request.history.at(-1);
  const unwritten = request.status === "expired" && last.status !== "expired";
  if (unwritten) return EVERY;
  const age = now() - Date.parse(request.updated_at);
  const rarely = Math.min(Math.max(EVERY, age / 8), RARELY);
  // The provider may take seconds or days, to bring money and to send it back.
  if (["processing", "refund_due"].includes(request.status)) return rarely;
  const mayChange = request.status === "expired" && last.reason === "not_paid";
  if (!mayChange || age > LATE_MONEY) return null;
  return rarely;
}

/** Whether what was just heard is older than what is known: answers may overtake each other. */
function isStale(known, heard) {
  if (heard.version !== known.version) return heard.version < known.version;
  // A deadline passes without a new version.
  return isOpen(heard) && !isOpen(known);
}

/**
 * Says `change` for every request that is new or has changed (`detail`: `request`, `before`), `loaded` when the list is there
 * (`detail`: `complete`), and `trouble` when looking fails or works again (`detail`: the error or `null`).
 */
export class Requests extends EventTarget {
  #api;
  #conversation;
  #known = new Map();
  #list = new Poller((signal) => this.#lookAtAll(signal), EVERY);
  #lookers = new Map();
  #channel = new BroadcastChannel(CHANNEL);
  #trouble = null;

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

  /** Looks at one request now. */
  lookAt(id) {
    this.#lookers.get(id)?.now();
  }

  /** Takes a request that was just made. */
  add(request) {
    this.take(request);
    this.#channel.postMessage(this.#conversation);
  }

  /** Takes what was heard about a request. */
  take(request) {
    const before = this.#known.get(request.id);
    if (before && isStale(before, request)) return;
    this.#known.set(request.id, request);
    this.#keepLooking(request);
    if (before?.version === request.version && before.status === request.status) return;
    this.dispatchEvent(new CustomEvent("change", { detail: { request, before } }));
  }

  /** Looks at a request from now on, or no more. */
  #keepLooking({ id }) {
    const looker = this.#lookers.get(id);
    if (nextLook(this.#known.get(id)) === null) {
      looker?.stop();
      this.#lookers.delete(id);
    } else if (!looker) {
      const another = new Poller((signal) => this.#lookAtOne(id, signal), EVERY);
      this.#lookers.set(id, another);
      another.start();
    }
  }

  async #lookAtOne(id, signal) {
    this.take(await this.#heard(signal, this.#api.get(id, signal)));
    return nextLook(this.#known.get(id));
  }

  async #lookAtAll(signal) {
    const found = [];
    let cursor = null;
    let pages = 0;
    do {
      const parameters = { conversation_id: this.#conversation, limit: PAGE, cursor };
      const page = await this.#heard(signal, this.#api.list(parameters, signal));
      found.push(...page.items);
      cursor = page.next_cursor;
      pages += 1;
    } while (cursor && pages < PAGES_AT_MOST);
    for (const request of found.reverse()) this.take(request);
    this.dispatchEvent(new CustomEvent("loaded", { detail: { complete: !cursor } }));
    // From here on each request is looked at by itself; the list once more when somebody comes back to the page.
    return null;
  }

  /** What a call answers; how it went is told. */
  async #heard(signal, call) {
    try {
      const answer = await call;
      this.#tell(null);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      this.#tell(error instanceof Problem && error.passing ? new Unreachable(error) : error);
      throw error;
    }
  }

  /** Says what is in the way, once. When nothing is any more, all that were slowed down by it look at once. */
  #tell(error) {
    if (error?.message === this.#trouble?.message) return;
    this.#trouble = error;
    if (!error) for (const poller of [this.#list, ...this.#lookers.values()]) poller.now();
    this.dispatchEvent(new CustomEvent("trouble", { detail: error }));
  }
}
