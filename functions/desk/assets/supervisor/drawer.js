// The drawer at the side, which shows one request with its whole history.

/** @import { Actor, HistoryEntry, PaymentRequest } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { Live } from "../shared/live.js" */

import { ProblemError } from "../client/index.js";
import { now, sentenceOf } from "../shared/api.js";
import { h, isolated, put } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { formatMoney } from "../shared/money.js";
import { Poller, slowing } from "../shared/poller.js";
import {
  countdown,
  factsOf,
  isCertain,
  isOpen,
  isSame,
  isStale,
  repeatedBy,
  undeliveredText,
} from "../shared/statuses.js";
import { statusPill } from "./charts.js";
import { exactTime, reasonText } from "./texts.js";

/** Without live updates: the shortest and the longest pause between polls, in milliseconds. */
const SOON = 5_000;
const SLOWEST = 60_000;
/** How long after its end a request is polled for late money, in milliseconds. */
const LATE_ENDS = 600_000;

/** The drawer. It dispatches `close` when it was closed. */
export class RequestDrawer extends EventTarget {
  #api;
  #live;
  /** @type {Poller | null} */
  #poller = null;
  /** @type {PaymentRequest | null} */
  #shown = null;
  /**
   * The id of the request that the drawer is about; `null` while it is closed.
   * @type {string | null}
   */
  #id = null;
  #title = h("h2", { id: "drawer-title" });
  #status = h("span", {});
  #body = h("div", { class: "drawer-body" });
  #news = h("p", { class: "visually-hidden", role: "status" });
  #problem = h("p", { class: "notice", role: "status" });
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {Api} api
   * @param {Live} live
   */
  constructor(api, live) {
    super();
    this.#api = api;
    this.#live = live;
    live.addEventListener("change", (event) => this.#changed(/** @type {CustomEvent} */ (event).detail));
    const closing = { type: "button", class: "quiet", "aria-label": "Close", onclick: () => this.element.close() };
    this.element = h(
      "dialog",
      { class: "drawer", "aria-labelledby": "drawer-title", closedby: "any" },
      h("header", {}, h("div", {}, this.#title, this.#status), h("button", closing, "✕")),
      this.#problem,
      this.#news,
      this.#body,
    );
    this.element.addEventListener("close", () => {
      this.#poller?.stop();
      clearInterval(this.#timer);
      this.#poller = null;
      this.#id = null;
      this.#shown = null;
      this.dispatchEvent(new Event("close"));
    });
  }

  /**
   * Opens the drawer with a request, and polls the request.
   * @param {string} id
   * @param {PaymentRequest} [known] the request as the list knows it, to be shown until the API answers
   */
  open(id, known) {
    this.#poller?.stop();
    this.#id = id;
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
    const whileItCanChange = slowing((signal) => this.#read(id, signal), SOON, SLOWEST);
    this.#poller = new Poller(
      async (signal) => {
        const pause = await whileItCanChange(signal);
        return this.#shown && mayChange(this.#shown) ? pause : null;
      },
      SOON,
      this.#live,
    );
    this.#poller.start();
  }

  close() {
    if (this.element.open) this.element.close();
  }

  /**
   * @param {string} id
   * @param {AbortSignal} signal
   */
  async #read(id, signal) {
    try {
      const request = await this.#api.get(id, signal);
      this.#show(request);
      put(this.#problem);
      return `${request.version} ${request.status}`;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof ProblemError && error.status === 404) {
        this.#body.removeAttribute("aria-busy");
        const text =
          "There is no such request. It may belong to another company, or it was deleted after the retention period.";
        put(this.#body, h("p", {}, text));
        return "";
      }
      const state = this.#shown ? "This is the last known state." : "Trying again.";
      put(this.#problem, `${sentenceOf(error)} ${state}`);
      throw error;
    }
  }

  /** @param {PaymentRequest} request */
  #changed(request) {
    if (request.id === this.#id) this.#show(request);
  }

  /** @param {PaymentRequest} request */
  #show(request) {
    const before = this.#shown;
    if (before && isStale(before, request)) return;
    this.#shown = request;
    if (isSame(before, request)) return;
    if (before) put(this.#news, `Now: ${newsOf(request)}.`);
    this.#body.removeAttribute("aria-busy");
    put(this.#title, "Order ", isolated(request.order_number));
    put(this.#status, statusPill(request.status));
    const opened = this.#body.querySelector("details")?.open ?? false;
    put(this.#body, details(request, opened));
    this.#tick();
  }

  #tick() {
    const left = this.#body.querySelector("[data-ends]");
    if (left instanceof HTMLElement) put(left, countdown(Date.parse(left.dataset.ends ?? "") - now()));
  }
}

/**
 * Returns whether a request can still change, as far as anybody waits for it here.
 * @param {PaymentRequest} request
 */
function mayChange(request) {
  const { awaits } = factsOf(request.status);
  // The provider may need days, for a payment and for a refund.
  if (awaits === "provider" || isOpen(request)) return true;
  return awaits === "late money" && now() - Date.parse(request.updated_at) <= LATE_ENDS;
}

/**
 * Builds a `<time>` element whose tooltip is the time in UTC.
 * @param {string} iso
 * @param {string} text
 */
export function timeElement(iso, text) {
  return h("time", { datetime: iso, title: `${iso.slice(0, 19).replace("T", " ")} UTC` }, text);
}

/**
 * @param {PaymentRequest} request
 * @param {boolean} opened whether the technical details are open
 */
function details(request, opened) {
  const { customer, link, payment, agent } = request;
  const metadata = Object.entries(request.metadata ?? {});
  const [before, after] = factsOf(request.status).left ?? ["", ""];
  return [
    h("p", { class: "sum" }, formatMoney(request.amount, request.currency)),
    link && h("p", { class: "left" }, before, h("strong", { "data-ends": link.expires_at }), after),
    facts([
      ["Customer", customer.name && isolated(customer.name)],
      ["Phone", isolated(customer.phone)],
      ["Agent", isolated(agent.name)],
      ["Description", request.description && isolated(request.description)],
      ["Sent", timeElement(request.created_at, exactTime(request.created_at))],
      ["Conversation", request.conversation_id && isolated(request.conversation_id)],
    ]),
    payment &&
      section(
        "Payment",
        facts([
          ["Provider", isolated(payment.provider)],
          ["Reference", isolated(payment.reference)],
          ["Paid", timeElement(payment.paid_at, exactTime(payment.paid_at))],
        ]),
      ),
    section("History", timeline(request)),
    link &&
      section(
        "Link",
        facts([
          ["Address", isolated(link.url)],
          ["Ends", timeElement(link.expires_at, exactTime(link.expires_at))],
        ]),
      ),
    metadata.length > 0 &&
      section("Metadata", facts(metadata.map(([name, value]) => [isolated(name), isolated(value)]))),
    h(
      "details",
      { open: opened },
      h("summary", {}, "Technical details"),
      facts([
        ["Id", isolated(request.id)],
        ["Version", request.version],
      ]),
    ),
  ];
}

/**
 * @param {string} title
 * @param {Child[]} content
 */
function section(title, ...content) {
  return h("section", {}, h("h3", {}, title), content);
}

/** @param {[name: Child, value: Child][]} pairs */
function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    {},
    given.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/**
 * Returns the title of a history entry.
 * @param {HistoryEntry[]} history
 * @param {number} index
 */
function titleOf(history, index) {
  const { status, reason } = history[index];
  switch (repeatedBy(history, index)) {
    case "undelivered":
      return isCertain(reason) ? "Link not delivered" : "Delivery not certain";
    case "attempt":
      return "Payment attempt failed";
    case "failure":
      return "Payment failed";
    default:
      return factsOf(status).word;
  }
}

/**
 * Returns the title of the latest change. If a deadline has passed and the history has no entry about it yet, it is the
 * status.
 * @param {PaymentRequest} request
 */
function newsOf({ status, history }) {
  return history.at(-1)?.status === status ? titleOf(history, history.length - 1) : factsOf(status).word;
}

/** @param {PaymentRequest} request */
function timeline(request) {
  const entries = request.history.map((entry, index) => {
    const failed = repeatedBy(request.history, index);
    const explain = failed === "undelivered" ? undeliveredText : reasonText;
    return h(
      "li",
      { class: failed ? "failed" : `status-${entry.status}` },
      icon(failed ? "cross" : factsOf(entry.status).sign, "sign"),
      h(
        "div",
        {},
        h("strong", {}, titleOf(request.history, index)),
        entry.reason && h("span", { class: "reason" }, isolated(explain(entry.reason))),
        h("span", { class: "by" }, timeElement(entry.at, exactTime(entry.at)), " · ", actor(entry.actor, request)),
      ),
    );
  });
  return h("ol", { class: "timeline" }, entries);
}

const ACTORS = new Map([
  ["customer", "Customer"],
  ["provider", "Payment provider"],
  ["system", "System"],
]);

/**
 * @param {Actor} actor
 * @param {PaymentRequest} request
 */
function actor({ type, id }, { agent }) {
  if (type === "agent") return isolated(id === agent.id ? agent.name : (id ?? ""));
  if (type === "service") return ["Service ", isolated(id ?? ""), " for ", isolated(agent.name)];
  return ACTORS.get(type) ?? type;
}
