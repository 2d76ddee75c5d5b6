// The pages' icons: strokes in the colour of the text, hidden from screen readers.

import { s } from "./dom.js";

/** Each icon's path in a view box of 16 by 16, by the icon's name. */
const LINES = {
  again: "M13.5 8A5.5 5.5 0 1 1 11.9 4.1L13.5 5.7M13.5 2V5.7H9.8",
  alert: "M8 2 15 14H1zM8 6.5v3.5M8 12v.1",
  card:
    "M1.5 4.5a1.5 1.5 0 0 1 1.5-1.5H13a1.5 1.5 0 0 1 1.5 1.5V11.5A1.5 1.5 0 0 1 13 13H3a1.5 1.5 0 0 1-1.5-1.5Z" +
    "M1.5 6.5H14.5M4 10H6.5",
  check: "M2.5 8.5 6 12l7.5-8",
  "check-circle": "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M5.3 8.2 7.2 10.1 10.8 6",
  chevron: "M6 3.5 10.5 8 6 12.5",
  click: "M6.5 6.5 13.5 9.5 10.5 10.5 9.5 13.5ZM6 1.5V3.5M1.5 6H3.5M2.8 2.8 4.2 4.2M9.2 2.8 8 4M2.8 9.2 4 8",
  clock: "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M8 4.5V8L10.3 9.8",
  close: "M4 4 12 12M12 4 4 12",
  copy:
    "M5.5 5.5V3.5A1.5 1.5 0 0 1 7 2H12.5A1.5 1.5 0 0 1 14 3.5V9A1.5 1.5 0 0 1 12.5 10.5H10.5" +
    "M3.5 5.5H9A1.5 1.5 0 0 1 10.5 7V12.5A1.5 1.5 0 0 1 9 14H3.5A1.5 1.5 0 0 1 2 12.5V7A1.5 1.5 0 0 1 3.5 5.5Z",
  cross: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  "cross-circle": "M2 8a6 6 0 1 0 12 0a6 6 0 1 0-12 0M5.8 5.8 10.2 10.2M10.2 5.8 5.8 10.2",
  dial: "M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M8 4.5V8l2.5 1.5",
  hourglass: "M4.5 2H11.5M4.5 14H11.5M5.5 2V4.5L8 8 10.5 4.5V2M5.5 14V11.5L8 8 10.5 11.5V14",
  plane: "M14 2 7 9M14 2 9.5 14 7 9 2 6.5Z",
  plus: "M8 4.5v7M4.5 8h7",
  pointer: "M3 3l4 10 1.6-4.4L13 7zM9.5 9.5 13 13",
  return: "M2.5 6H10a3.5 3.5 0 0 1 0 7H6M5.5 3 2.5 6 5.5 9M6.5 13H5",
  undo: "M5.5 2.5 2.5 5.5l3 3M2.5 5.5H9a4 4 0 0 1 0 8H5",
  warning: "M8 2 14.5 13.5H1.5ZM8 6.5V9.5M8 11.4V11.6",
};

/** @typedef {keyof typeof LINES} IconName */

/**
 * Draws an icon. `kind` is its class, which sets the width of its strokes.
 * @param {IconName} name
 * @param {string} [kind]
 */
export function icon(name, kind = "icon") {
  return s("svg", { class: kind, viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: LINES[name] }));
}
