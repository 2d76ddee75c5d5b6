// The charts. Every number in them is also available as text.

/** @import { Totals as Part } from "../client/index.js" */
/** @import { Range } from "./dates.js" */
/** @import { AgentTally } from "./report.js" */

import { h, isolated, put, s } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { factsOf, STATUSES } from "../shared/statuses.js";
import { groups, rangeText } from "./dates.js";
import { Tally } from "./report.js";
import { count, rate } from "./texts.js";

const HEIGHT = 260;
const MARGIN = { top: 12, right: 4, bottom: 28, left: 40 };

/**
 * Returns the axis's round numbers, from zero to at least the highest value.
 * @param {number} highest
 */
function scale(highest) {
  const rough = Math.max(highest, 4) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5].find((factor) => factor * power >= rough) ?? 10;
  const whole = Math.ceil(Math.max(1, factor * power));
  return Array.from({ length: Math.ceil(Math.max(highest, 1) / whole) + 1 }, (_, index) => index * whole);
}

/** @typedef {{ label: string, range: Range, tally: Tally }} Bar */

/**
 * The chart of sent and paid requests over time: a bar for each day, week or month, filled to the share that is paid.
 * Each bar is a link that shows only its days. One bar is in the tab order, and the arrow keys move to the others.
 */
export class TimeChart {
  #choose;
  #drawing = h("div", { class: "drawing" });
  #tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  #table = h("tbody");
  #unit = h("th", { scope: "col" });
  #title = h("h2", { id: "time-title" });
  #current = 0;
  /** @type {SVGElement[]} */
  #links = [];
  /** @type {{ range: Range, bars: Bar[] } | null} */
  #shown = null;

  /** @param {(range: Range) => void} choose */
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
      h("details", {}, h("summary", {}, "Show as a table"), this.#asTable()),
    );
    let width = 0;
    new ResizeObserver(() => {
      if (this.#drawing.clientWidth === width) return;
      width = this.#drawing.clientWidth;
      if (this.#shown) this.#draw(this.#shown.bars);
    }).observe(this.#drawing);
  }

  #asTable() {
    const heads = ["Sent", "Clicked", "Paid", "Paid of sent"];
    return h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Sent and paid over time, as a table" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            this.#unit,
            heads.map((name) => h("th", { scope: "col", class: "number" }, name)),
          ),
        ),
        this.#table,
      ),
    );
  }

  /**
   * Shows a range. `days` has the API's tally for each day.
   * @param {Range} range
   * @param {Map<string, Part>} days
   */
  show(range, days) {
    const { unit, groups: parts } = groups(range);
    const bars = parts.map(({ label, range: of, dates }) => {
      return { label, range: of, tally: Tally.of(dates.flatMap((date) => days.get(date) ?? [])) };
    });
    if (this.#shown?.range.from !== range.from || this.#shown?.range.to !== range.to) this.#current = bars.length - 1;
    this.#shown = { range, bars };
    put(this.#title, `Sent and paid by ${unit.toLowerCase()}`);
    put(this.#unit, unit);
    put(this.#table, bars.map(row));
    this.#draw(bars);
  }

  /** @param {Bar[]} bars */
  #draw(bars) {
    const width = Math.max(this.#drawing.clientWidth, 200);
    const lines = scale(Math.max(...bars.map(({ tally }) => tally.sent)));
    const [plotWidth, plotHeight] = [width - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
    /** @type {(value: number) => number} */
    const y = (value) => MARGIN.top + plotHeight * (1 - value / lines[lines.length - 1]);
    const step = plotWidth / bars.length;
    const bar = Math.min(Math.max(step * 0.68, 3), 48);
    const everyLabel = Math.ceil((plotWidth < 500 ? 64 : 72) / step);
    const hadFocus = this.#drawing.contains(document.activeElement);
    /** @type {(index: number) => number} */
    const middleOf = (index) => MARGIN.left + step * (index + 0.5);

    this.#links = bars.map(({ range, tally }, index) => {
      const { sent, paid } = tally;
      const left = middleOf(index) - bar / 2;
      const whole = { x: left + 0.75, y: y(sent), width: bar - 1.5, height: Math.max(y(0) - y(sent), 1), rx: 2 };
      const part = { x: left, y: y(paid), width: bar, height: y(0) - y(paid), rx: 2 };
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
        sent > 0 && s("rect", { class: "whole", ...whole }),
        paid > 0 && s("rect", { class: "part", ...part }),
      );
    });
    const grid = lines.map((value) => {
      const [kind, at] = [value === 0 ? "axis" : "grid", y(value)];
      return [
        s("line", { class: kind, x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }),
        s("text", { class: "label", x: MARGIN.left - 8, y: at + 4, "text-anchor": "end" }, count(value)),
      ];
    });
    const labels = bars.map(({ label }, index) => {
      if ((bars.length - 1 - index) % everyLabel !== 0) return null;
      const x = middleOf(index);
      return s("text", { class: "label", x, y: HEIGHT - 8, "text-anchor": anchor(x, width) }, label);
    });
    const box = { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` };
    put(
      this.#drawing,
      s(
        "svg",
        { role: "group", "aria-labelledby": "time-title", ...box },
        s("g", { "aria-hidden": "true" }, grid, labels),
        this.#links,
      ),
    );
    this.#hideTip();
    if (hadFocus) this.#links[this.#current]?.focus({ preventScroll: true });
  }

  /** @param {number} index */
  #focused(index) {
    this.#links[this.#current]?.setAttribute("tabindex", "-1");
    this.#current = index;
    this.#links[index].setAttribute("tabindex", "0");
    this.#showTip(index);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const last = this.#links.length - 1;
    const to = new Map([
      ["ArrowLeft", Math.max(this.#current - 1, 0)],
      ["ArrowRight", Math.min(this.#current + 1, last)],
      ["Home", 0],
      ["End", last],
    ]).get(event.key);
    if (event.key === "Escape") this.#hideTip();
    if (to === undefined) return;
    event.preventDefault();
    this.#links[to].focus();
  }

  /** @param {number} index */
  #showTip(index) {
    if (!this.#shown) return;
    const { range, tally } = this.#shown.bars[index];
    const { sent, clicked, paid } = tally;
    put(
      this.#tip,
      h("strong", {}, rangeText(range)),
      h("span", {}, `${count(sent)} sent`),
      h("span", {}, `${count(clicked)} clicked (${rate(clicked, sent)})`),
      h("span", {}, `${count(paid)} paid (${rate(paid, sent)})`),
    );
    this.#tip.hidden = false;
    const width = this.#drawing.clientWidth;
    const middle = MARGIN.left + ((width - MARGIN.left - MARGIN.right) * (index + 0.5)) / this.#links.length;
    const half = this.#tip.offsetWidth / 2;
    const start = Math.min(Math.max(middle - half, 0), width - 2 * half);
    this.#tip.style.setProperty("inset-inline-start", `${start}px`);
  }

  #hideTip() {
    this.#tip.hidden = true;
  }
}

/**
 * Builds the table row of a bar.
 * @param {Bar} bar
 */
function row({ range, tally: { sent, clicked, paid } }) {
  const cells = [count(sent), count(clicked), count(paid), rate(paid, sent)];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, rangeText(range)),
    cells.map((text) => h("td", { class: "number" }, text)),
  );
}

/**
 * Returns the `text-anchor` of a label. A label at the edge of the chart would be cut off if it were centred.
 * @param {number} middle
 * @param {number} width
 */
function anchor(middle, width) {
  if (middle < MARGIN.left + 20) return "start";
  return middle > width - 28 ? "end" : "middle";
}

function legend() {
  /** @type {(kind: string, word: string) => HTMLElement} */
  const entry = (kind, word) => {
    const square = s("rect", { class: kind, x: 1, y: 1, width: 10, height: 10, rx: 2 });
    return h("li", {}, s("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, square), word);
  };
  return h("ul", { class: "legend" }, entry("whole", "Sent"), entry("part", "Paid"));
}

/**
 * Draws one bar with a part for each status; `highest` is the value of the full width. Without `label` the bar is
 * hidden from screen readers, because the text beside it says the same.
 * @param {Tally} tally
 * @param {number} highest
 * @param {string} [label]
 */
export function statusBar(tally, highest, label) {
  const unit = 100 / Math.max(highest, 1);
  let left = 0;
  const parts = [...STATUSES].map(([status, { word }]) => {
    const value = tally.count(status);
    if (value === 0) return null;
    const x = left;
    left += value * unit;
    const title = s("title", {}, `${word}: ${count(value)}`);
    const box = { x: `${x}%`, y: 0, width: `${value * unit}%`, height: "100%" };
    return s("rect", { class: `status-${status}`, ...box }, title);
  });
  const names = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return s("svg", { class: "status-bar", ...names }, parts);
}

/**
 * Returns the counts of a bar of statuses as text.
 * @param {Tally} tally
 */
export function statusesText(tally) {
  const parts = [...STATUSES].filter(([status]) => tally.count(status) > 0);
  return parts.map(([status, { word }]) => `${count(tally.count(status))} ${word.toLowerCase()}`).join(", ");
}

/**
 * Builds the funnel: how many requests were sent, clicked and paid, and how the others ended.
 * @param {Tally} tally
 */
export function funnel(tally) {
  return h(
    "ol",
    { class: "funnel" },
    step(tally, "Sent", tally.sent, "before"),
    step(tally, "Clicked", tally.clicked, "after"),
    step(tally, "Paid", tally.paid),
  );
}

/**
 * Builds one step of the funnel, with the requests that went no further.
 * @param {Tally} tally
 * @param {string} name
 * @param {number} value
 * @param {"before" | "after"} [side] the side of the click on which those requests ended
 */
function step(tally, name, value, side) {
  const out = [...STATUSES].flatMap(([status, { funnel, sign }]) => {
    const words = side && funnel[side];
    const leaving = side ? tally.split(status)[side] : 0;
    if (!words || leaving === 0) return [];
    const mark = h("span", { class: `status-${status}` }, icon(sign, "sign"));
    return [h("li", {}, mark, h("span", {}, words), h("strong", {}, count(leaving)))];
  });
  const reached = { width: `${(100 * value) / Math.max(tally.sent, 1)}%`, height: "100%", rx: 4 };
  return h(
    "li",
    {},
    h(
      "p",
      { class: "step" },
      h("span", {}, name),
      h("span", {}, h("strong", {}, count(value)), ` ${rate(value, tally.sent)}`),
    ),
    s(
      "svg",
      { class: "funnel-bar", "aria-hidden": "true" },
      s("rect", { class: "rest", width: "100%", height: "100%", rx: 4 }),
      s("rect", { class: "reached", ...reached }),
    ),
    out.length > 0 && h("ul", { class: "out" }, out),
  );
}

/**
 * The columns of the agents' table. Columns with `number` are sorted in descending order first.
 * @type {({ name: string, text: (agent: AgentTally) => string } | { name: string, number: (agent: AgentTally) => number
 *   })[]}
 */
const COLUMNS = [
  { name: "Agent", text: ({ name }) => name },
  { name: "Sent", number: ({ tally }) => tally.sent },
  { name: "Clicked", number: ({ tally }) => tally.clicked },
  { name: "Click rate", number: ({ tally }) => tally.clicked / tally.sent },
  { name: "Paid", number: ({ tally }) => tally.paid },
  { name: "Payment rate", number: ({ tally }) => tally.paid / tally.sent },
];

/** The table of agents, sortable by each column. Each agent has a bar of their requests by status. */
export class AgentTable {
  #choose;
  #sorting = { column: 1, descending: true };
  /** @type {AgentTally[]} */
  #agents = [];
  #body = h("tbody");
  #heads;

  /** @param {(agent: string) => void} choose shows an agent's list */
  constructor(choose) {
    this.#choose = choose;
    this.#heads = COLUMNS.map((column, index) => {
      const button = h("button", { type: "button", class: "sort", onclick: () => this.#sort(index) }, column.name);
      return h("th", { scope: "col", class: "number" in column && "number" }, button);
    });
    this.element = h(
      "section",
      { class: "card agents", "aria-labelledby": "agents-title" },
      h("header", {}, h("h2", { id: "agents-title" }, "By agent"), statusLegend()),
      h("table", {}, h("thead", {}, h("tr", {}, this.#heads)), this.#body),
    );
  }

  /** @param {AgentTally[]} agents */
  show(agents) {
    this.#agents = agents;
    this.#draw();
  }

  /** @param {number} column */
  #sort(column) {
    const isSame = this.#sorting.column === column;
    // Names sort from A to Z and numbers from the highest. A second press reverses the order.
    this.#sorting = { column, descending: isSame ? !this.#sorting.descending : "number" in COLUMNS[column] };
    this.#draw();
  }

  #draw() {
    const { column, descending } = this.#sorting;
    this.#heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const by = COLUMNS[column];
    /** @type {(one: AgentTally, other: AgentTally) => number} */
    const compare = (one, other) =>
      "number" in by ? by.number(one) - by.number(other) : by.text(one).localeCompare(by.text(other), "en");
    const sorted = this.#agents.toSorted((one, other) => (descending ? -1 : 1) * compare(one, other));
    const highest = Math.max(...sorted.map(({ tally }) => tally.sent));
    const focused = document.activeElement?.closest("tr")?.dataset.agent;
    const rows = new Map(sorted.map((agent) => [agent.id, this.#row(agent, highest)]));
    put(this.#body, [...rows.values()]);
    if (focused !== undefined) rows.get(focused)?.querySelector("button")?.focus({ preventScroll: true });
  }

  /**
   * @param {AgentTally} agent
   * @param {number} highest
   */
  #row({ id, name, tally }, highest) {
    const { sent, clicked, paid } = tally;
    const button = { type: "button", class: "link", title: "Show the requests of this agent" };
    const cells = [count(sent), count(clicked), rate(clicked, sent), count(paid), rate(paid, sent)];
    return h(
      "tr",
      { "data-agent": id },
      h(
        "th",
        { scope: "row" },
        h("button", { ...button, onclick: () => this.#choose(id) }, isolated(name)),
        statusBar(tally, highest, statusesText(tally)),
      ),
      cells.map((text) => h("td", { class: "number" }, text)),
    );
  }
}

function statusLegend() {
  const entries = [...STATUSES].map(([status, { sign, word }]) => {
    return h("li", { class: `status-${status}` }, icon(sign, "sign"), word);
  });
  return h("ul", { class: "legend" }, entries);
}

/**
 * Builds the label of a status: its sign and its word.
 * @param {string} status
 */
export function statusPill(status) {
  const { sign, word } = factsOf(status);
  return h("span", { class: `pill status-${status}` }, icon(sign, "sign"), word);
}
