// The parts that the agent's and the supervisor's page share: the signed-in person's name at the top, and the dialog
// for signing in.

import { sentenceOf } from "./api.js";
import { byId, h, isolated, put } from "./dom.js";
import { session as configured, LocalSession, PEOPLE } from "./session.js";

/** @import { OAuthSession, Person } from "./session.js" */

/**
 * Fills the page's bar (`#who`), opens the dialog for signing in whenever a call needs a token, and returns the
 * session. Signing in loses nothing that was typed: it happens in a dialog above the page, or in a separate window.
 */
export function page() {
  const session = configured();
  const who = byId("who");
  const dialog = session instanceof LocalSession ? localDialog(session) : oauthDialog(session);
  document.body.append(dialog);

  const show = () => {
    if (session.signedIn) {
      const change = h("button", { type: "button", onclick: () => session.signOut() }, "Sign out");
      put(who, h("span", {}, isolated(session.name ?? "")), change);
      dialog.close();
    } else {
      put(who, h("button", { type: "button", onclick: () => open() }, "Sign in"));
      open();
    }
  };
  const open = () => {
    if (!dialog.open) dialog.showModal();
  };
  session.addEventListener("change", show);
  session.addEventListener("needed", open);
  // A local session gets a token for the person chosen in this tab. Without a token the dialog opens: when nobody was
  // chosen, and always in a deployment.
  session.renew().then((token) => token ?? show(), show);
  return session;
}

/** @param {LocalSession} session */
function localDialog(session) {
  const problem = h("p", { role: "alert" });
  /** @param {Person} person */
  const choose = async (person) => {
    put(problem);
    try {
      await session.choose(person);
    } catch {
      put(problem, "The local runner does not answer. Is it still running?");
    }
  };
  return h(
    "dialog",
    { "aria-labelledby": "sign-in-title", closedby: "none" },
    h("h2", { id: "sign-in-title" }, "Who are you?"),
    h("p", {}, "On this machine you can sign in as any of these people."),
    h(
      "div",
      { class: "choices" },
      PEOPLE.map((person) =>
        h(
          "button",
          { type: "button", onclick: () => choose(person) },
          h("span", { class: "initial", "aria-hidden": "true" }, person.name[0]),
          h("span", {}, person.name, h("small", {}, person.role === "agent" ? "Agent" : "Supervisor")),
        ),
      ),
    ),
    problem,
  );
}

/** @param {OAuthSession} session */
function oauthDialog(session) {
  const problem = h("p", { role: "alert" });
  const button = h("button", { type: "button", class: "primary" }, "Sign in");
  button.addEventListener("click", () => {
    put(problem);
    // A second press opens the window again, in case the person has closed it.
    session.signIn().catch((error) => put(problem, sentenceOf(error)));
  });
  return h(
    "dialog",
    { "aria-labelledby": "sign-in-title" },
    h("h2", { id: "sign-in-title" }, "Please sign in"),
    h("p", {}, "Your company's sign-in opens in a new window. What you have typed here is kept."),
    h("div", { class: "choices" }, button),
    problem,
  );
}
