// <chat2pay-desk>: the element that chat desks embed. It shows a conversation's payment requests after the conversation,
// which its host puts into it, and a form for new ones beside it.

import { Api, SignInFailed, Unreachable } from "./api.js";
import { Card } from "./desk-card.js";
import { Draft } from "./desk-draft.js";
import { PaymentForm } from "./desk-form.js";
import { h, put } from "./dom.js";
import { icon } from "./desk-icons.js";
import { Requests, expiryReason, failedAttempts, failedDelivery, isOpen } from "./desk-requests.js";
import { sheet } from "./desk-style.js";
import { texts } from "./desk-texts.js";
import { Toasts } from "./desk-toasts.js";

/** The API's address: the one that this file came from, without `desk/assets/<version>/element.js`. */
const BASE = new URL("../../../", import.meta.url);

/** How often the time that is left is written anew. */
const TICK = 500;

class Chat2PayDesk extends HTMLElement {
  static observedAttributes = ["conversation-id", "customer-phone", "customer-name", "currency"];

  #token = null;
  #tokenGiven = Promise.withResolvers();
  #api = new Api(BASE, async (options) => {
    await this.#tokenGiven.promise;
    return this.#token(options);
  });
  #toasts = new Toasts();
  #banner = h("div", { class: "banner", role: "status" });
  #note = h("p", { class: "note" });
  #cardList = h("ul", { class: "cards", "aria-label": texts.requests });
  #confirmationList = h("ul", { class: "confirmations", "aria-label": texts.confirmations });
  #extension = this.#extensionCard();
  #panel = h("section", { class: "panel", "aria-label": texts.panel });

  /** Everything of the conversation that is shown; another one begins with nothing of it. */
  #shown = null;
  #known = {};
  /** What is done in a moment: `begin` anew, or `update` what is known of the customer. */
  #soon = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    const requests = h("div", { class: "requests" }, this.#banner, this.#note, this.#cardList, this.#confirmationList);
    root.append(
      h("div", { class: "layout" }, h("div", { class: "conversation", part: "conversation" }, h("slot"), requests), this.#panel),
      this.#toasts.element,
    );
  }

  connectedCallback() {
    // A host may have set the property before this script was there.
    if (Object.hasOwn(this, "token")) {
      const { token } = this;
      delete this.token;
      this.token = token;
    }
    this.#toasts.element.showPopover();
    this.#doSoon("begin");
  }

  disconnectedCallback() {
    this.#end();
    this.#toasts.clear();
  }

  attributeChangedCallback(name, before, after) {
    if (before !== after) this.#doSoon(name === "conversation-id" ? "begin" : "update");
  }

  /**
   * `async ({ renew }) => "…"`: gives an access token for the API; with `renew` the last one was refused. Setting it begins
   * anew, as somebody else may be signed in.
   */
  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    if (token) this.#tokenGiven.resolve();
    this.#doSoon("begin");
  }

  /** Does so once, however many properties and attributes a host changes together, and when it has changed all of them. */
  #doSoon(what) {
    if (this.#soon === null) {
      queueMicrotask(() => {
        const soon = this.#soon;
        this.#soon = null;
        if (soon === "begin") this.#begin();
        else this.#updateKnown();
      });
    }
    if (this.#soon !== "begin") this.#soon = what;
  }

  #begin() {
    this.#end();
    const conversation = this.getAttribute("conversation-id");
    this.#panel.hidden = !conversation;
    if (!this.isConnected || !conversation) return;
    const requests = new Requests(this.#api, conversation);
    const shown = {
      conversation,
      requests,
      cards: new Map(),
      form: null,
      loaded: false,
      ended: new AbortController(),
      ticking: setInterval(() => this.#tick(), TICK),
    };
    this.#shown = shown;
    const { signal } = shown.ended;
    requests.addEventListener("change", ({ detail }) => this.#changed(detail.request, detail.before), { signal });
    requests.addEventListener("trouble", ({ detail }) => this.#trouble(detail), { signal });
    requests.addEventListener("loaded", ({ detail }) => this.#loaded(detail.complete), { signal });
    put(this.#note, texts.loading);
    const draft = Draft.restore(conversation);
    if (draft) this.#openForm(draft);
    else this.#closeForm();
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

  #tick() {
    if (document.hidden) return;
    for (const card of this.#shown.cards.values()) card.tick();
  }

  // The form.

  #extensionCard() {
    const words = h("span", {}, h("strong", {}, texts.extension), h("small", {}, texts.extensionHint));
    return h("button", { type: "button", class: "extension", onclick: () => this.#press() }, icon("card"), words, icon("next"));
  }

  #press() {
    this.#known = this.#knownNow();
    this.#openForm(Draft.begin(this.#shown.conversation, this.#known));
    this.#shown.form.focus();
  }

  /** What the host says about the customer. */
  #knownNow() {
    return {
      "customer.phone": this.getAttribute("customer-phone") ?? "",
      "customer.name": this.getAttribute("customer-name") ?? "",
      currency: this.getAttribute("currency") ?? "",
    };
  }

  #updateKnown() {
    const before = this.#known;
    this.#known = this.#knownNow();
    this.#shown?.form?.update(before, this.#known);
  }

  #openForm(draft) {
    const shown = this.#shown;
    this.#known = this.#knownNow();
    shown.form = new PaymentForm(this.#api, draft, shown.ended.signal);
    shown.form.addEventListener("sent", ({ detail }) => {
      this.#toasts.say(texts.outcomes.sent(detail), "sent");
      if (this.#shown !== shown) return;
      this.#closeForm(true);
      this.#made(detail);
    });
    shown.form.addEventListener("arrived", () => shown.requests.lookAgain());
    shown.form.addEventListener("closed", () => {
      this.#closeForm(true);
      // What was sent without an answer may be there after all.
      shown.requests.lookAgain();
    });
    put(this.#panel, shown.form.element);
  }

  #closeForm(focus = false) {
    this.#shown.form = null;
    put(this.#panel, this.#extension);
    if (focus) this.#extension.focus();
  }

  #made(request) {
    this.#shown.requests.add(request);
    this.#shown.cards.get(request.id).element.scrollIntoView({ block: "nearest" });
  }

  // The requests.

  #loaded(complete) {
    this.#shown.loaded = true;
    this.#noteNothing();
    if (!complete) put(this.#note, texts.older);
  }

  #noteNothing() {
    put(this.#note, this.#shown.cards.size === 0 && texts.none);
  }

  #trouble(error) {
    const was = this.#banner.textContent !== "";
    if (!error) {
      put(this.#banner);
      if (was) this.#toasts.say(texts.back, "paid");
    } else if (error instanceof Unreachable) {
      put(this.#banner, icon("again"), h("span", {}, texts.unreachable));
    } else {
      const text = error instanceof SignInFailed ? texts.signedOut : error.message;
      const again = h("button", { type: "button", onclick: () => this.#shown.requests.lookAgain() }, texts.tryAgain);
      put(this.#banner, icon("attempt"), h("span", {}, text), again);
    }
  }

  #changed(request, before) {
    const { cards } = this.#shown;
    const card = cards.get(request.id);
    if (card) card.update(request);
    else this.#addCard(request);
    this.#markNewest(request);
    this.#confirm();
    if (this.#shown.loaded) this.#noteNothing();
    if (before) this.#tell(request);
    this.dispatchEvent(new CustomEvent("chat2pay-change", { bubbles: true, composed: true, detail: { request } }));
  }

  #addCard(request) {
    const { cards } = this.#shown;
    const card = new Card(request);
    card.addEventListener("copy", () => this.#copy(card));
    card.addEventListener("cancel", () => this.#cancel(card));
    card.addEventListener("again", () => this.#sendAgain(card));
    cards.set(request.id, card);
    const item = h("li", {}, card.element);
    const later = [...cards.values()].filter((other) => isBefore(request, other.request)).sort((a, b) => (isBefore(a.request, b.request) ? -1 : 1));
    this.#cardList.insertBefore(item, later[0]?.element.parentElement ?? null);
  }

  /** A later request of the same order to the same customer takes the place of the earlier ones. */
  #markNewest({ order_number, customer: { phone } }) {
    const cards = [...this.#shown.cards.values()];
    const same = cards.filter(({ request }) => request.order_number === order_number && request.customer.phone === phone);
    for (const card of same) card.newest = !same.some((other) => isBefore(card.request, other.request));
  }

  /** Every payment once more, as a message of the system in the conversation. */
  #confirm() {
    const requests = [...this.#shown.cards.values()].map((card) => card.request).filter(({ status }) => status === "paid");
    requests.sort((a, b) => a.payment.paid_at.localeCompare(b.payment.paid_at));
    put(this.#confirmationList, requests.map((request) => h("li", {}, icon("paid"), h("span", {}, texts.confirmation(request)))));
  }

  /** One status message for what has happened to a request. */
  #tell(request) {
    const last = request.history.at(-1);
    const [kind, tone] = outcome(request);
    this.#toasts.say(texts.outcomes[kind](request, last), tone);
  }

  async #copy({ request }) {
    try {
      await navigator.clipboard.writeText(request.link.url);
      this.#toasts.say(texts.copied, "copy");
    } catch {
      this.#toasts.refuse(texts.notCopied(request.link.url));
    }
  }

  async #cancel(card) {
    const canceled = await this.#work(card, "cancel", texts.cancelUnknown, (signal) => this.#api.cancel(card.request.id, signal));
    if (canceled) this.#shown.requests.take(canceled);
  }

  /**
   * The same once more, as a new request. Its key follows from the old one's id: however often and wherever it is pressed,
   * before and after a reload, a request is sent again once. One whose link was not delivered is canceled first: of two
   * links that live, both could be paid.
   */
  async #sendAgain(card) {
    const { id, order_number, amount, currency, customer, description, conversation_id, metadata } = card.request;
    const fields = { order_number, amount, currency, customer, description, conversation_id, metadata };
    const create = async (signal) => {
      if (isOpen(card.request)) await this.#takeBack(id, signal);
      return this.#api.create(fields, `again-${id}`, signal);
    };
    const request = await this.#work(card, "again", texts.sendAgainUnknown, create);
    if (!request) return;
    this.#toasts.say(texts.outcomes.sentAgain(request), "sent");
    this.#made(request);
    this.#shown.cards.get(request.id).focus();
  }

  /** Cancels a request. One that has ended meanwhile, perhaps by this very call whose answer was lost, is out of the way too. */
  async #takeBack(id, signal) {
    const { requests } = this.#shown;
    try {
      requests.take(await this.#api.cancel(id, signal));
    } catch (error) {
      if (!["already_canceled", "link_expired"].includes(error.code)) throw error;
      requests.lookAt(id);
    }
  }

  /** What a call for a card answers, or nothing if it did not work or the conversation is not shown any more. */
  async #work(card, name, unknown, call) {
    const { requests, ended } = this.#shown;
    card.working = name;
    try {
      const answer = await call(ended.signal);
      return ended.signal.aborted ? null : answer;
    } catch (error) {
      if (ended.signal.aborted) return null;
      const text = error instanceof SignInFailed ? texts.signedOut : error.message;
      this.#toasts.refuse(error instanceof Unreachable ? unknown : text);
      requests.lookAt(card.request.id);
      return null;
    } finally {
      card.working = null;
    }
  }
}

function isBefore(one, other) {
  return one.created_at < other.created_at || (one.created_at === other.created_at && one.id < other.id);
}

/** Which text says how a request has changed, and in which tone. */
function outcome(request) {
  if (failedDelivery(request)) return ["undelivered", "attempt"];
  if (isOpen(request) && failedAttempts(request).includes(request.history.at(-1))) return ["attempt", "attempt"];
  if (request.status === "expired") return [expiryReason(request), "expired"];
  return [request.status, request.status];
}

customElements.define("chat2pay-desk", Chat2PayDesk);
