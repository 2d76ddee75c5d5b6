// The build minifies the style sheets. The served ones have the same rules as the sources.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { assets, launch, open, ROOT, System, served } from "./harness.mjs";

let system;
let browser;

before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});

after(() => Promise.all([system.stop(), browser.close()]));

/**
 * Returns a style sheet's rules as the browser has parsed them, without white space after commas: it has no meaning,
 * and the browser keeps it as written in values with variables.
 */
async function parsedRules(page, text) {
  const rules = await page.evaluate((css) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    return [...sheet.cssRules].map((rule) => rule.cssText.replaceAll(", ", ","));
  }, text);
  assert.ok(rules.length > 0);
  return rules;
}

test("every style sheet of the desk is served minified, with the rules of its source", async () => {
  const page = await open(browser);
  const folder = `${ROOT}/functions/desk/assets`;
  const base = await assets(system);
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".css"));
  assert.ok(names.includes("shared/base.css") && names.includes("agent/element.css"), names.join());
  for (const name of names) {
    const source = await readFile(`${folder}/${name}`, "utf8");
    const response = await fetch(new URL(name, base));
    // The element's style sheet is served as a module, because the element constructs its sheet.
    const text = response.ok ? await response.text() : (await served(system, `${name}.js`)).default;
    assert.deepEqual(await parsedRules(page, text), await parsedRules(page, source), name);
    assert.ok(text.length < source.length && !text.includes("/*") && !text.includes("\n"), name);
  }
});

test("the customer's page has the rules of its source style sheet, followed by the brand's", async () => {
  const page = await open(browser);
  const source = await readFile(`${ROOT}/functions/link-click/templates/page.css`, "utf8");
  const html = await (await fetch(`${system.base}/p/unknown`)).text();
  const style = html.match(/<style>(.*?)<\/style>/s)[1];
  const expected = await parsedRules(page, source);
  assert.deepEqual((await parsedRules(page, style)).slice(0, expected.length), expected);
});
