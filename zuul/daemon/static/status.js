// The status page: asks for status.json again and again, and shows what changed.

import {clock, textOfHtml} from "./format.js";
import {Board} from "./board.js";

const REFRESH_MS = 5000;
const LONGEST_PAUSE_MS = 60000;
const GIVE_UP_MS = 20000;

const byId = (id) => document.getElementById(id);
const board = new Board(byId("pipelines"));
let shown = null;
let live = true;
let pause = REFRESH_MS;
let timer = 0;

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch("status.json", {signal: AbortSignal.timeout(GIVE_UP_MS)});
    if (!answer.ok) {
      throw new Error(`the server answered ${answer.status}`);
    }
    shown = await answer.json();
    pause = REFRESH_MS;
    say("trouble", answer.headers.has("Warning") ? "The scheduler is busy, this is old." : "");
    show();
  } catch (error) {
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    say("trouble", `No news from the server (${error.message}). It is asked again.`);
  }
  if (live && !document.hidden) {
    timer = setTimeout(refresh, pause);
  }
}

function show() {
  const words = byId("filter").value.toLowerCase().split(/\s+|,(?![0-9])/).filter(Boolean);
  const counts = board.show(shown, words);
  const whole = `${counts.all} ${counts.all === 1 ? "change" : "changes"}`;
  byId("count").textContent = words.length > 0 ? `${counts.matching} of ${whole}` : whole;
  byId("pipelines").setAttribute("aria-busy", "false");
  say("message", shown.message ? textOfHtml(shown.message) : "");
  const trigger = shown.trigger_event_queue.length;
  const result = shown.result_event_queue.length;
  byId("events").textContent = `Waiting events: ${trigger} of triggers, ${result} of builds`;
  byId("version").textContent = `Zuul ${shown.zuul_version}`;
  byId("loaded").textContent = shown.last_reconfigured
    ? `Layout loaded ${new Date(shown.last_reconfigured).toLocaleString()}`
    : "";
  byId("refresh").title = `As of ${clock(Date.now())}`;
}

function say(id, text) {
  byId(id).textContent = text;
  byId(id).hidden = text === "";
}

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

byId("filter").value = decodeURIComponent(location.hash.slice(1));
byId("filter").addEventListener("input", () => {
  history.replaceState(null, "", `#${encodeURIComponent(byId("filter").value)}`);
  if (shown) {
    show();
  }
});
byId("search").addEventListener("submit", (event) => event.preventDefault());
byId("expand").addEventListener("click", () => {
  board.expandAll(!board.expanded);
  press(byId("expand"), board.expanded);
});
byId("refresh").addEventListener("click", () => {
  live = !live;
  press(byId("refresh"), live);
  if (live) {
    refresh();
  }
});
byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = getComputedStyle(root).getPropertyValue("--is-dark").trim() === "1";
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
document.addEventListener("visibilitychange", () => {
  if (live && !document.hidden) {
    refresh();
  }
});
if (localStorage.getItem("theme")) {
  document.documentElement.dataset.theme = localStorage.getItem("theme");
}
refresh();
