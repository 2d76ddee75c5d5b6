// The words of the webhooks' pages: kinds of events, states of endpoints and deliveries, answers.

/** @import { WebhookAttempt, WebhookDelivery, WebhookEndpoint } from "../client/index.js" */
/** @import { IconName } from "../shared/icons.js" */

import { ProblemError, UnreachableError } from "../client/index.js";
import { sentenceOf } from "../shared/api.js";
import { h } from "../shared/dom.js";
import { icon } from "../shared/icons.js";

/** The number of attempts that the API keeps of a delivery. */
export const ATTEMPTS_KEPT = 20;

/**
 * A kind of event: what happened to one, the plural in a list of kinds, and what the form says about it.
 * @typedef {{ event: string, events: string, label: string, hint: string }} Kind
 */

/**
 * Each kind of event by the API's name.
 * @type {Map<string, Kind>}
 */
export const KINDS = new Map([
  [
    "PaymentRequestStatusChanged",
    {
      event: "Status changed",
      events: "Status changes",
      label: "A payment request changes",
      hint: "It is sent, clicked, paid, canceled, expired or refunded.",
    },
  ],
  [
    "PaymentAttemptFailed",
    {
      event: "Payment attempt failed",
      events: "Failed payment attempts",
      label: "A payment attempt fails",
      hint: "A card is declined, for example. The customer can try again.",
    },
  ],
  [
    "PaymentLinkDeliveryFailed",
    {
      event: "Link not delivered",
      events: "Undelivered links",
      label: "A link does not reach its customer",
      hint: "The phone cannot receive it, for example.",
    },
  ],
  [
    "ReconciliationDifferenceFound",
    {
      event: "Difference found",
      events: "Differences with the payment provider",
      label: "The payment provider’s records differ from ours",
      hint: "Payments and refunds are compared every day.",
    },
  ],
]);

/**
 * Returns what happened in an event. A kind that only a newer API knows is shown by its own name.
 * @param {string} type
 */
export function eventText(type) {
  return KINDS.get(type)?.event ?? type;
}

/**
 * Returns the kinds of events that an endpoint receives, in words.
 * @param {string[]} types
 */
export function kindsText(types) {
  if ([...KINDS.keys()].every((type) => types.includes(type))) return "All events";
  return types.map((type) => KINDS.get(type)?.events ?? type).join(" · ");
}

/** @typedef {{ word: string, sign: IconName, tone: "good" | "busy" | "bad" | "ended" }} State */

/** @type {Map<string, State>} */
const DELIVERIES = new Map([
  ["pending", { word: "Pending", sign: "hourglass", tone: "busy" }],
  ["delivered", { word: "Delivered", sign: "check", tone: "good" }],
  ["failed", { word: "Failed", sign: "cross", tone: "bad" }],
]);

/** The statuses of deliveries to choose from; the first one stands for all. */
export const FILTERS = ["", ...DELIVERIES.keys()];

/**
 * Returns the word for a status of deliveries in the filter.
 * @param {string} status
 */
export function filterText(status) {
  return DELIVERIES.get(status)?.word ?? "All";
}

/**
 * Returns the state of a delivery.
 * @param {string} status
 * @returns {State}
 */
export function deliveryState(status) {
  return DELIVERIES.get(status) ?? { word: status, sign: "dial", tone: "ended" };
}

/**
 * Returns whether an endpoint accepted what an attempt sent.
 * @param {WebhookAttempt} attempt
 */
export function isAccepted({ response_status: status }) {
  return status !== null && status >= 200 && status < 300;
}

/**
 * Returns whether an endpoint is disabled.
 * @param {WebhookEndpoint} endpoint
 */
export function isDisabled({ status }) {
  return status === "disabled";
}

/**
 * Returns the latest attempt of some deliveries, or `undefined` if nothing was attempted.
 * @param {WebhookDelivery[]} deliveries
 */
export function latestAttempt(deliveries) {
  const attempts = deliveries.flatMap(({ attempts }) => attempts.slice(-1));
  return attempts.sort((one, other) => one.at.localeCompare(other.at)).at(-1);
}

/**
 * Returns the state of an endpoint.
 * @param {WebhookEndpoint} endpoint
 * @param {WebhookAttempt} [latest] the latest attempt, if it is known
 * @returns {State}
 */
export function endpointState(endpoint, latest) {
  if (isDisabled(endpoint)) return { word: "Disabled: it failed for five days", sign: "cross", tone: "bad" };
  if (endpoint.status !== "enabled") return { word: endpoint.status, sign: "dial", tone: "ended" };
  if (latest && !isAccepted(latest)) return { word: "Enabled, but failing", sign: "alert", tone: "busy" };
  return { word: "Enabled", sign: "check", tone: "good" };
}

/**
 * Builds the label of a state.
 * @param {State} state
 */
export function statePill({ word, sign, tone }) {
  return h("span", { class: "pill", "data-tone": tone }, icon(sign, "sign"), word);
}

/**
 * Returns the answer to an attempt as a sentence.
 * @param {WebhookAttempt} attempt
 */
export function answerText(attempt) {
  const { response_status: status, error } = attempt;
  if (status === null) return error ?? "There was no answer.";
  if (isAccepted(attempt)) return `Accepted (${status}).`;
  const meaning = meaningOf(status);
  return `It answered ${status}${meaning && ` (${meaning})`}.`;
}

/** @param {number} status */
function meaningOf(status) {
  if (status >= 300 && status < 400) return "a redirect, which is not followed";
  if (status === 401 || status === 403) return "not allowed";
  if (status === 404 || status === 410) return "nothing is there";
  if (status === 429) return "too many requests";
  if (status === 503) return "unavailable";
  return status >= 500 ? "an internal error" : "";
}

/**
 * Returns the name or number of the computer in an address, which distinguishes most endpoints.
 * @param {string} url
 */
export function hostOf(url) {
  return URL.canParse(url) ? new URL(url).host : url;
}

/**
 * Returns the sentence about a failed call. `unknown` is what to do if the call may have been carried out.
 * @param {unknown} error
 * @param {string} [unknown]
 */
export function failureText(error, unknown = "Please try again.") {
  if (error instanceof ProblemError) {
    if (error.status === 404) return "This endpoint does not exist any more. It may have been removed in another tab.";
    if (error.status === 403) return "You are not allowed to do this. Webhooks are for supervisors.";
    if (error.status === 429) return `There are too many requests at the moment. ${waitText(error.retryAfter)}`;
    if (error.status >= 500) return "The service is temporarily unavailable. Please try again in a moment.";
  }
  if (error instanceof UnreachableError) return `There is no connection. ${unknown}`;
  return sentenceOf(error);
}

/** @param {number | null} seconds */
function waitText(seconds) {
  return seconds ? `Please try again in ${seconds} seconds.` : "Please try again in a moment.";
}
