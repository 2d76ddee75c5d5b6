// The reference at /docs: readable for everybody, and every command on it works when it is pasted.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { accessible, faultless, fits, launch, open, picture, System, tab, WIDTHS } from "./harness.mjs";

let system;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

/** What stands between the outputs of two blocks: no command prints it. */
const SEPARATOR = "\x1e";

/** What a block prints, where its page does not name a status. */
const PRINTS = {
  signIn: /^Alice Sam crm-bot$/,
  createPaymentRequest: /"status":"sent"/,
  "createPaymentRequest-service": /"actor":\{"type":"service","id":"crm-bot"\}/,
  readPaymentRequest: /"status":"sent"/,
  listPaymentRequests: /"items":\[\{/,
  cancelPaymentRequest: /"status":"canceled"/,
  reportAgents: /"agents":\[\{/,
  createLiveTicket: /"url":"ws:\/\/[^"]*\?ticket=/,
  registerWebhookEndpoint: /"secret":"whsec_/,
  listWebhookEndpoints: /"items":\[\{/,
  rotateWebhookSecret: /"secret":"whsec_/,
  listWebhookDeliveries: /"items":\[/,
  events: /"PaymentRequestStatusChanged"/,
  verify: /^verified$/,
  showPageHead: /^HTTP\/1\.1 200/,
  press: /\/sandbox\/checkouts\//,
  check: /\?done$/,
  element: /\/desk\/assets\//,
};

/** Returns every block of commands, as a person copies it, with the first thing that it prints by its page. */
async function blocks(page) {
  return page.locator("pre[data-run]").evaluateAll((found) =>
    found.map((block) => ({
      name: block.dataset.run,
      text: block.innerText,
      prints: block.parentElement.querySelector(".prints code")?.innerText,
    })),
  );
}

/** Pastes blocks into one shell, and returns what each of them printed. The shell ends at the first that fails. */
async function paste(found) {
  const shell = spawn("bash", ["-e"], { stdio: ["pipe", "pipe", "pipe"] });
  const printed = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"]) shell[stream].on("data", (data) => (printed[stream] += data));
  const ended = new Promise((resolve) => shell.once("close", resolve));
  shell.stdin.end(found.map(({ name, text }) => `printf '${SEPARATOR}${name}\\n'\n${text}\n`).join(""));
  const code = await ended;
  const outputs = printed.stdout.split(SEPARATOR).slice(1);
  assert.equal(code, 0, `${outputs.at(-1)}\n${printed.stderr}`);
  return outputs.map((output) => output.slice(output.indexOf("\n") + 1).trim());
}

test("every command works when it is pasted, from the top of the page to its bottom", async () => {
  const page = await open(browser);
  await page.goto(`${system.base}/docs`);
  const found = await blocks(page);
  assert.ok(found.length > 20, `${found.length} blocks`);
  // The commands for the customer's pages need a live link, as the page says.
  const create = found.find(({ name }) => name === "createPaymentRequest");
  const customers = found.findIndex(({ name }) => name === "showPage");
  const pasted = found.toSpliced(customers, 0, create);
  const outputs = await paste(pasted);
  for (const [index, { name, prints }] of pasted.entries()) {
    const expected = PRINTS[name] ?? new RegExp(`^${prints}$`);
    assert.match(outputs[index], expected, name);
  }
});

test("the commands that verify a webhook notice a change", async () => {
  const page = await open(browser);
  await page.goto(`${system.base}/docs`);
  const verify = (await blocks(page)).find(({ name }) => name === "verify");
  for (const [from, to] of [
    [/"type":"PaymentRequestStatusChanged"/, '"type":"PaymentRequestStatusChanged" '],
    [/WEBHOOK_ID='/, "WEBHOOK_ID='x"],
    [/WEBHOOK_TIMESTAMP='1/, "WEBHOOK_TIMESTAMP='2"],
    [/SECRET='whsec_.{4}/, "SECRET='whsec_AAAA"],
  ]) {
    assert.match(verify.text, from);
    assert.deepEqual(await paste([{ ...verify, text: verify.text.replace(from, to) }]), ["forged"]);
  }
  // While a secret is rotated there are two signatures.
  const rotated = verify.text.replace("WEBHOOK_SIGNATURE='", `WEBHOOK_SIGNATURE='v1,${"A".repeat(43)}= `);
  assert.deepEqual(await paste([{ ...verify, text: rotated }]), ["verified"]);
});

test("the reference is accessible, fits phones and desktops, and can be found from the start page", async () => {
  const page = await open(browser);
  await page.goto(system.base);
  await page.getByRole("link", { name: "the reference" }).click();
  await page.getByRole("heading", { name: "chat2pay reference" }).waitFor();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    await accessible(page, `the reference at ${width}`);
    await fits(page, `the reference at ${width}`);
  }
  await picture(page, "reference", { fullPage: false });
  for (const part of ["create-payment-request", "problems", "events", "verify", "others"]) {
    await page.locator(`#${part}`).evaluate((heading) => heading.scrollIntoView());
    await picture(page, `reference-${part}`, { fullPage: false });
  }
  faultless(page);
});

test("it can be used by keyboard, and a copied command is the whole one", async () => {
  const page = await open(browser, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.goto(`${system.base}/docs`);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  const figure = page.locator("figure").filter({ has: page.locator('pre[data-run="readPaymentRequest"]') });
  await figure.getByRole("button", { name: "Copy" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("The commands are copied.").waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, `${await figure.locator("pre").innerText()}\n`);
  faultless(page);
});

test("a link to a problem opens it, and the contents mark what is read", async () => {
  const page = await open(browser);
  await page.goto(`${system.base}/docs#problem-already-paid`);
  await page.locator("#problem-already-paid[open]").waitFor();
  await page.getByRole("link", { name: "Cancel a payment request" }).click();
  await page.locator('.contents a[aria-current="location"]', { hasText: "Cancel a payment request" }).waitFor();
  await page.getByRole("link", { name: "link_expired" }).first().click();
  await page.locator("#problem-link-expired[open]").waitFor();
  faultless(page);
});

test("in print everything is unfolded, and the contents are gone", async () => {
  const page = await open(browser);
  await page.goto(`${system.base}/docs`);
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const folded = page.locator("#problem-not-found pre");
  assert.ok((await folded.boundingBox()).height > 50, "a folded example is printed");
  assert.equal(await page.locator(".contents").isVisible(), false);
  const ink = await page.evaluate(() => getComputedStyle(document.body).color);
  assert.equal(ink, "rgb(22, 32, 44)", "the light scheme is printed");
});

test("the page loads nothing from elsewhere, and is whole without scripts", async () => {
  const page = await tab(await browser.newContext({ javaScriptEnabled: false }));
  const loaded = [];
  page.on("request", (request) => loaded.push(request.url()));
  const response = await page.goto(`${system.base}/docs/`);
  assert.match(response.headers()["content-security-policy"], /^default-src 'none';/);
  assert.ok(
    loaded.every((address) => address.startsWith(`${system.base}/docs`)),
    loaded.join("\n"),
  );
  await page.getByRole("heading", { name: "Verify a webhook" }).waitFor();
  for (const name of ["openapi.json", "asyncapi.json"]) {
    const file = await page.request.get(`${system.base}/docs/${name}`);
    assert.equal(file.headers()["content-type"], "application/json");
    assert.ok(await file.json());
  }
  assert.equal((await page.request.get(`${system.base}/docs/other.json`)).status(), 404);
  await page.context().close();
});
