"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const list = $("list"), canvas = $("overview"), narrow = matchMedia("(max-width: 760px)");
const FOLD_MS = 1000; // a longer time without messages is folded
const FOLD_SHARE = 0.04; // width of a folded time, of the rest
const GLYPH = { call: "", received: "⟵ ", sent: "→ ", other: "· " };
// Control characters and those that change the direction of text are shown, not obeyed.
const visible = (text) => String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
  (one) => "\\u" + one.codePointAt(0).toString(16).padStart(4, "0"));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const bytes = (v) => (v >= 1e6 ? (v / 1e6).toFixed(1) + " MB" : v >= 1e3 ? (v / 1e3).toFixed(1) + " kB" : v + " B");
const isBad = (row) => row.error != null || (row.kind === "call" && row.took == null);
let run, rows, from, to, scale, picked = -1, drag = null;

function ms(v) {
  if (v == null) return "–";
  if (v < 1000) return v.toFixed(v < 10 ? 2 : 0) + " ms";
  const s = v / 1000;
  return s < 60 ? s.toFixed(2) + " s" : s < 3600 ? Math.floor(s / 60) + " min " + Math.round(s % 60) + " s" : (s / 3600).toFixed(1) + " h";
}
function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text != null) made.textContent = visible(text);
  if (className) made.className = className;
  return made;
}

/** Maps times to places from 0 to 1, in which long times without messages have little width. */
function scaleOf(all) {
  const times = [0, ...all.flatMap((row) => (row.took == null ? [row.t] : [row.t, row.t + row.took]))].sort((a, b) => a - b);
  const gaps = times.slice(1).map((t, i) => [times[i], t]).filter(([a, b]) => b - a > FOLD_MS);
  const end = times[times.length - 1], idle = gaps.reduce((sum, [a, b]) => sum + b - a, 0), busy = Math.max(end - idle, 1);
  const parts = [], width = busy * FOLD_SHARE;
  let t = 0, x = 0;
  for (const [a, b] of [...gaps, [Math.max(end, 1), null]]) {
    parts.push({ t0: t, t1: a, x0: x, x1: (x += Math.max(a - t, 0)), isFold: false });
    if (b != null) parts.push({ t0: a, t1: b, x0: x, x1: (x += width), isFold: true });
    t = b;
  }
  for (const part of parts) { part.x0 /= x; part.x1 /= x; }
  const at = (list, v, a, b, c, d) => {
    const part = list.find((one) => v <= one[b]) ?? list[list.length - 1];
    const length = part[b] - part[a];
    return length > 0 ? part[c] + (Math.min(Math.max(v, part[a]), part[b]) - part[a]) / length * (part[d] - part[c]) : part[c];
  };
  return { parts, end: Math.max(end, 1), x: (v) => at(parts, v, "t0", "t1", "x0", "x1"), t: (v) => at(parts, v, "x0", "x1", "t0", "t1") };
}
const place = (t) => { const a = scale.x(from), b = scale.x(to); return b > a ? (scale.x(t) - a) / (b - a) * 100 : 0; };

function open(index) {
  run = data.runs[index]; scale = scaleOf(run.rows); from = 0; to = scale.end; close();
  const calls = run.rows.filter((r) => r.kind === "call"), took = calls.map((r) => r.took).filter((v) => v != null).sort((a, b) => a - b);
  const quantile = (p) => (took.length ? ms(took[Math.min(took.length - 1, Math.floor(took.length * p))]) : "–");
  const facts = [["calls", calls.length.toLocaleString()], ["notifications", run.rows.filter((r) => r.kind === "received").length.toLocaleString()],
    ["errors", run.rows.filter(isBad).length.toLocaleString()], ["median", quantile(0.5)], ["95 %", quantile(0.95)], ["longest", quantile(1)],
    ["recorded", bytes(run.bytes)], ["duration", ms(scale.end)], ["idle, folded", ms(scale.parts.reduce((sum, p) => sum + (p.isFold ? p.t1 - p.t0 : 0), 0))]];
  $("about").textContent = visible([run.header.server, run.header.started_at].filter(Boolean).join(" · "));
  $("tiles").replaceChildren(...facts.map(([name, value]) => { const div = element("div"); div.append(element("dt", name), element("dd", value)); return div; }));
  $("missing").textContent = run.missing ? `The texts of ${run.missing.toLocaleString()} messages (${bytes(run.missing_bytes)}) are not in this page, and are not searched: search the file for them.` : "";
  filter();
}
function textOf(row) {
  row.text ??= [row.method, "line " + row.line, row.say, row.error, row.request, row.response].filter((one) => one != null).join("\n").toLowerCase();
  return row.text;
}
function filter() {
  const words = $("search").value.trim().toLowerCase(), errors = $("errors").checked, before = rows?.[picked];
  const isShown = { call: $("calls").checked, received: $("notifications").checked, sent: $("notifications").checked, other: $("others").checked };
  rows = run.rows.filter((r) => isShown[r.kind] && (!errors || isBad(r)) && r.t <= to && r.t + (r.took ?? 0) >= from && (!words || textOf(r).includes(words)));
  $("status").textContent = rows.length === run.rows.length ? `${rows.length.toLocaleString()} rows` : `${rows.length.toLocaleString()} of ${run.rows.length.toLocaleString()} rows`;
  $("none").hidden = rows.length > 0; $("whole").hidden = from === 0 && to === scale.end;
  picked = before ? rows.indexOf(before) : -1;
  if (picked < 0) close(); else if (!$("detail").hidden) detail(rows[picked]);
  list.scrollTop = picked < 0 ? 0 : list.scrollTop;
  draw(); axis(); overview();
}
const height = () => (narrow.matches ? 46 : 24);
function draw() {
  for (const old of list.querySelectorAll(".row, .end")) old.remove();
  const end = element("div", null, "end"), first = Math.max(0, Math.floor(list.scrollTop / height()) - 5);
  end.style.cssText = `position:absolute;height:1px;width:1px;top:${rows.length * height()}px`; list.append(end);
  const last = Math.min(rows.length, first + Math.ceil(list.clientHeight / height()) + 10);
  for (let i = first; i < last; i++) list.append(rowElement(rows[i], i));
  if (picked >= first && picked < last) list.setAttribute("aria-activedescendant", "row-" + picked); else list.removeAttribute("aria-activedescendant");
}
function rowElement(r, i) {
  const div = element("div", null, "row" + (isBad(r) ? " error" : ""));
  div.id = "row-" + i; div.style.top = i * height() + "px"; div.setAttribute("role", "option");
  div.setAttribute("aria-selected", i === picked); div.setAttribute("aria-setsize", rows.length); div.setAttribute("aria-posinset", i + 1);
  const took = r.kind !== "call" ? (r.number != null ? "#" + r.number : "") : r.took == null ? "no answer" : ms(r.took) + (r.error ? " ✕" : "");
  div.append(element("span", (r.t / 1000).toFixed(3), "time"), element("span", GLYPH[r.kind] + r.method, "name"), element("span", r.error ? r.error + " " + (r.say ?? "") : r.say, "say"),
    element("span", took, "took"), element("span", bytes(r.size), "size"));
  const track = element("div", null, "track"), bar = element("i", null, (isBad(r) ? "bad" : r.kind) + (r.kind === "call" ? "" : " dot"));
  bar.style.left = place(r.t) + "%";
  if (r.kind === "call") bar.style.width = Math.max(0, place(r.took == null ? to : r.t + r.took) - place(r.t)) + "%";
  track.append(bar); div.append(track);
  div.onclick = () => { pick(i); show(); };
  return div;
}
function pick(i) {
  if (!rows.length) return;
  picked = Math.min(Math.max(i, 0), rows.length - 1);
  const top = picked * height();
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + height() > list.scrollTop + list.clientHeight) list.scrollTop = top + height() - list.clientHeight;
  draw();
  if (!$("detail").hidden) detail(rows[picked]);
}
function show() { if (rows[picked]) { $("detail").hidden = false; detail(rows[picked]); axis(); } }
function close() { $("detail").hidden = true; if (scale) axis(); }

function pretty(text) {
  if (text == null) return "Not in this page; see this line of the file.";
  // Only the space between tokens changes: parsed and written again, long numbers would change.
  let out = "", depth = 0, isText = false;
  const newline = () => "\n" + "  ".repeat(depth);
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (isText) { out += c; if (c === "\\") out += text[++i] ?? ""; else if (c === '"') isText = false; }
    else if (c === '"') { out += c; isText = true; }
    else if ((c === "{" || c === "[") && (text[i + 1] === "}" || text[i + 1] === "]")) out += c + text[++i];
    else if (c === "{" || c === "[") { depth++; out += c + newline(); }
    else if (c === "}" || c === "]") { depth = Math.max(0, depth - 1); out += newline() + c; }
    else if (c === ",") out += c + newline();
    else out += c === ":" ? ": " : c;
  }
  return out;
}
function marked(text) {
  const pre = element("pre"), words = $("search").value.trim().toLowerCase(), lower = text.toLowerCase();
  let at = 0;
  for (let hit, n = 0; words && lower.length === text.length && n < 500 && (hit = lower.indexOf(words, at)) >= 0; n++, at = hit + words.length)
    pre.append(visible(text.slice(at, hit)), element("mark", text.slice(hit, hit + words.length)));
  pre.append(visible(text.slice(at))); return pre;
}
function detail(r) {
  const box = $("detail"), terms = element("dl"), nav = element("nav");
  const button = (text, name, act) => { const made = element("button", text); made.setAttribute("aria-label", name); made.title = name; made.onclick = act; nav.append(made); };
  button("↑", "Previous message", () => pick(picked - 1)); button("↓", "Next message", () => pick(picked + 1)); button("✕", "Close (Escape)", () => { close(); list.focus(); });
  const add = (name, value) => value != null && value !== "" && terms.append(element("dt", name), element("dd", value));
  add("line", r.response_line == null ? r.line : `${r.line}, answered in ${r.response_line}`); add("at", ms(r.t)); add("error", r.error); add("says", r.say);
  if (r.kind === "call") { add("took", r.took == null ? "never answered" : ms(r.took)); add("size", bytes(r.size)); } else add("size", bytes(r.size));
  box.replaceChildren(nav, element("h2", GLYPH[r.kind] + r.method), terms);
  const section = (title, text) => box.append(element("h3", title), marked(pretty(text)));
  section(r.kind === "call" ? "Request" : "Message", r.request);
  if (r.kind === "call" && r.response_line != null) section(r.error ? "Error" : "Response", r.response);
  box.scrollTop = 0;
}
function axis() {
  const track = document.querySelector("#axis .track"), width = track.clientWidth || 1;
  $("axis").style.setProperty("--bar", list.offsetWidth - list.clientWidth + "px");
  const stripes = scale.parts.filter((p) => p.isFold && p.t1 > from && p.t0 < to).map((p) => [Math.max(place(p.t0), 0), Math.min(place(p.t1), 100), p]);
  const stops = stripes.flatMap(([a, b]) => [`transparent ${a}%`, `var(--fold) ${a}%`, `var(--fold) ${b}%`, `transparent ${b}%`]);
  document.documentElement.style.setProperty("--folds", stops.length ? `linear-gradient(to right, ${stops.join(",")})` : "none");
  track.replaceChildren();
  const taken = [];
  const put = (x, text, isFold) => {
    const size = text.length * 6.4 + 8, middle = x / 100 * width;
    const left = Math.min(Math.max(isFold ? middle - size / 2 : middle, 0), Math.max(width - size, 0));
    if ((!isFold && left < middle - 1) || taken.some(([a, b]) => left < b && left + size > a)) return;
    const mark = element("b", text, isFold ? "fold" : ""); mark.style.left = left + "px"; track.append(mark); taken.push([left, left + size]);
  };
  // The longest idle times are named first, then as many moments as there is room for.
  for (const [a, b, part] of stripes.sort((one, other) => other[2].t1 - other[2].t0 - one[2].t1 + one[2].t0)) put((a + b) / 2, "⋯ " + ms(part.t1 - part.t0), true);
  for (const part of scale.parts) {
    const a = Math.max(part.t0, from), b = Math.min(part.t1, to);
    if (b <= a || part.isFold) continue;
    const pixels = Math.max((place(b) - place(a)) / 100 * width, 1), least = (b - a) / pixels * 80, power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((n) => n * power).find((one) => one >= least);
    for (let t = Math.ceil(a / step) * step, n = 0; t <= b && n < 100; t += step, n++) put(place(t), ms(t).replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " "), false);
  }
}
function overview() {
  const width = (canvas.width = canvas.clientWidth * devicePixelRatio), tall = (canvas.height = canvas.clientHeight * devicePixelRatio), g = canvas.getContext("2d");
  const bins = Array.from({ length: Math.max(1, Math.floor(width / 3)) }, () => [0, 0, 0]);
  for (const r of run.rows) bins[Math.min(bins.length - 1, Math.floor(scale.x(r.t) * bins.length))][isBad(r) ? 2 : r.kind === "call" ? 0 : 1]++;
  const most = bins.reduce((max, b) => Math.max(max, b[0] + b[1] + b[2]), 1);
  g.fillStyle = css("--fold");
  for (const part of scale.parts) if (part.isFold) g.fillRect(part.x0 * width, 0, (part.x1 - part.x0) * width, tall);
  const colors = ["--call", "--received", "--bad"].map(css);
  bins.forEach((b, i) => { let y = tall; b.forEach((n, kind) => { const h = Math.max(n / most * tall, 1); if (n) { g.fillStyle = colors[kind]; g.fillRect(i * 3, y - h, 2, h); y -= h; } }); });
  g.fillStyle = css("--dim"); g.globalAlpha = 0.25;
  const [a, b] = drag ? [Math.min(...drag), Math.max(...drag)] : [scale.x(from), scale.x(to)];
  g.fillRect(0, 0, a * width, tall); g.fillRect(b * width, 0, width, tall);
}
function zoom(factor) {
  const middle = scale.x(rows[picked]?.t ?? (from + to) / 2), half = (scale.x(to) - scale.x(from)) * factor / 2;
  from = scale.t(Math.max(0, middle - half)); to = middle + half >= 1 ? scale.end : scale.t(middle + half); filter();
}
const whole = () => { from = 0; to = scale.end; filter(); };
const pointed = (event) => { const box = canvas.getBoundingClientRect(); return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)); };
canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); drag = [pointed(event), pointed(event)]; };
canvas.onpointermove = (event) => { if (drag) { drag[1] = pointed(event); overview(); } };
canvas.onpointercancel = () => { drag = null; overview(); };
canvas.onpointerup = () => { if (!drag) return; const [a, b] = [Math.min(...drag), Math.max(...drag)]; drag = null; if (b - a > 0.005) { from = scale.t(a); to = b >= 1 ? scale.end : scale.t(b); } filter(); };
const KEYS = {
  ArrowDown: () => pick(picked + 1), ArrowUp: () => pick(picked - 1), j: () => pick(picked + 1), k: () => pick(picked - 1),
  PageDown: () => pick(picked + Math.max(1, Math.floor(list.clientHeight / height()) - 1)), PageUp: () => pick(picked - Math.max(1, Math.floor(list.clientHeight / height()) - 1)),
  Home: () => pick(0), End: () => pick(rows.length - 1), Enter: () => { if (picked < 0) pick(0); show(); }, " ": () => { if (picked < 0) pick(0); show(); },
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: whole,
};
addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, select, button");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { if (!$("detail").hidden) close(); list.focus(); }
  else if (event.key === "/" && !isTyping) { event.preventDefault(); $("search").focus(); $("search").select(); }
  else if (event.target === $("search") && (event.key === "ArrowDown" || event.key === "Enter")) { event.preventDefault(); filter(); list.focus(); pick(Math.max(picked, 0)); }
  else if (!isTyping && Object.hasOwn(KEYS, event.key)) { event.preventDefault(); KEYS[event.key](); }
});
let waiting = 0;
$("search").oninput = () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); };
for (const id of ["calls", "notifications", "others", "errors"]) $(id).oninput = filter;
$("whole").onclick = whole;
$("file").textContent = document.title = visible(data.file);
data.runs.forEach((one, i) => $("run").append(new Option(`run ${i + 1} of ${data.runs.length}`, i)));
$("run").hidden = data.runs.length < 2; $("run").onchange = () => open(+$("run").value);
list.onscroll = draw; addEventListener("resize", () => { draw(); axis(); overview(); });
open(0); list.focus();
