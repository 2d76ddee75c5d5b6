// Every text of the element, in one place.

import { isolated } from "./dom.js";
import { formatMoney } from "./money.js";
import { isCertain, undeliveredText } from "./undelivered.js";

/** A sentence as nodes. What is put into it is isolated, for people wrote much of it. */
function sentence(strings, ...parts) {
  return strings.flatMap((text, index) => (index < parts.length ? [text, isolated(parts[index])] : [text]));
}

/** Whom a request was sent to, as the agent knows them. */
export function customer(request) {
  return request.customer.name ?? request.customer.phone;
}

function money(request) {
  return formatMoney(request.amount, request.currency);
}

const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

/** When something was, by the agent's own clock: `10:04`, and with the day if that was another one. */
export function moment(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)}, ${CLOCK.format(date)}`;
}

/** A provider's reason as a person reads it: `card_declined` is `card declined`. */
function reason(text) {
  return (text ?? "no reason given").replaceAll("_", " ");
}

/** What became of a link that did not reach its customer. */
function undelivered({ reason }) {
  return `${isCertain(reason) ? "The link was not delivered." : "It is not certain that the link arrived."} ${undeliveredText(reason)}`;
}

/** Who did something, by the name they had on the request if it was its own agent. */
function actor(request, { type, id }) {
  if (type === "agent") return id === request.agent.id ? request.agent.name : (id ?? "an agent");
  return type === "customer" ? customer(request) : "the system";
}

export const texts = {
  extension: "Chat 2 Pay",
  extensionHint: "Send a payment link into this conversation.",
  panel: "Chat 2 Pay",
  requests: "Payment requests",
  confirmations: "Payment confirmations",
  messages: "Status messages",
  loading: "Loading payment requests…",
  none: "No payment requests in this conversation yet.",
  older: "Older payment requests of this conversation are not shown.",

  // Above the cards.
  unreachable: "No connection. Reconnecting…",
  back: "The connection is back.",
  signedOut: "You are not signed in.",
  tryAgain: "Try again",

  // The form.
  formTitle: "Request a payment",
  send: "Send",
  sending: "Sending…",
  cancel: "Cancel",
  optional: "optional",
  labels: {
    "customer.phone": "Customer’s phone",
    order_number: "Order number",
    amount: "Amount",
    currency: "Currency",
    "customer.name": "Customer’s name",
    description: "Description",
  },
  phoneHint: "With the country code, such as +27831234567.",
  descriptionHint: "What the customer pays for. They see it on the payment page.",
  chooseCurrency: "Choose…",
  amountReads: (amount, currency) => ["Reads as ", isolated(formatMoney(amount, currency)), "."],
  fieldsWrong: (count) => (count === 1 ? "One field needs a correction." : `${count} fields need a correction.`),
  phoneMissing: "Enter the customer’s phone number.",
  phoneWrong: "Enter the number with its country code, such as +27831234567.",
  orderMissing: "Enter the order number.",
  tooLong: (most, length) => `Use at most ${most} characters. These are ${length}.`,
  amountMissing: "Enter the amount.",
  amountWrong: (example) => `Enter an amount such as ${example}.`,
  amountZero: "Enter an amount above zero.",
  amountTooLarge: (most) => `Enter at most ${most}.`,
  currencyMissing: "Choose the currency.",
  refusedField: (label, message) => `${label} ${message}.`,
  unknownOutcome: "We could not reach chat2pay. Nothing is lost. Press Send again; it will not be sent twice.",
  nothingLost: "Nothing is lost. Press Send again; it will not be sent twice.",
  interrupted: "The page was left while this was being sent. Press Send again; it will not be sent twice.",
  formSignedOut: "You are not signed in. Nothing is lost. Sign in, then press Send again.",
  arrivedBefore:
    "What you sent before did arrive and is in the conversation. This form says something else: press Send again only to send it as one more request.",
  unexpected: "Something went wrong on this page. Nothing is lost. Please try again.",

  // A card.
  statuses: {
    sent: "Sent",
    clicked: "Clicked",
    processing: "Processing",
    paid: "Paid",
    canceled: "Canceled",
    expired: "Expired",
    refund_due: "Refund due",
    refunded: "Refunded",
  },
  cardTitle: (request) => sentence`${money(request)} for order ${request.order_number}`,
  order: (request) => sentence`Order ${request.order_number}`,
  linkExpires: "Link expires in",
  timeToPay: "Customer has",
  toPay: "to pay",
  paid: (request) => sentence`Paid at ${moment(request.payment.paid_at)}. Reference ${request.payment.reference}`,
  canceled: (request, entry) => sentence`Canceled by ${actor(request, entry.actor)} at ${moment(entry.at)}`,
  processing: () => ["The customer has paid. The provider is waiting for the money, which can take a few days."],
  ended: {
    not_clicked: "Nobody clicked the link in time.",
    not_paid: "The customer clicked, but did not pay in time.",
    payment_failed: "The customer paid, but the money did not come.",
  },
  refundDue: (request) => sentence`Money came after the request had ended, and goes back. Reference ${request.payment.reference}`,
  refunded: (request) => sentence`Money that came too late went back. Reference ${request.payment.reference}`,
  attempts: (count, last) =>
    count === 1
      ? sentence`An attempt to pay failed at ${moment(last.at)}: ${reason(last.reason)}`
      : sentence`${count} attempts to pay failed, the last at ${moment(last.at)}: ${reason(last.reason)}`,
  undelivered: (entry) => [`${undelivered(entry)} You can copy it, or send it again.`],
  copyLink: "Copy link",
  cancelPayment: "Cancel Payment",
  canceling: "Canceling…",
  sendAgain: "Send again",
  sendingAgain: "Sending again…",
  history: "History",
  entries: {
    sent: (request, entry) => sentence`Sent by ${actor(request, entry.actor)}`,
    clicked: (request, entry) => sentence`${actor(request, entry.actor)} clicked the link`,
    undelivered: (_, entry) => [undelivered(entry)],
    attempt: (request, entry) => sentence`An attempt to pay failed: ${reason(entry.reason)}`,
    processing: (request) => sentence`${customer(request)} has paid, the money is on its way`,
    paid: () => ["Paid"],
    canceled: (request, entry) => sentence`Canceled by ${actor(request, entry.actor)}`,
    expired: (_, entry) => [{ not_paid: "Expired: not paid in time", payment_failed: "Expired: the money did not come" }[entry.reason] ?? "Expired: not clicked in time"],
    refund_due: (request, entry) => [
      entry.reason === "paid_after_cancellation" ? "Money came after the cancellation" : "Money came after the expiry",
    ],
    refunded: () => ["Money sent back"],
  },

  /** The system's message in the conversation. */
  confirmation: (request) =>
    sentence`${customer(request)} paid ${money(request)} for order ${request.order_number} at ${moment(request.payment.paid_at)}. Reference ${request.payment.reference}`,

  /** One text for each outcome, at the bottom right. */
  outcomes: {
    sent: (request) => sentence`Sent to ${customer(request)}: ${money(request)} for order ${request.order_number}.`,
    sentAgain: (request) => sentence`Sent again to ${customer(request)}: ${money(request)} for order ${request.order_number}.`,
    clicked: (request) => sentence`${customer(request)} clicked the link for order ${request.order_number} and can pay now.`,
    undelivered: (request, entry) =>
      isCertain(entry.reason)
        ? sentence`The link for order ${request.order_number} was not delivered. ${undeliveredText(entry.reason)}`
        : sentence`It is not certain that the link for order ${request.order_number} arrived. ${undeliveredText(entry.reason)}`,
    processing: (request) => sentence`${customer(request)} has paid order ${request.order_number}. The money is on its way.`,
    attempt: (request, entry) => sentence`An attempt to pay order ${request.order_number} failed: ${reason(entry.reason)}.`,
    paid: (request) => sentence`${customer(request)} has paid ${money(request)} for order ${request.order_number}.`,
    canceled: (request) => sentence`The payment for order ${request.order_number} is canceled.`,
    not_clicked: (request) => sentence`The link for order ${request.order_number} has expired. Nobody clicked it.`,
    payment_failed: (request) => sentence`The payment for order ${request.order_number} failed after all. The money did not come.`,
    not_paid: (request) => sentence`The time to pay order ${request.order_number} is over. It was not paid.`,
    refund_due: (request) => sentence`Money for order ${request.order_number} came too late. It goes back to ${customer(request)}.`,
    refunded: (request) => sentence`The money that came too late for order ${request.order_number} went back.`,
  },
  copied: "The link is copied.",
  notCopied: (url) => sentence`The browser did not allow copying. The link is ${url}`,
  cancelUnknown: "We could not reach chat2pay, so the cancellation is not confirmed. The card shows it once there is a connection.",
  sendAgainUnknown: "We could not reach chat2pay. Press Send again once more; it will not be sent twice.",
  dismiss: "Dismiss",
};
