// The organiser's pages: times in the visitor's zone, parts that are updated, links to copy.

function localTimes(root) {
  const parts = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  const thisYear = new Intl.DateTimeFormat(undefined, parts);
  const anyYear = new Intl.DateTimeFormat(undefined, { ...parts, year: "numeric" });
  const year = new Date().getFullYear();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.textContent = (at.getFullYear() === year ? thisYear : anyYear).format(at);
    time.title = time.dateTime;
  }
}

// Nodes are updated in place, so that clicks, focus, open details and scrolling survive an update.
// Nodes with an id are matched by it wherever they move.
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  const preserved = old.nodeName === "DETAILS" ? ["open"] : [];
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !preserved.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const target = [...fresh.childNodes];
  for (const [i, next] of target.entries()) {
    const here = old.childNodes[i];
    const moved = next.id && [...old.children].find((child) => child.id === next.id);
    if (moved) {
      if (moved !== here) old.insertBefore(moved, here);
      morph(moved, next);
    } else if (here && !here.id && !next.id && here.nodeName === next.nodeName) {
      morph(here, next);
    } else {
      old.insertBefore(next, here ?? null);
    }
  }
  while (old.childNodes.length > target.length) old.lastChild.remove();
}

function replacePart(part, html) {
  if (part.dataset.last === html) return;
  part.dataset.last = html;
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  localTimes(fresh);
  morphChildren(part, fresh);
}

function keepLive(part) {
  const every = 1000 * Number(part.dataset.every);
  const state = document.getElementById("live-state");
  let wait = every;
  let lost = false;
  const announce = (text) => { if (state && state.textContent !== text) state.textContent = text; };

  async function look() {
    if (document.visibilityState !== "visible") return;
    const began = performance.now();
    try {
      const reply = await fetch(part.dataset.live, { signal: AbortSignal.timeout(20000) });
      if (reply.status === 401) { location.reload(); return; }
      if (!reply.ok) throw new Error(String(reply.status));
      replacePart(part, await reply.text());
      // A server that is busy with listeners is asked less often.
      wait = Math.max(every, 10 * (performance.now() - began));
      if (lost) announce("The connection is back.");
      lost = false;
    } catch {
      wait = Math.min(2 * wait, 60000);
      lost = true;
      announce("No connection to the server: trying again.");
    }
  }

  async function go() {
    await look();
    setTimeout(go, wait);
  }
  setTimeout(go, wait);
  document.addEventListener("visibilitychange", look);
}

function newLinks(table) {
  const status = document.getElementById("links-said");
  const links = [...table.tBodies[0].rows].map((row) => {
    const link = row.querySelector("a");
    link.textContent = link.href;
    return [row.cells[0].textContent.trim(), link.href];
  });
  document.getElementById("copy-links").addEventListener("click", async () => {
    const text = links.map(([, link]) => link).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = `Copied ${links.length} links, one a line.`;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(table.tBodies[0]);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      status.textContent = "The browser does not let a page copy here: the links are selected, copy them by hand.";
    }
  });
  const save = document.getElementById("save-links");
  save.addEventListener("click", () => {
    const lines = [["code", "link"], ...links].map((row) => row.join(",")).join("\r\n");
    const file = URL.createObjectURL(new Blob([`${lines}\r\n`], { type: "text/csv" }));
    const anchor = document.createElement("a");
    anchor.href = file;
    anchor.download = save.dataset.name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(file), 10000);
    status.textContent = `Saved as ${save.dataset.name}.`;
  });
}

// The folder's name is a good first name for a condition; ground truth is the usual reference.
function newStudy(form) {
  for (const select of form.querySelectorAll("select[data-names]")) {
    const name = form.elements[select.dataset.names];
    const chosen = () => {
      if (!select.value || (name.value && name.dataset.made !== name.value)) return;
      const last = select.value.split("/").pop() || "";
      name.value = last.toLowerCase().replace(/[^a-z0-9_-]+/g, "_").replace(/^[_-]+|[_-]+$/g, "").slice(0, 40);
      name.dataset.made = name.value;
      if (name.value === "ground_truth") {
        const own = name.id.replace("condition", "");
        form.querySelector(`input[name="reference"][value="${own}"]`).checked = true;
      }
    };
    select.addEventListener("change", chosen);
    chosen(); // a folder may be chosen before this script has come
  }
}

localTimes(document);
for (const part of document.querySelectorAll("[data-live]")) keepLive(part);
const table = document.getElementById("new-links");
if (table) newLinks(table);
const form = document.getElementById("new-study");
if (form) newStudy(form);
