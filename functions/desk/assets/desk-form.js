// The form for one request.

import { Problem, SignInFailed, Unreachable } from "./api.js";
import { FIELDS } from "./desk-draft.js";
import { h, put } from "./dom.js";
import { icon } from "./desk-icons.js";
import { currencies, isCurrency, parseAmount } from "./money.js";
import { texts } from "./desk-texts.js";

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

const HINTS = { "customer.phone": texts.phoneHint, description: texts.descriptionHint };

/** Says `sent` with the request (`detail`), `arrived` when an earlier version of it turns out to have been sent, `closed`. */
export class PaymentForm extends EventTarget {
  #api;
  #signal;
  #draft;
  #controls = new Map();
  #errors = new Map();
  #hints = new Map();
  #alert = h("div", { role: "alert", class: "alert" });
  #sendButton = h("button", { type: "submit", class: "primary" }, texts.send);
  #checked = false;
  #busy = false;

  /** `signal` gives up what is under way; the draft stays and is sent again under the same key. */
  constructor(api, draft, signal) {
    super();
    this.#api = api;
    this.#draft = draft;
    this.#signal = signal;
    const cancel = h("button", { type: "button", onclick: () => this.#close() }, texts.cancel);
    const fields = Object.fromEntries(FIELDS.map((name) => [name, this.#field(name)]));
    this.element = h(
      "form",
      { class: "form", novalidate: true, autocomplete: "off", "aria-labelledby": "form-title" },
      h("h2", { id: "form-title" }, icon("card"), texts.formTitle),
      fields["customer.phone"],
      fields.order_number,
      h("div", { class: "money" }, fields.amount, fields.currency),
      fields["customer.name"],
      fields.description,
      this.#alert,
      h("div", { class: "actions" }, this.#sendButton, cancel),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#preview();
    if (draft.unconfirmed) put(this.#alert, texts.interrupted);
  }

  #field(name) {
    const id = name.replace(".", "-");
    const control = CONTROLS[name]();
    // A currency that this version does not know would show as none.
    control.value = name === "currency" && !isCurrency(this.#draft.fields[name]) ? "" : this.#draft.fields[name];
    this.#draft.fields[name] = control.value;
    control.id = id;
    // It is the customer's data and not the agent's own, which browsers would offer.
    control.setAttribute("autocomplete", "off");
    control.setAttribute("aria-describedby", `${id}-error ${id}-hint`);
    control.addEventListener("input", () => this.#typed(name, control.value));
    const error = h("p", { class: "error", id: `${id}-error` });
    const hint = h("p", { class: "hint", id: `${id}-hint` }, HINTS[name]);
    this.#controls.set(name, control);
    this.#errors.set(name, error);
    this.#hints.set(name, hint);
    const optional = control.required ? null : h("span", { class: "optional" }, texts.optional);
    const label = h("label", { for: id }, texts.labels[name], " ", optional);
    return h("div", { class: "field" }, label, control, error, hint);
  }

  /** Puts the focus where typing goes on: the first required field that is empty. */
  focus() {
    const empty = [...this.#controls.values()].find((control) => control.required && control.value === "");
    (empty ?? this.#sendButton).focus();
  }

  /** Takes what is known of the customer from now on, wherever nothing else was typed. */
  update(before, known) {
    for (const [name, value] of Object.entries(known)) {
      const control = this.#controls.get(name);
      if (control.value !== (before[name] ?? "") || this.#busy) continue;
      control.value = value;
      this.#draft.fields[name] = control.value;
    }
    this.#draft.save();
    this.#preview();
  }

  #typed(name, value) {
    this.#draft.fields[name] = value;
    this.#draft.save();
    if (name === "amount" || name === "currency") this.#preview();
    if (!this.#checked) return;
    const problems = this.#draft.problems();
    this.#mark(name, problems.get(name));
    // How an amount is wrong depends on its currency.
    if (name === "currency") this.#mark("amount", problems.get("amount"));
  }

  /** How the amount will read. */
  #preview() {
    const { amount, currency } = this.#draft.fields;
    const minorUnits = currency ? parseAmount(amount, currency) : null;
    put(this.#hints.get("amount"), minorUnits ? texts.amountReads(minorUnits, currency) : null);
  }

  #mark(name, message) {
    put(this.#errors.get(name), message);
    const control = this.#controls.get(name);
    if (message) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }

  /** Shows what is wrong with which fields, and takes whoever typed it to the first. */
  #show(problems) {
    for (const name of FIELDS) this.#mark(name, problems.get(name));
    this.#checked = true;
    this.#controls.get(FIELDS.find((name) => problems.has(name)))?.focus();
  }

  #set(busy) {
    this.#busy = busy;
    this.element.setAttribute("aria-busy", String(busy));
    this.#sendButton.setAttribute("aria-disabled", String(busy));
    put(this.#sendButton, busy ? texts.sending : texts.send);
    for (const control of this.#controls.values()) {
      // Read-only and not disabled, so that the focus stays; a select knows no read-only.
      if (control.localName === "select") control.disabled = busy;
      else control.readOnly = busy;
    }
  }

  async #send() {
    if (this.#busy) return;
    put(this.#alert);
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
      this.dispatchEvent(new CustomEvent("sent", { detail: request }));
    } catch (error) {
      this.#set(false);
      if (!this.#signal.aborted) this.#failed(error, unconfirmed);
    }
  }

  #failed(error, unconfirmed) {
    if (error instanceof Problem && !error.passing) this.#refused(error, unconfirmed);
    else if (error instanceof Problem) put(this.#alert, error.message, " ", texts.nothingLost);
    else if (error instanceof Unreachable) put(this.#alert, texts.unknownOutcome);
    else put(this.#alert, error instanceof SignInFailed ? texts.formSignedOut : texts.unexpected);
  }

  #refused(problem, unconfirmed) {
    if (problem.code === "idempotency_key_reused") {
      this.#draft.startOver();
      put(this.#alert, texts.arrivedBefore);
      this.dispatchEvent(new CustomEvent("arrived"));
      return;
    }
    // This was not made. What became of an earlier version is as unknown as it was.
    this.#draft.unconfirmed = unconfirmed;
    this.#draft.save();
    const [ours, others] = [new Map(), []];
    for (const [name, message] of problem.errors) {
      if (FIELDS.includes(name)) ours.set(name, texts.refusedField(texts.labels[name], message));
      else others.push(texts.refusedField(name, message));
    }
    this.#show(ours);
    if (ours.size > 0 && others.length === 0) put(this.#alert, texts.fieldsWrong(ours.size));
    else put(this.#alert, [problem.message, ...others].join(" "));
  }

  #close() {
    if (this.#busy) return;
    this.#draft.discard();
    this.dispatchEvent(new CustomEvent("closed"));
  }
}
