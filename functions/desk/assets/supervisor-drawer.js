// One request with its whole history, in a drawer at the side.

import { now, countdown } from "./clock.js";
import { h, isolated, put } from "./dom.js";
import { formatMoney } from "./money.js";
import { Poller } from "./poller.js";
import { isOpen } from "./supervisor-pages.js";
import { exactTime, reasonText, statusSign, statusWord } from "./supervisor-texts.js";
import { isCertain, undeliveredText } from "./undelivered.js";

/** How often a request is asked for that is about to change. */
const SOON = 2_000;
/** Late money may still come for one that has ended, for a while. */
const LATE = 15_000;
const LATE_ENDS = 600_000;

/** The drawer. It says `close` when it was closed. */
export class RequestDrawer extends EventTarget {
  #api;
  #poller = null;
  #shown = null;
  #title = h("h2", { id: "drawer-title" });
  #status = h("span", {});
  #body = h("div", { class: "drawer-body" });
  #news = h("p", { class: "visually-hidden", role: "status" });
  #problem = h("p", { class: "notice", role: "status" });
  #timer;

  constructor(api) {
    super();
    this.#api = api;
    const close = h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => this.element.close() }, "✕");
    this.element = h(
      "dialog",
      { class: "drawer", "aria-labelledby": "drawer-title", closedby: "any" },
      h("header", {}, h("div", {}, this.#title, this.#status), close),
      this.#problem,
      this.#news,
      this.#body,
    );
    this.element.addEventListener("close", () => {
      this.#poller?.stop();
      clearInterval(this.#timer);
      this.#poller = null;
      this.#shown = null;
      this.dispatchEvent(new Event("close"));
    });
  }

  /** Shows the request of this id; `known` is what the list knows of it, if anything. */
  open(id, known) {
    this.#poller?.stop();
    this.#shown = null;
    put(this.#news);
    put(this.#problem);
    put(this.#status);
    put(this.#title, "Payment request");
    put(this.#body, h("div", { class: "skeleton block" }), h("div", { class: "skeleton block" }));
    this.#body.setAttribute("aria-busy", "true");
    if (known) this.#show(known);
    if (!this.element.open) this.element.showModal();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), 1_000);
    this.#poller = new Poller((signal) => this.#look(id, signal), SOON);
    this.#poller.start();
  }

  close() {
    if (this.element.open) this.element.close();
  }

  async #look(id, signal) {
    try {
      this.#show(await this.#api.get(id, signal));
      put(this.#problem);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error.status === 404) {
        this.#body.removeAttribute("aria-busy");
        put(this.#body, h("p", {}, "There is no such request. It may belong to another company, or have been kept for its time."));
        return null;
      }
      put(this.#problem, `${error.message} ${this.#shown ? "This is what was known last." : "Trying again."}`);
      throw error;
    }
    // The provider may take days, to bring money and to send it back.
    if (["processing", "refund_due"].includes(this.#shown.status)) return LATE;
    if (isOpen(this.#shown)) return SOON;
    const isLate = now() - Date.parse(this.#shown.updated_at) > LATE_ENDS;
    return isLate || !["expired", "canceled"].includes(this.#shown.status) ? null : LATE;
  }

  #show(request) {
    const before = this.#shown;
    this.#shown = request;
    if (before?.version === request.version && before.status === request.status) return;
    if (before) put(this.#news, `Now: ${newsOf(request)}.`);
    this.#body.removeAttribute("aria-busy");
    put(this.#title, "Order ", isolated(request.order_number));
    put(this.#status, statusPill(request.status));
    const opened = this.#body.querySelector("details")?.open;
    put(this.#body, details(request));
    if (opened) this.#body.querySelector("details").open = true;
    this.#tick();
  }

  #tick() {
    const left = this.#body.querySelector("[data-ends]");
    if (left) put(left, countdown(Date.parse(left.dataset.ends) - now()));
  }
}

/** A status as its sign and its word. */
export function statusPill(status) {
  return h("span", { class: `pill status-${status}` }, statusSign(status), statusWord(status));
}

/** A moment in the viewer's own zone, with UTC for whoever points at it. */
export function timeElement(iso, text) {
  return h("time", { datetime: iso, title: `${iso.slice(0, 19).replace("T", " ")} UTC` }, text);
}

function details(request) {
  const { customer, link, payment, agent } = request;
  const metadata = Object.entries(request.metadata ?? {});
  return [
    h("p", { class: "sum" }, formatMoney(request.amount, request.currency)),
    link && h("p", { class: "left" }, request.status === "sent" ? "Link expires in " : "The customer has ", h("strong", { "data-ends": link.expires_at }), request.status === "sent" ? "" : " to pay"),
    facts([
      ["Customer", customer.name && isolated(customer.name)],
      ["Phone", isolated(customer.phone)],
      ["Agent", isolated(agent.name)],
      ["Description", request.description && isolated(request.description)],
      ["Sent", timeElement(request.created_at, exactTime(request.created_at))],
      ["Conversation", request.conversation_id && isolated(request.conversation_id)],
    ]),
    payment && section("Payment", facts([
      ["Provider", isolated(payment.provider)],
      ["Reference", isolated(payment.reference)],
      ["Paid", timeElement(payment.paid_at, exactTime(payment.paid_at))],
    ])),
    section("History", timeline(request)),
    link && section("Link", facts([
      ["Address", isolated(link.url)],
      ["Ends", timeElement(link.expires_at, exactTime(link.expires_at))],
    ])),
    metadata.length > 0 && section("Metadata", facts(metadata.map(([name, value]) => [isolated(name), isolated(value)]))),
    h("details", {}, h("summary", {}, "For the technicians"), facts([["Id", isolated(request.id)], ["Version", request.version]])),
  ];
}

function section(title, ...content) {
  return h("section", {}, h("h3", {}, title), content);
}

function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", {}, given.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** What an entry tells of that does not change the status: something has failed. */
const FAILURES = {
  sent: ({ reason }) => (isCertain(reason) ? "Link not delivered" : "Delivery not certain"),
  clicked: () => "Payment attempt failed",
  expired: () => "Payment failed",
};

/** Whether an entry tells of a failure. */
function isFailure(history, index) {
  return history[index].status === history[index - 1]?.status;
}

/** What an entry tells of, in a word or two. */
function titleOf(history, index) {
  const entry = history[index];
  return isFailure(history, index) ? FAILURES[entry.status](entry) : statusWord(entry.status);
}

/** What has happened last. A deadline may have passed without anybody having written so into the history yet. */
function newsOf({ status, history }) {
  return history.at(-1).status === status ? titleOf(history, history.length - 1) : statusWord(status);
}

function timeline(request) {
  return h(
    "ol",
    { class: "timeline" },
    request.history.map((entry, index) => {
      const failed = isFailure(request.history, index);
      return h(
        "li",
        { class: failed ? "status-refund_due" : `status-${entry.status}` },
        statusSign(failed ? "canceled" : entry.status),
        h(
          "div",
          {},
          h("strong", {}, titleOf(request.history, index)),
          entry.reason && h("span", { class: "reason" }, isolated((failed && entry.status === "sent" ? undeliveredText : reasonText)(entry.reason))),
          h("span", { class: "by" }, timeElement(entry.at, exactTime(entry.at)), " · ", actor(entry.actor, request)),
        ),
      );
    }),
  );
}

function actor({ type, id }, { agent }) {
  if (type === "agent") return isolated(id === agent.id ? agent.name : id);
  return { customer: "Customer", provider: "Payment provider", system: "System" }[type] ?? type;
}
