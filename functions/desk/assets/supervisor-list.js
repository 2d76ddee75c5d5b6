// The list of requests: filters, an endless table, and its export.

import { now } from "./clock.js";
import { h, isolated, put } from "./dom.js";
import { formatMoney } from "./money.js";
import { Poller, slowing } from "./poller.js";
import { csv } from "./supervisor-csv.js";
import { parameters } from "./supervisor-dates.js";
import { statusPill, timeElement } from "./supervisor-drawer.js";
import { Pages } from "./supervisor-pages.js";
import { count, requests, shortTime, STATUSES } from "./supervisor-texts.js";

const SOON = 10_000;
const SLOWEST = 60_000;

/**
 * The list. `change({ agent, status })` is called when somebody chooses another agent or status, which are kept in the
 * address; order number and phone are about a customer, and stay in the page.
 */
export class RequestList {
  #api;
  #change;
  #question = null;
  #pages = null;
  #poller = null;
  #giveUp = new AbortController();
  #turn = Promise.resolve();
  #rows = new Map();
  #agents = new Map();
  #export = null;
  #seen;

  #agent = h("select", { id: "filter-agent" });
  #status = h("select", { id: "filter-status" }, h("option", { value: "" }, "All"), [...STATUSES].map(([status, { word }]) => h("option", { value: status }, word)));
  #orderNumber = h("input", { id: "filter-order", type: "search", autocomplete: "off", spellcheck: "false", maxlength: 64, "aria-describedby": "filter-order-error" });
  #phone = h("input", { id: "filter-phone", type: "search", inputmode: "tel", autocomplete: "off", maxlength: 32, placeholder: "+27831234567", "aria-describedby": "filter-phone-error" });
  #errors = new Map([["order_number", h("p", { id: "filter-order-error", class: "error" })], ["phone", h("p", { id: "filter-phone-error", class: "error" })]]);
  #clear = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => this.#cleared() }, "Clear filters");
  #body = h("tbody");
  #table = h(
    "table",
    { class: "requests", hidden: true },
    h("thead", {}, h("tr", {}, ["Time", "Agent", "Order", "Customer"].map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col", class: "number" }, "Amount"), h("th", { scope: "col" }, "Status"))),
    this.#body,
  );
  #heading = h("h2", { id: "list-title", tabindex: "-1" }, "Requests");
  #said = h("p", { class: "visually-hidden", role: "status" });
  #state = h("div", { class: "list-state" });
  #more = h("button", { type: "button", hidden: true, onclick: () => this.#load() }, "Load more");
  #exportState = h("div", { class: "export-state" });
  #exportButton = h("button", { type: "button", onclick: () => this.#startExport() }, "Export CSV");

  constructor(api, change) {
    this.#api = api;
    this.#change = change;
    const filters = h(
      "form",
      { class: "filters", role: "search", "aria-label": "Filter the requests", novalidate: true },
      field("Agent", this.#agent),
      field("Status", this.#status),
      field("Order number", this.#orderNumber, this.#errors.get("order_number")),
      field("Phone", this.#phone, this.#errors.get("phone")),
      this.#clear,
      h("button", { type: "submit", class: "visually-hidden", tabindex: "-1" }, "Apply"),
    );
    const changed = () => this.#change({ agent: this.#agent.value, status: this.#status.value });
    filters.addEventListener("change", changed);
    filters.addEventListener("submit", (event) => {
      event.preventDefault();
      changed();
    });
    // The cross in a search field empties it without a change that would be told of.
    filters.addEventListener("search", changed);
    this.element = h(
      "section",
      { class: "card list", "aria-labelledby": "list-title" },
      h("header", {}, this.#heading, h("div", { class: "export" }, this.#exportState, this.#exportButton)),
      filters,
      this.#said,
      this.#table,
      this.#state,
      h("p", { class: "more" }, this.#more),
    );
    this.#seen = new IntersectionObserver(([{ isIntersecting }]) => {
      if (isIntersecting) this.#load();
    }, { rootMargin: "400px" });
  }

  /** What the list knows of a request. */
  known(id) {
    return this.#pages?.items.find((item) => item.id === id);
  }

  /** The agents to choose from: those with requests in the range, and whoever is chosen. */
  setAgents(agents) {
    this.#agents = new Map(agents.map(({ id, name }) => [id, name]));
    this.#fillAgents(this.#agent.value);
  }

  #fillAgents(chosen) {
    const options = [["", "All"], ...[...this.#agents].sort(([, one], [, other]) => one.localeCompare(other, "en"))];
    if (chosen !== "" && !this.#agents.has(chosen)) options.push([chosen, chosen]);
    const written = JSON.stringify(options);
    if (this.#agent.dataset.options !== written) {
      this.#agent.dataset.options = written;
      put(this.#agent, options.map(([id, name]) => h("option", { value: id }, name)));
    }
    this.#agent.value = chosen;
  }

  /** Shows the requests of a range, of one agent and in one status where they are given. */
  show({ range, agent, status }) {
    this.#fillAgents(agent);
    this.#status.value = status;
    const question = {
      ...parameters(range),
      agent,
      status,
      order_number: this.#orderNumber.value.trim(),
      // As people write numbers; whether it is one is for the API to say.
      phone: this.#phone.value.replace(/[\s().-]/g, "").replace(/^00/, "+"),
    };
    if (JSON.stringify(question) === JSON.stringify(this.#question)) return;
    this.stop();
    this.#question = question;
    this.range = range;
    this.#giveUp = new AbortController();
    this.#turn = Promise.resolve();
    this.#pages = new Pages(this.#api, question);
    this.#clear.hidden = ![agent, status, question.order_number, question.phone].some(Boolean);
    for (const error of this.#errors.values()) put(error);
    for (const input of [this.#orderNumber, this.#phone]) input.removeAttribute("aria-invalid");
    this.#table.setAttribute("aria-busy", "true");
    if (this.#rows.size === 0) put(this.#state, Array.from({ length: 4 }, () => h("div", { class: "skeleton row" })));
    const look = async (signal) => {
      await this.#look(signal);
      return JSON.stringify(this.#pages.items.map(({ id, version, status: is }) => [id, version, is]));
    };
    this.#poller = new Poller(slowing(look, SOON, SLOWEST), SOON);
    this.#poller.start();
  }

  /** Asks for nothing any more. */
  stop() {
    this.#poller?.stop();
    this.#giveUp.abort();
    this.#export?.abort();
    this.#seen.disconnect();
    this.#question = null;
  }

  #cleared() {
    this.#orderNumber.value = "";
    this.#phone.value = "";
    this.#agent.focus();
    this.#change({ agent: "", status: "" });
  }

  /** One at a time, so that what is looked at again and what is added do not cross. */
  #inTurn(task) {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #look(signal) {
    const isFirst = this.#pages.isNew;
    try {
      await this.#inTurn(() => (isFirst ? this.#pages.more(signal) : this.#pages.refresh(signal)));
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
      throw error;
    }
    this.#draw();
    if (isFirst) put(this.#said, this.#pages.items.length === 0 ? "No requests found." : `${requests(this.#pages.items.length)}${this.#pages.hasMore ? " and more" : ""} found.`);
  }

  async #load() {
    if (this.#pages.isNew || !this.#pages.hasMore || this.#more.getAttribute("aria-disabled")) return;
    const { signal } = this.#giveUp;
    const before = this.#pages.items.length;
    this.#more.setAttribute("aria-disabled", "true");
    put(this.#more, "Loading…");
    try {
      await this.#inTurn(() => this.#pages.more(signal));
      if (signal.aborted) return;
      this.#draw();
      put(this.#said, `${requests(this.#pages.items.length - before)} more.`);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    } finally {
      this.#more.removeAttribute("aria-disabled");
      if (!signal.aborted) this.#offerMore(this.#pages.items.length > before);
    }
  }

  /** `isFlowing`: more came, so that the next comes by itself when the end of the list is seen. */
  #offerMore(isFlowing) {
    const hadFocus = document.activeElement === this.#more;
    this.#more.hidden = !this.#pages.hasMore;
    if (hadFocus && this.#more.hidden) this.#heading.focus({ preventScroll: true });
    put(this.#more, isFlowing ? "Load more" : "Keep looking");
    this.#seen.disconnect();
    // Observed anew, it tells at once whether the end is still in view.
    if (isFlowing && this.#pages.hasMore) this.#seen.observe(this.#more);
  }

  #failed(error) {
    this.#table.removeAttribute("aria-busy");
    // What is shown is the answer to another question.
    if (this.#pages.isNew) this.#empty();
    const unnamed = [...(error.errors ?? [])].filter(([name]) => !this.#errors.has(name));
    for (const [name, element] of this.#errors) {
      if (!error.errors?.has(name)) continue;
      put(element, `It ${error.errors.get(name)}.`);
      (name === "phone" ? this.#phone : this.#orderNumber).setAttribute("aria-invalid", "true");
    }
    if (error.errors?.size > 0 && unnamed.length === 0) {
      this.#poller.stop();
      put(this.#state, h("p", { class: "empty", role: "alert" }, "Nothing can be looked for like this. Please correct the filter."));
      return;
    }
    const again = h("button", { type: "button", onclick: () => this.#poller.now() }, "Try again");
    put(this.#state, h("div", { class: "notice", role: "alert" }, h("p", {}, this.#rows.size > 0 ? `${error.message} The list is as it was last.` : error.message), again));
  }

  #empty() {
    this.#rows.clear();
    put(this.#body);
    this.#table.hidden = true;
    this.#more.hidden = true;
  }

  #draw() {
    const { items } = this.#pages;
    this.#table.removeAttribute("aria-busy");
    this.#table.hidden = items.length === 0;
    const rows = items.map((item) => this.#row(item));
    let next = this.#body.firstElementChild;
    for (const row of rows) {
      if (row === next) next = next.nextElementSibling;
      else this.#body.insertBefore(row, next);
    }
    while (next) {
      const gone = next;
      next = next.nextElementSibling;
      if (gone.contains(document.activeElement)) this.#heading.focus({ preventScroll: true });
      this.#rows.delete(gone.dataset.id);
      gone.remove();
    }
    put(this.#state, items.length === 0 && h("p", { class: "empty" }, this.#pages.hasMore ? "Nothing found so far." : "No request fits."));
    if (!this.#more.hasAttribute("aria-disabled")) this.#offerMore(items.length > 0);
  }

  #row(request) {
    const row = this.#rows.get(request.id) ?? { element: h("tr", { "data-id": request.id }), link: h("a", { href: `#${request.id}`, "aria-haspopup": "dialog" }, isolated(request.order_number)) };
    const written = `${request.version} ${request.status}`;
    if (row.written !== written) {
      row.written = written;
      this.#rows.set(request.id, row);
      const status = h("td", { class: "status" }, statusPill(request.status));
      if (row.element.firstChild) row.element.lastChild.replaceWith(status);
      else {
        const { name, phone } = request.customer;
        row.element.append(
          h("td", { class: "time" }, timeElement(request.created_at, shortTime(request.created_at, now()))),
          h("td", { class: "agent" }, isolated(request.agent.name)),
          h("th", { scope: "row", class: "order" }, row.link),
          h("td", { class: "customer" }, name && h("span", {}, isolated(name)), h("small", {}, isolated(phone))),
          h("td", { class: "number amount" }, formatMoney(request.amount, request.currency)),
          status,
        );
      }
    }
    return row.element;
  }

  async #startExport() {
    const { range } = this;
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
      const items = await new Pages(this.#api, this.#question).all(giveUp.signal, (so) => {
        known = so;
        put(progress, `${requests(so)} so far`);
      });
      save(csv(items), `payment-requests_${range.from}_${range.to}.csv`);
      outcome = `${requests(items.length)} exported.`;
    } catch (error) {
      outcome = giveUp.signal.aborted ? "Stopped. Nothing was saved." : `${error.message} The export stopped after ${requests(known)}, and nothing was saved.`;
    }
    if (this.#export !== giveUp) return;
    const hadFocus = document.activeElement === stop || document.activeElement === document.body;
    this.#exportButton.hidden = false;
    put(this.#exportState, outcome);
    put(this.#said, outcome);
    if (hadFocus) this.#exportButton.focus();
  }
}

function field(label, control, error) {
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, error);
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  // The browser has taken hold of it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
