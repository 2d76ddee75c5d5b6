// Adds a button that copies to every block of commands, and marks in the contents what is being read. The page is whole
// without it. It is no module, because browsers load no module from the reader's own disk; the block keeps its names to
// itself.

{
  const status = document.createElement("p");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  document.body.append(status);

  for (const block of document.querySelectorAll("pre[data-run]")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(`${block.textContent ?? ""}\n`);
        button.textContent = "Copied";
        status.textContent = "The commands are copied.";
      } catch {
        status.textContent = "The browser does not allow copying. Select the commands instead.";
      }
      setTimeout(() => {
        button.textContent = "Copy";
        status.textContent = "";
      }, 2000);
    });
    block.before(button);
  }

  /** @type {Map<string, HTMLAnchorElement>} */
  const entries = new Map();
  for (const link of document.querySelectorAll(".contents a")) {
    if (link instanceof HTMLAnchorElement) entries.set(link.hash.slice(1), link);
  }
  const read = new IntersectionObserver(
    (changes) => {
      const found = changes.find((change) => change.isIntersecting);
      const link = found && entries.get(found.target.id);
      if (!link) return;
      for (const other of entries.values()) other.removeAttribute("aria-current");
      link.setAttribute("aria-current", "location");
      // Only the contents scroll, and only where they stand beside the text.
      const contents = link.closest(".contents");
      if (contents && contents.scrollHeight > contents.clientHeight) {
        const { top, bottom } = link.getBoundingClientRect();
        const frame = contents.getBoundingClientRect();
        if (top < frame.top || bottom > frame.bottom) contents.scrollTop += top - frame.top - frame.height / 2;
      }
    },
    { rootMargin: "0px 0px -75% 0px" },
  );
  for (const heading of document.querySelectorAll("h2[id], h3[id]")) read.observe(heading);

  // A link to a problem opens it.
  function open() {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  }
  addEventListener("hashchange", open);
  open();
}
