// Who is using a page. Tokens are kept in memory alone: a reload asks for a new one, and nothing that reads storage
// finds any.
//
// A session is an EventTarget. It says `change` when somebody signs in or out, and `needed` when a call waits for
// somebody to sign in; the page then shows the way, and the call goes on by itself.

/**
 * Reads the claims of a token, which are shown and never trusted: the API checks the token itself.
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

/** How long before its end a token is no longer used, in milliseconds. */
const MARGIN = 10_000;

export class Session extends EventTarget {
  /** @type {string | null} */
  #token = null;
  #ends = 0;
  /** @type {((token: string) => void)[]} */
  #waiting = [];
  /** @type {Promise<string | null> | null} */
  #renewing = null;

  /** The name of whoever is signed in, or `null`. */
  get name() {
    if (this.#token === null) return null;
    const claims = claimsOf(this.#token);
    return claims.name ?? claims.sub ?? "";
  }

  /** Whoever is signed in, as the identity provider names them (`sub`), or `null`. */
  get subject() {
    return this.#token === null ? null : (claimsOf(this.#token).sub ?? "");
  }

  get signedIn() {
    return this.#token !== null;
  }

  /** Whether something waits for somebody to sign in. */
  get needed() {
    return this.#waiting.length > 0;
  }

  /**
   * Gives a token for the API; the promise holds until somebody has signed in. With `renew`, the last one was refused.
   * @param {{ renew?: boolean }} [options]
   * @returns {Promise<string>}
   */
  async token({ renew = false } = {}) {
    if (!renew && this.#token !== null && Date.now() < this.#ends - MARGIN) return this.#token;
    // Of several calls that find the token too old, the first renews it for all.
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
   * Gets a new token without asking anybody, or `null`.
   * @returns {Promise<string | null>}
   */
  async renew() {
    return null;
  }

  /**
   * Takes a token that holds for so many seconds.
   * @param {string} token
   * @param {number} seconds
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
 * People to choose from on one machine.
 * @type {Person[]}
 */
export const PEOPLE = [
  { sub: "alice", name: "Alice", role: "agent", workspace: "acme" },
  { sub: "ben", name: "Ben", role: "agent", workspace: "acme" },
  { sub: "sam", name: "Sam", role: "supervisor", workspace: "acme" },
];

/** One machine's sign-in: `/local/token` makes a token of whoever is chosen. */
export class LocalSession extends Session {
  static #CHOSEN = "chat2pay.local-person";

  /** Whoever was chosen in this tab. It is no secret: anybody may be anybody here. */
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
    if (!response.ok) throw new Error(`there is no token: ${response.status}`);
    const { access_token: token, expires_in: seconds } = await response.json();
    return this.accept(token, seconds);
  }

  /** @override */
  signOut() {
    sessionStorage.removeItem(LocalSession.#CHOSEN);
    super.signOut();
  }
}

/** The channel on which the page that the identity provider returns to hands on what it was given. */
export const CHANNEL = "chat2pay.signed-in";

/**
 * What the page was told of the identity provider.
 * @typedef {{ issuer: string, client_id: string, scope: string, token: string }} Settings
 */

/** @typedef {{ issuer: string, authorization_endpoint: string, token_endpoint: string }} Endpoints */

/**
 * One press of the button for signing in, until somebody has signed in or it has failed.
 * @typedef {object} Attempt
 * @property {string} state
 * @property {string} verifier
 * @property {(token: string) => void} resolve
 * @property {(error: Error) => void} reject
 */

/**
 * A deployment's sign-in: OAuth 2.0 with an authorization code and PKCE (RFC 6749, RFC 7636), in a window of its own,
 * so that what was typed in this one stays. The code comes back over a BroadcastChannel and only the page that holds
 * the proof (`code_verifier`) can use it; neither the proof nor a token is ever stored.
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
    new BroadcastChannel(CHANNEL).addEventListener("message", ({ data }) => this.#returned(data));
  }

  /**
   * Finds the provider's endpoints (OpenID Connect Discovery).
   * @returns {Promise<Endpoints>}
   */
  async discover() {
    if (this.#endpoints) return this.#endpoints;
    const response = await fetch(`${this.#settings.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    if (!response.ok) throw new Error(`the identity provider does not say where it is: ${response.status}`);
    /** @type {Endpoints} */
    const endpoints = await response.json();
    this.#endpoints = endpoints;
    return endpoints;
  }

  /**
   * Opens the provider's window; call it when a button is pressed, or browsers will not allow it. The promise holds
   * until somebody has signed in there, and fails with a sentence to show if that does not work.
   * @returns {Promise<string>}
   */
  signIn() {
    // Opened at once and sent on its way later: a browser allows a window only straight after a press.
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
  async #returned({ state, code, error, iss }) {
    const attempt = this.#attempt;
    // Another tab's, or somebody else's.
    if (!attempt || state !== attempt.state) return;
    this.#attempt = null;
    // A provider that says who it is has to be ours (RFC 9207).
    if (iss && iss !== (await this.discover()).issuer) {
      attempt.reject(new Error("Somebody else than the identity provider answered."));
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
        attempt.reject(new Error("The identity provider did not give a token. Please try again.", { cause }));
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
      // Without an answer it may still be good; a refusal is final.
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
    if (!response.ok) throw new Error(`the token endpoint refused: ${response.status}`);
    const answer = await response.json();
    const token = answer[this.#settings.token];
    if (typeof token !== "string") throw new Error(`the token endpoint gave no ${this.#settings.token}`);
    // A provider that does not change refresh tokens leaves the last one valid (RFC 6749, section 6).
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

/** Makes 256 random bits: a state nobody guesses, and a `code_verifier` of 43 characters (RFC 7636, section 4.1). */
function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  const text = String.fromCodePoint(...bytes);
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Makes the session that the page was told to use. */
export function session() {
  const settings = JSON.parse(document.documentElement.dataset.signIn ?? "{}");
  return settings.type === "local" ? new LocalSession() : new OAuthSession(settings);
}
