// All texts of the element, except those about each status, which are in `statuses.js`.

/** @import { HistoryEntry, PaymentRequest } from "../client/index.js" */

import { isolated } from "../shared/dom.js";
import { formatMoney } from "../shared/money.js";
import { isCertain, undeliveredText } from "../shared/statuses.js";
import { customer, moment, money, paidAt, reason, reference, sentence, undelivered } from "./phrases.js";

/** @typedef {"customer.phone" | "order_number" | "amount" | "currency" | "customer.name" | "description"} FieldName */

/** @type {Record<FieldName, string>} */
const labels = {
  "customer.phone": "Customer’s phone",
  order_number: "Order number",
  amount: "Amount",
  currency: "Currency",
  "customer.name": "Customer’s name",
  description: "Description",
};

const PHONE_ADVICE = "Enter the number with its country code, such as +27831234567.";

const COUNTRIES = new Intl.DisplayNames("en", { type: "region" });

/** @param {string} country */
function countryName(country) {
  return COUNTRIES.of(country) ?? country;
}

/**
 * Returns where a number is: its country, or the main one of those that share its country code.
 * @param {string[]} countries
 */
function place([main, ...others]) {
  return others.length === 0 ? countryName(main) : `${countryName(main)} or another country with this code`;
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
  labels,
  phoneHint: "With the country code, such as +27831234567.",
  descriptionHint: "What the customer pays for. They see it on the payment page.",
  chooseCurrency: "Choose…",
  /** @type {(amount: number, currency: string) => (Node | string)[]} */
  amountReads: (amount, currency) => ["Reads as ", isolated(formatMoney(amount, currency)), "."],
  /** @type {(count: number) => string} */
  fieldsWrong: (count) => (count === 1 ? "One field needs a correction." : `${count} fields need a correction.`),
  phoneMissing: "Enter the customer’s phone number.",
  phoneNeedsCode: PHONE_ADVICE,
  /** @type {(text: string, country: string) => string} */
  phoneWrong: (text, country) => {
    if (/\+|^\D*00/.test(text)) return `This is no phone number. ${PHONE_ADVICE}`;
    return country ? `This is no phone number in ${countryName(country)}. ${PHONE_ADVICE}` : PHONE_ADVICE;
  },
  phoneAmbiguous: "Choose which number this is, or enter it with a + and its country code.",
  /** @type {(number: string, countries: string[]) => (Node | string)[]} */
  phoneReads: (number, countries) => [
    ...sentence`The link goes to ${number}`,
    ...(countries.length > 0 ? sentence`, ${place(countries)}` : []),
    ".",
  ],
  phoneCouldBe: "This can be one of these numbers:",
  /** @type {(number: string, countries: string[]) => string} */
  phoneChoice: (number, countries) => (countries.length > 0 ? `${number}, ${place(countries)}` : number),
  orderMissing: "Enter the order number.",
  /** @type {(most: number, length: number) => string} */
  tooLong: (most, length) => `Use at most ${most} characters. These are ${length}.`,
  amountMissing: "Enter the amount.",
  /** @type {(example: string) => string} */
  amountWrong: (example) => `Enter an amount such as ${example}.`,
  /** @type {(unit: string, currency: string) => string} */
  amountOfAnother: (unit, currency) =>
    `The amount says “${unit}”, but the currency is ${currency}. Change one of them.`,
  /** @type {(grouped: string, decimal: string) => string} */
  amountAmbiguous: (grouped, decimal) =>
    `This can mean ${grouped} or ${decimal}. Enter the one that you mean, without a separator between thousands.`,
  /** @type {(grouped: string, otherwise: string) => string} */
  amountGrouped: (grouped, otherwise) => `If this means ${grouped}, enter it so. ${otherwise}`,
  /** @type {(currency: string, places: number) => string} */
  amountTooFine: (currency, places) =>
    places === 0
      ? `${currency} has no decimals: enter a whole amount.`
      : `${currency} has ${places} decimals: enter no more than that.`,
  amountZero: "Enter an amount above zero.",
  /** @type {(most: string) => string} */
  amountTooLarge: (most) => `Enter at most ${most}.`,
  currencyMissing: "Choose the currency.",
  /** @type {(label: string, message: string) => string} */
  refusedField: (label, message) => `${label} ${message}.`,
  unknownOutcome: "We could not reach chat2pay. Nothing is lost. Press Send again; it will not be sent twice.",
  nothingLost: "Nothing is lost. Press Send again; it will not be sent twice.",
  interrupted: "The page was left while this was being sent. Press Send again; it will not be sent twice.",
  formSignedOut: "You are not signed in. Nothing is lost. Sign in, then press Send again.",
  arrivedBefore:
    "What you sent before did arrive and is in the conversation. " +
    "This form says something else: press Send again only to send it as one more request.",
  unexpected: "Something went wrong on this page. Nothing is lost. Please try again.",

  // A card.
  /** @type {(request: PaymentRequest) => (Node | string)[]} */
  cardTitle: (request) => sentence`${money(request)} for order ${request.order_number}`,
  /** @type {(request: PaymentRequest) => (Node | string)[]} */
  order: (request) => sentence`Order ${request.order_number}`,
  /** @type {(count: number, last: HistoryEntry) => (Node | string)[]} */
  attempts: (count, last) =>
    count === 1
      ? sentence`An attempt to pay failed at ${moment(last.at)}: ${reason(last.reason)}`
      : sentence`${count} attempts to pay failed, the last at ${moment(last.at)}: ${reason(last.reason)}`,
  /** @type {(entry: HistoryEntry) => string} */
  undelivered: (entry) => `${undelivered(entry)} You can copy it, or send it again.`,
  /** @type {(entry: HistoryEntry) => string} */
  missed: undelivered,
  /** @type {(entry: HistoryEntry) => (Node | string)[]} */
  attempt: (entry) => sentence`An attempt to pay failed: ${reason(entry.reason)}`,
  copyLink: "Copy link",
  cancelPayment: "Cancel Payment",
  canceling: "Canceling…",
  sendAgain: "Send again",
  sendingAgain: "Sending again…",
  history: "History",

  /**
   * The system's message in the conversation, which confirms a payment.
   * @type {(request: PaymentRequest) => (Node | string)[]}
   */
  confirmation: (request) => [
    ...sentence`${customer(request)} paid ${money(request)} for order ${request.order_number} `,
    ...sentence`at ${paidAt(request)}. Reference ${reference(request)}`,
  ],

  // The messages at the bottom right, except those about each status.
  /** @type {(request: PaymentRequest) => (Node | string)[]} */
  made: (request) => sentence`Sent to ${customer(request)}: ${money(request)} for order ${request.order_number}.`,
  /** @type {(request: PaymentRequest) => (Node | string)[]} */
  madeAgain: (request) =>
    sentence`Sent again to ${customer(request)}: ${money(request)} for order ${request.order_number}.`,
  /** @type {(request: PaymentRequest, entry: HistoryEntry) => (Node | string)[]} */
  newsOfUndelivered: (request, { reason }) =>
    isCertain(reason)
      ? sentence`The link for order ${request.order_number} was not delivered. ${undeliveredText(reason)}`
      : sentence`It is not certain that the link for order ${request.order_number} arrived. ${undeliveredText(reason)}`,
  /** @type {(request: PaymentRequest, entry: HistoryEntry) => (Node | string)[]} */
  newsOfAttempt: (request, entry) =>
    sentence`An attempt to pay order ${request.order_number} failed: ${reason(entry.reason)}.`,
  copied: "The link is copied.",
  /** @type {(url: string) => (Node | string)[]} */
  notCopied: (url) => sentence`The browser did not allow copying. The link is ${url}`,
  cancelUnknown:
    "We could not reach chat2pay, so the cancellation is not confirmed. The card shows it once there is a connection.",
  sendAgainUnknown: "We could not reach chat2pay. Press Send again once more; it will not be sent twice.",
  dismiss: "Dismiss",
};
