// Helpers that build elements. Text always becomes a text node, so text that people wrote cannot become markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * A child of an element: a node, or a value that becomes text. `null`, `undefined` and `false` are left out, and lists
 * are flattened.
 * @typedef {Node | string | number | null | undefined | false | readonly Child[]} Child
 */

/**
 * An element's attributes, by name. `null`, `undefined` and `false` are left out, and `true` is an attribute without a
 * value.
 * @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes
 */

/**
 * Builds an HTML element: `h("button", { type: "submit", class: "primary", onclick: send }, "Send")`. An attribute
 * whose value is a function, such as `onclick`, adds a listener.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/**
 * Builds an SVG element in the same way.
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 */
export function s(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/**
 * @template {Element} Filled
 * @param {Filled} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function fill(element, attributes = {}, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

/**
 * Flattens the children of `h` into a list of nodes and texts.
 * @param {readonly Child[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children.flatMap((child) => {
    if (Array.isArray(child)) return nodes(child);
    if (child === null || child === undefined || child === false) return [];
    return [child instanceof Node ? child : String(child)];
  });
}

/**
 * Replaces an element's children.
 * @template {Element} Filled
 * @param {Filled} element
 * @param {Child[]} children
 */
export function put(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/**
 * Wraps text that somebody else wrote, so that it cannot change the direction of the text around it.
 * @param {string | number} text
 */
export function isolated(text) {
  return h("bdi", {}, text);
}

/**
 * Returns the element of the page's template that has this id.
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}
