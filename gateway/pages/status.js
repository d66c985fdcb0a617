"use strict";
// Renews what has changed on a page of the gateway, and nothing else: selected text, focus and typed words stay.
(() => {
  const body = document.body;
  const connection = document.getElementById("connection");
  const held = new Map(); // fragments whose selected text could not be renewed yet, by id
  document.documentElement.classList.add("js");

  // Times in the reader's own zone, with how long ago. UTC stays on hover.

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
  const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

  function ago(seconds) {
    for (const [size, unit] of [[86400, "days"], [3600, "h"], [60, "min"]]) {
      if (seconds >= 2 * size) return `${Math.round(seconds / size)} ${unit} ago`;
    }
    return seconds < 5 ? "just now" : `${Math.round(seconds)} s ago`;
  }

  function writeTimes() {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      const date = now - at > 72000000 ? `${day.format(at)}, ` : "";
      write(time, `${date}${clock.format(at)} (${ago((now - at) / 1000)})`);
    }
    for (const text of document.querySelectorAll("text[data-time]")) {
      const at = new Date(text.dataset.time);
      write(text, (text.dataset.span === "days" ? day : short).format(at));
    }
  }

  function write(element, words) {
    if (element.textContent !== words && !isSelected(element)) element.textContent = words;
  }

  // Replacing what changed.

  function isSelected(node) {
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed && selection.containsNode(node, true);
  }

  let skipped = false;

  function renew(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) return replace(from, to);
    if (from.nodeType === Node.TEXT_NODE) {
      if (from.nodeValue === to.nodeValue) return;
      if (isSelected(from)) skipped = true;
      else from.nodeValue = to.nodeValue;
      return;
    }
    if (from.nodeName === "TIME" && from.dateTime === to.dateTime) return;
    if (from.dataset && from.dataset.time !== undefined && from.dataset.time === to.dataset.time) return renewAttributes(from, to);
    renewAttributes(from, to);
    renewChildren(from, to);
  }

  function replace(from, to) {
    if (isSelected(from)) skipped = true;
    else from.replaceWith(document.importNode(to, true));
  }

  function renewAttributes(from, to) {
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && name !== "open") from.removeAttribute(name);
    for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }

  function renewChildren(from, to) {
    if (isSelected(from) && isBuiltOtherwise(from, to)) { // a selection would grow or shrink with it
      skipped = true;
      return;
    }
    let at = from.firstChild;
    for (const wanted of to.childNodes) {
      const match = matching(from, at, wanted);
      if (match === null) {
        from.insertBefore(document.importNode(wanted, true), at);
        continue;
      }
      if (match !== at) from.insertBefore(match, at);
      const next = match.nextSibling;
      renew(match, wanted);
      at = next;
    }
    while (at !== null) {
      const next = at.nextSibling;
      if (isSelected(at)) skipped = true;
      else at.remove();
      at = next;
    }
  }

  function isBuiltOtherwise(from, to) {
    const [there, wanted] = [[...from.childNodes], [...to.childNodes]];
    return there.length !== wanted.length || there.some((child, place) => child.nodeName !== wanted[place].nodeName);
  }

  function matching(from, at, wanted) {
    if (wanted.id) return [...from.children].find((child) => child.id === wanted.id) ?? null;
    return at !== null && !at.id && at.nodeName === wanted.nodeName ? at : null;
  }

  function parsed(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  }

  function renewFragment(id, html) {
    const from = document.getElementById(id);
    if (from === null) return;
    const before = id === "actions" ? epoch(from) : null;
    skipped = false;
    renew(from, parsed(html));
    if (skipped) held.set(id, html);
    else held.delete(id);
    if (before !== null && before !== epoch(from)) unsure(from);
  }

  function renewList(id, items, live) {
    const list = document.getElementById(id);
    if (list === null) return;
    for (const [place, item] of items.entries()) {
      let element = document.getElementById(item);
      if (element === null && live[item] !== undefined) element = document.importNode(parsed(live[item]), true);
      if (element !== null && list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
    }
    while (list.children.length > items.length) list.lastElementChild.remove();
  }

  function show(page) {
    for (const [id, html] of Object.entries(page.live)) renewFragment(id, html);
    for (const [id, items] of Object.entries(page.lists)) renewList(id, items, page.live);
    document.title = page.title;
    const icon = document.getElementById("icon");
    const address = `${body.dataset.icons}${page.level}.svg`;
    if (icon.getAttribute("href") !== address) icon.setAttribute("href", address);
    writeTimes();
    filter();
  }

  document.addEventListener("selectionchange", () => {
    if (held.size && document.getSelection().isCollapsed) {
      for (const [id, html] of [...held]) renewFragment(id, html);
      writeTimes();
    }
  });

  // The stream of events.

  let state = body.dataset.state;

  function listen() {
    const address = body.dataset.events;
    const source = new EventSource(`${address}${address.includes("?") ? "&" : "?"}state=${state}`);
    source.addEventListener("open", () => say("Live"));
    source.addEventListener("page", (event) => {
      state = event.lastEventId;
      show(JSON.parse(event.data));
      say("Live");
    });
    source.addEventListener("error", () => {
      say("Not live: the gateway does not answer. Trying again.");
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
  }

  function say(words) {
    connection.dataset.live = words === "Live";
    if (connection.textContent !== words) connection.textContent = words;
  }

  // Filter, copies, and actions.

  const words = document.getElementById("filter");

  function filter() {
    if (words === null) return;
    const wanted = words.value.toLowerCase();
    for (const row of document.querySelectorAll("#agents > li")) row.hidden = !row.dataset.name.includes(wanted);
  }

  words?.addEventListener("input", filter);

  document.addEventListener("click", async (event) => {
    if (!event.target.matches(".copy")) return;
    await navigator.clipboard.writeText(event.target.parentElement.querySelector("code").textContent);
    event.target.textContent = "Copied";
    setTimeout(() => { event.target.textContent = "Copy"; }, 2000);
  });

  function epoch(section) {
    return section.querySelector("input[name=epoch]")?.value ?? "";
  }

  function unsure(section) {
    const sure = section.querySelector("input[name=sure]");
    if (sure?.checked) {
      sure.checked = false;
      tell("The rollout has just changed. Look again before you act.", "refusal");
    }
  }

  function tell(sentence, kind) {
    const said = document.getElementById("said");
    said.className = kind;
    said.textContent = sentence;
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.id !== "act") return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      // The token goes as a header, from the field alone; without it a browser's own login is left out of it, too.
      const headers = { accept: "application/json", authorization: `Bearer ${document.getElementById("token").value}` };
      const fields = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.action, { method: "POST", headers, body: fields, credentials: "omit" });
      const told = await answer.json();
      tell(answer.ok ? told.done : told.error.message, answer.ok ? "done" : "refusal");
      if (answer.ok) for (const name of ["sure", "verb"]) for (const each of form.querySelectorAll(`[name=${name}]`)) each.checked = false;
      if (answer.ok) form.elements.reason.value = "";
    } catch {
      tell("The gateway does not answer. Look at the status before you repeat it.", "refusal");
    }
    button.disabled = false;
  });

  writeTimes();
  filter();
  setInterval(writeTimes, 5000);
  if (body.dataset.events) listen();
})();
