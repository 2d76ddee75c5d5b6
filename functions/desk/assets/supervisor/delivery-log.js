// The log of an endpoint: what was sent there, what became of it, and how to send it again.

/** @import { WebhookDelivery, WebhookEndpoint } from "../client/index.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { Context } from "./webhook-dialogs.js" */

import { ProblemError } from "../client/index.js";
import { now } from "../shared/api.js";
import { h, isolated, put } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { Poller, slowing } from "../shared/poller.js";
import { copyButton, pressed } from "./controls.js";
import { Deliveries, requestOf } from "./deliveries.js";
import { timeElement } from "./drawer.js";
import { count, exactTime, shortTime, timeOfDay } from "./texts.js";
import { replayOne, replaySince } from "./webhook-dialogs.js";
import {
  ATTEMPTS_KEPT,
  answerText,
  deliveryState,
  eventText,
  FILTERS,
  failureText,
  filterText,
  statePill,
} from "./webhook-texts.js";

/** The shortest and the longest pause between polls while something is pending, in milliseconds. */
const SOON = 5_000;
const SLOWEST = 60_000;
/** The pause between a change and the reading that has its delivery, in milliseconds. */
const AFTER_CHANGES = 1_000;
/** The time within which seconds matter to a person, in milliseconds. */
const SOON_FOR_A_PERSON = 600_000;

/**
 * The page's callbacks: after each reading without a filter, and when the endpoint turned out to be gone.
 * @typedef {{ read: (items: WebhookDelivery[]) => void, gone: () => void }} Handlers
 */

/**
 * @typedef {{ element: HTMLTableRowElement, attempts: HTMLTableRowElement, update: (delivery: WebhookDelivery) => void
 *   }} Row
 */

/** The log of one endpoint. */
export class DeliveryLog {
  #context;
  #endpoint;
  #handlers;
  #status = "";
  #pages;
  /** @type {Poller | null} */
  #poller = null;
  #giveUp = new AbortController();
  /** @type {Promise<unknown>} */
  #queue = Promise.resolve();
  /** @type {Map<string, Row>} */
  #rows = new Map();

  #heading = h("h2", { id: "log-title", tabindex: "-1" }, "Deliveries");
  #filters = FILTERS.map((status) => {
    const choose = () => this.#choose(status);
    return { status, button: h("button", { type: "button", onclick: choose }, filterText(status)) };
  });
  #announcement = h("p", { class: "visually-hidden", role: "status" });
  #outcome = h("p", { class: "notice", role: "status" });
  #problem = h("p", { class: "notice bad", role: "alert" });
  #body = h("tbody");
  #table = h("table", { class: "deliveries", hidden: true }, heads(), this.#body);
  #state = h("div", { class: "list-state" });
  #more = h("button", { type: "button", hidden: true }, "Load more");

  /**
   * @param {Context} context
   * @param {WebhookEndpoint} endpoint
   * @param {Handlers} handlers
   */
  constructor(context, endpoint, handlers) {
    this.#context = context;
    this.#endpoint = endpoint;
    this.#handlers = handlers;
    this.#pages = new Deliveries(context.api, endpoint.id, "");
    this.#more.addEventListener("click", () => pressed(this.#more, "Loading…", () => this.#load()));
    const buttons = this.#filters.map(({ button }) => button);
    const again = h("button", { type: "button", onclick: () => this.replaySince() }, "Send again since…");
    this.element = h(
      "section",
      { class: "card log", "aria-labelledby": "log-title" },
      h("header", {}, this.#heading, again),
      h("div", { class: "presets", role: "group", "aria-label": "Deliveries that are shown" }, buttons),
      this.#announcement,
      this.#outcome,
      this.#problem,
      this.#table,
      this.#state,
      h("p", { class: "more" }, this.#more),
    );
    const { live, signal } = context;
    live.addEventListener("change", () => this.#poller?.soon(AFTER_CHANGES), { signal });
    for (const turn of ["open", "down"]) live.addEventListener(turn, () => this.#poller?.now(), { signal });
    this.#choose("");
  }

  /**
   * Sets the endpoint's present state.
   * @param {WebhookEndpoint} endpoint
   */
  set endpoint(endpoint) {
    this.#endpoint = endpoint;
  }

  /** Stops polling, and aborts the calls in flight. */
  stop() {
    this.#poller?.stop();
    this.#giveUp.abort();
  }

  /** Opens the form that sends again what happened since a moment. */
  replaySince() {
    replaySince(this.#context, this.#endpoint, () => this.#say("They are being delivered again."));
  }

  /** @param {string} status */
  #choose(status) {
    this.stop();
    this.#status = status;
    this.#giveUp = new AbortController();
    this.#queue = Promise.resolve();
    for (const { status: of, button } of this.#filters) button.setAttribute("aria-pressed", String(of === status));
    put(this.#outcome);
    put(this.#problem);
    const pages = new Deliveries(this.#context.api, this.#endpoint.id, status);
    this.#pages = pages;
    this.#table.setAttribute("aria-busy", "true");
    if (this.#rows.size === 0) put(this.#state, skeleton());
    /** @type {(signal: AbortSignal) => Promise<string>} */
    const read = async (signal) => {
      await this.#read(pages, signal);
      return JSON.stringify(pages.items.map(writtenOf));
    };
    const slowly = slowing(read, SOON, SLOWEST);
    this.#poller = new Poller(async (signal) => {
      const pause = await slowly(signal);
      // Every delivery begins with a change of a request.
      const isIdle = this.#context.live.isOpen && !pages.items.some(({ status }) => status === "pending");
      return isIdle ? null : pause;
    }, SOON);
    this.#poller.start();
  }

  /**
   * Says what became of a replay, and reads the log at once.
   * @param {string} text
   */
  #say(text) {
    put(this.#problem);
    put(this.#outcome, text);
    this.#poller?.now();
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
   * @param {Deliveries} pages
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
    if (this.#status === "") this.#handlers.read(pages.items);
    const { length } = pages.items;
    const found = length === 0 ? "No deliveries" : `${deliveries(length)}${pages.hasMore ? " and more" : ""}`;
    if (isFirst) put(this.#announcement, `${found}.`);
  }

  async #load() {
    const pages = this.#pages;
    const { signal } = this.#giveUp;
    const before = pages.items.length;
    try {
      await this.#enqueue(() => pages.more(signal));
    } catch (error) {
      if (!signal.aborted) this.#failed(pages, error);
      return;
    }
    if (signal.aborted) return;
    this.#draw(pages);
    put(this.#announcement, `${deliveries(pages.items.length - before)} more.`);
  }

  /**
   * @param {Deliveries} pages
   * @param {unknown} error
   */
  #failed(pages, error) {
    this.#table.removeAttribute("aria-busy");
    if (error instanceof ProblemError && error.status === 404) {
      this.stop();
      this.#handlers.gone();
      return;
    }
    // The rows that are shown belong to the previous filter.
    if (pages.isNew) {
      this.#rows.clear();
      put(this.#body);
      this.#table.hidden = true;
      this.#more.hidden = true;
    }
    const again = h("button", { type: "button", onclick: () => this.#poller?.now() }, "Try now");
    const text = `${failureText(error, "")} ${this.#rows.size > 0 ? "The log may be out of date." : ""}`;
    put(this.#state, h("div", { class: "notice", role: "alert" }, h("p", {}, text.trim()), again));
  }

  /** @param {Deliveries} pages */
  #draw(pages) {
    const { items } = pages;
    this.#table.removeAttribute("aria-busy");
    this.#table.hidden = items.length === 0;
    /** @type {Element | null} */
    let next = this.#body.firstElementChild;
    for (const delivery of items) {
      const row = this.#row(delivery);
      for (const element of [row.element, row.attempts]) {
        if (element === next) next = next.nextElementSibling;
        else this.#body.insertBefore(element, next);
      }
    }
    while (next) {
      const gone = next;
      next = next.nextElementSibling;
      if (gone.contains(document.activeElement)) this.#heading.focus({ preventScroll: true });
      if (gone instanceof HTMLElement && gone.dataset.id) this.#rows.delete(gone.dataset.id);
      gone.remove();
    }
    put(this.#state, items.length === 0 && this.#nothing(pages));
    const hadFocus = document.activeElement === this.#more;
    this.#more.hidden = !pages.hasMore;
    if (hadFocus && this.#more.hidden) this.#heading.focus({ preventScroll: true });
  }

  /** @param {Deliveries} pages */
  #nothing(pages) {
    if (pages.hasMore) return h("p", { class: "empty" }, "Nothing found so far.");
    if (this.#status !== "") {
      const all = { type: "button", class: "quiet", onclick: () => this.#choose("") };
      return h("div", { class: "empty" }, h("p", {}, NOTHING.get(this.#status)), h("button", all, "Show all"));
    }
    const text = "Nothing was sent here yet. Events appear as soon as they happen, and stay for 30 days.";
    return h("p", { class: "empty" }, text);
  }

  /** @param {WebhookDelivery} delivery */
  #row(delivery) {
    const { event_id: id } = delivery;
    const row = this.#rows.get(id) ?? newRow(delivery, (button) => this.#replay(button, id));
    this.#rows.set(id, row);
    row.update(delivery);
    return row;
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {string} id
   */
  #replay(button, id) {
    put(this.#outcome);
    return pressed(button, "Sending…", async () => {
      put(this.#problem);
      try {
        await replayOne(this.#context, this.#endpoint, id, () => this.#say("It is being delivered again."));
      } catch (error) {
        if (this.#context.signal.aborted) return;
        if (error instanceof ProblemError && error.status === 404) this.#handlers.gone();
        else put(this.#problem, replayFailure(error));
      }
    });
  }
}

/** What a filter says that finds nothing. */
const NOTHING = new Map([
  ["pending", "Nothing is pending: everything was delivered or has failed."],
  ["delivered", "Nothing was delivered yet."],
  ["failed", "Nothing has failed."],
]);

/** @param {unknown} error */
function replayFailure(error) {
  const isGone = error instanceof ProblemError && error.code === "validation_failed";
  return isGone ? "This event is not in the log any more." : failureText(error);
}

/** @param {number} length */
function deliveries(length) {
  return `${count(length)} ${length === 1 ? "delivery" : "deliveries"}`;
}

/**
 * Returns everything of a delivery that can change, as a text.
 * @param {WebhookDelivery} delivery
 */
function writtenOf({ event_id: id, status, attempts, next_attempt_at: next }) {
  return [id, status, next, attempts.length, attempts.at(-1)?.at].join(" ");
}

function skeleton() {
  return Array.from({ length: 4 }, () => h("div", { class: "skeleton row" }));
}

function heads() {
  const texts = ["Event", "Payment request", "Status", "Last answer", "Last attempt"];
  const cells = texts.map((text) => h("th", { scope: "col" }, text));
  const action = h("td", {}, h("span", { class: "visually-hidden" }, "Send again"));
  return h("thead", {}, h("tr", {}, cells, action));
}

/**
 * Builds the two rows of a delivery: the one with its state, and the one with its attempts, which opens below.
 * @param {WebhookDelivery} delivery
 * @param {(button: HTMLButtonElement) => void} replay
 * @returns {Row}
 */
function newRow(delivery, replay) {
  const { event_id: id, type } = delivery;
  const list = h("div", { class: "attempts" });
  const attempts = h("tr", { hidden: true, id: `attempts-${id}` }, h("td", { colspan: 6 }, list));
  const disclose = h("button", { type: "button", class: "link", "aria-expanded": "false" });
  disclose.setAttribute("aria-controls", attempts.id);
  put(disclose, icon("chevron", "sign"), eventText(type));
  disclose.addEventListener("click", () => {
    attempts.hidden = !attempts.hidden;
    disclose.setAttribute("aria-expanded", String(!attempts.hidden));
  });
  const again = h("button", { type: "button", class: "small" }, "Send again");
  again.addEventListener("click", () => replay(again));
  const [status, answer, time] = [
    h("td", { class: "status" }),
    h("td", { class: "answer" }),
    h("td", { class: "time" }),
  ];
  const element = h(
    "tr",
    { "data-id": id },
    h("th", { scope: "row", class: "event" }, disclose),
    h("td", { class: "request" }, requestText(delivery), copyButton(id, "Copy the event’s id")),
    status,
    answer,
    time,
    h("td", { class: "action" }, again),
  );
  let written = "";
  return {
    element,
    attempts,
    update(current) {
      if (writtenOf(current) === written) return;
      written = writtenOf(current);
      put(status, statePill(deliveryState(current.status)));
      put(answer, lastAnswer(current));
      put(time, timeText(current));
      put(list, attemptList(current));
    },
  };
}

/**
 * Returns the id of an event, with a link to the request that it is about.
 * @param {WebhookDelivery} delivery
 * @returns {Child}
 */
function requestText(delivery) {
  const request = requestOf(delivery);
  if (!request) return h("span", { class: "id" }, isolated(delivery.event_id));
  const link = h("a", { href: `#${request}`, "aria-haspopup": "dialog" }, request);
  return h("span", { class: "id" }, link, delivery.event_id.slice(request.length));
}

/** @param {WebhookDelivery} delivery */
function lastAnswer({ attempts, status }) {
  const last = attempts.at(-1);
  if (last) return answerText(last);
  return status === "failed" ? "The endpoint was disabled." : "It was not sent yet.";
}

/**
 * @param {WebhookDelivery} delivery
 * @returns {Child}
 */
function timeText({ attempts, next_attempt_at: next }) {
  const last = attempts.at(-1);
  return [
    last ? timeElement(last.at, shortTime(last.at, now())) : "–",
    next && h("small", {}, "Next: ", timeElement(next, nextText(next))),
  ];
}

/**
 * Returns when something is attempted next: with seconds if that is soon.
 * @param {string} next
 */
function nextText(next) {
  const left = Date.parse(next) - now();
  if (left <= 0) return "now";
  return left < SOON_FOR_A_PERSON ? timeOfDay(Date.parse(next)) : shortTime(next, now());
}

/**
 * @param {WebhookDelivery} delivery
 * @returns {Child}
 */
function attemptList({ attempts, next_attempt_at: next }) {
  const { length } = attempts;
  const kept =
    length < ATTEMPTS_KEPT ? `${length} ${length === 1 ? "attempt" : "attempts"}` : `The latest ${length} attempts`;
  return [
    h("h3", {}, length === 0 ? "No attempts" : kept),
    length > 0 &&
      h(
        "ol",
        {},
        attempts.map((attempt) =>
          h("li", {}, timeElement(attempt.at, exactTime(attempt.at)), h("span", {}, isolated(answerText(attempt)))),
        ),
      ),
    next && h("p", {}, "It is attempted again ", Date.parse(next) <= now() ? "now." : atTime(next)),
  ];
}

/** @param {string} iso */
function atTime(iso) {
  return h("span", {}, "at ", timeElement(iso, exactTime(iso)), ".");
}
