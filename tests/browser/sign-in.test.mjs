import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { accessible, faultless, launch, open, picture, System, until } from "./harness.mjs";

let system;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

test("in the local runner a person signs in by choosing a name, and stays signed in through a reload", async () => {
  const page = await open(browser);
  await page.goto(`${system.base}/desk`);
  await page.getByRole("dialog").waitFor();
  await accessible(page, "choosing a person");
  await picture(page, "sign-in-local");
  await page.getByRole("button", { name: "Alice" }).click();
  await page.locator("#who").getByText("Alice").waitFor();
  await page.reload();
  await page.locator("#who").getByText("Alice").waitFor();
  assert.equal(await page.getByRole("dialog").isVisible(), false);
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  assert.doesNotMatch(stored, /eyJ/, "no token is stored");
  faultless(page);
});

/**
 * Starts an OpenID provider with the parts that the desk needs. It accepts a code once, with the redirect address of
 * its authorization request and with the matching `code_verifier` (RFC 7636, section 4.6). Its tokens come from the
 * runner.
 */
async function provider(runner) {
  const codes = new Map();
  const seen = { authorizations: [], exchanges: [] };
  let origin;
  const answer = async (request, response) => {
    const url = new URL(request.url, origin);
    const send = (status, body, headers = {}) => {
      response.writeHead(status, {
        "access-control-allow-origin": "*",
        "content-type": "application/json",
        ...headers,
      });
      response.end(body);
    };
    if (url.pathname === "/.well-known/openid-configuration") {
      return send(
        200,
        JSON.stringify({
          issuer: origin,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
        }),
      );
    }
    if (url.pathname === "/authorize") {
      const authorization = Object.fromEntries(url.searchParams);
      seen.authorizations.push(authorization);
      const code = randomUUID();
      codes.set(code, authorization);
      const back = new URL(authorization.redirect_uri);
      const answered = seen.refuse ? { error: "access_denied" } : { code };
      for (const [name, value] of Object.entries({
        ...answered,
        state: seen.state ?? authorization.state,
        iss: origin,
      }))
        back.searchParams.set(name, value);
      const link = `<a href="${back.href.replaceAll("&", "&amp;")}">I am Alice</a>`;
      const page = `<!doctype html><html lang="en"><title>Sign in</title><main><h1>Sign in</h1>${link}</main>`;
      return send(200, page, { "content-type": "text/html" });
    }
    if (url.pathname !== "/token") return send(404, "{}");
    const body = new URLSearchParams(await text(request));
    const exchange = Object.fromEntries(body);
    seen.exchanges.push(exchange);
    const authorization = codes.get(exchange.code);
    codes.delete(exchange.code);
    const challenge = createHash("sha256")
      .update(exchange.code_verifier ?? "")
      .digest("base64url");
    const good =
      exchange.grant_type === "refresh_token"
        ? seen.refreshing && exchange.refresh_token === "refresh"
        : authorization &&
          authorization.code_challenge === challenge &&
          authorization.redirect_uri === exchange.redirect_uri;
    if (!good) return send(400, JSON.stringify({ error: "invalid_grant" }));
    const { token } = await runner().person();
    send(
      200,
      JSON.stringify({ access_token: token, token_type: "Bearer", expires_in: 3600, refresh_token: "refresh" }),
    );
  };
  const server = createServer((request, response) =>
    answer(request, response).catch((error) => response.destroy(error)),
  );
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, seen, close: () => server.close() };
}

/** Starts a system whose users sign in at such a provider. */
async function deployed(context) {
  let runner;
  const identity = await provider(() => runner);
  runner = await System.start({ SIGN_IN: "oauth", SIGN_IN_ISSUER: identity.origin, SIGN_IN_CLIENT_ID: "desk" });
  context.after(async () => {
    identity.close();
    await runner.stop();
  });
  return { runner, identity };
}

async function signIn(page) {
  const [popup] = await Promise.all([
    page.waitForEvent("popup"),
    page.getByRole("dialog").getByRole("button", { name: "Sign in" }).click(),
  ]);
  await popup.getByRole("link", { name: "I am Alice" }).click();
  return popup;
}

test("in a deployment people sign in with an authorization code and PKCE, and no secret is stored", async (context) => {
  const { runner, identity } = await deployed(context);
  const page = await open(browser);
  await page.goto(`${runner.base}/desk`);
  await page.getByRole("dialog").waitFor();
  await accessible(page, "the way to the identity provider");
  await picture(page, "sign-in-oauth");
  const popup = await signIn(page);
  await page.locator("#who").getByText("Alice").waitFor();
  await until("the window closes itself", () => popup.isClosed());
  assert.equal(await page.getByRole("dialog").isVisible(), false);

  const [authorization] = identity.seen.authorizations;
  assert.equal(authorization.response_type, "code");
  assert.equal(authorization.code_challenge_method, "S256");
  assert.equal(authorization.redirect_uri, `${runner.base}/desk/signed-in`);
  assert.ok(authorization.state.length >= 43 && authorization.code_challenge.length === 43);
  const [exchange] = identity.seen.exchanges;
  assert.equal(exchange.client_id, "desk");
  assert.ok(!("client_secret" in exchange));
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  for (const secret of [
    "eyJ",
    authorization.state,
    authorization.code_challenge,
    exchange.code,
    exchange.code_verifier,
  ]) {
    assert.ok(!stored.includes(secret), stored);
  }
  faultless(page);
});

test("a forged answer or a rejected sign-in signs nobody in, and the page says so", async (context) => {
  const { runner, identity } = await deployed(context);
  const page = await open(browser);
  await page.goto(`${runner.base}/desk`);
  identity.seen.refuse = true;
  await signIn(page);
  await page.getByRole("alert").getByText("The identity provider did not sign you in.").waitFor();

  // An attacker who lures a person to a link with the attacker's code does not know the state.
  identity.seen.refuse = false;
  identity.seen.state = "a forged state";
  const forged = await signIn(page);
  await until("the window closes itself", () => forged.isClosed());
  assert.deepEqual(identity.seen.exchanges, []);
  assert.equal(await page.getByRole("dialog").isVisible(), true);

  identity.seen.state = undefined;
  await signIn(page);
  await page.locator("#who").getByText("Alice").waitFor();
  faultless(page);
});
