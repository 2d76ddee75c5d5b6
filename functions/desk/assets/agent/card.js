// The card of one payment request in the conversation.

/** @import { HistoryEntry, PaymentRequest } from "../client/index.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { IconName } from "../shared/icons.js" */
/** @import { Tone } from "../shared/statuses.js" */

import { now } from "../shared/api.js";
import { h, isolated, put } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { countdown, factsOf, hasEndedUnpaid, isUnclicked, repeatedBy } from "../shared/statuses.js";
import { customer, moment, money } from "./phrases.js";
import { failedAttempts, failedDelivery, missedDelivery } from "./requests.js";
import { sentencesOf } from "./statuses.js";
import { texts } from "./texts.js";

/** @typedef {"cancel" | "again" | null} Working */

/** A card. It dispatches `copy`, `cancel` and `again` when its buttons are pressed. */
export class Card extends EventTarget {
  #request;
  /** @type {Working} */
  #working = null;
  #newest = true;
  #countdown = h("b", { role: "timer" });
  #timeline = h("ol", { class: "timeline" });
  #history = h("details", {}, h("summary", {}, icon("chevron"), texts.history), this.#timeline);
  #buttons = {
    copy: this.#button("copy", [icon("copy"), texts.copyLink]),
    cancel: this.#button("cancel", texts.cancelPayment),
    again: this.#button("again", [icon("again"), texts.sendAgain]),
  };

  /** @param {PaymentRequest} request */
  constructor(request) {
    super();
    const title = `card-${request.id}`;
    this.element = h("article", { class: "card", tabindex: "-1", "aria-labelledby": title });
    this.title = title;
    this.#request = request;
    this.#draw();
  }

  /**
   * @param {string} name
   * @param {Child} content
   */
  #button(name, content) {
    const pressed = () => {
      // A double click counts as one.
      if (!this.#working) this.dispatchEvent(new Event(name));
    };
    return h("button", { type: "button", onclick: pressed }, content);
  }

  get request() {
    return this.#request;
  }

  /** @param {PaymentRequest} request */
  update(request) {
    this.#request = request;
    this.#draw();
  }

  /**
   * Sets whether this is the newest request of its order. Only the newest one can be sent again.
   * @param {boolean} newest
   */
  set newest(newest) {
    if (this.#newest === newest) return;
    this.#newest = newest;
    this.#draw();
  }

  /**
   * Sets which call of this card is in flight.
   * @param {Working} working
   */
  set working(working) {
    this.#working = working;
    const { cancel, again } = this.#buttons;
    put(cancel, working === "cancel" ? texts.canceling : texts.cancelPayment);
    put(again, icon("again"), working === "again" ? texts.sendingAgain : texts.sendAgain);
    for (const button of [cancel, again]) button.setAttribute("aria-disabled", String(working !== null));
  }

  focus() {
    this.element.focus();
  }

  tick() {
    const { link } = this.#request;
    if (link) put(this.#countdown, countdown(Date.parse(link.expires_at) - now()));
  }

  #draw() {
    const request = this.#request;
    const facts = factsOf(request.status);
    const { activeElement } = /** @type {Document | ShadowRoot} */ (this.element.getRootNode());
    const focused = activeElement instanceof HTMLElement && this.element.contains(activeElement) ? activeElement : null;
    this.element.dataset.status = request.status;
    this.element.dataset.tone = facts.tone;
    put(this.#timeline, this.#entries());
    this.tick();
    const { name, phone } = request.customer;
    put(
      this.element,
      h(
        "header",
        {},
        h("span", { class: "status" }, icon(facts.icon), facts.word),
        h("time", { datetime: request.created_at }, moment(request.created_at)),
      ),
      h("p", { class: "visually-hidden", id: this.title }, texts.cardTitle(request)),
      h("p", { class: "amount", "aria-hidden": "true" }, money(request)),
      h("p", { class: "order" }, texts.order(request)),
      request.description && h("p", { class: "description" }, isolated(request.description)),
      h("p", { class: "customer" }, isolated(customer(request)), name && [" · ", isolated(phone)]),
      h("p", { class: "standing" }, sentencesOf(request.status).standing(request, this.#countdown)),
      this.#failures(),
      this.#actions(),
      this.#history,
    );
    // Redrawing loses the focus. If the focused control is gone with the old status, the card gets the focus.
    if (focused) (focused.isConnected ? focused : this.element).focus();
  }

  /** Shows what has failed so far: the delivery of the link, or attempts to pay. */
  #failures() {
    const [undelivered, missed] = [failedDelivery(this.#request), missedDelivery(this.#request)];
    if (undelivered) return this.#failure(texts.undelivered(undelivered));
    if (missed) return this.#failure(texts.missed(missed));
    const attempts = failedAttempts(this.#request);
    const last = attempts.at(-1);
    if (!last || !sentencesOf(this.#request.status).showsAttempts) return null;
    return this.#failure(texts.attempts(attempts.length, last));
  }

  /** @param {Child} text */
  #failure(text) {
    return h("p", { class: "failure" }, icon("warning"), h("span", {}, text));
  }

  #actions() {
    const { copy, cancel, again } = this.#buttons;
    const repeatable = this.#newest && (hasEndedUnpaid(this.#request) || failedDelivery(this.#request));
    const buttons = [...(isUnclicked(this.#request) ? [copy, cancel] : []), ...(repeatable ? [again] : [])];
    return buttons.length > 0 && h("div", { class: "actions" }, buttons);
  }

  #entries() {
    const { history } = this.#request;
    return history.map((entry, index) => {
      const { tone, icon: name, text } = this.#entry(entry, index);
      const time = h("time", { datetime: entry.at }, moment(entry.at));
      return h("li", { "data-tone": tone }, icon(name), h("span", {}, text), time);
    });
  }

  /**
   * Returns the icon, colour and text of a history entry.
   * @param {HistoryEntry} entry
   * @param {number} index
   * @returns {{ tone: Tone, icon: IconName, text: Child }}
   */
  #entry(entry, index) {
    switch (repeatedBy(this.#request.history, index)) {
      case "undelivered":
        return { tone: "bad", icon: "warning", text: texts.missed(entry) };
      case "attempt":
        return { tone: "bad", icon: "warning", text: texts.attempt(entry) };
      default:
        return { ...factsOf(entry.status), text: sentencesOf(entry.status).entry(this.#request, entry) };
    }
  }
}
