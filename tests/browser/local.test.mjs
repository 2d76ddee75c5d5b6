// The local runner, for a person without documentation: from the printed address through a payment to the supervisor's
// numbers.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, faultless, launch, open, picture, System, tab, until } from "./harness.mjs";

let system;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

test("from the printed address a person can send a request, pay it and see it in the numbers", async () => {
  const start = await open(browser);
  await start.goto(system.base);
  await accessible(start, "the start page");
  await picture(start, "local-start");

  const phone = await tab(start.context());
  await phone.goto(system.base);
  await phone.getByRole("link", { name: "Customer's phone" }).click();
  await phone.getByText("Nothing yet.").waitFor();
  await accessible(phone, "a phone that has received nothing");
  await picture(phone, "local-phone-empty");

  await start.bringToFront();
  await start.getByRole("link", { name: "Agent's desk" }).click();
  await start.getByRole("button", { name: "Alice" }).click();
  await start.getByRole("button", { name: "Chat 2 Pay" }).click();
  await start.getByLabel("Order number").fill("10045");
  await start.getByLabel("Amount").fill("250");
  await start.getByRole("button", { name: "Send", exact: true }).click();
  await start.locator('article[data-status="sent"]').waitFor();

  await phone.bringToFront();
  const link = phone.getByRole("link", { name: `${system.base}/p/` });
  await link.waitFor();
  await accessible(phone, "a phone with a message");
  await picture(phone, "local-phone");
  await link.click();
  await phone.getByRole("button", { name: "Continue to payment" }).click();
  await accessible(phone, "the stand-in provider's page");
  await picture(phone, "local-checkout");
  await phone.getByRole("button", { name: /^Pay R/ }).click();
  await phone.getByRole("heading", { name: "Paid. Thank you!" }).waitFor();

  await start.bringToFront();
  await start.locator('article[data-status="paid"]').waitFor();

  const supervisor = await open(browser);
  await supervisor.goto(system.base);
  await supervisor.getByRole("link", { name: "Supervisor" }).click();
  await supervisor.getByRole("button", { name: "Sam" }).click();
  await until("the paid request in the numbers", async () =>
    (await supervisor.locator("main").innerText()).includes("R250.00"),
  );
  for (const page of [start, phone, supervisor]) faultless(page);
});

test("an agent sees that a text did not reach the phone, and sends the link again", async () => {
  const [agent, phone] = [await open(browser), await open(browser)];
  await agent.goto(`${system.base}/desk`);
  await agent.getByRole("button", { name: "Alice" }).click();
  // The dialog blocks the page behind it until it closes.
  await agent.getByText("No payment requests in this conversation yet.").waitFor();
  await agent.getByRole("region", { name: "Conversation" }).getByLabel("Customer’s phone").fill("+27831112222");
  await agent.getByRole("button", { name: "Chat 2 Pay" }).click();
  await agent.getByLabel("Order number").fill("10046");
  await agent.getByLabel("Amount").fill("250");
  await agent.getByRole("button", { name: "Send", exact: true }).click();

  await phone.goto(`${system.base}/local/phone?phone=%2B27831112222`);
  const lost = phone.getByRole("button", { name: "Report undelivered" });
  await lost.waitFor();
  await accessible(phone, "a phone with a text that can be reported undelivered");
  await picture(phone, "local-phone-undelivered");
  await lost.click();
  await phone.getByText("Nothing yet.").waitFor();

  const failed = agent.locator('article[data-status="sent"]');
  await failed.locator(".failure").getByText("The phone may be off, out of reach, or blocking messages.").waitFor();
  await agent.getByRole("button", { name: "Send again" }).click();
  await agent.locator('article[data-status="canceled"]').waitFor();
  await phone.getByText("Please pay R250.00 for order 10046").waitFor();
  for (const page of [agent, phone]) faultless(page);
});

test("the phone page shows the texts of one number or of all, and never renders a text as markup", async () => {
  const alice = await system.person({ workspace: "other" });
  await alice.send({ order_number: "<script>alert(1)</script>", customer: { phone: "+27831234599" } });
  const page = await open(browser);
  await page.goto(`${system.base}/local/phone?phone=%2B27831234599`);
  await page.getByText("<script>alert(1)</script>").waitFor();
  assert.equal(await page.locator("article").count(), 1);
  await page.getByRole("link", { name: "All" }).click();
  await page.getByText("+27831234599 ·").waitFor();
  faultless(page);
});
