// <chat2pay-desk>: the element that chat desks embed. The host puts the conversation into the element. The element
// shows the conversation's payment requests after it, and a form for new requests beside it.

/** @import { PaymentRequest, TokenSource } from "../client/index.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { Fields } from "./draft.js" */
/** @import { Look } from "./toasts.js" */

import { ProblemError, UnreachableError } from "../client/index.js";
import { Api, SignInFailed, sentenceOf } from "../shared/api.js";
import { h, put } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { Latest, Live } from "../shared/live.js";
import { factsOf, isOpen, isPaid, isSame, isStale } from "../shared/statuses.js";
import { Card } from "./card.js";
import { Draft } from "./draft.js";
import style from "./element.css.js";
import { PaymentForm } from "./form.js";
import { missedSince } from "./missed.js";
import { failedAttempts, failedDelivery, Requests } from "./requests.js";
import { sentencesOf } from "./statuses.js";
import { texts } from "./texts.js";
import { FAILED, Toasts } from "./toasts.js";

/** The API's base address: the address of this file without `desk/assets/<version>/agent/element.js`. */
const BASE = new URL("../../../../", import.meta.url);

/** How often the remaining times are updated, in milliseconds. */
const TICK = 500;

// A constructed style sheet is allowed even if the host site's Content-Security-Policy forbids inline styles.
const sheet = new CSSStyleSheet();
sheet.replaceSync(style);

/**
 * The state of the conversation that the element shows.
 * @typedef {object} Shown
 * @property {string} conversation
 * @property {Requests} requests
 * @property {Map<string, Card>} cards
 * @property {PaymentForm | null} form
 * @property {boolean} loaded
 * @property {AbortController} ended
 * @property {ReturnType<typeof setInterval>} ticking
 */

/** The element `<chat2pay-desk>`. */
export class Chat2PayDesk extends HTMLElement {
  static observedAttributes = ["conversation-id", "customer-phone", "customer-name", "currency", "country"];

  /** @type {TokenSource | null} */
  #token = null;
  /** @type {PromiseWithResolvers<void>} */
  #tokenGiven = Promise.withResolvers();
  #api = new Api(BASE, async (options) => {
    await this.#tokenGiven.promise;
    return this.#token?.(options) ?? "";
  });
  #live = new Live(this.#api);
  #toasts = new Toasts();
  #banner = h("div", { class: "banner", role: "status" });
  #note = h("p", { class: "note" });
  #cardList = h("ul", { class: "cards", "aria-label": texts.requests });
  #confirmationList = h("ul", { class: "confirmations", "aria-label": texts.confirmations });
  #extension = this.#extensionCard();
  #panel = h("section", { class: "panel", "aria-label": texts.panel });

  /** The latest state of each request that the host and the agent were told of. */
  #told = new Latest();
  /**
   * Since when changes may have been missed, and are not read yet; in milliseconds.
   * @type {number | null}
   */
  #missedSince = null;
  #reading = new AbortController();
  /**
   * The conversation that is shown; another conversation gets a new state.
   * @type {Shown | null}
   */
  #shown = null;
  /** @type {Partial<Fields>} */
  #known = {};
  /**
   * The scheduled task: `begin` to start over, or `update` to use the host's new data about the customer.
   * @type {"begin" | "update" | null}
   */
  #scheduled = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    const requests = h("div", { class: "requests" }, this.#banner, this.#note, this.#cardList, this.#confirmationList);
    this.#live.addEventListener("change", (event) => this.#elsewhere(/** @type {CustomEvent} */ (event).detail));
    this.#live.addEventListener("open", (event) => this.#catchUp(/** @type {CustomEvent} */ (event).detail));
    const conversation = h("div", { class: "conversation", part: "conversation" }, h("slot"), requests);
    root.append(h("div", { class: "layout" }, conversation, this.#panel), this.#toasts.element);
  }

  connectedCallback() {
    // A host may have set the property before this script was loaded.
    if (Object.hasOwn(this, "token")) {
      const { token } = this;
      Reflect.deleteProperty(this, "token");
      this.token = token;
    }
    this.#toasts.element.showPopover();
    this.#schedule("begin");
  }

  disconnectedCallback() {
    this.#end();
    this.#stopLive();
    this.#toasts.clear();
  }

  #stopLive() {
    this.#live.stop();
    this.#reading.abort();
    this.#missedSince = null;
    this.#told.clear();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before !== after) this.#schedule(name === "conversation-id" ? "begin" : "update");
  }

  /**
   * `async ({ renew }) => "…"`: the host's function that returns an access token for the API. With `renew`, the API
   * rejected the previous token. Setting the property starts over, because another person may be signed in.
   */
  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    if (token) this.#tokenGiven.resolve();
    // Another person may see other changes.
    this.#stopLive();
    this.#schedule("begin");
  }

  /**
   * Schedules a task as a microtask. It runs once, after the host has changed all properties and attributes that it
   * changes together. `begin` includes `update`.
   * @param {"begin" | "update"} task
   */
  #schedule(task) {
    if (this.#scheduled === null) {
      queueMicrotask(() => {
        const scheduled = this.#scheduled;
        this.#scheduled = null;
        if (scheduled === "begin") this.#begin();
        else this.#updateKnown();
      });
    }
    if (this.#scheduled !== "begin") this.#scheduled = task;
  }

  #begin() {
    this.#end();
    const conversation = this.getAttribute("conversation-id");
    this.#panel.hidden = !conversation;
    if (!this.isConnected) return;
    this.#live.start();
    if (!conversation) return;
    const requests = new Requests(this.#api, conversation, this.#live);
    /** @type {Shown} */
    const shown = {
      conversation,
      requests,
      cards: new Map(),
      form: null,
      loaded: false,
      ended: new AbortController(),
      ticking: setInterval(() => this.#tick(shown), TICK),
    };
    this.#shown = shown;
    const { signal } = shown.ended;
    /** @type {(type: string, handler: (detail: any) => void) => void} */
    const listen = (type, handler) =>
      requests.addEventListener(type, (event) => handler(/** @type {CustomEvent} */ (event).detail), { signal });
    listen("change", ({ request, before, isNews }) => this.#changed(shown, request, before, isNews));
    listen("trouble", (error) => this.#trouble(shown, error));
    listen("loaded", ({ complete }) => this.#loaded(shown, complete));
    put(this.#note, texts.loading);
    const draft = Draft.restore(conversation);
    if (draft) this.#openForm(shown, draft);
    else this.#closeForm(shown);
    requests.start();
  }

  #end() {
    const shown = this.#shown;
    this.#shown = null;
    if (!shown) return;
    shown.ended.abort();
    shown.requests.stop();
    clearInterval(shown.ticking);
    for (const part of [this.#banner, this.#note, this.#cardList, this.#confirmationList, this.#panel]) put(part);
  }

  /** @param {Shown} shown */
  #tick({ cards }) {
    if (document.hidden) return;
    for (const card of cards.values()) card.tick();
  }

  // The form.

  #extensionCard() {
    const words = h("span", {}, h("strong", {}, texts.extension), h("small", {}, texts.extensionHint));
    const press = () => this.#press();
    return h("button", { type: "button", class: "extension", onclick: press }, icon("card"), words, icon("chevron"));
  }

  #press() {
    const shown = this.#shown;
    if (!shown) return;
    this.#known = this.#knownNow();
    this.#openForm(shown, Draft.begin(shown.conversation, this.#known)).focus();
  }

  /** Returns the host's data about the customer. */
  #knownNow() {
    return {
      "customer.phone": this.getAttribute("customer-phone") ?? "",
      "customer.name": this.getAttribute("customer-name") ?? "",
      currency: this.#codeIn("currency"),
    };
  }

  /**
   * Returns an attribute that is an ISO code, however the host writes it.
   * @param {"currency" | "country"} name
   */
  #codeIn(name) {
    return this.getAttribute(name)?.trim().toUpperCase() ?? "";
  }

  #updateKnown() {
    const before = this.#known;
    this.#known = this.#knownNow();
    const form = this.#shown?.form;
    if (!form) return;
    form.country = this.#codeIn("country");
    form.update(before, this.#known);
  }

  /**
   * @param {Shown} shown
   * @param {Draft} draft
   */
  #openForm(shown, draft) {
    this.#known = this.#knownNow();
    const form = new PaymentForm(this.#api, draft, shown.ended.signal);
    form.country = this.#codeIn("country");
    shown.form = form;
    form.addEventListener("made", (event) => {
      /** @type {PaymentRequest} */
      const request = /** @type {CustomEvent} */ (event).detail;
      this.#toasts.show(texts.made(request), factsOf(request.history[0].status));
      if (this.#shown !== shown) return;
      this.#closeForm(shown, true);
      this.#made(shown, request);
    });
    form.addEventListener("arrived", () => shown.requests.refresh());
    form.addEventListener("closed", () => {
      this.#closeForm(shown, true);
      // A request whose answer was lost may have been created after all.
      shown.requests.refresh();
    });
    put(this.#panel, form.element);
    return form;
  }

  /**
   * @param {Shown} shown
   * @param {boolean} focus
   */
  #closeForm(shown, focus = false) {
    shown.form = null;
    put(this.#panel, this.#extension);
    if (focus) this.#extension.focus();
  }

  /**
   * @param {Shown} shown
   * @param {PaymentRequest} request
   */
  #made({ requests, cards }, request) {
    requests.add(request);
    const card = cards.get(request.id);
    card?.element.scrollIntoView({ block: "nearest" });
    return card;
  }

  // The requests.

  /**
   * @param {Shown} shown
   * @param {boolean} complete
   */
  #loaded(shown, complete) {
    shown.loaded = true;
    this.#noteNothing(shown);
    if (!complete) put(this.#note, texts.older);
  }

  /** @param {Shown} shown */
  #noteNothing({ cards }) {
    put(this.#note, cards.size === 0 && texts.none);
  }

  /**
   * @param {Shown} shown
   * @param {Error | null} error
   */
  #trouble({ requests }, error) {
    const was = this.#banner.textContent !== "";
    if (!error) {
      put(this.#banner);
      if (was) this.#toasts.show(texts.back, { tone: "good", icon: "check-circle" });
    } else if (error instanceof UnreachableError) {
      put(this.#banner, icon("again"), h("span", {}, texts.unreachable));
    } else {
      const text = error instanceof SignInFailed ? texts.signedOut : sentenceOf(error);
      const again = h("button", { type: "button", onclick: () => requests.refresh() }, texts.tryAgain);
      put(this.#banner, icon("warning"), h("span", {}, text), again);
    }
  }

  /**
   * @param {Shown} shown
   * @param {PaymentRequest} request
   * @param {PaymentRequest | undefined} before
   * @param {boolean} isNews
   */
  #changed(shown, request, before, isNews) {
    const { cards, loaded } = shown;
    const card = cards.get(request.id);
    if (card) card.update(request);
    else this.#addCard(shown, request);
    this.#markNewest(shown, request);
    this.#confirm(shown);
    if (loaded) this.#noteNothing(shown);
    if (before) this.#toasts.show(...news(request));
    this.#tell(request, isNews);
  }

  /**
   * Informs the host about a change in a conversation that is not shown.
   * @param {PaymentRequest} request
   */
  #elsewhere(request) {
    if (request.conversation_id && request.conversation_id === this.#shown?.conversation) return;
    const told = this.#told.get(request.id);
    // Changes may arrive twice, and late.
    if (told && (isSame(told, request) || isStale(told, request))) return;
    if (request.version > 1) this.#toasts.show(...news(request));
    this.#tell(request, true);
  }

  /**
   * Reads what changed elsewhere while there was no connection. The conversation that is shown is read by itself.
   * @param {number | null} since
   */
  async #catchUp(since) {
    this.#missedSince ??= since;
    if (this.#missedSince === null) return;
    this.#reading.abort();
    this.#reading = new AbortController();
    const { signal } = this.#reading;
    try {
      const missed = await missedSince(this.#api, this.#missedSince, signal);
      signal.throwIfAborted();
      this.#missedSince = null;
      for (const request of missed) this.#elsewhere(request);
    } catch {
      // It is read when the connection is opened the next time.
    }
  }

  /**
   * @param {PaymentRequest} request
   * @param {boolean} isNews whether it has just happened; otherwise it was read
   */
  #tell(request, isNews) {
    this.#told.keep(request);
    const detail = { request, isNews };
    this.dispatchEvent(new CustomEvent("chat2pay-change", { bubbles: true, composed: true, detail }));
  }

  /**
   * @param {Shown} shown
   * @param {PaymentRequest} request
   */
  #addCard(shown, request) {
    const { cards } = shown;
    const card = new Card(request);
    card.addEventListener("copy", () => this.#copy(card));
    card.addEventListener("cancel", () => this.#cancel(shown, card));
    card.addEventListener("again", () => this.#sendAgain(shown, card));
    cards.set(request.id, card);
    const item = h("li", {}, card.element);
    const later = [...cards.values()].filter((other) => isBefore(request, other.request));
    later.sort((one, other) => (isBefore(one.request, other.request) ? -1 : 1));
    this.#cardList.insertBefore(item, later[0]?.element.parentElement ?? null);
  }

  /**
   * Marks the newest card of an order: a later request for the same order and customer replaces the earlier ones.
   * @param {Shown} shown
   * @param {PaymentRequest} request
   */
  #markNewest({ cards }, { order_number, customer: { phone } }) {
    const same = [...cards.values()].filter(
      ({ request }) => request.order_number === order_number && request.customer.phone === phone,
    );
    for (const card of same) card.newest = !same.some((other) => isBefore(card.request, other.request));
  }

  /**
   * Shows each payment also as a system message in the conversation.
   * @param {Shown} shown
   */
  #confirm({ cards }) {
    const requests = [...cards.values()].map((card) => card.request).filter(isPaid);
    requests.sort((one, other) => paidAt(one).localeCompare(paidAt(other)));
    const items = requests.map((request) => {
      return h("li", {}, icon(factsOf(request.status).icon), h("span", {}, texts.confirmation(request)));
    });
    put(this.#confirmationList, items);
  }

  /** @param {Card} card */
  async #copy({ request: { link } }) {
    if (!link) return;
    try {
      await navigator.clipboard.writeText(link.url);
      this.#toasts.show(texts.copied, { tone: "calm", icon: "copy" });
    } catch {
      this.#toasts.showError(texts.notCopied(link.url));
    }
  }

  /**
   * @param {Shown} shown
   * @param {Card} card
   */
  async #cancel(shown, card) {
    const { id } = card.request;
    const canceled = await this.#work(shown, card, "cancel", (signal) => this.#api.cancel(id, signal));
    if (canceled) shown.requests.update(canceled);
  }

  /**
   * Sends a request again, as a new request. The new request's idempotency key is derived from the old one's id, so a
   * request is sent again only once, even after a reload or from another tab. If the old request's link was not
   * delivered and is still valid, the old request is canceled first: the customer could pay two valid links.
   * @param {Shown} shown
   * @param {Card} card
   */
  async #sendAgain(shown, card) {
    const { id, order_number, amount, currency, customer, description, conversation_id, metadata } = card.request;
    const fields = { order_number, amount, currency, customer, description, conversation_id, metadata };
    /** @type {(signal: AbortSignal) => Promise<PaymentRequest>} */
    const create = async (signal) => {
      if (isOpen(card.request)) await this.#cancelFirst(shown, id, signal);
      return this.#api.create(fields, `again-${id}`, signal);
    };
    const request = await this.#work(shown, card, "again", create);
    if (!request) return;
    this.#toasts.show(texts.madeAgain(request), factsOf(request.history[0].status));
    this.#made(shown, request)?.focus();
  }

  /**
   * Cancels a request before it is sent again. An error that says that the request has already ended is ignored:
   * perhaps an earlier attempt of this call canceled it and the answer was lost.
   * @param {Shown} shown
   * @param {string} id
   * @param {AbortSignal} signal
   */
  async #cancelFirst({ requests }, id, signal) {
    try {
      requests.update(await this.#api.cancel(id, signal));
    } catch (error) {
      const isOver = error instanceof ProblemError && ["already_canceled", "link_expired"].includes(error.code);
      if (!isOver) throw error;
      requests.refreshOne(id);
    }
  }

  /**
   * Makes a call for a card and returns its answer. Returns `null` if the call failed, after showing the error, or if
   * the conversation is no longer shown.
   * @param {Shown} shown
   * @param {Card} card
   * @param {"cancel" | "again"} name
   * @param {(signal: AbortSignal) => Promise<PaymentRequest>} call
   */
  async #work({ requests, ended }, card, name, call) {
    card.working = name;
    try {
      const answer = await call(ended.signal);
      return ended.signal.aborted ? null : answer;
    } catch (error) {
      if (ended.signal.aborted) return null;
      const unknown = name === "cancel" ? texts.cancelUnknown : texts.sendAgainUnknown;
      const text = error instanceof SignInFailed ? texts.signedOut : sentenceOf(error);
      this.#toasts.showError(error instanceof UnreachableError ? unknown : text);
      requests.refreshOne(card.request.id);
      return null;
    } finally {
      card.working = null;
    }
  }
}

/**
 * @param {PaymentRequest} one
 * @param {PaymentRequest} other
 */
function isBefore(one, other) {
  return one.created_at < other.created_at || (one.created_at === other.created_at && one.id < other.id);
}

/** @param {PaymentRequest} request */
function paidAt({ payment, updated_at }) {
  return payment?.paid_at ?? updated_at;
}

/**
 * Returns the message about the latest change of a request, and the message's look.
 * @param {PaymentRequest} request
 * @returns {[text: Child, look: Look]}
 */
function news(request) {
  const last = request.history[request.history.length - 1];
  if (failedDelivery(request)) return [texts.newsOfUndelivered(request, last), FAILED];
  if (isOpen(request) && failedAttempts(request).includes(last)) return [texts.newsOfAttempt(request, last), FAILED];
  return [sentencesOf(request.status).news(request), factsOf(request.status)];
}

customElements.define("chat2pay-desk", Chat2PayDesk);
