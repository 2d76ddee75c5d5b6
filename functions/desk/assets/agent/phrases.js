// The parts that the element's sentences are built from.

/** @import { Actor, PaymentRequest } from "../client/index.js" */

import { isolated } from "../shared/dom.js";
import { formatMoney } from "../shared/money.js";
import { isCertain, undeliveredText } from "../shared/statuses.js";

/**
 * Builds a sentence as a list of nodes. Each inserted part is isolated, because people wrote many of them.
 * @param {TemplateStringsArray} strings
 * @param {(string | number)[]} parts
 */
export function sentence(strings, ...parts) {
  return strings.flatMap((text, index) => (index < parts.length ? [text, isolated(parts[index])] : [text]));
}

/**
 * Returns the customer's name, or the phone number if the name is unknown.
 * @param {PaymentRequest} request
 */
export function customer(request) {
  return request.customer.name ?? request.customer.phone;
}

/**
 * Returns the formatted amount to pay.
 * @param {PaymentRequest} request
 */
export function money(request) {
  return formatMoney(request.amount, request.currency);
}

/**
 * Returns the provider's identifier of the payment.
 * @param {PaymentRequest} request
 */
export function reference(request) {
  return request.payment?.reference ?? "";
}

/**
 * Returns when the customer paid.
 * @param {PaymentRequest} request
 */
export function paidAt(request) {
  return moment(request.payment?.paid_at ?? request.updated_at);
}

const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

/**
 * Formats a time in the agent's time zone: `10:04` if it is today, otherwise with the day.
 * @param {string} time
 */
export function moment(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)}, ${CLOCK.format(date)}`;
}

/**
 * Returns a provider's reason as readable text: `card_declined` becomes `card declined`.
 * @param {string | null} text
 */
export function reason(text) {
  return (text ?? "no reason given").replaceAll("_", " ");
}

/**
 * Returns the text about a link that was not, or perhaps not, delivered.
 * @param {{ reason: string | null }} entry
 */
export function undelivered({ reason }) {
  const outcome = isCertain(reason) ? "The link was not delivered." : "It is not certain that the link arrived.";
  return `${outcome} ${undeliveredText(reason)}`;
}

/**
 * Returns the name of the actor of a history entry. The request's own agent has the name that the request holds.
 * @param {PaymentRequest} request
 * @param {Actor} actor
 */
export function actor(request, { type, id }) {
  if (type === "agent") return id === request.agent.id ? request.agent.name : (id ?? "an agent");
  if (type === "service") return `the service ${id ?? ""}`;
  return type === "customer" ? customer(request) : "the system";
}
