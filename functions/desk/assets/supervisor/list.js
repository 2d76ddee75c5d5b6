// The list of requests: the filters, the table that loads more as it is scrolled, and the export.

/** @import { PaymentRequest } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Live } from "../shared/live.js" */
/** @import { Range } from "./dates.js" */

import { ProblemError } from "../client/index.js";
import { now, sentenceOf } from "../shared/api.js";
import { h, isolated, put } from "../shared/dom.js";
import { formatMoney } from "../shared/money.js";
import { Poller, slowing } from "../shared/poller.js";
import { STATUSES } from "../shared/statuses.js";
import { statusPill } from "./charts.js";
import { csv } from "./csv.js";
import { parameters } from "./dates.js";
import { timeElement } from "./drawer.js";
import { Pages } from "./pages.js";
import { requests, shortTime } from "./texts.js";

/** The shortest and the longest pause between polls, in milliseconds. */
const SOON = 10_000;
const SLOWEST = 60_000;
/** The pause between a change and the read that shows it, in milliseconds. Many changes share one. */
const AFTER_CHANGES = 1_000;

/**
 * The filter that the page's address holds.
 * @typedef {{ range: Range, agent: string, status: string }} Filter
 */

/** @typedef {{ element: HTMLTableRowElement, link: HTMLAnchorElement, written: string }} Row */

/**
 * The list. The filters agent and status are kept in the address. Order number and phone are personal data of a
 * customer, so they are not.
 */
export class RequestList {
  #api;
  #live;
  #change;
  /** @type {(Record<string, string> & { order_number: string, phone: string }) | null} */
  #query = null;
  /** @type {Range | null} */
  #range = null;
  /** @type {Pages | null} */
  #pages = null;
  /** @type {Poller | null} */
  #poller = null;
  #giveUp = new AbortController();
  /** @type {Promise<unknown>} */
  #queue = Promise.resolve();
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Map<string, string>} */
  #agents = new Map();
  /** @type {AbortController | null} */
  #export = null;
  #seen;

  #agent = h("select", { id: "filter-agent" });
  #status = h(
    "select",
    { id: "filter-status" },
    h("option", { value: "" }, "All"),
    [...STATUSES].map(([status, { word }]) => h("option", { value: status }, word)),
  );
  #orderNumber = h("input", {
    id: "filter-order",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 64,
    "aria-describedby": "filter-order-error",
  });
  #phone = h("input", {
    id: "filter-phone",
    type: "search",
    inputmode: "tel",
    autocomplete: "off",
    maxlength: 32,
    placeholder: "+27831234567",
    "aria-describedby": "filter-phone-error",
  });
  /** The filters that the API can reject, by the API's names. */
  #filters = new Map([
    ["order_number", { input: this.#orderNumber, error: h("p", { id: "filter-order-error", class: "error" }) }],
    ["phone", { input: this.#phone, error: h("p", { id: "filter-phone-error", class: "error" }) }],
  ]);
  #clear = h(
    "button",
    { type: "button", class: "quiet", hidden: true, onclick: () => this.#clearFilters() },
    "Clear filters",
  );
  #body = h("tbody");
  #table = h("table", { class: "requests", hidden: true }, h("thead", {}, h("tr", {}, heads())), this.#body);
  #heading = h("h2", { id: "list-title", tabindex: "-1" }, "Requests");
  #announcement = h("p", { class: "visually-hidden", role: "status" });
  #state = h("div", { class: "list-state" });
  #more = h("button", { type: "button", hidden: true, onclick: () => this.#load() }, "Load more");
  #exportState = h("div", { class: "export-state" });
  #exportButton = h("button", { type: "button", onclick: () => this.#startExport() }, "Export CSV");

  /**
   * @param {Api} api
   * @param {(filter: { agent: string, status: string }) => void} change is called when the person chooses another agent
   *   or status
   * @param {Live} live
   */
  constructor(api, change, live) {
    this.#api = api;
    this.#live = live;
    live.addEventListener("change", (event) => this.#changed(/** @type {CustomEvent} */ (event).detail));
    this.#change = change;
    const filters = h(
      "form",
      { class: "filters", role: "search", "aria-label": "Filter the requests", novalidate: true },
      field("Agent", this.#agent),
      field("Status", this.#status),
      field("Order number", this.#orderNumber, this.#filters.get("order_number")?.error),
      field("Phone", this.#phone, this.#filters.get("phone")?.error),
      this.#clear,
      h("button", { type: "submit", class: "visually-hidden", tabindex: "-1" }, "Apply"),
    );
    const changed = () => this.#change({ agent: this.#agent.value, status: this.#status.value });
    filters.addEventListener("change", changed);
    filters.addEventListener("submit", (event) => {
      event.preventDefault();
      changed();
    });
    // The clear button in a search field does not dispatch `change`, only `search`.
    filters.addEventListener("search", changed);
    this.element = h(
      "section",
      { class: "card list", "aria-labelledby": "list-title" },
      h("header", {}, this.#heading, h("div", { class: "export" }, this.#exportState, this.#exportButton)),
      filters,
      this.#announcement,
      this.#table,
      this.#state,
      h("p", { class: "more" }, this.#more),
    );
    const look = { rootMargin: "400px" };
    this.#seen = new IntersectionObserver((entries) => {
      if (entries[0].isIntersecting) this.#load();
    }, look);
  }

  /**
   * Returns a request if the list has loaded it.
   * @param {string} id
   */
  known(id) {
    return this.#pages?.items.find((item) => item.id === id);
  }

  /** Scrolls to the list and moves the focus to it. */
  focus() {
    this.element.scrollIntoView();
    this.#heading.focus({ preventScroll: true });
  }

  /**
   * Sets the agents to choose from: those with requests in the range. The chosen agent stays chosen.
   * @param {{ id: string, name: string }[]} agents
   */
  setAgents(agents) {
    this.#agents = new Map(agents.map(({ id, name }) => [id, name]));
    this.#fillAgents(this.#agent.value);
  }

  /** @param {string} chosen */
  #fillAgents(chosen) {
    const options = [["", "All"], ...[...this.#agents].sort(([, one], [, other]) => one.localeCompare(other, "en"))];
    if (chosen !== "" && !this.#agents.has(chosen)) options.push([chosen, chosen]);
    const written = JSON.stringify(options);
    if (this.#agent.dataset.options !== written) {
      this.#agent.dataset.options = written;
      put(
        this.#agent,
        options.map(([id, name]) => h("option", { value: id }, name)),
      );
    }
    this.#agent.value = chosen;
  }

  /**
   * Shows the requests of a range, and only those of an agent or in a status if the filter names one.
   * @param {Filter} filter
   */
  show({ range, agent, status }) {
    this.#fillAgents(agent);
    this.#status.value = status;
    const query = {
      ...parameters(range),
      agent,
      status,
      order_number: this.#orderNumber.value.trim(),
      // People write numbers in several ways. The API checks whether it is a valid one.
      phone: this.#phone.value.replace(/[\s().-]/g, "").replace(/^00/, "+"),
    };
    if (JSON.stringify(query) === JSON.stringify(this.#query)) return;
    this.stop();
    this.#query = query;
    this.#range = range;
    this.#giveUp = new AbortController();
    this.#queue = Promise.resolve();
    const pages = new Pages(this.#api, query);
    this.#pages = pages;
    this.#clear.hidden = ![agent, status, query.order_number, query.phone].some(Boolean);
    for (const { input, error } of this.#filters.values()) {
      put(error);
      input.removeAttribute("aria-invalid");
    }
    this.#table.setAttribute("aria-busy", "true");
    if (this.#rows.size === 0) {
      put(
        this.#state,
        Array.from({ length: 4 }, () => h("div", { class: "skeleton row" })),
      );
    }
    /** @type {(signal: AbortSignal) => Promise<string>} */
    const read = async (signal) => {
      await this.#read(pages, signal);
      return JSON.stringify(pages.items.map(({ id, version, status: is }) => [id, version, is]));
    };
    this.#poller = new Poller(slowing(read, SOON, SLOWEST), SOON, this.#live);
    this.#poller.start();
  }

  /** Stops polling, and aborts the calls in flight. */
  stop() {
    this.#poller?.stop();
    this.#giveUp.abort();
    this.#export?.abort();
    this.#seen.disconnect();
    this.#query = null;
  }

  #clearFilters() {
    this.#orderNumber.value = "";
    this.#phone.value = "";
    this.#agent.focus();
    this.#change({ agent: "", status: "" });
  }

  /**
   * Runs a task after the tasks before it, so that polling and loading more do not overlap.
   * @param {() => Promise<unknown>} task
   */
  #enqueue(task) {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }

  /**
   * @param {Pages} pages
   * @param {AbortSignal} signal
   */
  async #read(pages, signal) {
    const isFirst = pages.isNew;
    try {
      await this.#enqueue(() => (isFirst ? pages.more(signal) : pages.refresh(signal)));
    } catch (error) {
      if (!signal.aborted) this.#failed(pages, error);
      throw error;
    }
    this.#draw(pages);
    const { length } = pages.items;
    const found = length === 0 ? "No requests" : `${requests(length)}${pages.hasMore ? " and more" : ""}`;
    if (isFirst) put(this.#announcement, `${found} found.`);
  }

  async #load() {
    const pages = this.#pages;
    if (!pages || pages.isNew || !pages.hasMore || this.#more.getAttribute("aria-disabled")) return;
    const { signal } = this.#giveUp;
    const before = pages.items.length;
    this.#more.setAttribute("aria-disabled", "true");
    put(this.#more, "Loading…");
    try {
      await this.#enqueue(() => pages.more(signal));
      if (signal.aborted) return;
      this.#draw(pages);
      put(this.#announcement, `${requests(pages.items.length - before)} more.`);
    } catch (error) {
      if (!signal.aborted) this.#failed(pages, error);
    } finally {
      this.#more.removeAttribute("aria-disabled");
      if (!signal.aborted) this.#offerMore(pages, pages.items.length > before);
    }
  }

  /**
   * @param {Pages} pages
   * @param {boolean} isFlowing whether the last page had requests; then the next page loads when the end is in view
   */
  #offerMore(pages, isFlowing) {
    const hadFocus = document.activeElement === this.#more;
    this.#more.hidden = !pages.hasMore;
    if (hadFocus && this.#more.hidden) this.#heading.focus({ preventScroll: true });
    put(this.#more, isFlowing ? "Load more" : "Keep looking");
    this.#seen.disconnect();
    // A new observation reports at once whether the end is still in view.
    if (isFlowing && pages.hasMore) this.#seen.observe(this.#more);
  }

  /**
   * @param {Pages} pages
   * @param {unknown} error
   */
  #failed(pages, error) {
    this.#table.removeAttribute("aria-busy");
    // The rows that are shown belong to the previous filter.
    if (pages.isNew) this.#empty();
    const errors = error instanceof ProblemError ? error.errors : [];
    const wrong = new Map(errors.map(({ field, message }) => [field, message]));
    for (const [name, { input, error: element }] of this.#filters) {
      if (!wrong.has(name)) continue;
      put(element, `It ${wrong.get(name)}.`);
      input.setAttribute("aria-invalid", "true");
    }
    if (wrong.size > 0 && [...wrong.keys()].every((name) => this.#filters.has(name))) {
      this.#poller?.stop();
      const text = "The filter is invalid. Please correct it.";
      put(this.#state, h("p", { class: "empty", role: "alert" }, text));
      return;
    }
    const again = h("button", { type: "button", onclick: () => this.#poller?.now() }, "Try again");
    const text = sentenceOf(error) + (this.#rows.size > 0 ? " The list may be out of date." : "");
    put(this.#state, h("div", { class: "notice", role: "alert" }, h("p", {}, text), again));
  }

  #empty() {
    this.#rows.clear();
    put(this.#body);
    this.#table.hidden = true;
    this.#more.hidden = true;
  }

  /** @param {Pages} pages */
  #draw(pages) {
    const { items } = pages;
    this.#table.removeAttribute("aria-busy");
    this.#table.hidden = items.length === 0;
    let next = this.#body.firstElementChild;
    for (const item of items) {
      const row = this.#row(item);
      if (row === next) next = next.nextElementSibling;
      else this.#body.insertBefore(row, next);
    }
    while (next instanceof HTMLElement) {
      const gone = next;
      next = next.nextElementSibling;
      if (gone.contains(document.activeElement)) this.#heading.focus({ preventScroll: true });
      this.#rows.delete(gone.dataset.id ?? "");
      gone.remove();
    }
    const nothing = pages.hasMore ? "Nothing found so far." : "No matching requests.";
    put(this.#state, items.length === 0 && h("p", { class: "empty" }, nothing));
    if (!this.#more.hasAttribute("aria-disabled")) this.#offerMore(pages, items.length > 0);
  }

  /** @param {PaymentRequest} request */
  #row(request) {
    const row = this.#rows.get(request.id) ?? newRow(request);
    this.#rows.set(request.id, row);
    const written = `${request.version} ${request.status}`;
    if (row.written !== written) {
      row.written = written;
      const status = h("td", { class: "status" }, statusPill(request.status));
      row.element.lastElementChild?.replaceWith(status);
    }
    return row.element;
  }

  /**
   * Shows a change. The list is read again where the change may concern what is not shown yet.
   * @param {PaymentRequest} request
   */
  #changed(request) {
    const [pages, query] = [this.#pages, this.#query];
    if (!pages || query === null) return;
    const isShown = pages.hear(request);
    if (pages.isNew) return;
    if (isShown) this.#draw(pages);
    // A change of what the filters leave out concerns nobody here.
    const isWanted = query.from <= request.created_at && request.created_at < query.to;
    if (!isWanted || (query.agent && query.agent !== request.agent.id)) return;
    const first = pages.items[0];
    const isNew = !isShown && (!first || request.created_at >= first.created_at);
    if (isNew || query.status) this.#poller?.soon(AFTER_CHANGES);
  }

  async #startExport() {
    const [query, range] = [this.#query, this.#range];
    if (!query || !range) return;
    this.#export?.abort();
    const giveUp = new AbortController();
    this.#export = giveUp;
    const progress = h("span", {}, "Reading…");
    const stop = h("button", { type: "button", onclick: () => giveUp.abort() }, "Stop");
    put(this.#exportState, h("progress", { "aria-label": "Export" }), progress, stop);
    this.#exportButton.hidden = true;
    stop.focus();
    let known = 0;
    let outcome;
    try {
      const items = await new Pages(this.#api, query).all(giveUp.signal, (count) => {
        known = count;
        put(progress, `${requests(count)} so far`);
      });
      save(csv(items), `payment-requests_${range.from}_${range.to}.csv`);
      outcome = `${requests(items.length)} exported.`;
    } catch (error) {
      outcome = giveUp.signal.aborted
        ? "Stopped. Nothing was saved."
        : `${sentenceOf(error)} The export stopped after ${requests(known)}, and nothing was saved.`;
    }
    if (this.#export !== giveUp) return;
    const hadFocus = document.activeElement === stop || document.activeElement === document.body;
    this.#exportButton.hidden = false;
    put(this.#exportState, outcome);
    put(this.#announcement, outcome);
    if (hadFocus) this.#exportButton.focus();
  }
}

function heads() {
  const texts = ["Time", "Agent", "Order", "Customer"].map((name) => h("th", { scope: "col" }, name));
  return [...texts, h("th", { scope: "col", class: "number" }, "Amount"), h("th", { scope: "col" }, "Status")];
}

/**
 * Builds a request's row without its status.
 * @param {PaymentRequest} request
 * @returns {Row}
 */
function newRow(request) {
  const { name, phone } = request.customer;
  const link = h("a", { href: `#${request.id}`, "aria-haspopup": "dialog" }, isolated(request.order_number));
  const element = h(
    "tr",
    { "data-id": request.id },
    h("td", { class: "time" }, timeElement(request.created_at, shortTime(request.created_at, now()))),
    h("td", { class: "agent" }, isolated(request.agent.name)),
    h("th", { scope: "row", class: "order" }, link),
    h("td", { class: "customer" }, name && h("span", {}, isolated(name)), h("small", {}, isolated(phone))),
    h("td", { class: "number amount" }, formatMoney(request.amount, request.currency)),
    h("td"),
  );
  return { element, link, written: "" };
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 * @param {HTMLElement} [error]
 */
function field(label, control, error) {
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, error);
}

/**
 * Makes the browser download a file.
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  // By then the download has started.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
