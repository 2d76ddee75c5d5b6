// The numbers of a range and their pictures.

import { h, put } from "./dom.js";
import { formatMoney } from "./money.js";
import { Poller, slowing } from "./poller.js";
import { AgentTable, funnel, TimeChart } from "./supervisor-charts.js";
import { rangeText } from "./supervisor-dates.js";
import { statusPill } from "./supervisor-drawer.js";
import { Report } from "./supervisor-report.js";
import { count, rate, requests, STATUSES, timeOfDay } from "./supervisor-texts.js";

const SOON = 10_000;
const SLOWEST = 60_000;

/** The numbers. `found(report)` is told each report, and `failed(error)` what only the page as a whole can answer. */
export class Numbers {
  #api;
  #handlers;
  #poller = null;
  #report = null;
  #range = null;
  #tiles = h("dl", { class: "tiles" });
  #statuses = h("tbody");
  #funnel = h("div");
  #time;
  #agents;
  #content;
  #updated = h("p", { class: "quiet-text" });
  #notice = h("div", { role: "status" });
  #said = h("p", { class: "visually-hidden", role: "status" });
  #view = h("div", { class: "numbers" });
  #shownAt = null;
  #written = "";

  /** `handlers`: `found`, `failed`, `chooseRange(range)`, `chooseAgent(id)`, `widen()`. */
  constructor(api, handlers) {
    this.#api = api;
    this.#handlers = handlers;
    this.#time = new TimeChart(handlers.chooseRange);
    this.#agents = new AgentTable(handlers.chooseAgent);
    this.#content = [
      this.#tiles,
      h("div", { class: "columns" }, this.#time.element, h("section", { class: "card ends", "aria-labelledby": "ends-title" }, h("header", {}, h("h2", { id: "ends-title" }, "Where requests end")), this.#funnel)),
      h(
        "div",
        { class: "columns" },
        this.#agents.element,
        h(
          "section",
          { class: "card statuses", "aria-labelledby": "statuses-title" },
          h("header", {}, h("h2", { id: "statuses-title" }, "By status")),
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Status"), ["Requests", "Value"].map((name) => h("th", { scope: "col", class: "number" }, name)))),
            this.#statuses,
          ),
        ),
      ),
    ];
    this.element = h("div", {}, this.#notice, this.#said, this.#view, this.#updated);
  }

  /** Shows the numbers of a range, and keeps them up to date. */
  show(range) {
    if (this.#range?.from === range.from && this.#range.to === range.to) return;
    this.stop();
    this.#range = range;
    this.#report = new Report(this.#api, range);
    this.#shownAt = null;
    put(this.#notice);
    if (this.#view.children.length === 0) put(this.#view, skeleton());
    this.#view.setAttribute("aria-busy", "true");
    this.#poller = new Poller(slowing((signal) => this.#look(range, signal), SOON, SLOWEST), SOON);
    this.#poller.start();
  }

  /** Asks for nothing any more. */
  stop() {
    this.#poller?.stop();
    this.#range = null;
  }

  async #look(range, signal) {
    let found;
    try {
      found = await this.#report.look(signal, (done, all) => {
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
      const { total } = found;
      put(this.#said, `${rangeText(range)}: ${requests(total.sent)} sent, ${count(total.clicked)} clicked, ${count(total.count("paid"))} paid.`);
    }
    this.#written = written;
    this.#handlers.found(found);
    return written;
  }

  #failed(error) {
    if (this.#handlers.failed(error)) return;
    const again = h("button", { type: "button", onclick: () => this.#poller.now() }, "Try now");
    if (this.#shownAt === null) {
      this.#view.removeAttribute("aria-busy");
      put(this.#view, h("div", { class: "card empty" }, h("h2", {}, "The numbers are not there"), h("p", {}, `${error.message} They come by themselves as soon as they can.`), again));
      put(this.#notice);
    } else {
      put(this.#notice, h("div", { class: "notice" }, h("p", {}, `${error.message} These are the numbers of ${timeOfDay(this.#shownAt)}. New ones come by themselves.`), again));
    }
  }

  #draw(range, { total, days, agents }) {
    this.#view.removeAttribute("aria-busy");
    if (total.sent === 0) {
      put(
        this.#view,
        h(
          "div",
          { class: "card empty" },
          h("h2", {}, "Nothing was sent in these days"),
          h("p", {}, "As soon as an agent sends a payment request, it is counted here."),
          h("p", { class: "actions" }, h("button", { type: "button", onclick: () => this.#handlers.widen() }, "Look at 90 days"), h("a", { class: "button", href: "/desk" }, "Go to the desk")),
        ),
      );
      return;
    }
    put(this.#tiles, tiles(total));
    put(this.#funnel, funnel(total));
    const shown = [...STATUSES.keys()].filter((status) => total.count(status) > 0);
    put(this.#statuses, shown.map((status) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, statusPill(status)),
        h("td", { class: "number" }, count(total.count(status)), h("small", {}, rate(total.count(status), total.sent))),
        h("td", { class: "number" }, amounts(total.value(status))),
      )));
    if (this.#tiles.parentNode !== this.#view) put(this.#view, this.#content);
    this.#time.show(range, days);
    this.#agents.show(agents);
  }
}

/** What a report says, to be compared with the next. */
function contentOf({ total, days, agents }) {
  return JSON.stringify([
    [...days.values()],
    agents.map(({ id, name, tally }) => [id, name, tally.sent]),
    [...STATUSES.keys()].map((status) => total.value(status)),
  ]);
}

function tiles(total) {
  const [paid, open] = [total.count("paid"), total.count("sent", "clicked", "processing")];
  const ended = total.count("canceled", "expired");
  const refunds = total.count("refund_due", "refunded");
  const tile = (name, value, note, kind) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, h("strong", {}, value), note && h("span", {}, note)));
  const value = total.value("paid");
  return [
    tile("Links sent", count(total.sent)),
    tile("Clicked", count(total.clicked), `${rate(total.clicked, total.sent)} of sent`),
    tile("Paid", count(paid), `${rate(paid, total.sent)} of sent`),
    tile("Still open", count(open), `${rate(open, total.sent)} of sent`),
    tile("Value paid", value.length === 0 ? "–" : amounts(value), null, "value"),
    tile("Ended unpaid", count(ended), `${rate(ended, total.sent)} of sent`),
    tile("Refunds", count(refunds), refunds > 0 && `${count(total.count("refund_due"))} still due`),
  ];
}

/** Amounts of several currencies, each on a line of its own. */
function amounts(value) {
  return value.map(([currency, amount]) => h("span", { class: "amount-line" }, formatMoney(amount, currency)));
}

function progress(done, all) {
  return h("div", { class: "notice" }, h("p", {}, "Adding up a long time…"), h("progress", { value: done, max: all, "aria-label": "Reports read" }));
}

function skeleton() {
  const blocks = (number, kind) => Array.from({ length: number }, () => h("div", { class: `skeleton ${kind}` }));
  return [h("div", { class: "tiles" }, blocks(7, "tile")), h("div", { class: "columns" }, blocks(2, "picture"))];
}
