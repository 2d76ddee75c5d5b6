// The page that the identity provider returns to: hands the answer to the page that asked, which alone can use it.

import { CHANNEL } from "./session.js";

const answer = new URLSearchParams(location.search);
// What is in the address must not stay in the history.
history.replaceState(null, "", location.pathname);
new BroadcastChannel(CHANNEL).postMessage(Object.fromEntries(answer));
window.close();
