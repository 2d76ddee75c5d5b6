// The supervisor's page: the range of days, the numbers, the list and the drawer. Range, agent and status are kept in
// the address. The webhooks' part of the page is a script of its own, which is loaded when it is needed.

/** @import { Range } from "./dates.js" */
/** @import { Webhooks } from "./webhooks.js" */

import { ProblemError } from "../client/index.js";
import { Api, now } from "../shared/api.js";
import { byId, h, isolated, put } from "../shared/dom.js";
import { Live } from "../shared/live.js";
import { page } from "../shared/page.js";
import { palette, STATUSES } from "../shared/statuses.js";
import { dayOf, EARLIEST, isDay, PRESETS, rangeText, USUAL, WIDEST } from "./dates.js";
import { RequestDrawer } from "./drawer.js";
import { Endpoints } from "./endpoints.js";
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

/** Parses what is behind the page's `#`: a request's id, or the webhooks' part and there maybe an endpoint's id. */
function place() {
  const [, request] = /^#([0-9a-f-]{36})$/.exec(location.hash) ?? [];
  const [webhooks, endpoint] = /^#webhooks(?:\/([0-9A-Za-z_]{1,40}))?$/.exec(location.hash) ?? [];
  return { request: request ?? null, isWebhooks: webhooks !== undefined, endpoint: endpoint ?? null };
}

/** The links of the bar to the two parts of the page. */
const LINKS = {
  requests: link("/desk/supervisor"),
  webhooks: link("/desk/supervisor#webhooks"),
};

/** @param {string} href */
function link(href) {
  return document.querySelector(`nav a[href="${href}"]`);
}

// A link without a `#` would load the page again, and with it the session would end.
LINKS.requests?.addEventListener("click", (event) => {
  if (!(event instanceof MouseEvent) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (place().isWebhooks) history.pushState(null, "", location.pathname + location.search);
  supervisor?.turn();
});
// It keeps the range of days.
LINKS.webhooks?.setAttribute("href", "#webhooks");

/** The page of one signed-in supervisor. */
class Supervisor {
  #ended = new AbortController();
  #api = new Api(new URL("/", location.href), ({ renew }) => session.token({ renew }));
  #live = new Live(this.#api);
  #endpoints = new Endpoints(this.#api);
  /**
   * The webhooks' part, once it has been loaded.
   * @type {Webhooks | null}
   */
  #webhooks = null;
  /**
   * The part that is shown: the requests, the list of webhooks (`""`), or one endpoint by its id.
   * @type {"requests" | { endpoint: string | null } | null}
   */
  #part = null;
  #disabled = h("div", { role: "status" });
  #numbers = new Numbers(
    this.#api,
    {
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
    },
    this.#live,
  );
  #list = new RequestList(this.#api, (filter) => this.#go(filter), this.#live);
  #drawer = new RequestDrawer(this.#api, this.#live);
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
  #head;

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
    this.#head = h(
      "div",
      { class: "head" },
      h("div", {}, h("h1", { tabindex: "-1" }, "Payment requests"), this.#rangeText),
      h("div", { class: "range" }, presets, dates, this.#rangeError),
    );
    // The list would show an agent their own requests. It stays hidden until the report proves that this is a
    // supervisor.
    this.#list.element.hidden = true;
    document.body.append(this.#drawer.element);
    const { signal } = this.#ended;
    window.addEventListener("popstate", () => this.turn(), { signal });
    this.#endpoints.addEventListener("change", () => this.#endpointsRead());
    this.#endpoints.start();
    this.#live.addEventListener("change", (event) => {
      this.#numbers.changed(/** @type {CustomEvent} */ (event).detail);
    });
    this.#live.start();
    this.#drawer.addEventListener("close", () => this.#drawerClosed());
    // The default range changes at midnight (UTC).
    const timer = setInterval(() => {
      const { range, isUsual } = addressed();
      if (this.#part === "requests" && isUsual && this.#to.max !== range.to) this.#show();
    }, 60_000);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.turn();
  }

  /** Stops all polling and removes everything from the page. */
  end() {
    this.#ended.abort();
    this.#live.stop();
    this.#numbers.stop();
    this.#list.stop();
    this.#endpoints.stop();
    this.#webhooks?.stop();
    this.#drawer.close();
    this.#drawer.element.remove();
    put(main);
  }

  /** Shows what the address says: a part of the page, and maybe a request in the drawer above it. */
  turn() {
    const { request, isWebhooks, endpoint } = place();
    // A request opens above the part that is there.
    if (request === null || this.#part === null) this.#turnTo(isWebhooks ? { endpoint } : "requests");
    if (this.#part === "requests") this.#show();
    this.#showRequest(request);
  }

  /** @param {"requests" | { endpoint: string | null }} part */
  #turnTo(part) {
    if (JSON.stringify(part) === JSON.stringify(this.#part)) return;
    const isFirst = this.#part === null;
    this.#part = part;
    const isRequests = part === "requests";
    const [current, other] = isRequests ? [LINKS.requests, LINKS.webhooks] : [LINKS.webhooks, LINKS.requests];
    current?.setAttribute("aria-current", "page");
    other?.removeAttribute("aria-current");
    document.title = `${isRequests ? "Supervisor" : "Webhooks"} · chat2pay`;
    this.#drawDisabled();
    if (isRequests) {
      this.#webhooks?.stop();
      put(main, this.#disabled, this.#head, this.#numbers.element, this.#list.element);
      if (!isFirst) this.#head.querySelector("h1")?.focus();
    } else {
      this.#numbers.stop();
      this.#list.stop();
      this.#showWebhooks(part.endpoint, !isFirst);
    }
  }

  /**
   * @param {string | null} endpoint
   * @param {boolean} isMoved whether the person has come from another part of the page
   */
  async #showWebhooks(endpoint, isMoved) {
    const part = this.#part;
    if (!this.#webhooks) {
      put(main, this.#disabled, h("div", { class: "skeleton block" }));
      try {
        const { Webhooks } = await import("./webhooks.js");
        if (this.#ended.signal.aborted) return;
        this.#webhooks ??= new Webhooks(this.#api, this.#endpoints, this.#live);
      } catch {
        if (!this.#ended.signal.aborted && this.#part === part) this.#notLoaded(endpoint, isMoved);
        return;
      }
    }
    // Meanwhile the person may have gone elsewhere.
    if (this.#part !== part) return;
    if (!this.#webhooks.element.isConnected) put(main, this.#disabled, this.#webhooks.element);
    this.#webhooks.show(endpoint);
    if (isMoved) {
      this.#webhooks.focus();
      scrollTo(0, 0);
    }
  }

  /**
   * @param {string | null} endpoint
   * @param {boolean} isMoved
   */
  #notLoaded(endpoint, isMoved) {
    const again = { type: "button", onclick: () => this.#showWebhooks(endpoint, isMoved) };
    const text = "There is no connection. Please try again.";
    const title = h("h1", {}, "This page could not be loaded");
    put(
      main,
      h("div", { class: "card empty", role: "alert" }, title, h("p", {}, text), h("button", again, "Try again")),
    );
  }

  #endpointsRead() {
    const { error } = this.#endpoints;
    // For the requests, the report decides whether this is a supervisor.
    if (error instanceof ProblemError && error.code === "forbidden" && this.#part !== "requests") this.#refuse();
    this.#drawDisabled();
  }

  /** Says on every part of the page that endpoints are disabled. The page of such an endpoint says so itself. */
  #drawDisabled() {
    const disabled = (this.#endpoints.items ?? []).filter(({ status }) => status === "disabled");
    const shown = this.#part !== null && this.#part !== "requests" ? this.#part.endpoint : null;
    const ids = disabled.map(({ id }) => id);
    const written = shown && ids.includes(shown) ? "" : ids.join(" ");
    if ((this.#disabled.dataset.ids ?? "") === written) return;
    this.#disabled.dataset.ids = written;
    const isOne = ids.length === 1;
    const text = isOne ? "A webhook endpoint is disabled." : `${ids.length} webhook endpoints are disabled.`;
    const why = ` ${isOne ? "It" : "They"} failed for five days, so your system no longer learns what happens.`;
    const link = { class: "button", href: isOne ? `#webhooks/${ids[0]}` : "#webhooks" };
    put(
      this.#disabled,
      written !== "" &&
        h(
          "div",
          { class: "notice bad" },
          h("p", {}, h("strong", {}, text), why),
          h("a", link, isOne ? "Look at it" : "Look at them"),
        ),
    );
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
  }

  /** @param {string | null} id */
  #showRequest(id) {
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
    this.turn();
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
