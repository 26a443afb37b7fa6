// What values look like. Everything that comes out of here is text, never HTML.

const MINUTE = 60 * 1000;
const HOUR = 60 * MINUTE;

export function duration(milliseconds) {
  const minutes = Math.floor(Math.max(0, milliseconds) / MINUTE);
  if (minutes < 1) {
    return "under 1 min";
  }
  const hours = Math.floor(minutes / 60);
  return hours > 0 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${minutes} min`;
}

// How worried to be about an item that has waited this long.
export function ageClass(milliseconds) {
  if (milliseconds > 4 * HOUR) {
    return "very-old";
  }
  return milliseconds > 2 * HOUR ? "old" : "";
}

export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString();
}

// The URL if a browser may be sent there, else null: a worker says what it likes.
export function safeUrl(text) {
  if (typeof text !== "string") {
    return null;
  }
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

// The text of a fragment of HTML. A parsed document is inert: nothing in it runs or loads.
export function textOfHtml(html) {
  return new DOMParser().parseFromString(html, "text/html").body.textContent;
}

// The server's words for it; other readers of status.json look for them as well.
export const CONFLICT = "it has a merge conflict";

// ok, failing, conflict or waiting, with the words for those who do not see colours.
export function itemState(item) {
  const reasons = item.failing_reasons || [];
  if (reasons.includes(CONFLICT)) {
    return {name: "conflict", text: "Does not merge"};
  }
  if (reasons.length > 0) {
    return {name: "failing", text: `Failing: ${reasons.join(", ")}`};
  }
  if (!item.live) {
    return {name: "waiting", text: "Only here for the changes behind it"};
  }
  return item.active
    ? {name: "ok", text: "Being tested"}
    : {name: "waiting", text: "Waiting for its turn"};
}

// How a job stands: {name, text, percent}; percent null where nobody knows.
export function jobState(job) {
  if (job.result !== null) {
    const known = {SUCCESS: "success", FAILURE: "failure", SKIPPED: "skipped"};
    const name = known[job.result] || (job.result === "ABORTED" ? "skipped" : "lost");
    return {name, text: String(job.result).toLowerCase().replaceAll("_", " "), percent: null};
  }
  if (job.elapsed_time === null && !job.url) {
    return {name: "queued", text: "queued", percent: null};
  }
  const total = (job.elapsed_time || 0) + (job.remaining_time || 0);
  const known = job.remaining_time !== null && total > 0;
  const percent = known ? Math.min(100, Math.round((100 * job.elapsed_time) / total)) : null;
  const left = known && job.remaining_time > 0 ? `${duration(job.remaining_time)} left` : "running";
  return {name: "running", text: left, percent};
}
