// The numbers of a range, with their charts.

/** @import { PaymentRequest } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { Live } from "../shared/live.js" */
/** @import { Range } from "./dates.js" */
/** @import { Found, Tally } from "./report.js" */

import { sentenceOf } from "../shared/api.js";
import { h, put } from "../shared/dom.js";
import { formatMoney } from "../shared/money.js";
import { Poller, slowing } from "../shared/poller.js";
import { STATUSES } from "../shared/statuses.js";
import { AgentTable, funnel, statusPill, TimeChart } from "./charts.js";
import { parameters, rangeText } from "./dates.js";
import { Report } from "./report.js";
import { count, rate, requests, timeOfDay } from "./texts.js";

/** The shortest and the longest pause between polls, in milliseconds. */
const SOON = 10_000;
const SLOWEST = 60_000;
/** The pause between a change and the report that has it, in milliseconds. Many changes share one report. */
const AFTER_CHANGES = 3_000;

/**
 * The page's callbacks.
 * @typedef {object} Handlers
 * @property {(report: Found) => void} found is called with each report
 * @property {(error: unknown) => boolean} failed is called with each error, and returns true if the page has handled it
 * @property {(range: Range) => void} chooseRange shows another range
 * @property {(agent: string) => void} chooseAgent shows the list of an agent
 * @property {() => void} widen shows the longest range that has a name
 */

/** The section with the numbers. It polls the report on the range that is shown. */
export class Numbers {
  #api;
  #handlers;
  #live;
  /** @type {Poller | null} */
  #poller = null;
  /** @type {Range | null} */
  #range = null;
  #tiles = h("dl", { class: "tiles" });
  #statuses = h("tbody");
  #funnel = h("div");
  #time;
  #agents;
  #content;
  #updated = h("p", { class: "quiet-text" });
  #notice = h("div", { role: "status" });
  #announcement = h("p", { class: "visually-hidden", role: "status" });
  #view = h("div", { class: "numbers" });
  /** @type {number | null} */
  #shownAt = null;
  #written = "";

  /**
   * @param {Api} api
   * @param {Handlers} handlers
   * @param {Live} live
   */
  constructor(api, handlers, live) {
    this.#api = api;
    this.#live = live;
    this.#handlers = handlers;
    this.#time = new TimeChart(handlers.chooseRange);
    this.#agents = new AgentTable(handlers.chooseAgent);
    this.#content = [
      this.#tiles,
      h("div", { class: "columns" }, this.#time.element, card("ends", "Where requests end", this.#funnel)),
      h("div", { class: "columns" }, this.#agents.element, card("statuses", "By status", statusTable(this.#statuses))),
    ];
    this.element = h("div", {}, this.#notice, this.#announcement, this.#view, this.#updated);
  }

  /**
   * Shows the numbers of a range, and keeps them up to date.
   * @param {Range} range
   */
  show(range) {
    if (this.#range?.from === range.from && this.#range.to === range.to) return;
    this.stop();
    this.#range = range;
    const report = new Report(this.#api, range);
    this.#shownAt = null;
    put(this.#notice);
    if (this.#view.children.length === 0) put(this.#view, skeleton());
    this.#view.setAttribute("aria-busy", "true");
    this.#poller = new Poller(
      slowing((signal) => this.#read(report, range, signal), SOON, SLOWEST),
      SOON,
      this.#live,
    );
    this.#poller.start();
  }

  /**
   * Reads the report soon, if it is about a request that has changed.
   * @param {PaymentRequest} request
   */
  changed({ created_at }) {
    if (!this.#range) return;
    const { from, to } = parameters(this.#range);
    if (from <= created_at && created_at < to) this.#poller?.soon(AFTER_CHANGES);
  }

  /** Stops polling. */
  stop() {
    this.#poller?.stop();
    this.#range = null;
  }

  /**
   * @param {Report} report
   * @param {Range} range
   * @param {AbortSignal} signal
   */
  async #read(report, range, signal) {
    let found;
    try {
      found = await report.read(signal, (done, all) => {
        if (this.#shownAt === null && all > 1) put(this.#notice, progress(done, all));
      });
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
      throw error;
    }
    const isFirst = this.#shownAt === null;
    this.#shownAt = Date.now();
    put(this.#notice);
    put(this.#updated, `Updated at ${timeOfDay(this.#shownAt)}`);
    const written = contentOf(found);
    if (isFirst || written !== this.#written) this.#draw(range, found);
    if (isFirst) {
      const { sent, clicked, paid } = found.total;
      const numbers = `${requests(sent)} sent, ${count(clicked)} clicked, ${count(paid)} paid`;
      put(this.#announcement, `${rangeText(range)}: ${numbers}.`);
    }
    this.#written = written;
    this.#handlers.found(found);
    return written;
  }

  /** @param {unknown} error */
  #failed(error) {
    if (this.#handlers.failed(error)) return;
    const again = h("button", { type: "button", onclick: () => this.#poller?.now() }, "Try now");
    if (this.#shownAt === null) {
      this.#view.removeAttribute("aria-busy");
      const text = `${sentenceOf(error)} They load automatically as soon as the service answers.`;
      put(
        this.#view,
        h("div", { class: "card empty" }, h("h2", {}, "The numbers could not be loaded"), h("p", {}, text), again),
      );
      put(this.#notice);
    } else {
      const old = `These are the numbers of ${timeOfDay(this.#shownAt)}.`;
      const text = `${sentenceOf(error)} ${old} They update automatically.`;
      put(this.#notice, h("div", { class: "notice" }, h("p", {}, text), again));
    }
  }

  /**
   * @param {Range} range
   * @param {Found} found
   */
  #draw(range, { total, days, agents }) {
    this.#view.removeAttribute("aria-busy");
    if (total.sent === 0) {
      const widen = h("button", { type: "button", onclick: () => this.#handlers.widen() }, "Show 90 days");
      put(
        this.#view,
        h(
          "div",
          { class: "card empty" },
          h("h2", {}, "Nothing was sent on these days"),
          h("p", {}, "As soon as an agent sends a payment request, it is counted here."),
          h("p", { class: "actions" }, widen, h("a", { class: "button", href: "/desk" }, "Go to the desk")),
        ),
      );
      return;
    }
    put(this.#tiles, tiles(total));
    put(this.#funnel, funnel(total));
    put(this.#statuses, statusRows(total));
    if (this.#tiles.parentNode !== this.#view) put(this.#view, this.#content);
    this.#time.show(range, days);
    this.#agents.show(agents);
  }
}

/**
 * @param {string} name
 * @param {string} title
 * @param {HTMLElement} content
 */
function card(name, title, content) {
  const id = `${name}-title`;
  return h(
    "section",
    { class: `card ${name}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title)),
    content,
  );
}

/** @param {HTMLElement} body */
function statusTable(body) {
  const numbers = ["Requests", "Value"].map((name) => h("th", { scope: "col", class: "number" }, name));
  return h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Status"), numbers)), body);
}

/** @param {Tally} total */
function statusRows(total) {
  const shown = [...STATUSES.keys()].filter((status) => total.count(status) > 0);
  return shown.map((status) => {
    const number = total.count(status);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, statusPill(status)),
      h("td", { class: "number" }, count(number), h("small", {}, rate(number, total.sent))),
      h("td", { class: "number" }, amounts(total.value(status))),
    );
  });
}

/**
 * Returns a report as text, to detect whether the next report differs.
 * @param {Found} found
 */
function contentOf({ total, days, agents }) {
  return JSON.stringify([
    [...days.values()],
    agents.map(({ id, name, tally }) => [id, name, tally.sent]),
    [...STATUSES.keys()].map((status) => total.value(status)),
  ]);
}

/** @param {Tally} total */
function tiles(total) {
  const [open, ended, refunds] = [total.countOf("open"), total.countOf("unpaid"), total.countOf("refund")];
  /** @type {(name: string, value: Child, note?: Child, kind?: string) => HTMLElement} */
  const tile = (name, value, note, kind) =>
    h("div", { class: kind }, h("dt", {}, name), h("dd", {}, h("strong", {}, value), note && h("span", {}, note)));
  /** @type {(part: number) => string} */
  const ofSent = (part) => `${rate(part, total.sent)} of sent`;
  const value = total.valuePaid;
  return [
    tile("Links sent", count(total.sent)),
    tile("Clicked", count(total.clicked), ofSent(total.clicked)),
    tile("Paid", count(total.paid), ofSent(total.paid)),
    tile("Still open", count(open), ofSent(open)),
    tile("Value paid", value.length === 0 ? "–" : amounts(value), null, "value"),
    tile("Ended unpaid", count(ended), ofSent(ended)),
    tile("Refunds", count(refunds), refunds > 0 && `${count(total.stillDue)} still due`),
  ];
}

/**
 * Formats amounts in several currencies, each on its own line.
 * @param {[currency: string, amount: number][]} value
 */
function amounts(value) {
  return value.map(([currency, amount]) => h("span", { class: "amount-line" }, formatMoney(amount, currency)));
}

/**
 * @param {number} done
 * @param {number} all
 */
function progress(done, all) {
  const bar = h("progress", { value: done, max: all, "aria-label": "Reports read" });
  return h("div", { class: "notice" }, h("p", {}, "Adding up a long range…"), bar);
}

function skeleton() {
  /** @type {(number: number, kind: string) => HTMLElement[]} */
  const blocks = (number, kind) => Array.from({ length: number }, () => h("div", { class: `skeleton ${kind}` }));
  return [h("div", { class: "tiles" }, blocks(7, "tile")), h("div", { class: "columns" }, blocks(2, "picture"))];
}
