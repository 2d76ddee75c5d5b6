// One payment request in the conversation.

import { now, countdown } from "./clock.js";
import { h, isolated, put } from "./dom.js";
import { icon } from "./desk-icons.js";
import { expiryReason, failedAttempts, failedDelivery, isOpen, missedDelivery } from "./desk-requests.js";
import { formatMoney } from "./money.js";
import { customer, moment, texts } from "./desk-texts.js";

/** Says `copy`, `cancel` and `again` when its buttons are pressed. */
export class Card extends EventTarget {
  #request;
  #working = null;
  #newest = true;
  #countdown = h("b", { role: "timer" });
  #timeline = h("ol", { class: "timeline" });
  #history = h("details", {}, h("summary", {}, icon("next"), texts.history), this.#timeline);
  #buttons = {
    copy: this.#button("copy", [icon("copy"), texts.copyLink]),
    cancel: this.#button("cancel", texts.cancelPayment),
    again: this.#button("again", [icon("again"), texts.sendAgain]),
  };

  constructor(request) {
    super();
    const title = `card-${request.id}`;
    this.element = h("article", { class: "card", tabindex: "-1", "aria-labelledby": title });
    this.title = title;
    this.update(request);
  }

  #button(name, content) {
    const pressed = () => {
      // Whoever presses twice means it once.
      if (!this.#working) this.dispatchEvent(new Event(name));
    };
    return h("button", { type: "button", onclick: pressed }, content);
  }

  get request() {
    return this.#request;
  }

  update(request) {
    this.#request = request;
    this.#draw();
  }

  /** Whether no later request took this one's place; only the last of an order is sent again. */
  set newest(newest) {
    if (this.#newest === newest) return;
    this.#newest = newest;
    this.#draw();
  }

  /** What is under way: `cancel`, `again` or nothing. */
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
    const { activeElement } = this.element.getRootNode();
    const focused = activeElement && this.element.contains(activeElement) ? activeElement : null;
    this.element.dataset.status = request.status;
    put(this.#timeline, this.#entries());
    this.tick();
    put(
      this.element,
      h(
        "header",
        {},
        h("span", { class: "status" }, icon(request.status), texts.statuses[request.status]),
        h("time", { datetime: request.created_at }, moment(request.created_at)),
      ),
      h("p", { class: "visually-hidden", id: this.title }, texts.cardTitle(request)),
      h("p", { class: "amount", "aria-hidden": "true" }, formatMoney(request.amount, request.currency)),
      h("p", { class: "order" }, texts.order(request)),
      request.description && h("p", { class: "description" }, isolated(request.description)),
      h("p", { class: "customer" }, isolated(customer(request)), request.customer.name && [" · ", isolated(request.customer.phone)]),
      h("p", { class: "standing" }, this.#standing()),
      this.#failures(),
      this.#actions(),
      this.#history,
    );
    // Drawing took the focus; what had it may be gone with the status.
    if (focused) (focused.isConnected ? focused : this.element).focus();
  }

  /** Where it stands, in a line. */
  #standing() {
    const request = this.#request;
    const last = request.history.at(-1);
    switch (request.status) {
      case "sent":
        return [texts.linkExpires, " ", this.#countdown];
      case "clicked":
        return [texts.timeToPay, " ", this.#countdown, " ", texts.toPay];
      case "expired":
        return texts.ended[expiryReason(request)];
      case "refund_due":
        return texts.refundDue(request);
      default:
        return texts[request.status](request, last);
    }
  }

  /** What has gone wrong on the way so far: the delivery of the link, or attempts to pay. */
  #failures() {
    const [undelivered, missed] = [failedDelivery(this.#request), missedDelivery(this.#request)];
    if (undelivered) return this.#failure(texts.undelivered(undelivered));
    if (missed) return this.#failure(texts.entries.undelivered(this.#request, missed));
    const attempts = failedAttempts(this.#request);
    if (attempts.length === 0 || !["clicked", "expired"].includes(this.#request.status)) return null;
    return this.#failure(texts.attempts(attempts.length, attempts.at(-1)));
  }

  #failure(text) {
    return h("p", { class: "failure" }, icon("attempt"), h("span", {}, text));
  }

  #actions() {
    const { status } = this.#request;
    const { copy, cancel, again } = this.#buttons;
    const ended = !isOpen(this.#request) && !["processing", "paid"].includes(status);
    const repeatable = this.#newest && (ended || failedDelivery(this.#request));
    const buttons = [status === "sent" && [copy, cancel], repeatable && again].flat().filter(Boolean);
    return buttons.length > 0 && h("div", { class: "actions" }, buttons);
  }

  #entries() {
    const request = this.#request;
    const attempts = failedAttempts(request);
    return request.history.map((entry, index) => {
      const undelivered = entry.status === "sent" && index > 0;
      const kind = undelivered ? "undelivered" : attempts.includes(entry) ? "attempt" : entry.status;
      const time = h("time", { datetime: entry.at }, moment(entry.at));
      return h("li", { "data-tone": kind }, icon(kind), h("span", {}, texts.entries[kind](request, entry)), time);
    });
  }
}
