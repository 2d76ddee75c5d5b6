// The controls of the webhooks' pages: buttons that make a call, buttons that copy, and dialogs.

/** @import { Child } from "../shared/dom.js" */

import { h, put } from "../shared/dom.js";
import { icon } from "../shared/icons.js";

/**
 * Runs a task for a button that was pressed. Until it ends, the button says `busy`, and pressing it again does nothing.
 * @param {HTMLButtonElement} button
 * @param {string} busy
 * @param {() => Promise<unknown>} task
 */
export async function pressed(button, busy, task) {
  if (button.hasAttribute("aria-disabled")) return;
  const content = [...button.childNodes];
  button.setAttribute("aria-disabled", "true");
  put(button, busy);
  try {
    await task();
  } finally {
    button.removeAttribute("aria-disabled");
    put(button, content);
  }
}

/** How long a button says that the text was copied, in milliseconds. */
const COPIED = 3_000;

/**
 * Builds a button that copies a text.
 * @param {string} text
 * @param {string} name what is copied, for screen readers: `Copy the secret`
 * @param {{ word?: string }} [options] `word` is the button's text; without it the button is an icon
 */
export function copyButton(text, name, { word } = {}) {
  const said = h("span", { class: "visually-hidden", role: "status" });
  const label = word ? null : name;
  const button = h("button", { type: "button", class: word ? "" : "quiet copy", "aria-label": label, title: label });
  const content = [icon("copy", "sign"), word];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  button.addEventListener("click", async () => {
    clearTimeout(timer);
    try {
      await navigator.clipboard.writeText(text);
      put(button, icon("check", "sign"), word && "Copied");
      put(said, "Copied.");
    } catch {
      // Browsers can forbid it.
      put(button, icon("cross", "sign"), word && "Not copied");
      put(said, "It could not be copied. Please select the text and copy it.");
    }
    timer = setTimeout(() => {
      put(button, content);
      put(said);
    }, COPIED);
  });
  put(button, content);
  return h("span", { class: "copying" }, button, said);
}

/**
 * Opens a dialog, which is removed from the page when it closes: so nothing that it has shown stays there.
 * @param {AbortSignal} signal closes the dialog
 */
export function openDialog(signal) {
  const title = h("h2", { id: "dialog-title", tabindex: "-1" });
  const body = h("div", { class: "dialog-body" });
  const element = h(
    "dialog",
    { class: "sheet", "aria-labelledby": "dialog-title", closedby: "closerequest" },
    title,
    body,
  );
  const close = () => element.close();
  let isHeld = false;
  element.addEventListener("cancel", (event) => {
    if (isHeld) event.preventDefault();
  });
  element.addEventListener("close", () => {
    signal.removeEventListener("abort", close);
    put(body);
    element.remove();
    // The button that opened the dialog may be gone.
    /** @type {HTMLElement | null} */
    const heading = document.querySelector("main h1");
    if (document.activeElement === document.body) heading?.focus();
  });
  document.body.append(element);
  signal.addEventListener("abort", close);
  /**
   * Fills the dialog.
   * @param {string} text the title
   * @param {Child[]} content
   */
  const show = (text, ...content) => {
    put(title, text);
    put(body, ...content);
    if (element.open) title.focus();
    else if (element.isConnected) element.showModal();
  };
  const cancel = h("button", { type: "button", onclick: close }, "Cancel");
  /**
   * While the dialog is held, neither a key nor **Cancel** closes it: a call is under way whose answer it has to show.
   * @param {boolean} [held]
   */
  const hold = (held = true) => {
    isHeld = held;
    cancel.disabled = held;
    element.setAttribute("closedby", held ? "none" : "closerequest");
  };
  return { element, show, hold, close, cancel };
}

/**
 * Builds the row of buttons at the end of a dialog.
 * @param {Child[]} buttons
 */
export function buttonRow(...buttons) {
  return h("div", { class: "buttons" }, buttons);
}

/**
 * Asks whether something is to be done, and does it.
 * @param {object} question
 * @param {string} question.title
 * @param {Child[]} question.text
 * @param {string} question.action the button's text
 * @param {string} question.busy the button's text meanwhile
 * @param {boolean} [question.isEnd] whether it ends something
 * @param {() => Promise<void>} question.run
 * @param {(error: unknown) => string} question.failed the sentence about an error
 * @param {AbortSignal} question.signal
 */
export function ask({ title, text, action, busy, isEnd = false, run, failed, signal }) {
  const dialog = openDialog(signal);
  const problem = h("p", { role: "alert" });
  const confirm = h("button", { type: "button", class: isEnd ? "end" : "primary" }, action);
  confirm.addEventListener("click", () =>
    pressed(confirm, busy, async () => {
      put(problem);
      try {
        await run();
        dialog.close();
      } catch (error) {
        if (!signal.aborted) put(problem, failed(error));
      }
    }),
  );
  dialog.show(title, text, problem, buttonRow(dialog.cancel, confirm));
}
