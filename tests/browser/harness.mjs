// The harness of the browser tests: a running system, callers of the API, browser windows, and checks of pages.

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

/** The folder of the screenshots. */
export const SCREENSHOTS = path.join(TARGET, "browser");

/** The widths of the screenshots, in pixels: a phone and a desktop. */
export const WIDTHS = [390, 1440];

/** The time limit of everything that a test waits for, in milliseconds. It is no measurement. */
export const PATIENCE = 15_000;

/**
 * A local runner with its own environment, such as `{ LINK_TTL_SECONDS: "3" }`. `base` is its address. `stop()` ends
 * it, and `restart()` starts it again on the same port with the same data. `pause()` and `resume()` suspend and
 * continue the process, which simulates a machine that hangs.
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

  /** Returns a caller of the API with a token for a person; by default Alice, an agent. */
  async person(claims = {}) {
    const person = { sub: "alice", name: "Alice", role: "agent", workspace: "acme", ...claims };
    const response = await fetch(`${this.base}/local/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(person),
    });
    return new Person(this.base, (await response.json()).access_token);
  }

  /** Returns the messages that a phone received, oldest first. */
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

  /** Creates a request; by default R250.00 for Thandi. */
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

/** Returns the base address of the desk's files in the served version. */
export async function assets(system) {
  const response = await fetch(`${system.base}/desk/element.js`, { redirect: "manual" });
  return new URL("..", new URL(response.headers.get("location"), system.base));
}

/** Imports a module of the desk as it is served, such as `shared/money.js`, with the modules that it imports. */
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

/** Presses the link's button without a browser, and returns the checkout's address. */
export async function press(link) {
  const response = await fetch(link, { method: "POST", redirect: "manual" });
  assert.equal(response.status, 303, await response.clone().text());
  return response.headers.get("location");
}

/**
 * Submits a payment on a checkout: it succeeds at once, takes time (`processing`), or is declined (`declined`).
 */
export function pay(checkout, outcome = "succeeded") {
  return submit(`${checkout}/pay`, outcome);
}

/** Settles a payment that takes time: `succeeded` or `failed`. */
export function settle(checkout, outcome) {
  return submit(`${checkout}/settle`, outcome);
}

async function submit(address, outcome) {
  const response = await fetch(address, { method: "POST", body: new URLSearchParams({ outcome }), redirect: "manual" });
  assert.equal(response.status, 303);
}

/** Waits until `probe` returns a truthy value, and returns that value. `what` names it in the error. */
export async function until(what, probe) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const found = await probe();
    if (found) return found;
  }
  throw new Error(`timed out waiting for: ${what}`);
}

/** Starts a browser. One is enough for a file of tests; close it at the end. */
export function launch() {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...args, "--disable-component-update", "--disable-sync"],
  });
}

/**
 * Opens a window in its own browser context, so that it shares no storage with other windows. `options` are
 * Playwright's for a context. Errors of the page's scripts are collected in `page.problems`, which `faultless` checks.
 */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  return tab(context);
}

/**
 * Stands between a page and its live updates from now on: `live.sockets` has the page's sockets, the newest last. While
 * `live.frozen`, nothing of the system reaches the page; `live.tell(request)` sends it a change.
 */
export async function live(page) {
  const between = { frozen: false, sockets: [] };
  between.tell = async (request) => {
    const socket = await until("a socket", () => between.sockets.at(-1));
    socket.send(JSON.stringify({ type: "changed", request }));
  };
  await page.routeWebSocket(/\/live\?ticket=/, (socket) => {
    const server = socket.connectToServer();
    between.sockets.push(socket);
    server.onMessage((message) => {
      if (!between.frozen) socket.send(message);
    });
  });
  return between;
}

/** Lets a page get no ticket, so that it has to look by itself. */
export function withoutLive(page) {
  return page.route("**/live/tickets", (route) => route.fulfill({ status: 503, json: {} }));
}

/** Opens another tab in a context. */
export async function tab(context) {
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    // The browser logs each response with a status from 400 on as an error. Many tests provoke such responses.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      page.problems.push(message.text());
  });
  return page;
}

/** Asserts that no script failed and that nothing violated the Content-Security-Policy. */
export function faultless(page) {
  assert.deepEqual(page.problems, []);
}

/**
 * Waits, in the page, for every finite animation: in the document and in each open shadow root, whose animations
 * `document.getAnimations()` omits.
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

/**
 * Asserts that axe-core finds no violation of WCAG 2.2 AA or of its best practices, in the light and the dark scheme.
 */
export async function accessible(page, what) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // Colours change gradually. The contrast is checked when they have their final values.
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
 * Saves screenshots of a page at each width, in the light and the dark scheme, as `<name>-<width>-<scheme>.png`, and
 * asserts that the page fits each width. With `fullPage: false` a screenshot has only the visible part: use it for a
 * page with an open dialog.
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

/** Asserts that the page does not scroll horizontally. */
export async function fits(page, what) {
  const { needed, given } = await page.evaluate(() => ({
    needed: document.documentElement.scrollWidth,
    given: innerWidth,
  }));
  assert.ok(needed <= given, `${what}: ${needed} pixels wide on ${given}`);
}

/** Counts the bytes over the wire from now on: `const bytes = await wire(page); …; bytes()`. */
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
 * Starts a site on another origin. It answers each request with the page that `html()` returns and the extra headers
 * that `headers()` returns. Both are functions because of the order: the system needs the site's origin when it starts,
 * and the site's page needs the system's address.
 */
export async function site(html, headers = () => ({})) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...headers() });
    response.end(html());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
