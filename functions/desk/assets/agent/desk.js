// The agent's page: the element with an invented conversation.

import { byId, h, isolated, put } from "../shared/dom.js";
import { page } from "../shared/page.js";
import { LocalSession } from "../shared/session.js";
import { Chat2PayDesk } from "./element.js";

const CONVERSATION = "chat2pay.conversation";

/** The conversation of this tab. It is kept through a reload. */
const conversation = { id: newId(), name: "Thandi", phone: "+27831234567", ...kept() };

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(CONVERSATION) ?? "null");
  } catch {
    return null;
  }
}

function keep() {
  sessionStorage.setItem(CONVERSATION, JSON.stringify(conversation));
}

function newId() {
  return `c-${crypto.randomUUID().slice(0, 8)}`;
}

/**
 * Builds an input for the customer's name or phone, for the head of the conversation.
 * @param {"name" | "phone"} name
 * @param {string} label
 * @param {string} type
 */
function field(name, label, type) {
  const control = h("input", { id: `customer-${name}`, type, value: conversation[name], autocomplete: "off" });
  control.addEventListener("change", () => {
    conversation[name] = control.value.trim();
    keep();
    show();
  });
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

/**
 * @param {"agent" | "customer"} from
 * @param {string} text
 */
function message(from, text) {
  const initial = h("span", { class: "initial", "aria-hidden": "true" });
  const author = h("b", {});
  authors.push(() => {
    const name = from === "agent" ? "You" : conversation.name || conversation.phone;
    put(author, isolated(name));
    put(initial, [...name][0]?.toUpperCase());
  });
  return h("li", { class: from }, initial, h("div", {}, author, h("p", {}, text)));
}

/** @type {(() => void)[]} */
const authors = [];
const session = page();
const title = h("h1", { id: "chat-title" });
const phone = h("a", { class: "button", target: "_blank", rel: "noopener" }, "Customer’s phone");

const chat = h(
  "section",
  { class: "chat", "aria-labelledby": "chat-title" },
  h(
    "header",
    {},
    title,
    h("button", { type: "button", onclick: begin }, "New conversation"),
    h("div", { class: "fields" }, field("name", "Customer’s name", "text"), field("phone", "Customer’s phone", "tel")),
  ),
  h(
    "ol",
    { class: "messages" },
    message("customer", "Hi! Are there still two tickets for Saturday?"),
    message("agent", "Yes, there are. They are R250.00 together, order 10045."),
    message("customer", "Great, I’ll take them. Can I pay right here?"),
    message("agent", "Of course. I’ll send you a link in a moment."),
  ),
);

const desk = new Chat2PayDesk();
desk.setAttribute("currency", "ZAR");
desk.setAttribute("country", "ZA");
put(desk, chat);

/** Starts another conversation with the same customer. */
function begin() {
  conversation.id = newId();
  keep();
  show();
}

function show() {
  put(title, "Conversation with ", isolated(conversation.name || conversation.phone));
  for (const author of authors) author();
  phone.href = `/local/phone?phone=${encodeURIComponent(conversation.phone)}`;
  desk.setAttribute("conversation-id", conversation.id);
  desk.setAttribute("customer-name", conversation.name);
  desk.setAttribute("customer-phone", conversation.phone);
}

/** Builds the instructions for trying the system in the local runner. */
function guide() {
  return h(
    "section",
    { class: "guide", "aria-label": "How to try it" },
    h(
      "ol",
      {},
      h("li", {}, h("span", {}, "Press ", h("b", {}, "Chat 2 Pay"), " and send.")),
      h("li", {}, h("span", {}, "Pay on the ", phone)),
      h("li", {}, h("span", {}, "Watch the card change.")),
      h("li", {}, h("span", {}, "See the ", h("a", { href: "/desk/supervisor" }, "supervisor’s numbers"))),
    ),
  );
}

/** The identifiers of the requests that changed while nobody looked. */
const unseen = new Set();
const TITLE = document.title;

/** Returns whether the person is at this page. */
function isLookedAt() {
  return !document.hidden && document.hasFocus();
}

function countUnseen() {
  document.title = unseen.size > 0 ? `(${unseen.size}) ${TITLE}` : TITLE;
}

document.addEventListener("chat2pay-change", (event) => {
  const { request, isNews } = /** @type {CustomEvent} */ (event).detail;
  if (!isNews || (isLookedAt() && request.conversation_id === conversation.id)) return;
  unseen.add(request.id);
  countUnseen();
});
for (const name of ["focus", "pointerdown", "keydown"]) {
  window.addEventListener(name, () => {
    unseen.clear();
    countUnseen();
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen.clear();
  countUnseen();
});

keep();
show();
put(byId("main"), session instanceof LocalSession && guide(), desk);

/**
 * The `sub` of the signed-in person. When that person's token is renewed, the element stays as it is; when another
 * person signs in, it starts over.
 * @type {string | null}
 */
let subject = null;
session.addEventListener("change", () => {
  if (!session.signedIn || session.subject === subject) return;
  subject = session.subject;
  desk.token = (options) => session.token(options);
});
