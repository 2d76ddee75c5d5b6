// Status messages at the bottom right. They disappear after `STAYS`, but not while the pointer or the focus is on them.

/** @import { Child } from "../shared/dom.js" */
/** @import { IconName } from "../shared/icons.js" */
/** @import { Tone } from "../shared/statuses.js" */

import { h } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { texts } from "./texts.js";

/** How long a message stays, in milliseconds. */
const STAYS = 10_000;
/** How many messages are shown at a time. */
const AT_MOST = 3;

/** @typedef {{ element: HTMLElement, timer?: ReturnType<typeof setTimeout> }} Toast */

/**
 * The look of a message: that of a failure, or that of a status.
 * @typedef {{ tone: Tone, icon: IconName }} Look
 */

/** @type {Look} */
export const FAILED = { tone: "bad", icon: "warning" };

export class Toasts {
  // A live region has to exist before its messages do. An error interrupts the screen reader; other messages do not.
  #news = h("div", { role: "status", "aria-atomic": "false" });
  #errors = h("div", { role: "alert", "aria-atomic": "false" });
  /** The section is in the top layer, so that no style of the host site can cover, move or clip it. */
  element = h(
    "section",
    { class: "toasts", popover: "manual", "aria-label": texts.messages },
    this.#news,
    this.#errors,
  );
  /** @type {Toast[]} */
  #shown = [];
  /** @type {HTMLElement | null} */
  #focusCameFrom = null;

  constructor() {
    this.element.addEventListener("focusin", ({ relatedTarget }) => {
      if (relatedTarget instanceof HTMLElement && this.element.contains(relatedTarget)) return;
      this.#focusCameFrom = /** @type {HTMLElement | null} */ (relatedTarget);
    });
    for (const name of ["pointerenter", "focusin"]) this.element.addEventListener(name, () => this.#hold());
    for (const name of ["pointerleave", "focusout"]) this.element.addEventListener(name, () => this.#release());
  }

  /**
   * Shows a message.
   * @param {Child} text
   * @param {Look} look
   */
  show(text, look) {
    this.#add(this.#news, text, look);
  }

  /**
   * Shows an error, which screen readers announce at once.
   * @param {Child} text
   */
  showError(text) {
    this.#add(this.#errors, text, FAILED);
  }

  clear() {
    for (const toast of [...this.#shown]) this.#remove(toast);
  }

  /**
   * @param {HTMLElement} region
   * @param {Child} text
   * @param {Look} look
   */
  #add(region, text, look) {
    const dismiss = h("button", { type: "button", class: "dismiss", "aria-label": texts.dismiss }, icon("close"));
    const element = h("div", { class: "toast", "data-tone": look.tone }, icon(look.icon), h("p", {}, text), dismiss);
    /** @type {Toast} */
    const toast = { element };
    dismiss.addEventListener("click", () => this.#remove(toast));
    while (this.#shown.length >= AT_MOST) this.#remove(this.#shown[0]);
    this.#shown.push(toast);
    region.append(element);
    if (!this.#held) this.#start(toast);
  }

  get #held() {
    return this.element.matches(":hover, :focus-within");
  }

  /** @param {Toast} toast */
  #start(toast) {
    toast.timer = setTimeout(() => this.#remove(toast), STAYS);
  }

  #hold() {
    for (const toast of this.#shown) clearTimeout(toast.timer);
  }

  #release() {
    // Every message gets its full time again: the agent may have read only one of them.
    this.#hold();
    for (const toast of this.#shown) this.#start(toast);
  }

  /** @param {Toast} toast */
  #remove(toast) {
    clearTimeout(toast.timer);
    const focused = toast.element.matches(":focus-within");
    toast.element.remove();
    this.#shown = this.#shown.filter((other) => other !== toast);
    if (focused) (this.#shown.at(-1)?.element.querySelector("button") ?? this.#focusCameFrom)?.focus();
  }
}
