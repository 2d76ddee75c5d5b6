// The supervisor's page: the range of days, the numbers, the list and the drawer. Range, agent and status are kept in
// the address.

/** @import { Range } from "./dates.js" */

import { ProblemError } from "../client/index.js";
import { Api, now } from "../shared/api.js";
import { byId, h, isolated, put } from "../shared/dom.js";
import { page } from "../shared/page.js";
import { palette, STATUSES } from "../shared/statuses.js";
import { dayOf, EARLIEST, isDay, PRESETS, rangeText, USUAL, WIDEST } from "./dates.js";
import { RequestDrawer } from "./drawer.js";
import { RequestList } from "./list.js";
import { Numbers } from "./numbers.js";

document.adoptedStyleSheets.push(palette());

const session = page();
const main = byId("main");
const today = () => dayOf(now());

/** Parses the page's address. Without a range it returns the default range, which ends today. */
function addressed() {
  const parameters = new URLSearchParams(location.search);
  const [from, to] = [parameters.get("from"), parameters.get("to")];
  const range = isDay(from, today()) && isDay(to, today()) && from <= to ? { from, to } : null;
  const status = parameters.get("status") ?? "";
  return {
    range: range ?? USUAL.of(today()),
    isUsual: range === null,
    agent: parameters.get("agent") ?? "",
    status: [...STATUSES.keys()].find((known) => known === status) ?? "",
  };
}

/** The page of one signed-in supervisor. */
class Supervisor {
  #ended = new AbortController();
  #api = new Api(new URL("/", location.href), ({ renew }) => session.token({ renew }));
  #numbers = new Numbers(this.#api, {
    found: ({ agents }) => {
      this.#list.setAgents(agents);
      this.#list.element.hidden = false;
    },
    failed: (error) => {
      if (error instanceof ProblemError && error.code === "forbidden") return this.#refuse();
      this.#list.element.hidden = false;
      return false;
    },
    chooseRange: (range) => this.#go({ range }),
    chooseAgent: (agent) => {
      this.#go({ agent });
      this.#list.focus();
    },
    widen: () => this.#go({ range: WIDEST.of(today()) }),
  });
  #list = new RequestList(this.#api, (filter) => this.#go(filter));
  #drawer = new RequestDrawer(this.#api);
  /**
   * The id of the request in the drawer; `null` if there is none, and `undefined` before the first `#show`.
   * @type {string | null | undefined}
   */
  #opened;
  #openedHere = false;
  #presets = PRESETS.map((preset) => {
    const choose = () => this.#go({ range: preset === USUAL ? null : preset.of(today()) });
    return { preset, button: h("button", { type: "button", onclick: choose }, preset.name) };
  });
  #from = h("input", { id: "range-from", type: "date", min: EARLIEST, required: true });
  #to = h("input", { id: "range-to", type: "date", min: EARLIEST, required: true });
  #rangeError = h("p", { id: "range-error", class: "error", role: "alert" });
  #rangeText = h("p", { class: "range-text" });

  constructor() {
    const dates = h(
      "form",
      { class: "dates", novalidate: true },
      h("div", { class: "field" }, h("label", { for: "range-from" }, "From"), this.#from),
      h("div", { class: "field" }, h("label", { for: "range-to" }, "To"), this.#to),
      h("button", { type: "submit", class: "visually-hidden", tabindex: "-1" }, "Show"),
    );
    for (const input of [this.#from, this.#to]) input.setAttribute("aria-describedby", "range-error");
    dates.addEventListener("change", () => this.#datesChanged());
    dates.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#datesChanged();
    });
    const buttons = this.#presets.map(({ button }) => button);
    const presets = h("div", { class: "presets", role: "group", "aria-label": "Range of days" }, buttons);
    put(
      main,
      h(
        "div",
        { class: "head" },
        h("div", {}, h("h1", {}, "Payment requests"), this.#rangeText),
        h("div", { class: "range" }, presets, dates, this.#rangeError),
      ),
      this.#numbers.element,
      this.#list.element,
    );
    // The list would show an agent their own requests. It stays hidden until the report proves that this is a
    // supervisor.
    this.#list.element.hidden = true;
    document.body.append(this.#drawer.element);
    const { signal } = this.#ended;
    window.addEventListener("popstate", () => this.#show(), { signal });
    this.#drawer.addEventListener("close", () => this.#drawerClosed());
    // The default range changes at midnight (UTC).
    const timer = setInterval(() => {
      const { range, isUsual } = addressed();
      if (isUsual && this.#to.max !== range.to) this.#show();
    }, 60_000);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#show();
  }

  /** Stops all polling and removes everything from the page. */
  end() {
    this.#ended.abort();
    this.#numbers.stop();
    this.#list.stop();
    this.#drawer.close();
    this.#drawer.element.remove();
    put(main);
  }

  #show() {
    const { range, agent, status } = addressed();
    this.#from.max = today();
    this.#from.value = range.from;
    this.#to.max = today();
    this.#to.value = range.to;
    for (const { preset, button } of this.#presets) {
      const of = preset.of(today());
      button.setAttribute("aria-pressed", String(of.from === range.from && of.to === range.to));
    }
    put(this.#rangeText, `${rangeText(range)} · Days are UTC; times are in your time zone.`);
    this.#numbers.show(range);
    this.#list.show({ range, agent, status });
    const id = /^#[0-9a-f-]{36}$/.test(location.hash) ? location.hash.slice(1) : null;
    if (id === this.#opened) return;
    this.#openedHere = this.#opened !== undefined;
    this.#opened = id;
    if (id) this.#drawer.open(id, this.#list.known(id));
    else this.#drawer.close();
  }

  #drawerClosed() {
    if (this.#ended.signal.aborted || this.#opened === null) return;
    this.#opened = null;
    // Going back leaves no entry in the browser's history that would change nothing.
    if (this.#openedHere) history.back();
    else history.replaceState(null, "", location.pathname + location.search);
  }

  /**
   * Shows another range (`null` for the default), agent or status, and adds an entry to the browser's history.
   * @param {{ range?: Range | null, agent?: string, status?: string }} to
   */
  #go({ range, agent, status }) {
    const parameters = new URLSearchParams(location.search);
    /** @type {(name: string, value: string | undefined) => void} */
    const set = (name, value) => (value ? parameters.set(name, value) : parameters.delete(name));
    if (range !== undefined) {
      set("from", range?.from);
      set("to", range?.to);
    }
    if (agent !== undefined) set("agent", agent);
    if (status !== undefined) set("status", status);
    const search = parameters.toString();
    if (search !== location.search.slice(1)) history.pushState(null, "", search ? `?${search}` : location.pathname);
    put(this.#rangeError);
    this.#show();
  }

  #datesChanged() {
    const range = { from: this.#from.value, to: this.#to.value };
    const isComplete = [range.from, range.to].every((date) => isDay(date, today()));
    const isToCome = [range.from, range.to].some((date) => date > today());
    // An incomplete date is no error, and neither is a year with only two digits typed.
    if (!isComplete) put(this.#rangeError, isToCome && "Choose days up to today.");
    else if (range.from > range.to) put(this.#rangeError, "The first day is after the last.");
    else this.#go({ range });
  }

  /** Replaces the page with a note that it is for supervisors. The API decides this, not the page. */
  #refuse() {
    this.#roleText().then((role) => {
      if (this.#ended.signal.aborted) return;
      this.end();
      const change = { type: "button", class: "primary", onclick: () => session.signOut() };
      put(
        main,
        h(
          "div",
          { class: "card empty refused" },
          h("h1", { tabindex: "-1" }, "This page is for supervisors"),
          h("p", {}, "You are signed in as ", isolated(session.name ?? ""), `${role}.`),
          h(
            "p",
            { class: "actions" },
            h("button", change, "Sign in as somebody else"),
            h("a", { class: "button", href: "/desk" }, "Go to the desk"),
          ),
        ),
      );
    });
    return true;
  }

  /**
   * Returns the role of a person who is not a supervisor, if it can be found out: an agent may list their own requests.
   */
  async #roleText() {
    try {
      await this.#api.list({ limit: 1 });
      return ", an agent";
    } catch {
      return "";
    }
  }
}

/** @type {Supervisor | null} */
let supervisor = null;
/** @type {string | null} */
let subject = null;

/** Starts the page anew for another person, and empties it when the person signs out. */
function changed() {
  // The same person's token was renewed.
  if (session.signedIn && session.subject === subject) return;
  supervisor?.end();
  put(main);
  subject = session.signedIn ? session.subject : null;
  supervisor = session.signedIn ? new Supervisor() : null;
}

session.addEventListener("change", changed);
if (session.signedIn) changed();
