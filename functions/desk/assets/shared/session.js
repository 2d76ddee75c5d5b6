// The session of a page: who is signed in, and the access token. Tokens are kept in memory only: a reload needs a new
// token, and nothing that reads storage finds one.
//
// A session is an EventTarget. It dispatches `change` when a person signs in or out, and `needed` when a call waits for
// a person to sign in. The page then shows the dialog, and the call continues after the sign-in.

/**
 * Decodes the claims of a token. They are only displayed and never trusted: the API verifies the token itself.
 * @param {string} token
 * @returns {{ name?: string, sub?: string }}
 */
function claimsOf(token) {
  try {
    const payload = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

/** How long before its expiry a token is no longer used, in milliseconds. */
const MARGIN = 10_000;

/** The part that both kinds of session share: the token, and the calls that wait for one. */
export class Session extends EventTarget {
  /** @type {string | null} */
  #token = null;
  #ends = 0;
  /** @type {((token: string) => void)[]} */
  #waiting = [];
  /** @type {Promise<string | null> | null} */
  #renewing = null;

  /** The name of the signed-in person, or `null`. */
  get name() {
    if (this.#token === null) return null;
    const claims = claimsOf(this.#token);
    return claims.name ?? claims.sub ?? "";
  }

  /** The signed-in person's identifier at the identity provider (`sub`), or `null`. */
  get subject() {
    return this.#token === null ? null : (claimsOf(this.#token).sub ?? "");
  }

  get signedIn() {
    return this.#token !== null;
  }

  /** Whether a call waits for a person to sign in. */
  get needed() {
    return this.#waiting.length > 0;
  }

  /**
   * Returns a token for the API. If there is none, the promise waits until a person has signed in. With `renew`, the
   * API rejected the previous token.
   * @param {{ renew?: boolean }} [options]
   * @returns {Promise<string>}
   */
  async token({ renew = false } = {}) {
    if (!renew && this.#token !== null && Date.now() < this.#ends - MARGIN) return this.#token;
    // If several calls find the token expired, the first one renews it for all of them.
    this.#renewing ??= this.renew().finally(() => {
      this.#renewing = null;
    });
    const renewed = await this.#renewing;
    if (renewed) return renewed;
    const waited = new Promise((resolve) => this.#waiting.push(resolve));
    this.dispatchEvent(new Event("needed"));
    return waited;
  }

  /**
   * Gets a new token without asking the person; returns `null` if that is not possible.
   * @returns {Promise<string | null>}
   */
  async renew() {
    return null;
  }

  /**
   * Stores a token and resumes the calls that wait for one.
   * @param {string} token
   * @param {number} seconds how long the token is valid
   */
  accept(token, seconds) {
    this.#token = token;
    this.#ends = Date.now() + seconds * 1000;
    for (const resolve of this.#waiting.splice(0)) resolve(token);
    this.dispatchEvent(new Event("change"));
    return token;
  }

  signOut() {
    this.#token = null;
    this.dispatchEvent(new Event("change"));
  }
}

/** @typedef {{ sub: string, name: string, role: string, workspace: string }} Person */

/**
 * The people to choose from in the local runner.
 * @type {Person[]}
 */
export const PEOPLE = [
  { sub: "alice", name: "Alice", role: "agent", workspace: "acme" },
  { sub: "ben", name: "Ben", role: "agent", workspace: "acme" },
  { sub: "sam", name: "Sam", role: "supervisor", workspace: "acme" },
];

/** The local runner's sign-in: `/local/token` issues a token for the chosen person. */
export class LocalSession extends Session {
  static #CHOSEN = "chat2pay.local-person";

  /** The person chosen in this tab. The choice is no secret: anybody may sign in as anybody here. */
  get #chosen() {
    const sub = sessionStorage.getItem(LocalSession.#CHOSEN);
    return PEOPLE.find((person) => person.sub === sub);
  }

  /** @param {Person} person */
  async choose(person) {
    sessionStorage.setItem(LocalSession.#CHOSEN, person.sub);
    return this.renew();
  }

  /** @override */
  async renew() {
    const person = this.#chosen;
    if (!person) return null;
    const response = await fetch("/local/token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(person),
    });
    if (!response.ok) throw new Error(`the local runner issued no token: HTTP ${response.status}`);
    const { access_token: token, expires_in: seconds } = await response.json();
    return this.accept(token, seconds);
  }

  /** @override */
  signOut() {
    sessionStorage.removeItem(LocalSession.#CHOSEN);
    super.signOut();
  }
}

/** The BroadcastChannel on which `signed-in.js` passes on the identity provider's answer. */
export const CHANNEL = "chat2pay.signed-in";

/**
 * The identity provider's settings, from the page's `data-sign-in` attribute.
 * @typedef {{ issuer: string, client_id: string, scope: string, token: string }} Settings
 */

/** @typedef {{ issuer: string, authorization_endpoint: string, token_endpoint: string }} Endpoints */

/**
 * A sign-in in progress: from the press of the button until the sign-in succeeds or fails.
 * @typedef {object} Attempt
 * @property {string} state
 * @property {string} verifier
 * @property {(token: string) => void} resolve
 * @property {(error: Error) => void} reject
 */

/**
 * A deployment's sign-in: OAuth 2.0 with an authorization code and PKCE (RFC 6749, RFC 7636). It uses a separate
 * window, so that the text typed in this one is kept. The code comes back over a BroadcastChannel. Only the page that
 * holds the `code_verifier` can use the code. Neither the verifier nor a token is ever stored.
 */
export class OAuthSession extends Session {
  #settings;
  /** @type {Endpoints | null} */
  #endpoints = null;
  /** @type {string | null} */
  #refreshToken = null;
  /** @type {Attempt | null} */
  #attempt = null;

  /** @param {Settings} settings */
  constructor(settings) {
    super();
    this.#settings = settings;
    new BroadcastChannel(CHANNEL).addEventListener("message", ({ data }) => this.#complete(data));
  }

  /**
   * Returns the provider's endpoints (OpenID Connect Discovery).
   * @returns {Promise<Endpoints>}
   */
  async discover() {
    if (this.#endpoints) return this.#endpoints;
    const response = await fetch(`${this.#settings.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    if (!response.ok) throw new Error(`the discovery document cannot be read: HTTP ${response.status}`);
    /** @type {Endpoints} */
    const endpoints = await response.json();
    this.#endpoints = endpoints;
    return endpoints;
  }

  /**
   * Opens the provider's sign-in in a window. Call it from a click handler: otherwise browsers block the window. The
   * promise resolves when the person has signed in, and rejects with a sentence to show if the sign-in fails.
   * @returns {Promise<string>}
   */
  signIn() {
    // The window opens at once and gets its address later: a browser allows a window only directly after a click.
    const popup = window.open("", "chat2pay-sign-in", "popup,width=480,height=680");
    if (!popup) {
      return Promise.reject(new Error("The browser did not allow the sign-in window. Please allow it and try again."));
    }
    return new Promise((resolve, reject) => {
      const attempt = { state: random(), verifier: random(), resolve, reject };
      this.#attempt = attempt;
      this.#authorizationUrl(attempt).then(
        (url) => popup.location.replace(url),
        (error) => {
          popup.close();
          reject(new Error("The identity provider cannot be reached. Please try again.", { cause: error }));
        },
      );
    });
  }

  /** @param {Attempt} attempt */
  async #authorizationUrl({ state, verifier }) {
    const url = new URL((await this.discover()).authorization_endpoint);
    const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const parameters = {
      response_type: "code",
      client_id: this.#settings.client_id,
      redirect_uri: redirectUri(),
      scope: this.#settings.scope,
      state,
      code_challenge: base64url(new Uint8Array(challenge)),
      code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url;
  }

  /** @param {Record<string, string | undefined>} answer */
  async #complete({ state, code, error, iss }) {
    const attempt = this.#attempt;
    // The answer belongs to another tab's sign-in, or somebody forged it.
    if (!attempt || state !== attempt.state) return;
    this.#attempt = null;
    // An answer that names its issuer must name our provider (RFC 9207).
    if (iss && iss !== (await this.discover()).issuer) {
      attempt.reject(new Error("The sign-in answer did not come from your identity provider."));
    } else if (error || !code) {
      attempt.reject(new Error("The identity provider did not sign you in."));
    } else {
      const { verifier } = attempt;
      const parameters = {
        grant_type: "authorization_code",
        code,
        redirect_uri: redirectUri(),
        code_verifier: verifier,
      };
      try {
        attempt.resolve(await this.#exchange(parameters));
      } catch (cause) {
        attempt.reject(new Error("The identity provider did not issue a token. Please try again.", { cause }));
      }
    }
  }

  /** @override */
  async renew() {
    if (!this.#refreshToken) return null;
    const refreshToken = this.#refreshToken;
    this.#refreshToken = null;
    try {
      return await this.#exchange({ grant_type: "refresh_token", refresh_token: refreshToken }, refreshToken);
    } catch (error) {
      // `fetch` throws a TypeError if there was no answer: the refresh token may still be valid. A rejection is final.
      if (error instanceof TypeError) this.#refreshToken = refreshToken;
      return null;
    }
  }

  /**
   * @param {Record<string, string>} parameters
   * @param {string | null} refreshToken
   */
  async #exchange(parameters, refreshToken = null) {
    const body = new URLSearchParams({ client_id: this.#settings.client_id, ...parameters });
    const response = await fetch((await this.discover()).token_endpoint, { method: "POST", body });
    if (!response.ok) throw new Error(`the token endpoint rejected the request: HTTP ${response.status}`);
    const answer = await response.json();
    const token = answer[this.#settings.token];
    if (typeof token !== "string") throw new Error(`the token endpoint's answer has no ${this.#settings.token}`);
    // If the provider sends no new refresh token, the previous one stays valid (RFC 6749, section 6).
    this.#refreshToken = answer.refresh_token ?? refreshToken;
    return this.accept(token, Number(answer.expires_in) || 300);
  }

  /** @override */
  signOut() {
    this.#refreshToken = null;
    super.signOut();
  }
}

function redirectUri() {
  return new URL("/desk/signed-in", location.origin).href;
}

/**
 * Returns 256 random bits as 43 characters: an unguessable `state`, or a `code_verifier` (RFC 7636, section 4.1).
 */
function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  const text = String.fromCodePoint(...bytes);
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Creates the session that the page's `data-sign-in` attribute asks for. */
export function session() {
  const settings = JSON.parse(document.documentElement.dataset.signIn ?? "{}");
  return settings.type === "local" ? new LocalSession() : new OAuthSession(settings);
}
