// What the element's sentences are made of.

/** @import { Actor, PaymentRequest } from "../../types/api.d.ts" */

import { isolated } from "../shared/dom.js";
import { formatMoney } from "../shared/money.js";
import { isCertain, undeliveredText } from "../shared/undelivered.js";

/**
 * Makes a sentence as nodes. What is put into it is isolated, for people wrote much of it.
 * @param {TemplateStringsArray} strings
 * @param {(string | number)[]} parts
 */
export function sentence(strings, ...parts) {
  return strings.flatMap((text, index) => (index < parts.length ? [text, isolated(parts[index])] : [text]));
}

/**
 * Returns whom a request was sent to, as the agent knows them.
 * @param {PaymentRequest} request
 */
export function customer(request) {
  return request.customer.name ?? request.customer.phone;
}

/**
 * Returns what is to be paid.
 * @param {PaymentRequest} request
 */
export function money(request) {
  return formatMoney(request.amount, request.currency);
}

/**
 * Returns the provider's own identifier of the payment.
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
 * Returns when something was, by the agent's own clock: `10:04`, and with the day if that was another one.
 * @param {string} time
 */
export function moment(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)}, ${CLOCK.format(date)}`;
}

/**
 * Returns a provider's reason as a person reads it: `card_declined` is `card declined`.
 * @param {string | null} text
 */
export function reason(text) {
  return (text ?? "no reason given").replaceAll("_", " ");
}

/**
 * Returns what became of a link that did not reach its customer.
 * @param {{ reason: string | null }} entry
 */
export function undelivered({ reason }) {
  const outcome = isCertain(reason) ? "The link was not delivered." : "It is not certain that the link arrived.";
  return `${outcome} ${undeliveredText(reason)}`;
}

/**
 * Returns who did something, by the name they had on the request if it was its own agent.
 * @param {PaymentRequest} request
 * @param {Actor} actor
 */
export function actor(request, { type, id }) {
  if (type === "agent") return id === request.agent.id ? request.agent.name : (id ?? "an agent");
  return type === "customer" ? customer(request) : "the system";
}
