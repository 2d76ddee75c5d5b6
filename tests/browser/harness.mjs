// What the browser tests stand on: a running system, people at browsers, and the ways to look at what they see.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

/** The project's folder. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target");
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Where the screenshots are kept. */
export const SCREENSHOTS = path.join(TARGET, "browser");

/** The widths that every page is looked at: a phone and a desktop. */
export const WIDTHS = [390, 1440];

/** How long anything may take that a test waits for. A limit, and nothing that is measured. */
export const PATIENCE = 15_000;

/**
 * A local runner with an environment of its own, such as `{ LINK_TTL_SECONDS: "3" }`. `base` is its address; `stop()`
 * ends it, `restart()` starts it again on the same port with the same data, and `pause()`/`resume()` stop the process
 * in its tracks as a machine that hangs does.
 */
export class System {
  static async start(environment = {}, flags = []) {
    const system = new System();
    system.environment = environment;
    system.flags = flags;
    await system.#start(0);
    return system;
  }

  async #start(port) {
    // A test sends more requests than a person does.
    const variables = { ...process.env, RUST_LOG: "warn", AGENT_REQUESTS_PER_MINUTE: "0", ...this.environment };
    this.process = spawn(process.env.RUNNER, ["--port", String(port), ...this.flags], {
      env: variables,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.ended = new Promise((resolve) => this.process.once("exit", resolve));
    for await (const line of createInterface({ input: this.process.stdout })) {
      if (line.startsWith("ready ")) {
        this.base = line.slice("ready ".length);
        return;
      }
    }
    throw new Error("the local runner did not become ready");
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
  }

  async restart() {
    const port = new URL(this.base).port;
    await this.stop();
    await this.#start(port);
  }

  pause() {
    this.process.kill("SIGSTOP");
  }

  resume() {
    this.process.kill("SIGCONT");
  }

  /** Somebody who calls the API without a browser. */
  async person(claims = {}) {
    const person = { sub: "alice", name: "Alice", role: "agent", workspace: "acme", ...claims };
    const response = await fetch(`${this.base}/local/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(person),
    });
    return new Person(this.base, (await response.json()).access_token);
  }

  /** What a phone received, oldest first. */
  async messages(phone) {
    const response = await fetch(`${this.base}/local/messages?phone=${encodeURIComponent(phone)}`);
    return response.json();
  }
}

/** A caller of the API. */
export class Person {
  constructor(base, token) {
    this.base = base;
    this.token = token;
  }

  async call(method, route, body) {
    return fetch(this.base + route, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  }

  /** Sends a request, by default over R250.00 to Thandi. */
  async send(fields = {}) {
    const response = await this.call("POST", "/payment-requests", {
      order_number: "10045",
      amount: 25000,
      currency: "ZAR",
      customer: { phone: "+27831234567", name: "Thandi" },
      description: "2 x tickets",
      ...fields,
    });
    assert.equal(response.status, 201, await response.clone().text());
    return response.json();
  }

  async get(id) {
    const response = await this.call("GET", `/payment-requests/${id}`);
    assert.equal(response.status, 200);
    return response.json();
  }

  async cancel(id) {
    return this.call("POST", `/payment-requests/${id}/cancel`);
  }
}

/** Returns the address of the desk's files as they are served now, without the name of one. */
export async function assets(system) {
  const response = await fetch(`${system.base}/desk/element.js`, { redirect: "manual" });
  return new URL("..", new URL(response.headers.get("location"), system.base));
}

/** Imports a module of the desk as it is served, such as `shared/money.js`, with the modules that it names. */
export async function served(system, name) {
  const [base, folder] = [await assets(system), await mkdtemp(path.join(tmpdir(), "chat2pay-"))];
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ type: "module" }));
  const missing = [name];
  for (const module of missing) {
    const response = await fetch(new URL(module, base));
    assert.equal(response.status, 200, module);
    const source = await response.text();
    const file = path.join(folder, module);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, source);
    for (const [, other] of source.matchAll(/ from "(\..*?)";/g)) {
      const found = path.posix.join(path.posix.dirname(module), other);
      if (!missing.includes(found)) missing.push(found);
    }
  }
  const loaded = await import(pathToFileURL(path.join(folder, name)));
  await rm(folder, { recursive: true });
  return loaded;
}

/** Presses the link's button without a browser and answers the checkout's address. */
export async function press(link) {
  const response = await fetch(link, { method: "POST", redirect: "manual" });
  assert.equal(response.status, 303, await response.clone().text());
  return response.headers.get("location");
}

/** Pays on a checkout, by a method that takes time (`processing`) or not, or is declined on it (`declined`). */
export function pay(checkout, outcome = "succeeded") {
  return submit(`${checkout}/pay`, outcome);
}

/** What becomes of money that a checkout waits for: `succeeded` or `failed`. */
export function settle(checkout, outcome) {
  return submit(`${checkout}/settle`, outcome);
}

async function submit(address, outcome) {
  const response = await fetch(address, { method: "POST", body: new URLSearchParams({ outcome }), redirect: "manual" });
  assert.equal(response.status, 303);
}

/** Holds until `look` answers something true, and answers that. */
export async function until(what, look) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const seen = await look();
    if (seen) return seen;
  }
  throw new Error(`it did not come: ${what}`);
}

/** A browser; one is enough for a file of tests. Close it at the end. */
export function launch() {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...args, "--disable-component-update", "--disable-sync"],
  });
}

/**
 * A window of somebody's own, with nothing of anybody else's in it. `options` are Playwright's for a context.
 * Everything that goes wrong in its scripts is collected in `page.problems`, which `faultless` looks at.
 */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  return tab(context);
}

/** One more tab of somebody's. */
export async function tab(context) {
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    // The browser reports every answer from 400 on as an error; refusals are what many tests are about.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      page.problems.push(message.text());
  });
  return page;
}

/** No script has failed and nothing was against the Content-Security-Policy. */
export function faultless(page) {
  assert.deepEqual(page.problems, []);
}

/**
 * Waits, in the page, for every animation with an end: in the document and in each open shadow root, whose animations
 * `document.getAnimations()` leaves out.
 */
async function settled() {
  const roots = (root) => [
    root,
    ...[...root.querySelectorAll("*")].flatMap((element) => (element.shadowRoot ? roots(element.shadowRoot) : [])),
  ];
  const animations = roots(document).flatMap((root) => root.getAnimations());
  await Promise.all(
    animations
      .filter((animation) => animation.effect?.getComputedTiming().iterations !== Infinity)
      .map((animation) => animation.finished.catch(() => {})),
  );
}

/** axe-core finds nothing against WCAG 2.2 AA or its best practices, in the light and in the dark. */
export async function accessible(page, what) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // Colours change over a moment; contrast is that of their end.
    await page.evaluate(settled);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`,
    );
    assert.deepEqual(found, [], `${what} (${colorScheme})`);
  }
  await page.emulateMedia({ colorScheme: null });
}

/**
 * Keeps what a page looks like at each width, in the light and in the dark: `<name>-<width>-<scheme>.png`. Of a page
 * with a dialog over it, `fullPage: false` keeps what is in view.
 */
export async function picture(page, name, { fullPage = true } = {}) {
  await mkdir(SCREENSHOTS, { recursive: true });
  const before = page.viewportSize();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: width < 600 ? 844 : 900 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({
        path: path.join(SCREENSHOTS, `${name}-${width}-${colorScheme}.png`),
        fullPage,
        animations: "disabled",
      });
    }
    await fits(page, `${name} at ${width}`);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

/** Nothing has to be scrolled sideways. */
export async function fits(page, what) {
  const { needed, given } = await page.evaluate(() => ({
    needed: document.documentElement.scrollWidth,
    given: innerWidth,
  }));
  assert.ok(needed <= given, `${what}: ${needed} pixels wide on ${given}`);
}

/** How many bytes came over the wire since this was called: `const bytes = await wire(page); …; bytes()`. */
export async function wire(page) {
  const client = await page.context().newCDPSession(page);
  await client.send("Network.enable");
  let total = 0;
  client.on("Network.loadingFinished", ({ encodedDataLength }) => {
    total += encodedDataLength;
  });
  return () => total;
}

/**
 * A site of somebody else's, which answers every request with the page that `html()` makes and the headers that
 * `headers()` adds. Functions, because a page that embeds something names a system that is told of the site when it
 * starts.
 */
export async function site(html, headers = () => ({})) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...headers() });
    response.end(html());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
