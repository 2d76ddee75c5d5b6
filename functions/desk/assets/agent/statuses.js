// The agent's sentences about each status. The facts about each status are in `shared/statuses.js`.

/** @import { HistoryEntry, PaymentRequest } from "../client/index.js" */
/** @import { Child } from "../shared/dom.js" */
/** @import { Status } from "../shared/statuses.js" */

import { expiryReason, factsOf } from "../shared/statuses.js";
import { actor, customer, moment, money, paidAt, reference, sentence } from "./phrases.js";
import { texts } from "./texts.js";

/**
 * @typedef {object} Sentences
 * @property {(request: PaymentRequest, timer: HTMLElement) => Child} standing the line on the card about the request's
 *   current state; `timer` shows the remaining time
 * @property {(request: PaymentRequest, entry: HistoryEntry) => Child} entry the text of a history entry
 * @property {(request: PaymentRequest) => Child} news the message when a request enters the status
 * @property {boolean} [showsAttempts] whether the card shows failed attempts to pay
 */

/** @type {Record<string, string>} */
const ENDED = {
  not_clicked: "Nobody clicked the link in time.",
  not_paid: "The customer clicked, but did not pay in time.",
  payment_failed: "The customer paid, but the money did not come.",
};

const OPEN_PAGE = "The customer may still pay on a page that is already open; such a payment is refunded.";

/** @type {Record<string, string>} */
const EXPIRED = {
  not_paid: "Expired: not paid in time",
  payment_failed: "Expired: the money did not come",
};

/** @type {Record<string, (request: PaymentRequest) => Child>} */
const EXPIRY = {
  not_clicked: (request) => sentence`The link for order ${request.order_number} has expired. Nobody clicked it.`,
  not_paid: (request) => sentence`The time to pay order ${request.order_number} is over. It was not paid.`,
  payment_failed: (request) =>
    sentence`The payment for order ${request.order_number} failed after all. The money did not come.`,
};

/** @type {Record<Status, Sentences>} */
const SENTENCES = {
  sent: {
    standing: (_, timer) => ["Link expires in ", timer],
    entry: (request, entry) =>
      entry.actor.type === "service"
        ? sentence`Sent by ${actor(request, entry.actor)} for ${request.agent.name}`
        : sentence`Sent by ${actor(request, entry.actor)}`,
    news: texts.made,
  },
  clicked: {
    standing: (_, timer) => ["Customer has ", timer, " to pay"],
    entry: (request, entry) => sentence`${actor(request, entry.actor)} clicked the link`,
    news: (request) =>
      sentence`${customer(request)} clicked the link for order ${request.order_number} and can pay now.`,
    showsAttempts: true,
  },
  processing: {
    standing: () => "The customer has paid. The provider is waiting for the money, which can take a few days.",
    entry: (request) => sentence`${customer(request)} has paid, the money is on its way`,
    news: (request) => sentence`${customer(request)} has paid order ${request.order_number}. The money is on its way.`,
  },
  paid: {
    standing: (request) => sentence`Paid at ${paidAt(request)}. Reference ${reference(request)}`,
    entry: () => "Paid",
    news: (request) => sentence`${customer(request)} has paid ${money(request)} for order ${request.order_number}.`,
  },
  canceled: {
    standing: (request) => {
      const entry = request.history[request.history.length - 1];
      return sentence`Canceled by ${actor(request, entry.actor)} at ${moment(entry.at)}`;
    },
    entry: (request, entry) => sentence`Canceled by ${actor(request, entry.actor)}`,
    news: (request) => sentence`The payment for order ${request.order_number} is canceled.`,
  },
  expired: {
    standing: (request) => {
      const ended = ENDED[expiryReason(request) ?? ""];
      return request.payment_page_may_be_open ? [ended, " ", OPEN_PAGE] : ended;
    },
    entry: (_, entry) => EXPIRED[entry.reason ?? ""] ?? "Expired: not clicked in time",
    news: (request) => EXPIRY[expiryReason(request) ?? ""]?.(request),
    showsAttempts: true,
  },
  refund_due: {
    standing: (request) =>
      sentence`Money came after the request had ended, and goes back. Reference ${reference(request)}`,
    entry: (_, entry) =>
      entry.reason === "paid_after_cancellation" ? "Money came after the cancellation" : "Money came after the expiry",
    news: (request) =>
      sentence`Money for order ${request.order_number} came too late. It goes back to ${customer(request)}.`,
  },
  refunded: {
    standing: (request) => sentence`Money that came too late went back. Reference ${reference(request)}`,
    entry: () => "Money sent back",
    news: (request) => sentence`The money that came too late for order ${request.order_number} went back.`,
  },
};

/**
 * Returns the agent's sentences about a status. For a status that only a newer API knows, they are just its name.
 * @param {string} status
 * @returns {Sentences}
 */
export function sentencesOf(status) {
  if (Object.hasOwn(SENTENCES, status)) return SENTENCES[/** @type {Status} */ (status)];
  const { word } = factsOf(status);
  return { standing: () => word, entry: () => word, news: (request) => [texts.order(request), `: ${word}.`] };
}
