// What an agent has typed and not sent yet, kept for this tab through reloads and crashes.
//
// A draft has one Idempotency-Key from its beginning until there is a definite answer, whatever is edited meanwhile: of all
// that is sent under one key the API makes one request at most. After an answer was lost nobody knows whether the request
// was made. Sent again unchanged, the draft gets the same request; sent again with changes, it is refused
// (`idempotency_key_reused`) if the first did arrive, and sent if not. Asking by sending the old fields once more would be
// worse: it could send what the agent has just corrected. Only after that refusal, which tells the agent what happened, does
// the draft get another key.

import { AMOUNT_AT_MOST, formatMoney, parseAmount, plainAmount } from "./money.js";
import { texts } from "./desk-texts.js";

/** The fields, by the API's names, in the order of the form. */
export const FIELDS = ["customer.phone", "order_number", "amount", "currency", "customer.name", "description"];

const MOST = { order_number: 64, "customer.name": 200, description: 200 };

export class Draft {
  #conversation;

  constructor(conversation, { fields, key = crypto.randomUUID(), unconfirmed = false }) {
    this.#conversation = conversation;
    this.fields = fields;
    this.key = key;
    /** Whether it was sent without hearing what came of it. */
    this.unconfirmed = unconfirmed;
  }

  /** A conversation's draft, if there is one. */
  static restore(conversation) {
    try {
      const kept = JSON.parse(sessionStorage.getItem(place(conversation)));
      // A tab may be older than the fields that this version knows.
      return FIELDS.every((name) => typeof kept.fields[name] === "string") ? new Draft(conversation, kept) : null;
    } catch {
      // No storage, or nothing in it.
      return null;
    }
  }

  /** A new draft with what is known of the customer. */
  static begin(conversation, known) {
    const draft = new Draft(conversation, { fields: { ...Object.fromEntries(FIELDS.map((name) => [name, ""])), ...known } });
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

  /** What is sent from now on is another request. */
  startOver() {
    this.key = crypto.randomUUID();
    this.unconfirmed = false;
    this.save();
  }

  /** The request's body. */
  body() {
    const { order_number, currency, description } = trimmed(this.fields);
    return {
      order_number,
      amount: parseAmount(this.fields.amount, currency),
      currency,
      customer: { phone: phone(this.fields), name: optional(trimmed(this.fields)["customer.name"]) },
      description: optional(description),
      conversation_id: this.#conversation,
    };
  }

  /** What is wrong with each field, in the order of the form. What only the API knows is left to it. */
  problems() {
    const fields = trimmed(this.fields);
    const found = new Map();
    if (fields["customer.phone"] === "") found.set("customer.phone", texts.phoneMissing);
    else if (!/^\+[1-9]\d{1,14}$/.test(phone(this.fields))) found.set("customer.phone", texts.phoneWrong);
    if (fields.order_number === "") found.set("order_number", texts.orderMissing);
    const amount = amountProblem(fields);
    if (amount) found.set("amount", amount);
    if (fields.currency === "") found.set("currency", texts.currencyMissing);
    for (const [name, most] of Object.entries(MOST)) {
      // Characters as the API counts them, and not the two halves that some have here.
      const length = [...fields[name]].length;
      if (length > most) found.set(name, texts.tooLong(most, length));
    }
    return new Map(FIELDS.filter((name) => found.has(name)).map((name) => [name, found.get(name)]));
  }
}

function place(conversation) {
  return `chat2pay.draft.${conversation}`;
}

function trimmed(fields) {
  return Object.fromEntries(FIELDS.map((name) => [name, fields[name].trim()]));
}

function optional(text) {
  return text === "" ? undefined : text;
}

/** A number as the API takes it, from one that is written for people to read. */
function phone(fields) {
  return fields["customer.phone"].replace(/[\s().\-\u00a0\u202f]/g, "");
}

function amountProblem({ amount, currency }) {
  if (amount === "") return texts.amountMissing;
  const minorUnits = parseAmount(amount, currency);
  if (minorUnits === null) return texts.amountWrong(plainAmount(25_000, currency));
  if (minorUnits === 0) return texts.amountZero;
  if (minorUnits > AMOUNT_AT_MOST) {
    return texts.amountTooLarge(currency ? formatMoney(AMOUNT_AT_MOST, currency) : plainAmount(AMOUNT_AT_MOST, currency));
  }
  return null;
}
