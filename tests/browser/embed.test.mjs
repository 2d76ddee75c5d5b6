// The element on another site.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, faultless, fits, launch, open, picture, System, site, until } from "./harness.mjs";

const NONCE = "c2l0ZXMgb3du";

let host;
let stranger;
/** A site that is allowed, and whose policy does not allow live updates. */
let deaf;
let system;
let browser;
before(async () => {
  browser = await launch();
  // The system needs the host's origin to start. The sites' policies need the system's address, so they are computed
  // per request.
  host = await site(
    () => html(),
    () => ({ "content-security-policy": policy() }),
  );
  stranger = await site(
    () => html(),
    () => ({ "content-security-policy": policy() }),
  );
  deaf = await site(
    () => html(),
    () => ({ "content-security-policy": policy("") }),
  );
  system = await System.start({ ALLOWED_ORIGINS: `${host.origin},${deaf.origin}` });
});
after(async () => {
  await browser?.close();
  host?.close();
  stranger?.close();
  deaf?.close();
  await system?.stop();
});

/** Returns a policy that allows only what the README asks a site to allow: no styles, and no strings as scripts. */
function policy(live = system.base.replace(/^http/, "ws")) {
  return (
    `default-src 'none'; script-src 'nonce-${NONCE}' ${system.base}; connect-src ${system.base} ${live}; ` +
    "require-trusted-types-for 'script'; trusted-types 'none'"
  );
}

/** Returns the page of a chat desk that sets the token before the element's script is loaded. */
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
  globalThis.tokenCalls = [];
  globalThis.changes = [];
  document.querySelector("chat2pay-desk").token = async (options) => {
    globalThis.tokenCalls.push(options);
    if (globalThis.refusing) throw new Error("nobody is signed in");
    return globalThis.accessToken;
  };
  document.addEventListener("chat2pay-change", (event) => globalThis.changes.push(event.detail.request.status));
</script>
<script type="module" src="${system.base}/desk/element.js"></script></html>`;
}

/** Opens the site in a window, signed in as an agent of a new workspace. */
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

test("an allowed site with a strict Content-Security-Policy can embed the element", async () => {
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

test("a site that is not allowed cannot load the element, gets a CORS error, and keeps its conversation", async () => {
  const page = await visit(stranger.origin);
  await until("the refusal", () => page.problems.some((problem) => /blocked by CORS policy/.test(problem)));
  assert.ok(await page.getByText("Thandi: How do I pay?").isVisible());
  assert.equal(await page.evaluate(() => customElements.get("chat2pay-desk")), undefined);
});

test("a site whose policy forbids live updates is told once, and the element looks by itself", async () => {
  const page = await visit(deaf.origin);
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await send(page);
  await page.getByRole("button", { name: "Cancel Payment" }).click();
  await page.locator('article[data-status="canceled"]').waitFor();
  for (let second = 0; second < 120; second += 1) await page.clock.runFor(1_000);
  assert.equal(page.problems.filter((problem) => /Content Security Policy/.test(problem)).length, 1);
});

test("without a signed-in person the element says so, and no input is lost", async () => {
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
    // Setting the token property starts over, even with the same value.
    const desk = document.querySelector("chat2pay-desk");
    const { token } = desk;
    desk.token = token;
  });
  await page.getByText("You are not signed in.", { exact: true }).waitFor();
  await accessible(page, "nobody signed in");
  await picture(page, "embed-signed-out");
  // Presses the button as soon as the token works, before the polling notices it.
  await page.getByRole("button", { name: "Try again" }).evaluate((button) => {
    globalThis.refusing = false;
    button.click();
  });
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await form(page).getByRole("button", { name: "Send" }).click();
  await page.locator('article[data-status="sent"]').waitFor();
  faultless(page);
});

test("when the API rejects a token, the site is asked to renew it once", async () => {
  const page = await visit();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  await page.evaluate(() => {
    const [desk, good] = [document.querySelector("chat2pay-desk"), globalThis.accessToken];
    globalThis.tokenCalls = [];
    desk.token = async (options) => {
      globalThis.tokenCalls.push(options);
      return options.renew ? good : "expired";
    };
  });
  const calls = () => page.evaluate(() => globalThis.tokenCalls);
  const isRenewed = (made) => made.some(({ renew }) => renew) && made;
  // Later calls ask again, so the first ones are looked at when the renewal is there.
  const asked = await until("the renewal", async () => isRenewed(await calls()));
  assert.deepEqual(asked, [{ renew: false }, { renew: true }]);
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  assert.equal((await calls()).filter(({ renew }) => renew).length, 1);
});

test("the element waits for its token, and can be added late", async () => {
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

test("changing the conversation shows that conversation's requests, customer and draft", async () => {
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

test("a removed element stops polling, and continues when it is added again", async () => {
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

test("the element uses the site's colours and font", async () => {
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
