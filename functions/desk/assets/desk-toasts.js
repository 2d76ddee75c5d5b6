// Status messages at the bottom right. They stay long enough to be read, and longer under the pointer or the focus.

import { h } from "./dom.js";
import { icon } from "./desk-icons.js";
import { texts } from "./desk-texts.js";

const STAYS = 10_000;
const AT_MOST = 3;

export class Toasts {
  // Live regions have to be there before what they announce. What is worse than news interrupts.
  #news = h("div", { role: "status", "aria-atomic": "false" });
  #refusals = h("div", { role: "alert", "aria-atomic": "false" });
  /** In the top layer, so that no style of the site around it can cover, move or clip it. */
  element = h("section", { class: "toasts", popover: "manual", "aria-label": texts.messages }, this.#news, this.#refusals);
  #shown = [];

  #focusCameFrom = null;

  constructor() {
    this.element.addEventListener("focusin", ({ relatedTarget }) => {
      if (!this.element.contains(relatedTarget)) this.#focusCameFrom = relatedTarget;
    });
    for (const name of ["pointerenter", "focusin"]) this.element.addEventListener(name, () => this.#hold());
    for (const name of ["pointerleave", "focusout"]) this.element.addEventListener(name, () => this.#release());
  }

  /** Says how something went. `tone` is the status it led to. */
  say(text, tone) {
    this.#add(this.#news, text, tone);
  }

  /** Says that something did not work. */
  refuse(text) {
    this.#add(this.#refusals, text, "attempt");
  }

  clear() {
    for (const toast of [...this.#shown]) this.#remove(toast);
  }

  #add(region, text, tone) {
    const toast = {};
    const dismiss = h("button", { type: "button", class: "dismiss", "aria-label": texts.dismiss }, icon("dismiss"));
    dismiss.addEventListener("click", () => this.#remove(toast));
    toast.element = h("div", { class: "toast", "data-tone": tone }, icon(tone), h("p", {}, text), dismiss);
    while (this.#shown.length >= AT_MOST) this.#remove(this.#shown[0]);
    this.#shown.push(toast);
    region.append(toast.element);
    if (!this.#held) this.#start(toast);
  }

  get #held() {
    return this.element.matches(":hover, :focus-within");
  }

  #start(toast) {
    toast.timer = setTimeout(() => this.#remove(toast), STAYS);
  }

  #hold() {
    for (const toast of this.#shown) clearTimeout(toast.timer);
  }

  #release() {
    // All begin anew: whoever has looked at one has not read the others.
    this.#hold();
    for (const toast of this.#shown) this.#start(toast);
  }

  #remove(toast) {
    clearTimeout(toast.timer);
    const focused = toast.element.matches(":focus-within");
    toast.element.remove();
    this.#shown = this.#shown.filter((other) => other !== toast);
    if (focused) (this.#shown.at(-1)?.element.querySelector("button") ?? this.#focusCameFrom)?.focus();
  }
}
