// The pictures. Every number in them can be read as text, too.

import { h, isolated, put, s } from "./dom.js";
import { groups, rangeText } from "./supervisor-dates.js";
import { Tally } from "./supervisor-report.js";
import { count, rate, STATUSES, statusSign, statusWord } from "./supervisor-texts.js";

const HEIGHT = 260;
const MARGIN = { top: 12, right: 4, bottom: 28, left: 40 };

/** Round numbers from nothing to at least the highest value. */
function scale(highest) {
  const rough = Math.max(highest, 4) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power);
  const whole = Math.ceil(step);
  return Array.from({ length: Math.ceil(Math.max(highest, 1) / whole) + 1 }, (_, index) => index * whole);
}

/**
 * Sent and paid over time: a bar for each day, week or month, filled as far as it is paid. Each is a link that shows that
 * time alone: `choose(range)`. One of them is in the tab order, and the arrow keys go on to the others.
 */
export class TimeChart {
  #choose;
  #drawing = h("div", { class: "drawing" });
  #tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  #table = h("tbody");
  #unit = h("th", { scope: "col" });
  #title = h("h2", { id: "time-title" });
  #current = 0;
  #bars = [];
  #shown = null;

  constructor(choose) {
    this.#choose = choose;
    const plot = h("div", { class: "plot" }, this.#drawing, this.#tip);
    plot.addEventListener("pointerleave", () => this.#hideTip());
    plot.addEventListener("keydown", (event) => this.#key(event));
    plot.addEventListener("focusout", () => this.#hideTip());
    this.element = h(
      "section",
      { class: "card time", "aria-labelledby": "time-title" },
      h("header", {}, this.#title, legend()),
      plot,
      h(
        "details",
        {},
        h("summary", {}, "Show as a table"),
        h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": "Sent and paid over time, as a table" },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, this.#unit, ["Sent", "Clicked", "Paid", "Paid of sent"].map((name) => h("th", { scope: "col", class: "number" }, name)))),
            this.#table,
          ),
        ),
      ),
    );
    let width = 0;
    new ResizeObserver(() => {
      if (this.#drawing.clientWidth === width) return;
      width = this.#drawing.clientWidth;
      if (this.#shown) this.#draw();
    }).observe(this.#drawing);
  }

  /** Shows a range, of which `days` has the API's tally for each day. */
  show(range, days) {
    const { unit, groups: parts } = groups(range);
    const bars = parts.map(({ label, range: of, dates }) => {
      return { label, range: of, tally: Tally.of(dates.map((date) => days.get(date)).filter(Boolean)) };
    });
    if (this.#shown?.range.from !== range.from || this.#shown?.range.to !== range.to) this.#current = bars.length - 1;
    this.#shown = { range, bars };
    const name = { day: "Day", week: "Week", month: "Month" }[unit];
    put(this.#title, `Sent and paid by ${name.toLowerCase()}`);
    put(this.#unit, name);
    put(this.#table, bars.map(({ range: of, tally }) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, rangeText(of)),
        [count(tally.sent), count(tally.clicked), count(tally.count("paid")), rate(tally.count("paid"), tally.sent)]
          .map((text) => h("td", { class: "number" }, text)),
      )));
    this.#draw();
  }

  #draw() {
    const { bars } = this.#shown;
    const width = Math.max(this.#drawing.clientWidth, 200);
    const lines = scale(Math.max(...bars.map(({ tally }) => tally.sent)));
    const [plotWidth, plotHeight] = [width - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
    const y = (value) => MARGIN.top + plotHeight * (1 - value / lines.at(-1));
    const step = plotWidth / bars.length;
    const bar = Math.min(Math.max(step * 0.68, 3), 48);
    const everyLabel = Math.ceil((plotWidth < 500 ? 64 : 72) / step);
    const hadFocus = this.#drawing.contains(document.activeElement);

    const middleOf = (index) => MARGIN.left + step * (index + 0.5);

    this.#bars = bars.map(({ range, tally }, index) => {
      const [sent, paid] = [tally.sent, tally.count("paid")];
      const left = middleOf(index) - bar / 2;
      return s(
        "a",
        {
          href: `?from=${range.from}&to=${range.to}`,
          class: "bar-link",
          tabindex: index === this.#current ? "0" : "-1",
          "aria-label": `${rangeText(range)}: ${count(sent)} sent, ${count(paid)} paid`,
          onclick: (event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            this.#choose(range);
          },
          onpointerenter: () => this.#showTip(index),
          onfocus: () => this.#focused(index),
        },
        s("rect", { class: "hit", x: left - (step - bar) / 2, y: MARGIN.top, width: step, height: plotHeight }),
        sent > 0 && s("rect", { class: "sent", x: left + 0.75, y: y(sent), width: bar - 1.5, height: Math.max(y(0) - y(sent), 1), rx: 2 }),
        paid > 0 && s("rect", { class: "paid", x: left, y: y(paid), width: bar, height: y(0) - y(paid), rx: 2 }),
      );
    });
    put(
      this.#drawing,
      s(
        "svg",
        { role: "group", "aria-labelledby": "time-title", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` },
        s(
          "g",
          { "aria-hidden": "true" },
          lines.map((value) => [
            s("line", { class: value === 0 ? "axis" : "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
            s("text", { class: "label", x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, count(value)),
          ]),
          bars.map(({ label }, index) =>
            (bars.length - 1 - index) % everyLabel === 0
            && s("text", { class: "label", x: middleOf(index), y: HEIGHT - 8, "text-anchor": anchor(middleOf(index), width) }, label)),
        ),
        this.#bars,
      ),
    );
    this.#hideTip();
    if (hadFocus) this.#bars[this.#current]?.focus({ preventScroll: true });
  }

  #focused(index) {
    this.#bars[this.#current]?.setAttribute("tabindex", "-1");
    this.#current = index;
    this.#bars[index].setAttribute("tabindex", "0");
    this.#showTip(index);
  }

  #key(event) {
    const last = this.#bars.length - 1;
    const to = {
      ArrowLeft: Math.max(this.#current - 1, 0),
      ArrowRight: Math.min(this.#current + 1, last),
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") this.#hideTip();
    if (to === undefined) return;
    event.preventDefault();
    this.#bars[to].focus();
  }

  #showTip(index) {
    const { range, tally } = this.#shown.bars[index];
    const paid = tally.count("paid");
    put(
      this.#tip,
      h("strong", {}, rangeText(range)),
      h("span", {}, `${count(tally.sent)} sent`),
      h("span", {}, `${count(tally.clicked)} clicked (${rate(tally.clicked, tally.sent)})`),
      h("span", {}, `${count(paid)} paid (${rate(paid, tally.sent)})`),
    );
    this.#tip.hidden = false;
    const width = this.#drawing.clientWidth;
    const middle = MARGIN.left + ((width - MARGIN.left - MARGIN.right) * (index + 0.5)) / this.#bars.length;
    const half = this.#tip.offsetWidth / 2;
    this.#tip.style.setProperty("inset-inline-start", `${Math.min(Math.max(middle - half, 0), width - 2 * half)}px`);
  }

  #hideTip() {
    this.#tip.hidden = true;
  }
}

/** Labels at the sides would be cut off if they stood in the middle of their bars. */
function anchor(middle, width) {
  if (middle < MARGIN.left + 20) return "start";
  return middle > width - 28 ? "end" : "middle";
}

function legend() {
  const entry = (name, word) =>
    h("li", {}, s("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, s("rect", { class: name, x: 1, y: 1, width: 10, height: 10, rx: 2 })), word);
  return h("ul", { class: "legend" }, entry("sent", "Sent"), entry("paid", "Paid"));
}

/**
 * One bar of all statuses, each as wide as its share, against `highest`. The words beside it say the same, so it is
 * hidden from screen readers where `label` is left out.
 */
export function statusBar(tally, highest, label) {
  const shown = [...STATUSES.keys()].map((status) => ({ status, value: tally.count(status) })).filter(({ value }) => value > 0);
  const unit = 100 / Math.max(highest, 1);
  let left = 0;
  const parts = shown.map(({ status, value }) => {
    const x = left;
    left += value * unit;
    const title = s("title", {}, `${statusWord(status)}: ${count(value)}`);
    return s("rect", { class: `status-${status}`, x: `${x}%`, y: 0, width: `${value * unit}%`, height: "100%" }, title);
  });
  const names = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return s("svg", { class: "status-bar", ...names }, parts);
}

/** What a bar of statuses shows, in words. */
export function statusesText(tally) {
  const parts = [...STATUSES.keys()].filter((status) => tally.count(status) > 0);
  return parts.map((status) => `${count(tally.count(status))} ${statusWord(status).toLowerCase()}`).join(", ");
}

/** Where requests end: how many come how far, and where the others went. */
export function funnel(tally) {
  const paid = tally.count("paid");
  const { notClicked, notPaid } = tally.expired;
  const step = (name, value, ...out) =>
    h(
      "li",
      {},
      h("p", { class: "step" }, h("span", {}, name), h("span", {}, h("strong", {}, count(value)), ` ${rate(value, tally.sent)}`)),
      s("svg", { class: "funnel-bar", "aria-hidden": "true" }, s("rect", { class: "rest", width: "100%", height: "100%", rx: 4 }), s("rect", { class: "reached", width: `${(100 * value) / Math.max(tally.sent, 1)}%`, height: "100%", rx: 4 })),
      out.some(([, , leaving]) => leaving > 0) && h(
        "ul",
        { class: "out" },
        out.filter(([, , leaving]) => leaving > 0).map(([status, words, leaving]) =>
          h("li", {}, h("span", { class: `status-${status}` }, statusSign(status)), h("span", {}, words), h("strong", {}, count(leaving)))),
      ),
    );
  return h(
    "ol",
    { class: "funnel" },
    step("Sent", tally.sent, ["sent", "Still waiting for the click", tally.count("sent")], ["canceled", "Canceled", tally.count("canceled")], ["expired", "Expired, not clicked", notClicked]),
    step("Clicked", tally.clicked, ["clicked", "Still paying", tally.count("clicked")], ["processing", "Paid, the money is on its way", tally.count("processing")], ["expired", "Expired, not paid", notPaid], ["refund_due", "Paid too late, refund due", tally.count("refund_due")], ["refunded", "Paid too late, refunded", tally.count("refunded")]),
    step("Paid", paid),
  );
}

/** Every agent with a bar of what became of their requests, to be sorted by any column. `choose(id)` shows one's list. */
export class AgentTable {
  #choose;
  #sorting = { column: 1, descending: true };
  #agents = [];
  #body = h("tbody");
  #heads;

  constructor(choose) {
    this.#choose = choose;
    this.#heads = COLUMNS.map(({ name, number }, index) =>
      h("th", { scope: "col", class: number && "number" }, h("button", { type: "button", class: "sort", onclick: () => this.#sort(index) }, name)));
    this.element = h(
      "section",
      { class: "card agents", "aria-labelledby": "agents-title" },
      h("header", {}, h("h2", { id: "agents-title" }, "By agent"), statusLegend()),
      h("table", {}, h("thead", {}, h("tr", {}, this.#heads)), this.#body),
    );
  }

  show(agents) {
    this.#agents = agents;
    this.#draw();
  }

  #sort(column) {
    const isSame = this.#sorting.column === column;
    // Names from A on, numbers from the highest on, and the other way round when pressed again.
    this.#sorting = { column, descending: isSame ? !this.#sorting.descending : COLUMNS[column].number };
    this.#draw();
  }

  #draw() {
    const { column, descending } = this.#sorting;
    this.#heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const by = COLUMNS[column].by;
    const compare = (one, other) => (typeof by(one) === "string" ? by(one).localeCompare(by(other), "en") : by(one) - by(other));
    const sorted = this.#agents.toSorted((one, other) => (descending ? -1 : 1) * compare(one, other));
    const highest = Math.max(...sorted.map(({ tally }) => tally.sent));
    const focused = document.activeElement?.closest?.("tr[data-agent]")?.dataset.agent;
    put(this.#body, sorted.map((agent) => this.#row(agent, highest)));
    if (focused !== undefined) this.#body.querySelector(`tr[data-agent="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
  }

  #row({ id, name, tally }, highest) {
    const paid = tally.count("paid");
    return h(
      "tr",
      { "data-agent": id },
      h(
        "th",
        { scope: "row" },
        h("button", { type: "button", class: "link", title: "Show the requests of this agent", onclick: () => this.#choose(id) }, isolated(name)),
        statusBar(tally, highest, statusesText(tally)),
      ),
      [count(tally.sent), count(tally.clicked), rate(tally.clicked, tally.sent), count(paid), rate(paid, tally.sent)].map((text) =>
        h("td", { class: "number" }, text)),
    );
  }
}

const COLUMNS = [
  { name: "Agent", by: ({ name }) => name },
  { name: "Sent", number: true, by: ({ tally }) => tally.sent },
  { name: "Clicked", number: true, by: ({ tally }) => tally.clicked },
  { name: "Click rate", number: true, by: ({ tally }) => tally.clicked / tally.sent },
  { name: "Paid", number: true, by: ({ tally }) => tally.count("paid") },
  { name: "Payment rate", number: true, by: ({ tally }) => tally.count("paid") / tally.sent },
];

function statusLegend() {
  return h(
    "ul",
    { class: "legend" },
    [...STATUSES.keys()].map((status) => h("li", { class: `status-${status}` }, statusSign(status), statusWord(status))),
  );
}
