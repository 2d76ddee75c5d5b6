// The dialogs that change webhook endpoints: add one, replace its secret, remove it, replay what it missed.

/** @import { WebhookEndpoint, WebhookEndpointWithSecret } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { Live } from "../shared/live.js" */
/** @import { Endpoints } from "./endpoints.js" */

import { ProblemError } from "../client/index.js";
import { now } from "../shared/api.js";
import { h, isolated, put } from "../shared/dom.js";
import { ask, buttonRow, copyButton, openDialog, pressed } from "./controls.js";
import { Deliveries, earliestTime } from "./deliveries.js";
import { failureText, isDisabled, KINDS } from "./webhook-texts.js";

const MINUTE = 60_000;
const DAY = 86_400_000;
/** How long the log keeps events, in days. */
const KEPT_DAYS = 30;

/**
 * What the dialogs need: the API, the endpoints to be updated, and a signal that closes the dialogs.
 * @typedef {{ api: Api, endpoints: Endpoints, live: Live, signal: AbortSignal }} Context
 */

/**
 * Builds a field of a form. `error` is beside it, and is read together with it.
 * @param {string} label
 * @param {HTMLInputElement} input
 * @param {Child} hint
 */
function field(label, input, hint) {
  const [hintId, errorId] = [`${input.id}-hint`, `${input.id}-error`];
  input.setAttribute("aria-describedby", `${errorId} ${hintId}`);
  const error = h("p", { id: errorId, class: "error" });
  const parts = [h("label", { for: input.id }, label), input, error, h("p", { id: hintId, class: "hint" }, hint)];
  return { input, error, element: h("div", { class: "field" }, parts) };
}

/**
 * Shows the errors of a call at their fields, and moves the focus to the first one. Returns false if it was not about
 * these fields.
 * @param {unknown} error
 * @param {Record<string, { input: HTMLElement, error: HTMLElement }>} fields
 */
function showErrors(error, fields) {
  const errors = error instanceof ProblemError ? error.errors : [];
  const known = errors.filter(({ field }) => Object.hasOwn(fields, field));
  for (const { field, message } of known) {
    fields[field].input.setAttribute("aria-invalid", "true");
    // The API names the other endpoint by its id, which no page shows.
    const isTaken = message.startsWith("is already that of");
    put(fields[field].error, isTaken ? "There is an endpoint with this address already." : `It ${message}.`);
  }
  if (known.length > 0) fields[known[0].field].input.focus();
  return known.length > 0 && known.length === errors.length;
}

/** @param {Record<string, { input: HTMLElement, error: HTMLElement }>} fields */
function clearErrors(fields) {
  for (const { input, error } of Object.values(fields)) {
    input.removeAttribute("aria-invalid");
    put(error);
  }
}

/**
 * Opens the form for a new endpoint. After the endpoint was added, the dialog shows its secret.
 * @param {Context} context
 */
export function addEndpoint({ api, endpoints, signal }) {
  const dialog = openDialog(signal);
  const url = field(
    "Address",
    h("input", {
      id: "endpoint-url",
      type: "text",
      inputmode: "url",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      placeholder: "https://crm.example.com/payments",
      required: true,
      autofocus: true,
    }),
    "Events are posted to it. It is a public address that begins with https://.",
  );
  const description = field(
    "What it is for (optional)",
    h("input", { id: "endpoint-description", type: "text", autocomplete: "off", maxlength: 200 }),
    "For you and your colleagues, such as: CRM, Zanele’s team.",
  );
  const kinds = [...KINDS].map(([type, { label, hint }]) => {
    const input = h("input", { type: "checkbox", checked: true, value: type });
    return { type, input, element: h("label", { class: "choice" }, input, h("span", {}, label, h("small", {}, hint))) };
  });
  const eventsError = h("p", { id: "endpoint-events-error", class: "error" });
  const events = h(
    "fieldset",
    { "aria-describedby": "endpoint-events-error" },
    h("legend", {}, "Events"),
    kinds.map(({ element }) => element),
    eventsError,
  );
  const fields = { url, description, events: { input: kinds[0].input, error: eventsError } };
  const problem = h("p", { role: "alert" });
  const submit = h("button", { type: "submit", class: "primary" }, "Add endpoint");

  const send = async () => {
    clearErrors(fields);
    put(problem);
    const chosen = kinds.filter(({ input }) => input.checked).map(({ type }) => type);
    const address = url.input.value.trim();
    if (address === "") {
      url.input.setAttribute("aria-invalid", "true");
      put(url.error, "Enter the address.");
      url.input.focus();
    }
    if (chosen.length === 0) {
      put(eventsError, "Choose at least one kind of event.");
      if (address !== "") kinds[0].input.focus();
    }
    if (address === "" || chosen.length === 0) return;
    const body = {
      url: address,
      // Without a list, the kinds of later releases are sent too.
      events: chosen.length === KINDS.size ? undefined : chosen,
      description: description.input.value.trim() || undefined,
    };
    dialog.hold();
    try {
      const added = await api.addEndpoint(body, signal);
      endpoints.added(added);
      showSecret(dialog, "Endpoint added", added, "");
    } catch (error) {
      if (signal.aborted) return;
      dialog.hold(false);
      // Whether it was added, the list says.
      endpoints.now();
      if (showErrors(error, fields)) return;
      const unknown = "The endpoint may have been added: look at the list, and replace its secret if it is there.";
      put(problem, failureText(error, unknown));
    }
  };
  const form = h(
    "form",
    { novalidate: true },
    url.element,
    events,
    description.element,
    problem,
    buttonRow(dialog.cancel, submit),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pressed(submit, "Adding…", send);
  });
  dialog.show("Add a webhook endpoint", form);
}

/**
 * Shows a secret in a dialog, which then closes by its button only. The secret is nowhere else, and is gone with the
 * dialog.
 * @param {ReturnType<typeof openDialog>} dialog
 * @param {string} title
 * @param {WebhookEndpointWithSecret} endpoint
 * @param {string} text
 */
function showSecret(dialog, title, { url, secret }, text) {
  dialog.show(
    title,
    h("p", { class: "address" }, isolated(url)),
    h("p", { class: "strong" }, "This is its secret. It is shown this once: copy it now."),
    h(
      "div",
      { class: "secret" },
      h("code", { translate: "no" }, secret),
      copyButton(secret, "Copy the secret", { word: "Copy" }),
    ),
    h("p", {}, "With it, your system checks that a webhook comes from chat2pay. Keep it like a password."),
    text && h("p", {}, text),
    buttonRow(h("button", { type: "button", class: "primary", onclick: dialog.close }, "I have stored it")),
  );
}

/**
 * Asks whether an endpoint is to get another secret, and shows the new one.
 * @param {Context} context
 * @param {WebhookEndpoint} endpoint
 */
export function rotateSecret({ api, endpoints, signal }, endpoint) {
  const dialog = openDialog(signal);
  const problem = h("p", { role: "alert" });
  const button = h("button", { type: "button", class: "primary" }, "Replace secret");
  const rotate = async () => {
    put(problem);
    dialog.hold();
    try {
      const rotated = await api.rotateSecret(endpoint.id, signal);
      showSecret(dialog, "The new secret", rotated, "For 24 hours the old one signs too. Then only this one does.");
    } catch (error) {
      if (signal.aborted) return;
      dialog.hold(false);
      endpoints.now();
      put(problem, failureText(error, "The secret may have been replaced: replace it once more to see one."));
    }
  };
  button.addEventListener("click", () => pressed(button, "Replacing…", rotate));
  dialog.show(
    "Replace the secret?",
    h("p", { class: "address" }, isolated(endpoint.url)),
    h("p", {}, "The endpoint gets a new secret, which is shown once."),
    h("p", {}, "For 24 hours, webhooks are signed with both. Give the new one to your system within that time."),
    problem,
    buttonRow(dialog.cancel, button),
  );
}

/**
 * Asks whether an endpoint is to be removed.
 * @param {Context} context
 * @param {WebhookEndpoint} endpoint
 * @param {() => void} removed
 */
export function removeEndpoint({ api, endpoints, signal }, endpoint, removed) {
  ask({
    title: "Remove this endpoint?",
    text: [
      h("p", { class: "address" }, isolated(endpoint.url)),
      h("p", {}, "Nothing is sent there any more, also nothing that is pending. Its log and its secret are gone."),
      h("p", {}, "This cannot be undone."),
    ],
    action: "Remove endpoint",
    busy: "Removing…",
    isEnd: true,
    run: async () => {
      try {
        await api.removeEndpoint(endpoint.id, signal);
      } catch (error) {
        // It was removed in another tab, or by a call whose answer was lost.
        if (!(error instanceof ProblemError && error.status === 404)) throw error;
      }
      endpoints.removed(endpoint.id);
      removed();
    },
    failed: failureText,
    signal,
  });
}

/** What a replay does to a disabled endpoint. */
const ENABLES = "This endpoint is disabled. Sending to it again enables it: new events are sent there too.";

/**
 * Delivers one event again. If the endpoint is disabled, it first asks.
 * @param {Context} context
 * @param {WebhookEndpoint} endpoint
 * @param {string} eventId
 * @param {() => void} replayed
 * @returns {Promise<void> | void}
 */
export function replayOne({ api, endpoints, signal }, endpoint, eventId, replayed) {
  const run = async () => {
    await api.replay(endpoint.id, { event_id: eventId }, signal);
    if (isDisabled(endpoint)) endpoints.now();
    replayed();
  };
  if (!isDisabled(endpoint)) return run();
  ask({
    title: "Send it again?",
    text: [h("p", {}, ENABLES)],
    action: "Enable and send again",
    busy: "Sending…",
    run,
    failed: failureText,
    signal,
  });
}

/**
 * Returns the value of a field for date and time, in this machine's time zone.
 * @param {number} milliseconds
 */
function localValue(milliseconds) {
  const offset = new Date(milliseconds).getTimezoneOffset() * MINUTE;
  return new Date(milliseconds - offset).toISOString().slice(0, 16);
}

/**
 * Opens the form that delivers all events since a moment again; by default since the first one that failed.
 * @param {Context} context
 * @param {WebhookEndpoint} endpoint
 * @param {() => void} replayed
 */
export function replaySince({ api, endpoints, signal }, endpoint, replayed) {
  const ended = new AbortController();
  const dialog = openDialog(signal);
  dialog.element.addEventListener("close", () => ended.abort());
  const looking = AbortSignal.any([signal, ended.signal]);
  const earliest = now() - KEPT_DAYS * DAY;
  const hint = h("span", { role: "status" }, "Looking for the first event that failed…");
  const since = field(
    "Since",
    h("input", {
      id: "replay-since",
      type: "datetime-local",
      min: localValue(earliest),
      max: localValue(now()),
      required: true,
    }),
    [hint, ` In your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`],
  );
  const fields = { since };
  const problem = h("p", { role: "alert" });
  const submit = h("button", { type: "submit", class: "primary" });
  put(submit, isDisabled(endpoint) ? "Enable and send again" : "Send again");

  let isTouched = false;
  since.input.addEventListener("input", () => {
    isTouched = true;
  });
  /**
   * @param {number} milliseconds
   * @param {string} text
   */
  const suggest = (milliseconds, text) => {
    put(hint, text);
    if (!isTouched) since.input.value = localValue(Math.max(milliseconds, earliest));
  };
  const found = new Deliveries(api, endpoint.id, "failed").oldest(looking).then(
    (first) => {
      if (!first) return suggest(now() - DAY, "Nothing has failed: this is a day ago.");
      const text = "This is when the payment request of the first failed event was made.";
      suggest(earliestTime(first) ?? now() - DAY, text);
    },
    () => {
      if (!looking.aborted) suggest(now() - DAY, "The first failed event could not be found: this is a day ago.");
    },
  );

  const send = async () => {
    clearErrors(fields);
    put(problem);
    if (!isTouched) await found;
    const time = new Date(since.input.value);
    if (Number.isNaN(time.getTime())) {
      since.input.setAttribute("aria-invalid", "true");
      put(since.error, "Enter a date and a time.");
      since.input.focus();
      return;
    }
    try {
      await api.replay(endpoint.id, { since: time.toISOString() }, signal);
      if (isDisabled(endpoint)) endpoints.now();
      dialog.close();
      replayed();
    } catch (error) {
      if (!signal.aborted && !showErrors(error, fields)) put(problem, failureText(error));
    }
  };
  const form = h(
    "form",
    { novalidate: true },
    h("p", {}, "Every event since then is sent to this endpoint once more, also what it has accepted already."),
    isDisabled(endpoint) && h("p", { class: "strong" }, ENABLES),
    since.element,
    problem,
    buttonRow(dialog.cancel, submit),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pressed(submit, "Sending…", send);
  });
  dialog.show("Send events again", form);
}
