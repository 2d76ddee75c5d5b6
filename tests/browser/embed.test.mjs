// The element on somebody else's site.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, faultless, fits, launch, open, picture, System, site, until } from "./harness.mjs";

const NONCE = "c2l0ZXMgb3du";

let host;
let stranger;
let system;
let browser;
before(async () => {
  browser = await launch();
  // The site says what it allows once the system has its address, and the system starts with the site's.
  host = await site(
    () => html(),
    () => ({ "content-security-policy": policy() }),
  );
  stranger = await site(
    () => html(),
    () => ({ "content-security-policy": policy() }),
  );
  system = await System.start({ ALLOWED_ORIGINS: host.origin });
});
after(async () => {
  await browser?.close();
  host?.close();
  stranger?.close();
  await system?.stop();
});

/** What the README asks a site to allow, and nothing else: no style, and no text that becomes a script. */
function policy() {
  return (
    `default-src 'none'; script-src 'nonce-${NONCE}' ${system.base}; connect-src ${system.base}; ` +
    "require-trusted-types-for 'script'; trusted-types 'none'"
  );
}

/** A chat desk that sets the token before the element's script is there. */
function html() {
  return `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>A chat desk</title>
<main><h1>A chat desk</h1>
<chat2pay-desk conversation-id="c-981" customer-phone="+27831234567" customer-name="Thandi" currency="ZAR">
<p>Thandi: How do I pay?</p></chat2pay-desk></main>
<script nonce="${NONCE}">
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("body { background: Canvas; color: CanvasText; font-family: sans-serif }");
  document.adoptedStyleSheets = [sheet];
  globalThis.asked = [];
  globalThis.changes = [];
  document.querySelector("chat2pay-desk").token = async (options) => {
    globalThis.asked.push(options);
    if (globalThis.refusing) throw new Error("nobody is signed in");
    return globalThis.accessToken;
  };
  document.addEventListener("chat2pay-change", (event) => globalThis.changes.push(event.detail.request.status));
</script>
<script type="module" src="${system.base}/desk/element.js"></script></html>`;
}

/** A window on the site, signed in as an agent of a workspace of its own. */
async function visit(origin = host.origin) {
  const { token } = await system.person({ workspace: `acme-${crypto.randomUUID()}` });
  const page = await open(browser);
  await page.clock.install();
  await page.addInitScript((value) => {
    globalThis.accessToken = value;
  }, token);
  await page.goto(origin);
  return page;
}

const element = (page) => page.locator("chat2pay-desk");
const form = (page) => page.getByRole("form", { name: "Request a payment" });

async function send(page, order = "10045") {
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  await form(page).getByLabel("Order number").fill(order);
  await form(page).getByLabel("Amount").fill("250");
  // The tables of phone numbers are loaded under the site's policy, too.
  await form(page).getByText("The link goes to +27831234567, South Africa.").waitFor();
  await form(page).getByRole("button", { name: "Send" }).click();
  await page.locator('article[data-status="sent"]', { hasText: order }).waitFor();
}

test("an allowed site embeds the element under a strict policy of its own", async () => {
  const page = await visit();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await send(page);
  await page.getByRole("button", { name: "Cancel Payment" }).click();
  await page.locator('article[data-status="canceled"]').waitFor();
  assert.deepEqual(await page.evaluate(() => globalThis.changes), ["sent", "canceled"]);
  await send(page, "10046");
  await fits(page, "the embedded element");
  await accessible(page, "the embedded element");
  await picture(page, "embed");
  faultless(page);
});

test("a site that is not listed cannot load the element, is told so, and keeps its conversation", async () => {
  const page = await visit(stranger.origin);
  await until("the refusal", () => page.problems.some((problem) => /blocked by CORS policy/.test(problem)));
  assert.ok(await page.getByText("Thandi: How do I pay?").isVisible());
  assert.equal(await page.evaluate(() => customElements.get("chat2pay-desk")), undefined);
});

test("a site without anybody signed in is told so, and loses nothing", async () => {
  const page = await visit();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  await form(page).getByLabel("Order number").fill("10045");
  await form(page).getByLabel("Amount").fill("250");
  await page.evaluate(() => {
    globalThis.refusing = true;
  });
  await form(page).getByRole("button", { name: "Send" }).click();
  await form(page).getByText("You are not signed in. Nothing is lost. Sign in, then press Send again.").waitFor();
  await page.reload();
  await page.evaluate(() => {
    globalThis.refusing = true;
    // The same token once more begins anew.
    const desk = document.querySelector("chat2pay-desk");
    const { token } = desk;
    desk.token = token;
  });
  await page.getByText("You are not signed in.", { exact: true }).waitFor();
  await accessible(page, "nobody signed in");
  await picture(page, "embed-signed-out");
  // Pressed in the very moment that it can work, before looking by itself has found out.
  await page.getByRole("button", { name: "Try again" }).evaluate((button) => {
    globalThis.refusing = false;
    button.click();
  });
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await form(page).getByRole("button", { name: "Send" }).click();
  await page.locator('article[data-status="sent"]').waitFor();
  faultless(page);
});

test("a token that the API refuses is renewed by the site, once", async () => {
  const page = await visit();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await page.evaluate(() => {
    const [desk, good] = [document.querySelector("chat2pay-desk"), globalThis.accessToken];
    globalThis.asked = [];
    desk.token = async (options) => {
      globalThis.asked.push(options);
      return options.renew ? good : "expired";
    };
  });
  await until("the renewal", () => page.evaluate(() => globalThis.asked.some(({ renew }) => renew)));
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  assert.deepEqual(await page.evaluate(() => globalThis.asked), [{ renew: false }, { renew: true }]);
});

test("the element waits for its token, and can come late", async () => {
  const page = await visit();
  await page.evaluate(() => {
    const late = document.createElement("chat2pay-desk");
    late.setAttribute("conversation-id", "c-late");
    document.querySelector("chat2pay-desk").replaceWith(late);
  });
  await page.getByText("Loading payment requests…").waitFor();
  await page.evaluate(() => {
    document.querySelector("chat2pay-desk").token = async () => globalThis.accessToken;
  });
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  faultless(page);
});

test("another conversation gives up the last one's looks, and its customer's details go with it", async () => {
  const page = await visit();
  await send(page);
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  await element(page).evaluate((desk) => {
    desk.setAttribute("customer-phone", "+442079460958");
    desk.setAttribute("customer-name", "Ines");
    desk.setAttribute("conversation-id", "c-982");
  });
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  assert.equal(await form(page).getByLabel("Customer’s phone").inputValue(), "+442079460958");
  await element(page).evaluate((desk) => desk.setAttribute("conversation-id", "c-981"));
  await page.locator("article").waitFor();
  assert.equal(await form(page).getByLabel("Customer’s phone").inputValue(), "+27831234567", "the draft of this one");
  faultless(page);
});

test("an element that is taken away asks nothing, and goes on when it is put back", async () => {
  const page = await visit();
  await send(page);
  await page.evaluate(() => {
    globalThis.desk = document.querySelector("chat2pay-desk");
    globalThis.desk.remove();
  });
  const calls = [];
  page.on("request", (request) => calls.push(request.url()));
  await page.clock.runFor(20_000);
  assert.deepEqual(calls, []);
  await page.evaluate(() => document.querySelector("main").append(globalThis.desk));
  await page.locator('article[data-status="sent"]').waitFor();
  faultless(page);
});

test("a site's own colours and font are taken", async () => {
  const page = await visit();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await element(page).evaluate((desk) => {
    desk.style.setProperty("--chat2pay-surface", "rgb(1, 2, 3)");
    desk.style.setProperty("font-family", "serif");
  });
  await until("the site's own looks", () =>
    element(page).evaluate((desk) => {
      const { backgroundColor, fontFamily } = getComputedStyle(desk.shadowRoot.querySelector(".extension"));
      return backgroundColor === "rgb(1, 2, 3)" && fontFamily === "serif";
    }),
  );
});
