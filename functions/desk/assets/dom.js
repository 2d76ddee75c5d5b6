// Making elements. Text only ever becomes a text node, so nothing that people wrote can become markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element: `h("button", { type: "submit", class: "primary", onclick: send }, "Send")`.
 *
 * Attributes of the value `null`, `undefined` or `false` are left out and `true` is an attribute without a value; `on…` with
 * a function is a listener. Children that are `null`, `undefined` or `false` are left out, arrays are flattened, and
 * everything that is no node becomes text.
 */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

/** What `h` takes as children, as nodes. */
function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** Replaces what an element holds. */
export function put(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** What somebody else wrote, kept from changing the direction of the text around it. */
export function isolated(text) {
  return h("bdi", {}, text);
}
