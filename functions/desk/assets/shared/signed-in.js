// The page that the identity provider redirects to. It passes the provider's answer to the page that opened the sign-in
// window: that page alone holds the `code_verifier` and can use the code.

import { CHANNEL } from "./session.js";

const answer = new URLSearchParams(location.search);
// The code in the address must not stay in the browser's history.
history.replaceState(null, "", location.pathname);
new BroadcastChannel(CHANNEL).postMessage(Object.fromEntries(answer));
window.close();
