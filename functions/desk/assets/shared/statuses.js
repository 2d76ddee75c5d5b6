// What the pages know of each status. A new one is added here and in `agent/statuses.js`, which has the agent's
// sentences; a test holds both to the domain's list, and another sees to it that no other file names a status.

/** @import { IconName } from "./icons.js" */

/**
 * What a request in a status waits for: its customer's click or payment, the provider's word on money that is on its
 * way (in, or back), money that comes too late, or nothing any more.
 * @typedef {"click" | "payment" | "provider" | "late money" | null} Awaited
 */

/**
 * How a supervisor counts a status: still open, money received, ended without money, or a refund.
 * @typedef {"open" | "received" | "unpaid" | "refund"} Group
 */

/**
 * The colours of cards and messages, which `agent/element.css` defines.
 * @typedef {"calm" | "busy" | "good" | "ended" | "bad"} Tone
 */

/**
 * What an entry of the history tells of that repeats the status before it.
 * @typedef {"undelivered" | "attempt" | "failure"} Repeated
 */

/**
 * @typedef {object} Facts
 * @property {string} word what a person reads; icon, sign and colour stand beside it and never for it
 * @property {IconName} icon the icon on cards and messages
 * @property {IconName} sign the icon on the supervisor's page
 * @property {Tone} tone the colour of cards and messages
 * @property {string} colour the colour in the supervisor's pictures, in the light and in the dark
 * @property {Awaited} awaits
 * @property {Group} group
 * @property {{ before?: string, after?: string }} funnel how the supervisor reads of requests that go no further,
 *   before their click or after it
 * @property {[before: string, after: string]} [left] the words around the time left, where a deadline runs
 * @property {string} [expiresAs] the reason of the expiry, where a deadline runs
 * @property {boolean} [isByTime] whether it is what the end of a deadline leads to
 * @property {Repeated} [repeated]
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
 * Returns what is known of a status. One that only a newer API knows is shown as it is called.
 * @param {string} status
 * @returns {Omit<Facts, "group"> & { group: Group | null }}
 */
export function factsOf(status) {
  const unknown = { word: status, icon: "plus", sign: "plus", tone: "ended", colour: "currentcolor", awaits: null };
  return STATUSES.get(/** @type {Status} */ (status)) ?? /** @type {any} */ ({ ...unknown, group: null, funnel: {} });
}

/**
 * Returns whether a deadline runs: the customer can act, and time can end it.
 * @param {{ status: string }} request
 */
export function isOpen({ status }) {
  return ["click", "payment"].includes(String(factsOf(status).awaits));
}

/**
 * Returns whether the request is on its way to being paid: open, or its money is still to be confirmed.
 * @param {{ status: string }} request
 */
export function isUnderWay({ status }) {
  return factsOf(status).group === "open";
}

/**
 * Returns whether nothing was paid, or only too late.
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
 * Returns whether nobody has clicked and the link still lives, so that it can be canceled.
 * @param {{ status: string }} request
 */
export function isUnclicked({ status }) {
  return factsOf(status).awaits === "click";
}

/**
 * Returns why a request has expired, or `null` if it has not. For a moment its deadline has passed and nobody has
 * written so into the history yet.
 * @param {{ status: string, history: { status: string, reason: string | null }[] }} request
 */
export function expiryReason({ status, history }) {
  const last = history.at(-1);
  if (!factsOf(status).isByTime || !last) return null;
  return last.status === status ? last.reason : (factsOf(last.status).expiresAs ?? null);
}

/**
 * Returns what an entry of the history tells of that leaves the status as it was, or `undefined` if it changed it.
 * @param {{ status: string }[]} history
 * @param {number} index
 */
export function repeatedBy(history, index) {
  const { status } = history[index];
  return history[index - 1]?.status === status ? factsOf(status).repeated : undefined;
}

/**
 * Returns a style sheet in which a class such as `status-…` sets the property `--status` to its status's colour.
 */
export function palette() {
  const sheet = new CSSStyleSheet();
  for (const [status, { colour }] of STATUSES) sheet.insertRule(`.status-${status} { --status: ${colour}; }`);
  return sheet;
}
