// The inspector. Everything in a callback is hostile: it becomes text (`append`, `textContent`), never markup.

import { layOut, visible } from "./json.js";

const MAX_CALLBACKS = 500;
const SEARCH_DELAY_MS = 200;
const NOTICE_MS = 4000;

const KINDS = {
  kyc: "KYC",
  "accounts-detail": "Accounts detail",
  investments: "Investments",
  pay: "Pay",
  "upload-fraud": "Upload fraud",
  unclassified: "Unclassified",
};
const ENCODINGS = {
  raw: "raw: over the exact bytes",
  ascii: "ascii: over the ASCII encoding",
  pay: "pay: the Flinks Pay scheme",
};
const STORED = {
  inline: "on its queue, unchanged",
  "claim-check": "in the bucket, with a claim check on its queue",
  undelivered: "only in the bucket, because its queue did not accept it",
};

const byId = (id) => document.getElementById(id);

/// Makes an element with children (elements and text). The properties may include `class` and `aria-…`/`data-…`
/// attributes.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "class" || name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const state = {
  /// By number: { summary, item }. In the order of arrival.
  callbacks: new Map(),
  /// The numbers of the callbacks whose body contains the search text. null without a search.
  found: null,
  query: "",
  /// A kind's label, "rejected", or "" for all.
  only: "",
  chosen: null,
};

// --- Callbacks that arrive

function listen() {
  const live = new EventSource("/inspector/live");
  live.addEventListener("start", (event) => {
    const start = JSON.parse(event.data);
    byId("webhook").textContent = `${location.origin}${start.path}`;
    showSamples(start.samples);
    byId("callbacks").replaceChildren();
    state.callbacks.clear();
    arrived(start);
    connection("live", "live");
    chooseFromAddress();
  });
  live.addEventListener("callbacks", (event) => arrived(JSON.parse(event.data)));
  live.addEventListener("error", () => connection("lost", "not connected: is cargo dev up running?"));
}

function connection(name, text) {
  const badge = byId("connection");
  badge.dataset.state = name;
  badge.textContent = text;
}

function arrived({ callbacks, totals }) {
  const fresh = document.createDocumentFragment();
  for (const summary of callbacks) {
    const item = listItem(summary);
    state.callbacks.set(summary.number, { summary, item });
    fresh.prepend(item);
  }
  byId("callbacks").prepend(fresh);
  for (const [number, { item }] of state.callbacks) {
    if (state.callbacks.size <= MAX_CALLBACKS) break;
    item.remove();
    state.callbacks.delete(number);
  }
  const { received, stored, rejected } = totals;
  const shown = received > state.callbacks.size ? ` (the last ${state.callbacks.size} shown)` : "";
  byId("totals").textContent = received ? `${received} received: ${stored} stored, ${rejected} rejected${shown}` : "";
  showKinds();
  if (state.query && callbacks.length) searchSoon();
  filter();
}

// --- The list

const title = ({ kind, storedAs, status }) => (storedAs ? KINDS[kind] : status >= 500 ? "Not stored" : "Rejected");
const timeOf = (summary) => new Date(summary.time).toLocaleTimeString([], { hour12: false });
const category = (summary) => summary.storedAs ? summary.kind : "rejected";

function sizeOf(bytes) {
  const units = ["B", "kB", "MB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

function listItem(summary) {
  const { number, status, signatureForm, bytes, queue, reason } = summary;
  const button = make(
    "button",
    { type: "button", class: "callback", tabIndex: -1, "data-number": number, "data-kind": category(summary) },
    make("span", { class: "dot", "aria-hidden": "true" }),
    make("span", { class: "name" }, title(summary)),
    statusOf(status),
    make("span", { class: "where" }, [queue ?? reason, sizeOf(bytes), signatureForm].filter(Boolean).join(" \u00b7 ")),
    make("time", { dateTime: summary.time, title: summary.time }, timeOf(summary)),
  );
  button.addEventListener("click", () => {
    if (location.hash === `#${number}`) choose(number);
    else location.hash = number;
  });
  return make("li", {}, button);
}

function statusOf(status) {
  const good = status === 200 ? "good" : status >= 500 ? "bad" : "rejected";
  return make("span", { class: `status ${good}` }, String(status));
}

function showKinds() {
  const counts = new Map();
  for (const { summary } of state.callbacks.values()) {
    counts.set(category(summary), (counts.get(category(summary)) ?? 0) + 1);
  }
  const choices = [["", "All", state.callbacks.size]];
  for (const [kind, name] of [...Object.entries(KINDS), ["rejected", "Rejected"]]) {
    if (counts.has(kind) || state.only === kind) choices.push([kind, name, counts.get(kind) ?? 0]);
  }
  const focused = document.activeElement?.dataset?.only;
  byId("kinds").replaceChildren(
    ...choices.map(([only, name, count]) => {
      const pressed = String(state.only === only);
      const chip = make("button", { type: "button", class: "chip", "aria-pressed": pressed, "data-only": only },
        `${name} `, make("span", { class: "count" }, String(count)));
      chip.addEventListener("click", () => {
        state.only = only;
        showKinds();
        filter();
      });
      return chip;
    }),
  );
  if (focused !== undefined) byId("kinds").querySelector(`[data-only="${CSS.escape(focused)}"]`)?.focus();
}

function filter() {
  let shown = 0;
  const query = state.query.toLowerCase();
  for (const [number, { summary, item }] of state.callbacks) {
    const ofKind = !state.only || category(summary) === state.only;
    const matches = !query || state.found?.has(number) || summaryText(summary).includes(query);
    item.hidden = !(ofKind && matches);
    if (!item.hidden) shown += 1;
  }
  byId("empty").hidden = state.callbacks.size > 0;
  byId("none-match").hidden = shown > 0 || state.callbacks.size === 0;
  oneTabStop();
}

function summaryText(summary) {
  const { status, queue, reason, deliveryId, signatureForm, storedAs, gatewayRequestId } = summary;
  const parts = [title(summary), status, queue, reason, deliveryId, signatureForm, storedAs, gatewayRequestId];
  return parts.filter(Boolean).join(" ").toLowerCase();
}

let searching = 0;

function searchSoon() {
  clearTimeout(searching);
  searching = setTimeout(search, SEARCH_DELAY_MS);
}

async function search() {
  const query = state.query;
  let found = null;
  if (query) {
    const response = await fetch(`/inspector/search?${new URLSearchParams({ text: query })}`).catch(() => null);
    found = new Set(response?.ok ? (await response.json()).numbers : []);
  }
  // Another search may have begun in the meantime.
  if (query === state.query) {
    state.found = found;
    filter();
  }
}

const shownButtons = () => [...byId("callbacks").querySelectorAll("li:not([hidden]) > button")];

/// The Tab key stops once in the list. The arrow keys move within it.
function oneTabStop() {
  const buttons = shownButtons();
  const stop = buttons.find((button) => button.getAttribute("aria-current")) ?? buttons[0];
  for (const button of byId("callbacks").querySelectorAll("button[tabindex='0']")) button.tabIndex = -1;
  if (stop) stop.tabIndex = 0;
}

// --- One callback

function chooseFromAddress() {
  const number = Number.parseInt(location.hash.slice(1), 10);
  choose(Number.isNaN(number) ? null : number);
}

async function choose(number) {
  state.chosen = number;
  for (const { summary, item } of state.callbacks.values()) {
    const button = item.firstElementChild;
    if (summary.number === number) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  oneTabStop();
  document.body.classList.toggle("one", number !== null);
  if (number === null) {
    byId("detail").replaceChildren(make("p", { class: "empty" }, "Select a callback to see its attributes and body."));
    return;
  }
  const response = await fetch(`/inspector/callbacks/${number}`).catch(() => null);
  const detail = response?.ok ? await response.json() : null;
  if (state.chosen !== number) return;
  byId("detail").replaceChildren(
    backButton(),
    ...(detail ? detailOf(detail) : [make("p", { class: "empty" }, `Callback ${number} is no longer kept.`)]),
  );
  byId("detail").scrollTop = 0;
  if (matchMedia("(max-width: 52rem)").matches) {
    scrollTo(0, 0);
    byId("detail").querySelector("h2")?.focus();
  }
}

function backButton() {
  const back = make("button", { type: "button", class: "quiet back" }, "\u2190 All callbacks");
  back.addEventListener("click", toList);
  return back;
}

function toList() {
  const previous = state.chosen;
  history.pushState(null, "", location.pathname);
  choose(null);
  state.callbacks.get(previous)?.item.firstElementChild.focus();
}

function detailOf(detail) {
  const again = make("button", { type: "button", id: "again", disabled: detail.bytes > 0 && detail.body.shown === 0 }, "Send again");
  again.addEventListener("click", () => post(`/inspector/callbacks/${detail.number}/again`, `Callback ${detail.number} sent again`));
  return [
    make("header", { class: "head" },
      make("h2", { tabIndex: -1 }, title(detail), " ", make("span", { class: "ordinal" }, `no. ${detail.number}`)),
      statusOf(detail.status),
      again,
    ),
    detail.reason && make("div", { class: "why", id: "why" },
      make("strong", {}, `${title(detail)}: ${detail.reason}`),
      make("p", {}, detail.explanation)),
    failuresOf(detail.awsFailures),
    factsOf(detail),
    section("Attributes", attributesOf(detail)),
    make("details", { class: "section" },
      make("summary", {}, `Headers as the function sees them (${detail.headers.length})`),
      table(["Header", "Value"], headersOf(detail.headers))),
    bodyOf(detail),
  ].filter(Boolean);
}

function headersOf(headers) {
  const joined = new Map();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    joined.set(key, joined.has(key) ? `${joined.get(key)},${value}` : value);
  }
  return [...joined].sort(([a], [b]) => (a < b ? -1 : 1));
}

function failuresOf(failures) {
  if (!failures.length) return null;
  const lines = failures.map((failure) => {
    const reason = typeof failure.reason === "string" ? failure.reason : Object.values(failure.reason).join();
    return make("li", {}, [failure.operation, reason, failure.code, failure.status].filter(Boolean).join(" \u00b7 "));
  });
  return make("div", { class: "why" }, make("strong", {}, "Failed AWS calls"), make("ul", {}, ...lines));
}

function factsOf(detail) {
  const facts = [
    ["Received", `${new Date(detail.time).toLocaleString([], { hour12: false })}`],
    ["Queue", detail.queue ?? "none"],
    ["Stored", STORED[detail.storedAs] ?? "nowhere"],
    ["Signature", ENCODINGS[detail.signatureForm] ?? "not verified"],
    ["Size", `${detail.bytes.toLocaleString("en")} bytes`],
    ["Response time", `${detail.milliseconds} ms`],
  ];
  return make("dl", { class: "facts" },
    ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function attributesOf({ attributes, groupId, storedAs }) {
  if (!attributes) {
    const why = storedAs
      ? "The page cannot show them, because the signing key has changed since."
      : "None, because the receiver made no message.";
    return make("p", { class: "note" }, why);
  }
  const rows = attributes.map(({ name, type, value }) => [name, type, value]);
  if (groupId) rows.push(["MessageGroupId", "", groupId]);
  return table(["Name", "Type", "Value"], rows);
}

function section(name, content) {
  return make("section", { class: "section" }, make("h3", {}, name), content);
}

/// A table. The only column between the first and the last one is the type.
function table(names, rows) {
  return make("div", { class: "table" }, make("table", {},
    make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.map(([name, ...values]) => make("tr", {},
      make("th", { scope: "row" }, name),
      ...values.map((value, i) => make("td", { class: i < values.length - 1 ? "type" : null }, visible(value))))))));
}

// --- The callback's body

function bodyOf(detail) {
  const { bytes, body } = detail;
  const head = make("div", { class: "body-head" }, make("h3", {}, "Body"));
  const content = make("pre", { class: "body", tabIndex: 0, id: "body", "aria-label": "Body of the callback" });
  if (bytes === 0 || body.shown === 0) {
    const text = bytes === 0 ? "Empty." : "Not kept, because it is larger than API Gateway's limit.";
    return make("section", { class: "section" }, head, make("p", { class: "note" }, text));
  }
  const notes = [];
  if (body.shown < bytes) notes.push(`Only the first ${body.shown.toLocaleString("en")} bytes.`);
  let lines;
  let laidOut = null;
  if (body.text === undefined) {
    notes.push("The body is not UTF-8 text, so it is shown in hexadecimal.");
    lines = (body.hex.match(/.{1,32}/g) ?? []).map((line) => [["", line.replace(/(..)/g, "$1 ")]]);
  } else {
    lines = body.text.split("\n").map((line) => [["", line]]);
    laidOut = layOut(body.text, body.shown < bytes);
    if (!laidOut) notes.push("The body is not JSON, so it is shown as received.");
  }

  const search = make("input", { type: "search", id: "body-search", placeholder: "Search this body", autocomplete: "off", spellcheck: false });
  const onlyMatches = make("input", { type: "checkbox" });
  const count = make("span", { class: "matches", role: "status", id: "matches" });
  const show = () => {
    const shown = laidOut && layout.getAttribute("aria-pressed") === "true" ? laidOut : lines;
    const matches = showLines(content, shown, search.value, onlyMatches.checked);
    count.textContent = search.value ? `${matches} ${matches === 1 ? "match" : "matches"}` : "";
    content.querySelector("mark")?.scrollIntoView({ block: "nearest" });
  };
  const layout = make("button", { type: "button", class: "quiet", "aria-pressed": "true", hidden: !laidOut }, "Formatted");
  layout.addEventListener("click", () => {
    layout.setAttribute("aria-pressed", String(layout.getAttribute("aria-pressed") !== "true"));
    show();
  });
  const copy = make("button", { type: "button", class: "quiet", hidden: body.text === undefined }, "Copy");
  copy.addEventListener("click", () => copyText(body.text, "Body copied as received"));
  let soon = 0;
  search.addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(show, SEARCH_DELAY_MS);
  });
  onlyMatches.addEventListener("change", show);

  head.append(
    make("label", { class: "field" }, make("span", { class: "hidden-label" }, "Search this body"), search),
    make("label", { class: "check" }, onlyMatches, "only matching lines"),
    count,
    make("span", { class: "spring" }),
    layout,
    copy,
  );
  // Continue the search that found this callback.
  if (state.query && state.found?.has(detail.number)) search.value = state.query;
  show();
  return make("section", { class: "section" }, head,
    notes.length ? make("p", { class: "note" }, notes.join(" ")) : null, content);
}

/// Shows the lines and marks the matches. Returns the number of matches.
function showLines(content, lines, query, onlyMatches) {
  let matches = 0;
  const all = document.createDocumentFragment();
  for (const line of lines) {
    const ranges = rangesOf(line.map(([, text]) => text).join(""), query);
    matches += ranges.length;
    if (onlyMatches && query && !ranges.length) continue;
    all.append(lineOf(line, ranges));
  }
  content.replaceChildren(all);
  return matches;
}

function rangesOf(text, query) {
  const ranges = [];
  if (!query) return ranges;
  // A few letters change their length with their case. A text with one of them is searched case-sensitively.
  const fold = (value) => (value.toLowerCase().length === value.length ? value.toLowerCase() : value);
  const [where, what] = [fold(text), fold(query)];
  for (let at = where.indexOf(what); at >= 0; at = where.indexOf(what, at + what.length)) {
    ranges.push([at, at + what.length]);
  }
  return ranges;
}

function lineOf(line, ranges) {
  const element = make("div", { class: "line" });
  let at = 0;
  for (const [name, text] of line) {
    const token = make("span", name ? { class: name } : {});
    let done = 0;
    for (const [from, to] of ranges) {
      const [start, end] = [Math.max(from - at, done), Math.min(to - at, text.length)];
      if (start >= end) continue;
      token.append(visible(text.slice(done, start)), make("mark", {}, visible(text.slice(start, end))));
      done = end;
    }
    token.append(visible(text.slice(done)));
    element.append(token);
    at += text.length;
  }
  return element;
}

// --- Actions

function showSamples(samples) {
  byId("samples").replaceChildren(
    ...samples.map(({ name, label }) => {
      const button = make("button", { type: "button", class: "sample", "data-sample": name }, label);
      button.addEventListener("click", () => post(`/inspector/samples/${name}`, `${label} sent`));
      return button;
    }),
  );
}

async function post(address, done) {
  const response = await fetch(address, { method: "POST" }).catch(() => null);
  if (!response?.ok) {
    notice(response ? await response.text() : "No response: is cargo dev up running?");
    return;
  }
  const { status, number } = await response.json();
  notice(`${done}: status ${status}${number === null ? "" : `, no. ${number}`}`);
}

let noticed = 0;

function notice(text) {
  const toast = byId("notice");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(noticed);
  noticed = setTimeout(() => (toast.hidden = true), NOTICE_MS);
}

async function copyText(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    notice(done);
  } catch {
    notice("The browser did not allow the page to copy.");
  }
}

byId("copy-webhook").addEventListener("click", () => copyText(byId("webhook").textContent, "URL copied"));
byId("search").addEventListener("input", (event) => {
  state.query = event.target.value.trim();
  searchSoon();
});
addEventListener("hashchange", chooseFromAddress);
addEventListener("popstate", chooseFromAddress);
addEventListener("keydown", (event) => {
  const typing = event.target.matches("input");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    byId("search").focus();
  } else if (event.key === "Escape" && !typing && state.chosen !== null) {
    toList();
  }
});
byId("callbacks").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = shownButtons();
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
});

listen();
