import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, faultless, launch, open, picture, System } from "./harness.mjs";

let system;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

test("on one machine anybody signs in by choosing who they are, and stays that through a reload", async () => {
  const page = await open(browser);
  await page.goto(`${system.base}/desk`);
  await page.getByRole("dialog").waitFor();
  await accessible(page, "choosing who one is");
  await picture(page, "sign-in-local");
  await page.getByRole("button", { name: "Alice" }).click();
  await page.locator("#who").getByText("Alice").waitFor();
  await page.reload();
  await page.locator("#who").getByText("Alice").waitFor();
  assert.equal(await page.getByRole("dialog").isVisible(), false);
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.doesNotMatch(stored, /eyJ/, "no token is stored");
  faultless(page);
});
