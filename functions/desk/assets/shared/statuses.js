// The facts about each status, and about a link that did not reach its customer. Add a new status here and in
// `agent/statuses.js`, which has the agent's sentences. One test compares both tables with the domain's list. Another
// test checks that no other file names a status.

/** @import { PaymentRequest } from "../client/index.js" */
/** @import { IconName } from "./icons.js" */

/**
 * What a request in a status waits for: the customer's click, the customer's payment, the provider's confirmation of a
 * payment or refund in flight, money that may arrive too late, or (`null`) nothing.
 * @typedef {"click" | "payment" | "provider" | "late money" | null} Awaited
 */

/**
 * The group in which the supervisor's page counts a status: still open, money received, ended without money, or a
 * refund.
 * @typedef {"open" | "received" | "unpaid" | "refund"} Group
 */

/**
 * The colour scheme of a card or message, which `agent/element.css` defines.
 * @typedef {"calm" | "busy" | "good" | "ended" | "bad"} Tone
 */

/**
 * The event behind a history entry that has the same status as the entry before it.
 * @typedef {"undelivered" | "attempt" | "failure"} Repeated
 */

/**
 * @typedef {object} Facts
 * @property {string} word the status's name for a person; icon, sign and colour only accompany it and never replace it
 * @property {IconName} icon the icon on cards and messages
 * @property {IconName} sign the icon on the supervisor's page
 * @property {Tone} tone the colour of cards and messages
 * @property {string} colour the colour in the supervisor's charts, in the light and in the dark scheme
 * @property {Awaited} awaits
 * @property {Group} group
 * @property {{ before?: string, after?: string }} funnel the supervisor's label for requests that stopped in this
 *   status, before or after the click
 * @property {[before: string, after: string]} [left] the words around the remaining time, for a status with a deadline
 * @property {string} [expiresAs] the reason of the expiry, for a status with a deadline
 * @property {boolean} [isByTime] whether requests enter the status when a deadline passes
 * @property {Repeated} [repeated] the event behind an entry that repeats this status
 */

/** Each status, in the order of a request's life. */
const FACTS = /** @satisfies {Record<string, Facts>} */ ({
  sent: {
    word: "Sent",
    icon: "plane",
    sign: "plane",
    tone: "calm",
    colour: "light-dark(#2f6fdb, #7fb0ff)",
    awaits: "click",
    group: "open",
    funnel: { before: "Still waiting for the click" },
    left: ["Link expires in ", ""],
    expiresAs: "not_clicked",
    repeated: "undelivered",
  },
  clicked: {
    word: "Clicked",
    icon: "click",
    sign: "pointer",
    tone: "busy",
    colour: "light-dark(#7a3fc9, #c09bff)",
    awaits: "payment",
    group: "open",
    funnel: { after: "Still paying" },
    left: ["The customer has ", " to pay"],
    expiresAs: "not_paid",
    repeated: "attempt",
  },
  processing: {
    word: "Processing",
    icon: "hourglass",
    sign: "hourglass",
    tone: "busy",
    colour: "light-dark(#0b7285, #4fc3d9)",
    awaits: "provider",
    group: "open",
    funnel: { after: "Paid, the money is on its way" },
  },
  paid: {
    word: "Paid",
    icon: "check-circle",
    sign: "check",
    tone: "good",
    colour: "light-dark(#0f7a45, #4fd08a)",
    awaits: null,
    group: "received",
    funnel: {},
  },
  canceled: {
    word: "Canceled",
    icon: "cross-circle",
    sign: "cross",
    tone: "ended",
    colour: "light-dark(#66727f, #98a5b3)",
    awaits: "late money",
    group: "unpaid",
    funnel: { before: "Canceled" },
  },
  expired: {
    word: "Expired",
    icon: "clock",
    sign: "dial",
    tone: "ended",
    colour: "light-dark(#a85b00, #f0a94a)",
    awaits: "late money",
    group: "unpaid",
    funnel: { before: "Expired, not clicked", after: "Expired, not paid" },
    isByTime: true,
    repeated: "failure",
  },
  refund_due: {
    word: "Refund due",
    icon: "return",
    sign: "alert",
    tone: "busy",
    colour: "light-dark(#c2321f, #ff8b78)",
    awaits: "provider",
    group: "refund",
    funnel: { after: "Paid too late, refund due" },
  },
  refunded: {
    word: "Refunded",
    icon: "return",
    sign: "undo",
    tone: "ended",
    colour: "light-dark(#a3277e, #f08acb)",
    awaits: null,
    group: "refund",
    funnel: { after: "Paid too late, refunded" },
  },
});

/** @typedef {keyof typeof FACTS} Status */

/** Every status with its facts, in the order of a request's life. */
export const STATUSES = new Map(/** @type {[Status, Facts][]} */ (Object.entries(FACTS)));

/**
 * Returns the facts about a status. A status that only a newer API knows is shown by its own name.
 * @param {string} status
 * @returns {Omit<Facts, "group"> & { group: Group | null }}
 */
export function factsOf(status) {
  const unknown = { word: status, icon: "plus", sign: "plus", tone: "ended", colour: "currentcolor", awaits: null };
  return STATUSES.get(/** @type {Status} */ (status)) ?? /** @type {any} */ ({ ...unknown, group: null, funnel: {} });
}

/**
 * Returns whether the request has a deadline ahead: the customer can still act, and the request can expire.
 * @param {{ status: string }} request
 */
export function isOpen({ status }) {
  return ["click", "payment"].includes(String(factsOf(status).awaits));
}

/**
 * Returns whether the request can still become paid: it is open, or its payment awaits confirmation.
 * @param {{ status: string }} request
 */
export function isUnderWay({ status }) {
  return factsOf(status).group === "open";
}

/**
 * Returns whether the request ended without a payment, or was paid too late.
 * @param {{ status: string }} request
 */
export function hasEndedUnpaid({ status }) {
  return ["unpaid", "refund"].includes(String(factsOf(status).group));
}

/**
 * Returns whether the request is paid.
 * @param {{ status: string }} request
 */
export function isPaid({ status }) {
  return factsOf(status).group === "received";
}

/**
 * Returns whether nobody has clicked the link and it is still valid, so that the request can be canceled.
 * @param {{ status: string }} request
 */
export function isUnclicked({ status }) {
  return factsOf(status).awaits === "click";
}

/**
 * Returns why a request has expired, or `null` if it has not. The API reports a request as expired from its deadline
 * on. The history may get its entry a moment later: until then the reason follows from the last entry's status.
 * @param {{ status: string, history: { status: string, reason: string | null }[] }} request
 */
export function expiryReason({ status, history }) {
  const last = history.at(-1);
  if (!factsOf(status).isByTime || !last) return null;
  return last.status === status ? last.reason : (factsOf(last.status).expiresAs ?? null);
}

/**
 * Returns the event behind a history entry that left the status unchanged, or `undefined` if the entry changed it.
 * @param {{ status: string }[]} history
 * @param {number} index
 */
export function repeatedBy(history, index) {
  const { status } = history[index];
  return history[index - 1]?.status === status ? factsOf(status).repeated : undefined;
}

/**
 * Formats the remaining time of a status with a deadline as a clock shows it: `4:59`, `1:02:03`; `0:00` when it is
 * over.
 * @param {number} milliseconds
 */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}

/**
 * Returns a style sheet in which each class `status-…` sets the property `--status` to the colour of its status.
 */
export function palette() {
  const sheet = new CSSStyleSheet();
  for (const [status, { colour }] of STATUSES) sheet.insertRule(`.status-${status} { --status: ${colour}; }`);
  return sheet;
}

/** The only reason of a failed delivery after which the link may still have arrived. */
const UNCONFIRMED = "delivery_unconfirmed";

const UNDELIVERED = new Map([
  ["invalid_recipient", "The phone number cannot receive messages."],
  ["recipient_opted_out", "The customer does not want messages from this sender."],
  ["not_on_channel", "The customer cannot be reached on this channel."],
  ["outside_conversation_window", "The customer has to write first: until then, WhatsApp does not deliver."],
  ["channel_refused", "The channel rejected the message."],
  ["channel_unavailable", "The channel does not answer."],
  [UNCONFIRMED, "The channel’s answer was lost."],
  ["undelivered", "The phone may be off, out of reach, or blocking messages."],
]);

/**
 * Returns true if it is certain that the link did not arrive.
 * @param {string | null} reason
 */
export function isCertain(reason) {
  return reason !== UNCONFIRMED;
}

/**
 * Returns the sentence for a reason from the history. A reason that is not in the table is returned as it is.
 * @param {string | null} reason
 */
export function undeliveredText(reason) {
  return UNDELIVERED.get(reason ?? "") ?? `${reason}.`;
}

/**
 * Returns whether a received request is older than the known one: answers may arrive out of order.
 * @param {PaymentRequest} known
 * @param {PaymentRequest} received
 */
export function isStale(known, received) {
  if (received.version !== known.version) return received.version < known.version;
  // When a deadline passes, the status changes before the version does.
  return isOpen(received) && !isOpen(known);
}

/**
 * Returns whether a received request is the known one, unchanged.
 * @param {PaymentRequest | null | undefined} known
 * @param {PaymentRequest} received
 */
export function isSame(known, received) {
  return known?.version === received.version && known.status === received.status;
}
