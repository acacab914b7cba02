"use strict";
/* What the pages can do better with scripts. Without this file they all still work: what needs it is hidden until it
   has run. Nothing here makes HTML out of text. */

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/* Says something to screen readers. */
const live = document.createElement("p");
live.className = "hidden";
live.setAttribute("role", "status");
document.body.append(live);
const say = (text) => {
  live.textContent = "";
  setTimeout(() => { live.textContent = text; }, 50);
};

/* Copying */

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

async function copy(source) {
  const text = source.textContent.trim().replace(/\n\s*/g, "\n");
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // no clipboard over plain HTTP, or it was denied: the old way, and what it leaves selected can be copied by hand
    select(source);
    try { return document.execCommand("copy"); } catch { return false; }
  }
}

for (const button of all("[data-copy]")) {
  const source = button.closest(".copyable")?.querySelector("[data-copied]");
  if (!source) continue;
  const label = button.querySelector("span");
  const before = label.textContent;
  let timer;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(source);
    label.textContent = done ? "Copied" : "Selected";
    button.classList.toggle("is-copied", done);
    say(done ? "Copied" : "Selected. Copy it with the keyboard.");
    clearTimeout(timer);
    timer = setTimeout(() => {
      label.textContent = before;
      button.classList.remove("is-copied");
    }, 2500);
  });
}

/* Moments, in the words of words.py, seen from the server's clock: this machine's may be wrong. */

const UNITS = [["year", 31557600, 2], ["month", 2629800, 4], ["day", 86400, 2], ["hour", 3600, 2], ["minute", 60, 1]];
const skew = document.body.dataset.now ? Date.parse(document.body.dataset.now) - Date.now() : 0;

function relative(seconds) {
  const size = Math.abs(seconds);
  for (const [name, unit, least] of UNITS) {
    const count = size / unit;
    if (count >= least * 0.95 || (name !== "month" && Math.abs(count - 1) <= 0.05)) {
      const whole = Math.round(count);
      const length = `${whole} ${name}${whole === 1 ? "" : "s"}`;
      return seconds > 0 ? `in ${length}` : `${length} ago`;
    }
  }
  return seconds > 0 ? "in a moment" : "just now";
}

function tell() {
  for (const time of all("time[data-when='relative']")) {
    const text = relative((Date.parse(time.dateTime) - Date.now() - skew) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

const DAY = { day: "numeric", month: "long", year: "numeric" };
const MINUTE = { ...DAY, hour: "2-digit", minute: "2-digit" };
const [inDays, inMinutes, exactly] = [DAY, MINUTE, { ...MINUTE, timeZoneName: "short" }].map((how) => {
  const format = new Intl.DateTimeFormat("en-GB", how);
  return (moment, joint = ", ") => format.format(moment).replace(/( at |, )(?=\d\d:)/, joint);
});
const SOON = 48 * 3600000; // as in words.py: a moment so near is said with its time
for (const time of all("time[data-when]")) {
  const moment = Date.parse(time.dateTime);
  time.title = exactly(moment);
  if (time.dataset.when === "exact") time.textContent = time.title;
  if (time.dataset.when === "told") time.textContent = exactly(moment, " at ");
  if (time.dataset.when === "day") {
    time.textContent = (Math.abs(moment - Date.now() - skew) < SOON ? inMinutes : inDays)(moment);
  }
}

/* A day that is chosen ends where the reader is, and its end is said; what was sent without this is read as UTC. */

for (const end of all("input[data-end-of]")) {
  const day = document.getElementById(end.dataset.endOf);
  const hint = document.getElementById(`${day.id}-hint`);
  const said = () => {
    const parts = day.value.match(/^(\d{4})-(\d\d)-(\d\d)$/);
    const moment = parts && new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + 1);
    end.value = moment ? moment.toISOString().replace(".000Z", "Z") : "";
    hint.textContent = moment ? `To its end, ${exactly(moment)}` : "To its end, where you are";
  };
  said();
  day.addEventListener("input", said);
  addEventListener("pageshow", said); // what the browser put back
}

setInterval(tell, 60000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) tell(); });

/* On phones a table is shown as a list; its rows and cells stay that for screen readers. */

for (const table of all(".table")) {
  const roles = { table: [table], rowgroup: [table.tHead, ...table.tBodies], row: [...table.rows],
    columnheader: all("th[scope=col]", table), rowheader: all("th[scope=rowgroup]", table), cell: all("td", table) };
  for (const [role, elements] of Object.entries(roles)) {
    for (const element of elements) element?.setAttribute("role", role);
  }
}

/* Menus close on Escape and when something else is clicked. */

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of all("details.menu[open]")) {
    menu.open = false;
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

/* A form that is under way is not sent again; coming back to the page frees it. */

for (const form of all("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    form.setAttribute("aria-busy", "true");
  });
}
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of all("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});

/* Passwords: how long they are so far, and a look at what was typed */

for (const input of all("input[data-strength]")) {
  const hint = document.getElementById(`${input.id}-strength`);
  const least = Number(input.dataset.strength);
  if (!hint) continue;
  input.addEventListener("input", () => {
    const length = [...input.value].length;
    hint.hidden = length === 0;
    hint.textContent = length >= least ? "Long enough" : `${length} of ${least} characters`;
    hint.classList.toggle("is-enough", length >= least);
  });
}

for (const button of all("[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  if (!input) continue;
  const about = document.createElement("span");
  about.className = "hidden";
  about.textContent = " what was typed";
  const label = document.createElement("span");
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    label.textContent = shown ? "Hide" : "Show";
  };
  button.replaceChildren(label, about);
  button.setAttribute("aria-controls", input.id);
  button.hidden = false;
  show(false);
  button.addEventListener("click", () => show(input.type === "password"));
  input.form?.addEventListener("submit", () => show(false)); // so that browsers keep it as a password
}
