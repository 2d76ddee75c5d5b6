// What an agent has typed and not sent yet, kept for this tab through reloads and crashes.
//
// A draft has one Idempotency-Key from its beginning until there is a definite answer, whatever is edited meanwhile: of
// all that is sent under one key the API makes one request at most. After an answer was lost nobody knows whether the
// request was made. Sent again unchanged, the draft gets the same request; sent again with changes, it is refused
// (`idempotency_key_reused`) if the first did arrive, and sent if not. Asking by sending the old fields once more would
// be worse: it could send what the agent has just corrected. Only after that refusal, which tells the agent what
// happened, does the draft get another key.

/** @import { NewPaymentRequest } from "../../types/api.d.ts" */
/** @import { FieldName } from "./texts.js" */

import { AMOUNT_AT_MOST, formatMoney, parseAmount, plainAmount } from "../shared/money.js";
import { texts } from "./texts.js";

/** @typedef {Record<FieldName, string>} Fields */

/**
 * The fields, by the API's names, in the order of the form.
 * @type {FieldName[]}
 */
export const FIELDS = ["customer.phone", "order_number", "amount", "currency", "customer.name", "description"];

/**
 * The most characters of a field.
 * @type {[FieldName, number][]}
 */
const MOST = [
  ["order_number", 64],
  ["customer.name", 200],
  ["description", 200],
];

export class Draft {
  #conversation;

  /**
   * @param {string} conversation
   * @param {{ fields: Fields, key?: string, unconfirmed?: boolean }} kept
   */
  constructor(conversation, { fields, key = crypto.randomUUID(), unconfirmed = false }) {
    this.#conversation = conversation;
    this.fields = fields;
    /** @type {string} */
    this.key = key;
    /** Whether it was sent without hearing what came of it. */
    this.unconfirmed = unconfirmed;
  }

  /**
   * Returns a conversation's draft, if there is one.
   * @param {string} conversation
   */
  static restore(conversation) {
    try {
      const kept = JSON.parse(sessionStorage.getItem(place(conversation)) ?? "");
      // A tab may be older than the fields that this version knows.
      return FIELDS.every((name) => typeof kept.fields[name] === "string") ? new Draft(conversation, kept) : null;
    } catch {
      // No storage, or nothing in it.
      return null;
    }
  }

  /**
   * Begins a draft with what is known of the customer.
   * @param {string} conversation
   * @param {Partial<Fields>} known
   */
  static begin(conversation, known) {
    const draft = new Draft(conversation, { fields: { ...eachField(() => ""), ...known } });
    draft.save();
    return draft;
  }

  save() {
    const { fields, key, unconfirmed } = this;
    try {
      sessionStorage.setItem(place(this.#conversation), JSON.stringify({ fields, key, unconfirmed }));
    } catch {
      // Without storage a draft lives as long as the page.
    }
  }

  discard() {
    try {
      sessionStorage.removeItem(place(this.#conversation));
    } catch {
      // Without storage there is nothing to remove.
    }
  }

  /** Makes what is sent from now on another request. */
  startOver() {
    this.key = crypto.randomUUID();
    this.unconfirmed = false;
    this.save();
  }

  /**
   * Returns the request's body.
   * @returns {NewPaymentRequest}
   */
  body() {
    const { order_number, currency, description, "customer.name": name } = trimmed(this.fields);
    return {
      order_number,
      amount: parseAmount(this.fields.amount, currency),
      currency,
      customer: { phone: phone(this.fields), name: optional(name) },
      description: optional(description),
      conversation_id: this.#conversation,
    };
  }

  /** Returns what is wrong with which fields. What only the API knows is left to it. */
  problems() {
    const fields = trimmed(this.fields);
    /** @type {Map<FieldName, string>} */
    const found = new Map();
    if (fields["customer.phone"] === "") found.set("customer.phone", texts.phoneMissing);
    else if (!/^\+[1-9]\d{1,14}$/.test(phone(this.fields))) found.set("customer.phone", texts.phoneWrong);
    if (fields.order_number === "") found.set("order_number", texts.orderMissing);
    const amount = amountProblem(fields);
    if (amount) found.set("amount", amount);
    if (fields.currency === "") found.set("currency", texts.currencyMissing);
    for (const [name, most] of MOST) {
      // Characters as the API counts them, and not the two halves that some have here.
      const length = [...fields[name]].length;
      if (length > most) found.set(name, texts.tooLong(most, length));
    }
    return found;
  }
}

/** @param {string} conversation */
function place(conversation) {
  return `chat2pay.draft.${conversation}`;
}

/**
 * Makes the fields anew, each by its name.
 * @param {(name: FieldName) => string} value
 */
function eachField(value) {
  return /** @type {Fields} */ (Object.fromEntries(FIELDS.map((name) => [name, value(name)])));
}

/** @param {Fields} fields */
function trimmed(fields) {
  return eachField((name) => fields[name].trim());
}

/** @param {string} text */
function optional(text) {
  return text === "" ? undefined : text;
}

/**
 * Returns a number as the API takes it, from one that is written for people to read.
 * @param {Fields} fields
 */
function phone(fields) {
  return fields["customer.phone"].replace(/[\s().\-\u00a0\u202f]/g, "");
}

/** @param {Fields} fields */
function amountProblem({ amount, currency }) {
  if (amount === "") return texts.amountMissing;
  const minorUnits = parseAmount(amount, currency);
  if (minorUnits === null) return texts.amountWrong(plainAmount(25_000, currency));
  if (minorUnits === 0) return texts.amountZero;
  if (minorUnits > AMOUNT_AT_MOST) {
    return texts.amountTooLarge((currency ? formatMoney : plainAmount)(AMOUNT_AT_MOST, currency));
  }
  return null;
}
