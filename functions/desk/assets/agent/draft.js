// A draft: what an agent has typed and not sent yet. It is kept for this tab through reloads and crashes.
//
// A draft keeps one Idempotency-Key from its creation until the API gives a definite answer, even if the agent edits
// the fields. The API creates at most one request per key.
//
// If an answer is lost, nobody knows whether the request was created. Sending the draft again unchanged returns the
// same request. Sending it again with changes is rejected (`idempotency_key_reused`) if the first attempt arrived, and
// creates the request if it did not. Resending the old fields first, to find out, would be worse: it could send the
// very values that the agent has just corrected. The draft gets a new key only after that rejection, whose message
// tells the agent what happened.

/** @import { NewPaymentRequest } from "../client/index.js" */
/** @import { FieldName } from "./texts.js" */

import { AMOUNT_AT_MOST, decimals, formatMoney, plainAmount } from "../shared/money.js";
import { parseAmount, readAmount } from "./amount.js";
import { texts } from "./texts.js";

/** @typedef {Record<FieldName, string>} Fields */

/**
 * The fields, by the API's names, in the order of the form.
 * @type {FieldName[]}
 */
export const FIELDS = ["customer.phone", "order_number", "amount", "currency", "customer.name", "description"];

/**
 * The maximum number of characters of each field.
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
    /** Whether the draft was sent and its outcome is unknown. */
    this.unconfirmed = unconfirmed;
    /** The country whose numbers need no country code, by its ISO code; empty if none is known. */
    this.country = "";
    /**
     * Returns the numbers, in E.164 form, that a text can mean. The form replaces this function once it has loaded the
     * tables. Until then, a number needs its plus.
     * @type {(text: string, country: string) => string[]}
     */
    this.readPhone = withPlus;
  }

  /** Returns the numbers that the text in the phone field can mean. */
  get phones() {
    return this.readPhone(this.fields["customer.phone"], this.country);
  }

  /**
   * Returns the saved draft of a conversation, or `null` if there is none.
   * @param {string} conversation
   */
  static restore(conversation) {
    try {
      const kept = JSON.parse(sessionStorage.getItem(place(conversation)) ?? "");
      // An older version of the page may have saved the draft without the fields that this version has.
      return FIELDS.every((name) => typeof kept.fields[name] === "string") ? new Draft(conversation, kept) : null;
    } catch {
      // There is no storage, or no draft in it.
      return null;
    }
  }

  /**
   * Creates and saves a draft, prefilled with what the host says about the customer.
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
      // Without storage the draft lasts as long as the page.
    }
  }

  discard() {
    try {
      sessionStorage.removeItem(place(this.#conversation));
    } catch {
      // Without storage there is no draft to remove.
    }
  }

  /** Gives the draft a new key: the next send creates another request. */
  startOver() {
    this.key = crypto.randomUUID();
    this.unconfirmed = false;
    this.save();
  }

  /**
   * Returns the request's body. Only a draft without problems is sent, so that its amount can be read.
   * @returns {NewPaymentRequest}
   */
  body() {
    const { order_number, currency, description, "customer.name": name } = trimmed(this.fields);
    return {
      order_number,
      amount: /** @type {number} */ (parseAmount(this.fields.amount, currency)),
      currency,
      customer: { phone: this.phones[0] ?? "", name: optional(name) },
      description: optional(description),
      conversation_id: this.#conversation,
    };
  }

  /** @param {string} text */
  #phoneProblem(text) {
    if (text === "") return texts.phoneMissing;
    const { phones } = this;
    if (phones.length > 1) return texts.phoneAmbiguous;
    if (phones.length === 1) return null;
    return this.readPhone === withPlus ? texts.phoneNeedsCode : texts.phoneWrong(text, this.country);
  }

  /** Returns a message for each invalid field. It leaves to the API the checks that only the API can make. */
  problems() {
    const fields = trimmed(this.fields);
    /** @type {Map<FieldName, string>} */
    const found = new Map();
    const phone = this.#phoneProblem(fields["customer.phone"]);
    if (phone) found.set("customer.phone", phone);
    if (fields.order_number === "") found.set("order_number", texts.orderMissing);
    const amount = amountProblem(fields);
    if (amount) found.set("amount", amount);
    if (fields.currency === "") found.set("currency", texts.currencyMissing);
    for (const [name, most] of MOST) {
      // Counts code points, as the API does; `length` would count some characters as two.
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
 * Builds an object of all fields, each value from the field's name.
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
 * Parses a phone number with a plus, without the tables.
 * @param {string} text
 */
function withPlus(text) {
  const number = text.replace(/[\s().-]/g, "");
  return /^\+[1-9]\d{1,14}$/.test(number) ? [number] : [];
}

/** @param {Fields} fields */
function amountProblem({ amount, currency }) {
  if (amount === "") return texts.amountMissing;
  const reading = readAmount(amount, currency);
  if ("problem" in reading) {
    if (reading.problem === "unreadable") return texts.amountWrong(plainAmount(25_000, currency));
    // The other problems depend on the currency.
    if (currency === "") return null;
    if (reading.problem === "unit") return texts.amountOfAnother(reading.unit, currency);
    const tooFine = texts.amountTooFine(currency, decimals(currency));
    if (reading.problem !== "ambiguous") return tooFine;
    const [grouped, decimal] = reading.readings;
    return decimal === null ? texts.amountGrouped(grouped, tooFine) : texts.amountAmbiguous(grouped, decimal);
  }
  const { minorUnits } = reading;
  if (minorUnits === 0) return texts.amountZero;
  if (minorUnits > AMOUNT_AT_MOST) {
    return texts.amountTooLarge((currency ? formatMoney : plainAmount)(AMOUNT_AT_MOST, currency));
  }
  return null;
}
