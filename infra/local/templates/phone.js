// Shows what arrives: looks every second while somebody looks, and loads the page again when there is more.

const shown = Number(document.querySelector("main").dataset.received);
const phone = new URLSearchParams(location.search).get("phone") ?? "";

for (const time of document.querySelectorAll("time")) {
  time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
window.scrollTo(0, document.body.scrollHeight);

async function look() {
  if (document.hidden) return;
  try {
    const response = await fetch(`/local/messages?phone=${encodeURIComponent(phone)}`);
    if (response.ok && (await response.json()).length !== shown) location.reload();
  } catch {
    // The runner has stopped; it may come back.
  }
}

setInterval(look, 1000);
