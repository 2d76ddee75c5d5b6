// The form for a new payment request.

/** @import { PaymentRequest } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */
/** @import { Draft, Fields } from "./draft.js" */
/** @import { FieldName } from "./texts.js" */

import { ProblemError, UnreachableError } from "../client/index.js";
import { isPassing, SignInFailed, sentenceOf } from "../shared/api.js";
import { h, put } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { currencies, isCurrency } from "../shared/money.js";
import { currencyIn, parseAmount } from "./amount.js";
import { FIELDS } from "./draft.js";
import { texts } from "./texts.js";

/** How long sending waits for the tables of phone numbers, in milliseconds. They are loading since the form opened. */
const TABLES_WITHIN = 5_000;

/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/** @type {Record<FieldName, () => Control>} */
const CONTROLS = {
  "customer.phone": () => h("input", { type: "tel", inputmode: "tel", enterkeyhint: "next", required: true }),
  order_number: () => h("input", { type: "text", enterkeyhint: "next", required: true }),
  amount: () => h("input", { type: "text", inputmode: "decimal", enterkeyhint: "next", required: true }),
  currency: () =>
    h("select", { required: true }, [
      h("option", { value: "" }, texts.chooseCurrency),
      currencies().map((code) => h("option", { value: code }, code)),
    ]),
  "customer.name": () => h("input", { type: "text", enterkeyhint: "next" }),
  description: () => h("textarea", { rows: "2" }),
};

/** @type {Partial<Fields>} */
const HINTS = { description: texts.descriptionHint };

/** One field of the form: label, control, error and hint. */
class Field {
  /**
   * @param {FieldName} name
   * @param {string} value
   */
  constructor(name, value) {
    const id = name.replace(".", "-");
    this.control = CONTROLS[name]();
    // The list does not offer a currency that new requests cannot have, so the field starts empty instead.
    this.control.value = name === "currency" && !isCurrency(value) ? "" : value;
    this.control.id = id;
    // The fields are about the customer, but a browser would offer the agent's own data.
    this.control.setAttribute("autocomplete", "off");
    this.control.setAttribute("aria-describedby", `${id}-error ${id}-hint`);
    this.error = h("p", { class: "error", id: `${id}-error` });
    this.hint = h("p", { class: "hint", id: `${id}-hint` }, HINTS[name]);
    const optional = this.control.required ? null : h("span", { class: "optional" }, texts.optional);
    const label = h("label", { for: id }, texts.labels[name], " ", optional);
    this.element = h("div", { class: "field" }, label, this.control, this.error, this.hint);
  }

  /** @param {string | undefined} message */
  mark(message) {
    put(this.error, message);
    if (message) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }
}

/**
 * The form. It dispatches `made` with the created request (`detail`), `arrived` when an earlier version of the draft
 * turns out to have been created, and `closed`.
 */
export class PaymentForm extends EventTarget {
  #api;
  #signal;
  #draft;
  /** @type {Record<FieldName, Field>} */
  #fields;
  #alert = h("div", { role: "alert", class: "alert" });
  #sendButton = h("button", { type: "submit", class: "primary" }, texts.send);
  #checked = false;
  #busy = false;
  /** @type {typeof import("./phone.js") | null} */
  #phones = null;
  #country = "";

  /**
   * @param {Api} api
   * @param {Draft} draft
   * @param {AbortSignal} signal aborts the call in flight; the draft is kept and sent again with the same key
   */
  constructor(api, draft, signal) {
    super();
    this.#api = api;
    this.#draft = draft;
    this.#signal = signal;
    const cancel = h("button", { type: "button", onclick: () => this.#close() }, texts.cancel);
    this.#fields = /** @type {Record<FieldName, Field>} */ (
      Object.fromEntries(FIELDS.map((name) => [name, this.#field(name)]))
    );
    const fields = this.#fields;
    this.element = h(
      "form",
      { class: "form", novalidate: true, autocomplete: "off", "aria-labelledby": "form-title" },
      h("h2", { id: "form-title" }, icon("card"), texts.formTitle),
      fields["customer.phone"].element,
      fields.order_number.element,
      h("div", { class: "money" }, fields.amount.element, fields.currency.element),
      fields["customer.name"].element,
      fields.description.element,
      this.#alert,
      h("div", { class: "actions" }, this.#sendButton, cancel),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#preview();
    this.#loadPhones();
    if (draft.unconfirmed) put(this.#alert, texts.interrupted);
  }

  /** @param {FieldName} name */
  #field(name) {
    const field = new Field(name, this.#draft.fields[name]);
    this.#draft.fields[name] = field.control.value;
    field.control.addEventListener("input", () => this.#typed(name, field.control.value));
    return field;
  }

  /** Moves the focus to the first empty required field, or to the send button if there is none. */
  focus() {
    const controls = FIELDS.map((name) => this.#fields[name].control);
    const empty = controls.find((control) => control.required && control.value === "");
    (empty ?? this.#sendButton).focus();
  }

  /**
   * Updates the prefilled fields to the host's new data about the customer, except where the agent typed something
   * else.
   * @param {Partial<Fields>} before
   * @param {Partial<Fields>} known
   */
  update(before, known) {
    for (const name of FIELDS) {
      const { control } = this.#fields[name];
      const value = known[name];
      if (value === undefined || control.value !== (before[name] ?? "") || this.#busy) continue;
      control.value = value;
      this.#draft.fields[name] = control.value;
    }
    this.#draft.save();
    this.#preview();
  }

  /**
   * Sets the country that the host names.
   * @param {string} country
   */
  set country(country) {
    this.#country = country;
    this.#readAgain();
  }

  /** Loads the module that reads phone numbers, with its tables. */
  async #loadPhones() {
    if (this.#phones) return;
    try {
      this.#phones = await import("./phone.js");
      this.#draft.readPhone = this.#phones.readPhone;
      this.#readAgain();
    } catch {
      // There is no connection. A number with a plus can still be sent, and the API validates it.
    }
  }

  /** Reads the phone number again, after the country has changed or the tables are loaded. */
  #readAgain() {
    // An unknown country is ignored.
    this.#draft.country = this.#phones?.isCountry(this.#country) ? this.#country : "";
    this.#preview();
  }

  /**
   * @param {FieldName} name
   * @param {string} value
   */
  #typed(name, value) {
    this.#draft.fields[name] = value;
    const { currency } = this.#fields;
    if (name === "amount" && currency.control.value === "") {
      currency.control.value = this.#draft.fields.currency = currencyIn(value) ?? "";
    }
    this.#draft.save();
    this.#preview();
    if (!this.#checked) return;
    const problems = this.#draft.problems();
    this.#fields[name].mark(problems.get(name));
    // Whether the amount is valid depends on the currency.
    if (name === "currency") this.#fields.amount.mark(problems.get("amount"));
  }

  /** Shows the amount and the phone number as they will be sent. */
  #preview() {
    const { amount, currency } = this.#draft.fields;
    const minorUnits = currency ? parseAmount(amount, currency) : null;
    put(this.#fields.amount.hint, minorUnits ? texts.amountReads(minorUnits, currency) : null);
    const { hint } = this.#fields["customer.phone"];
    const { phones } = this.#draft;
    hint.classList.toggle("choices", phones.length > 1);
    if (phones.length > 1)
      put(
        hint,
        texts.phoneCouldBe,
        phones.map((number) => this.#choice(number)),
      );
    else if (phones.length === 1) put(hint, texts.phoneReads(phones[0], this.#countriesOf(phones[0])));
    else put(hint, texts.phoneHint);
  }

  /**
   * Makes a button that puts one of the numbers that a text can mean in its place.
   * @param {string} number
   */
  #choice(number) {
    const { control } = this.#fields["customer.phone"];
    const choose = () => {
      if (this.#busy) return;
      control.value = number;
      this.#typed("customer.phone", number);
      control.focus();
    };
    return h("button", { type: "button", onclick: choose }, texts.phoneChoice(number, this.#countriesOf(number)));
  }

  /** @param {string} number */
  #countriesOf(number) {
    return this.#phones?.countriesOf(number) ?? [];
  }

  /**
   * Shows each invalid field's message, and moves the focus to the first invalid field.
   * @param {Map<FieldName, string>} problems
   */
  #show(problems) {
    for (const name of FIELDS) this.#fields[name].mark(problems.get(name));
    this.#checked = true;
    const first = FIELDS.find((name) => problems.has(name));
    if (first) this.#fields[first].control.focus();
  }

  /** @param {boolean} busy */
  #set(busy) {
    this.#busy = busy;
    this.element.setAttribute("aria-busy", String(busy));
    this.#sendButton.setAttribute("aria-disabled", String(busy));
    put(this.#sendButton, busy ? texts.sending : texts.send);
    for (const { control } of Object.values(this.#fields)) {
      // Fields become read-only instead of disabled, so that the focus stays. A select has no read-only state.
      if (control instanceof HTMLSelectElement) control.disabled = busy;
      else control.readOnly = busy;
    }
  }

  async #send() {
    if (this.#busy) return;
    put(this.#alert);
    if (!this.#phones) {
      this.#set(true);
      await Promise.race([this.#loadPhones(), new Promise((resolve) => setTimeout(resolve, TABLES_WITHIN))]);
      this.#set(false);
      if (this.#signal.aborted) return;
    }
    const problems = this.#draft.problems();
    this.#show(problems);
    if (problems.size > 0) return;
    const draft = this.#draft;
    const { unconfirmed } = draft;
    draft.unconfirmed = true;
    draft.save();
    this.#set(true);
    try {
      const request = await this.#api.create(draft.body(), draft.key, this.#signal);
      draft.discard();
      /** @type {CustomEvent<PaymentRequest>} */
      const made = new CustomEvent("made", { detail: request });
      this.dispatchEvent(made);
    } catch (error) {
      this.#set(false);
      if (!this.#signal.aborted) this.#failed(error, unconfirmed);
    }
  }

  /**
   * @param {unknown} error
   * @param {boolean} unconfirmed
   */
  #failed(error, unconfirmed) {
    if (error instanceof ProblemError && !isPassing(error)) this.#refused(error, unconfirmed);
    else if (error instanceof ProblemError) put(this.#alert, sentenceOf(error), " ", texts.nothingLost);
    else if (error instanceof UnreachableError) put(this.#alert, texts.unknownOutcome);
    else put(this.#alert, error instanceof SignInFailed ? texts.formSignedOut : texts.unexpected);
  }

  /**
   * @param {ProblemError} problem
   * @param {boolean} unconfirmed
   */
  #refused(problem, unconfirmed) {
    if (problem.code === "idempotency_key_reused") {
      this.#draft.startOver();
      put(this.#alert, texts.arrivedBefore);
      this.dispatchEvent(new CustomEvent("arrived"));
      return;
    }
    // This version was not created. The outcome of an earlier version is as unknown as before.
    this.#draft.unconfirmed = unconfirmed;
    this.#draft.save();
    /** @type {Map<FieldName, string>} */
    const ours = new Map();
    const others = [];
    for (const { field: name, message } of problem.errors) {
      const field = FIELDS.find((known) => known === name);
      if (field) ours.set(field, texts.refusedField(texts.labels[field], message));
      else others.push(texts.refusedField(name, message));
    }
    this.#show(ours);
    if (ours.size > 0 && others.length === 0) put(this.#alert, texts.fieldsWrong(ours.size));
    else put(this.#alert, [sentenceOf(problem), ...others].join(" "));
  }

  #close() {
    if (this.#busy) return;
    this.#draft.discard();
    this.dispatchEvent(new CustomEvent("closed"));
  }
}
