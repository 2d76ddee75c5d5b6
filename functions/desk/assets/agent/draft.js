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

  /** Returns what is wrong with which fields. What only the API knows is left to it. */
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
 * Reads a phone number with a plus, without the tables.
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
