// Measures how long it takes from the write of a change until a card on the desk shows it, in a real browser on the
// local runner: with one page open, and beside thousands of other sockets. Prints one row of JSON a line.

import { request as http } from "node:http";
import { launch, open, System, until } from "../browser/harness.mjs";

const CHANGES = 200;
const SOCKETS = 2_000;
/** The sockets that one agent may have. */
const SOCKETS_OF_AN_AGENT = 50;

let orders = 0;

/** Opens a socket with a ticket, and counts what arrives. */
async function socket(person) {
  const ticket = await person.call("POST", "/live/tickets");
  if (ticket.status !== 201) throw new Error(`no ticket: ${await ticket.text()}`);
  const { url } = await ticket.json();
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
  };
  return new Promise((resolve, reject) => {
    const handshake = http(url.replace(/^ws/, "http"), { headers, agent: false });
    const opened = { received: 0 };
    handshake.on("upgrade", (_, connection) => {
      connection.on("data", () => {
        opened.received += 1;
      });
      connection.on("error", () => {});
      opened.close = () => connection.destroy();
      resolve(opened);
    });
    handshake.on("response", ({ statusCode }) => reject(new Error(`the handshake is refused with ${statusCode}`)));
    handshake.on("error", reject);
    handshake.end();
  });
}

/** Opens sockets of as many agents as they need, twenty at a time. */
async function crowd(system, count) {
  const sockets = [];
  for (let agent = 0; sockets.length < count; agent += 1) {
    const person = await system.person({ sub: `agent-${agent}`, name: `Agent ${agent}` });
    for (let left = Math.min(SOCKETS_OF_AN_AGENT, count - sockets.length); left > 0; left -= 20)
      sockets.push(...(await Promise.all(Array.from({ length: Math.min(20, left) }, () => socket(person)))));
  }
  return sockets;
}

/** Makes changes, one after the other, and returns how many milliseconds later each was on the card. */
async function lags(page, person) {
  const found = [];
  const conversation_id = await page.locator("chat2pay-desk").getAttribute("conversation-id");
  // The moment at which a card first shows each status, by the clock that the runner has too.
  await page.evaluate(() => {
    globalThis.shown ??= {};
    const look = (root) => {
      for (const card of root.querySelectorAll("article[data-status]")) {
        const [order] = /LIVE-\d+/.exec(card.textContent) ?? [];
        const key = `${order} ${card.dataset.status}`;
        globalThis.shown[key] ??= performance.timeOrigin + performance.now();
      }
    };
    const root = document.querySelector("chat2pay-desk").shadowRoot ?? document;
    new MutationObserver(() => look(root)).observe(root, { subtree: true, childList: true, attributes: true });
    look(root);
  });
  while (found.length < CHANGES) {
    orders += 1;
    const order_number = `LIVE-${orders}`;
    const { id } = await person.send({ conversation_id, order_number });
    for (const status of ["sent", "canceled"]) {
      if (status === "canceled") await person.cancel(id);
      const key = `${order_number} ${status}`;
      const shown = await page.waitForFunction((wanted) => globalThis.shown[wanted], key, { polling: 20 });
      const { history } = await person.get(id);
      found.push((await shown.jsonValue()) - Date.parse(history.at(-1).at));
    }
  }
  return found;
}

/** Returns a row about these times. */
function row(what, times) {
  const sorted = times.toSorted((left, right) => left - right);
  const at = (part) => Math.round(sorted[Math.floor((sorted.length - 1) * part)]);
  return { table: "live", row: what, changes: times.length, median_ms: at(0.5), p95_ms: at(0.95), most_ms: at(1) };
}

const [system, browser] = await Promise.all([System.start(), launch()]);
try {
  const page = await open(browser);
  await page.goto(`${system.base}/desk`);
  await page.getByRole("button", { name: "Alice" }).click();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  const alice = await system.person();
  console.log(JSON.stringify(row("one page open", await lags(page, alice))));
  const sockets = await crowd(system, SOCKETS);
  console.log(JSON.stringify(row(`beside ${SOCKETS} sockets of other agents`, await lags(page, alice))));
  const crowded = await system.person({ sub: "agent-0", name: "Agent 0" });
  const own = sockets.slice(0, SOCKETS_OF_AN_AGENT);
  const before = own.map(({ received }) => received);
  await crowded.send();
  await until("the change at every socket", () => own.every(({ received }, at) => received > before[at]));
  for (const one of sockets) one.close();
} finally {
  await browser.close();
  await system.stop();
}
