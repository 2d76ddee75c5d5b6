// The webhooks' pages: the list of endpoints, and one endpoint with its log.

/** @import { WebhookAttempt, WebhookDelivery, WebhookEndpoint } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { Live } from "../shared/live.js" */
/** @import { Endpoints } from "./endpoints.js" */

import { now } from "../shared/api.js";
import { h, isolated, put } from "../shared/dom.js";
import { copyButton } from "./controls.js";
import { DeliveryLog } from "./delivery-log.js";
import { timeElement } from "./drawer.js";
import { exactTime, shortTime } from "./texts.js";
import { addEndpoint, removeEndpoint, rotateSecret } from "./webhook-dialogs.js";
import {
  answerText,
  endpointState,
  failureText,
  hostOf,
  isAccepted,
  isDisabled,
  kindsText,
  latestAttempt,
  statePill,
} from "./webhook-texts.js";

/** The number of deliveries of which the latest attempt shows how an endpoint does. */
const LATEST = 5;
/** The number of endpoints whose deliveries are read at a time. */
const AT_A_TIME = 3;

/** The address of the list behind the page's `#`; that of an endpoint has its id after it. */
export const PLACE = "#webhooks";

/**
 * Returns the address of an endpoint's page.
 * @param {string} id
 */
export function placeOf(id) {
  return `${PLACE}/${id}`;
}

/** The webhooks' part of the supervisor's page. */
export class Webhooks {
  #api;
  #endpoints;
  #live;
  #shown = new AbortController();
  /** @type {{ update: () => void } | null} */
  #view = null;

  /**
   * @param {Api} api
   * @param {Endpoints} endpoints
   * @param {Live} live
   */
  constructor(api, endpoints, live) {
    this.#api = api;
    this.#endpoints = endpoints;
    this.#live = live;
    this.element = h("div", { class: "webhooks" });
    endpoints.addEventListener("change", () => this.#view?.update());
  }

  /**
   * Shows the list, or one endpoint.
   * @param {string | null} id
   */
  show(id) {
    this.stop();
    this.#shown = new AbortController();
    const context = { api: this.#api, endpoints: this.#endpoints, live: this.#live, signal: this.#shown.signal };
    const view = id === null ? new EndpointList(context) : new EndpointPage(context, id);
    this.#view = view;
    put(this.element, view.element);
    this.#endpoints.now();
    view.update();
  }

  /** Moves the focus to the heading, after the person has come here from another part of the page. */
  focus() {
    this.element.querySelector("h1")?.focus({ preventScroll: true });
  }

  /** Stops polling, and closes the dialogs. */
  stop() {
    this.#shown.abort();
    this.#view = null;
    put(this.element);
  }
}

/** @import { Context } from "./webhook-dialogs.js" */

/** The list of endpoints. */
class EndpointList {
  #context;
  /**
   * The latest attempt at each endpoint, `null` without one.
   * @type {Map<string, WebhookAttempt | null>}
   */
  #latest = new Map();
  #written = "";
  #isLooking = false;
  #add = h("button", { type: "button", class: "primary", hidden: true }, "Add endpoint");
  #notice = h("div", { role: "status" });
  #content = h("div", { "aria-busy": "true" });

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    const add = () => addEndpoint(context);
    this.#add.addEventListener("click", add);
    const text = "Addresses of your own systems, to which each event of your payment requests is posted.";
    const title = h("div", {}, h("h1", { tabindex: "-1" }, "Webhooks"), h("p", { class: "range-text" }, text));
    this.element = h(
      "div",
      { class: "view" },
      h("div", { class: "head" }, title, this.#add),
      this.#notice,
      this.#content,
    );
    put(this.#content, h("div", { class: "card" }, skeletonRows(3)));
  }

  /** Shows the endpoints as they were last read. */
  update() {
    const { items, error } = this.#context.endpoints;
    put(this.#notice, items !== null && error !== null && this.#failed(error, "The list may be out of date."));
    if (items === null) {
      if (error === null) return;
      const title = h("h2", {}, "The webhooks could not be loaded");
      this.#show("error", h("div", { class: "card empty", role: "alert" }, title, this.#failed(error, "")));
      return;
    }
    this.#add.hidden = items.length === 0;
    this.#draw();
    if (error === null) this.#look(items);
  }

  /**
   * @param {unknown} error
   * @param {string} text
   */
  #failed(error, text) {
    const again = h("button", { type: "button", onclick: () => this.#context.endpoints.now() }, "Try now");
    return h("div", { class: "notice" }, h("p", {}, `${failureText(error, "")} ${text}`.trim()), again);
  }

  #draw() {
    const items = this.#context.endpoints.items ?? [];
    const entries = items.map((endpoint) => ({ endpoint, latest: this.#latest.get(endpoint.id) }));
    if (items.length === 0) return this.#show("empty", this.#empty());
    this.#show(
      JSON.stringify(entries),
      h(
        "ul",
        { class: "card endpoints", "aria-label": "Webhook endpoints" },
        entries.map(({ endpoint, latest }) => entry(endpoint, latest)),
      ),
    );
  }

  /**
   * Replaces the content if it has changed. The focus stays at the endpoint that it is at.
   * @param {string} written
   * @param {Child} content
   */
  #show(written, content) {
    this.#content.removeAttribute("aria-busy");
    if (written === this.#written) return;
    this.#written = written;
    const focused = this.#content.contains(document.activeElement) && document.activeElement?.getAttribute("href");
    put(this.#content, content);
    const links = [...this.#content.querySelectorAll("a")];
    if (focused) links.find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
  }

  #empty() {
    return h(
      "div",
      { class: "card empty" },
      h("h2", {}, "Tell your own systems what happens"),
      h(
        "p",
        {},
        "With a webhook, your shop or CRM knows at once that a link was clicked, that a payment came, or that a ",
        "request has expired. Give an address of yours, and each event is posted there. A signature proves where it ",
        "comes from.",
      ),
      h("button", { type: "button", class: "primary", onclick: () => addEndpoint(this.#context) }, "Add an endpoint"),
    );
  }

  /**
   * Reads the latest deliveries to each endpoint, which show whether it is failing.
   * @param {WebhookEndpoint[]} items
   */
  async #look(items) {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { api, signal } = this.#context;
    const left = items.filter((endpoint) => !isDisabled(endpoint));
    const worker = async () => {
      for (let endpoint = left.shift(); endpoint; endpoint = left.shift()) {
        const page = await api.deliveries({ id: endpoint.id, limit: LATEST }, signal);
        this.#latest.set(endpoint.id, latestAttempt(page.items) ?? null);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    } catch {
      // Without it, the list says less. The next poll tries again.
    }
    this.#isLooking = false;
    if (!signal.aborted) this.#draw();
  }
}

/** @param {number} length */
function skeletonRows(length) {
  return Array.from({ length }, () => h("div", { class: "skeleton row" }));
}

/**
 * Builds the entry of an endpoint in the list.
 * @param {WebhookEndpoint} endpoint
 * @param {WebhookAttempt | null} [latest]
 */
function entry(endpoint, latest) {
  const { id, url, description, events } = endpoint;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("a", { href: placeOf(id) }, isolated(url)),
      description && h("p", {}, isolated(description)),
      h("p", { class: "quiet" }, kindsText(events)),
    ),
    h(
      "div",
      { class: "how" },
      statePill(endpointState(endpoint, latest ?? undefined)),
      h("p", { class: "quiet" }, isDisabled(endpoint) ? "Nothing is sent to it." : latestText(latest)),
    ),
  );
}

/**
 * @param {WebhookAttempt | null} [latest]
 * @returns {Child}
 */
function latestText(latest) {
  if (latest === undefined) return "";
  if (latest === null) return "Nothing was sent yet.";
  const time = timeElement(latest.at, shortTime(latest.at, now()));
  return isAccepted(latest) ? ["Last accepted ", time] : [time, ": ", answerText(latest)];
}

/** One endpoint with its log. */
class EndpointPage {
  #context;
  #id;
  /** @type {DeliveryLog | null} */
  #log = null;
  /** @type {WebhookAttempt | undefined} */
  #latest;
  #isGone = false;
  #written = "";
  #title = h("h1", { tabindex: "-1" }, "Webhook endpoint");
  #pill = h("span", {});
  #actions = h("div", { class: "buttons" });
  #notice = h("div", { role: "status" });
  #facts = h("div", {}, h("div", { class: "skeleton block" }));
  #logPlace = h("div", { "aria-busy": "true" }, h("div", { class: "skeleton picture" }));

  /**
   * @param {Context} context
   * @param {string} id
   */
  constructor(context, id) {
    this.#context = context;
    this.#id = id;
    this.element = h(
      "div",
      { class: "view" },
      h("p", { class: "back" }, h("a", { href: PLACE }, "All webhooks")),
      h("div", { class: "head" }, h("div", { class: "named" }, this.#title, this.#pill), this.#actions),
      this.#notice,
      this.#facts,
      this.#logPlace,
    );
    context.signal.addEventListener("abort", () => this.#log?.stop());
  }

  /** Shows the endpoint as it was last read. */
  update() {
    const { endpoints } = this.#context;
    const endpoint = endpoints.find(this.#id);
    if (this.#isGone) return;
    if (endpoint) this.#show(endpoint);
    else if (endpoints.items !== null && endpoints.error === null) this.#gone();
    else if (endpoints.error !== null) this.#failed(endpoints.error);
  }

  /** @param {unknown} error */
  #failed(error) {
    put(this.#logPlace);
    this.#logPlace.removeAttribute("aria-busy");
    const again = h("button", { type: "button", onclick: () => this.#context.endpoints.now() }, "Try now");
    const title = h("h2", {}, "The endpoint could not be loaded");
    put(
      this.#facts,
      h("div", { class: "card empty", role: "alert" }, title, h("p", {}, failureText(error, "")), again),
    );
  }

  #gone() {
    this.#isGone = true;
    this.#log?.stop();
    const hadFocus = this.element.contains(document.activeElement);
    put(this.#title, "Webhook endpoint");
    for (const part of [this.#pill, this.#actions, this.#notice, this.#logPlace]) put(part);
    this.#logPlace.removeAttribute("aria-busy");
    const text = "It was removed, perhaps in another tab. Nothing is sent there any more.";
    const back = h("a", { class: "button", href: PLACE }, "All webhooks");
    put(
      this.#facts,
      h(
        "div",
        { class: "card empty", role: "alert" },
        h("h2", {}, "This endpoint does not exist any more"),
        h("p", {}, text),
        h("p", { class: "actions" }, back),
      ),
    );
    if (hadFocus) this.#title.focus();
    this.#context.endpoints.now();
  }

  /** @param {WebhookEndpoint} endpoint */
  #show(endpoint) {
    this.#drawState(endpoint);
    const written = JSON.stringify(endpoint);
    if (written === this.#written) return;
    this.#written = written;
    put(this.#title, isolated(hostOf(endpoint.url)));
    if (this.#log) this.#log.endpoint = endpoint;
    else this.#start(endpoint);
    put(this.#notice, isDisabled(endpoint) && this.#disabled());
    const { url, description, events, created_at: added } = endpoint;
    put(
      this.#facts,
      h(
        "section",
        { class: "card", "aria-label": "About this endpoint" },
        h("dl", { class: "facts" }, [
          fact("Address", [isolated(url), copyButton(url, "Copy the address")]),
          description && fact("What it is for", isolated(description)),
          fact("Events", kindsText(events)),
          fact("Added", timeElement(added, exactTime(added))),
        ]),
      ),
    );
  }

  /** @param {WebhookEndpoint} endpoint */
  #start(endpoint) {
    this.#log = new DeliveryLog(this.#context, endpoint, {
      read: (items) => this.#read(items),
      gone: () => this.#gone(),
    });
    this.#logPlace.removeAttribute("aria-busy");
    put(this.#logPlace, this.#log.element);
    const [context, current] = [this.#context, () => this.#context.endpoints.find(this.#id) ?? endpoint];
    const leave = () => {
      location.hash = PLACE;
    };
    put(
      this.#actions,
      h("button", { type: "button", onclick: () => rotateSecret(context, current()) }, "Replace secret"),
      h("button", { type: "button", onclick: () => removeEndpoint(context, current(), leave) }, "Remove"),
    );
  }

  /** @param {WebhookDelivery[]} items */
  #read(items) {
    this.#latest = latestAttempt(items);
    const endpoint = this.#context.endpoints.find(this.#id);
    if (endpoint) this.#drawState(endpoint);
  }

  /** @param {WebhookEndpoint} endpoint */
  #drawState(endpoint) {
    const state = endpointState(endpoint, this.#latest);
    if (this.#pill.textContent !== state.word) put(this.#pill, statePill(state));
  }

  #disabled() {
    const again = h("button", { type: "button", onclick: () => this.#log?.replaySince() }, "Send again and enable");
    return h(
      "div",
      { class: "notice bad" },
      h(
        "p",
        {},
        h("strong", {}, "Nothing is sent to this endpoint."),
        " No delivery succeeded for five days. Once it works again, send it what it has missed: that enables it.",
      ),
      again,
    );
  }
}

/**
 * @param {string} name
 * @param {Child} value
 */
function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}
