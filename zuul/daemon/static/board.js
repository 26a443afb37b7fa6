// The board: pipelines, their queues, and the items in them. An element is made anew only when
// what it shows has changed, so that a thousand changes cost little and nothing jumps.

import {CONFLICT, ageClass, duration, itemState, jobState, safeUrl} from "./format.js";
import {layOutTree} from "./tree.js";

const ITEMS_AT_FIRST = 50;
const JOB_STATES = ["success", "failure", "lost", "running", "queued", "skipped"];

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) {
    element.className = className;
  }
  if (text !== undefined && text !== null) {
    element.textContent = text;
  }
  return element;
}

function makeLink(url, text, className) {
  const safe = safeUrl(url);
  if (safe === null) {
    return make("span", className, text);
  }
  const link = make("a", className, text);
  link.href = safe;
  link.rel = "noopener noreferrer";
  return link;
}

export class Board {
  constructor(root) {
    this.root = root;
    this.expanded = false;
    this.toggled = new Set();  // items opened or closed by hand
    this.unfolded = new Set();  // queues shown whole
    this.rows = new Map();  // key -> {element, text}
  }

  // Shows the document, only items with one of the words; gives how many there are.
  show(document, words) {
    const counts = {all: 0, matching: 0};
    const before = this.rows;
    this.rows = new Map();
    const sections = document.pipelines.map((pipeline) =>
      this.makePipeline(pipeline, words, counts, before));
    this.root.replaceChildren(...sections.filter((section) => section !== null));
    this.shown = [document, words];
    return counts;
  }

  expandAll(expanded) {
    this.expanded = expanded;
    this.toggled.clear();
    this.rows.clear();
    if (this.shown) {
      this.show(...this.shown);
    }
  }

  makePipeline(pipeline, words, counts, before) {
    const wholePipeline = words.some((word) => pipeline.name.toLowerCase().includes(word));
    const wanted = (item) => words.length === 0 || wholePipeline || matches(item, words);
    const section = make("section", "pipeline");
    const queues = [];
    let size = 0;
    pipeline.change_queues.forEach((queue, index) => {
      const items = queue.heads.flat();
      const matching = items.filter(wanted);
      size += items.length;
      counts.matching += matching.length;
      if (matching.length > 0) {
        const key = `${pipeline.name}\n${queue.window > 0 ? queue.name : index}`;
        queues.push(this.makeQueue(queue, key, matching.length < items.length ? wanted : null, before));
      }
    });
    counts.all += size;
    if (words.length > 0 && queues.length === 0) {
      return null;
    }
    const title = make("h2", "", pipeline.name);
    title.append(make("span", "badge", String(size)));
    if (pipeline.disabled) {
      title.append(make("span", "tag", "disabled"));
    }
    section.append(title);
    if (pipeline.description) {
      const about = make("details", "about");
      about.append(make("summary", "", "About"));
      for (const paragraph of pipeline.description.split(/\n\s*\n/)) {
        about.append(make("p", "", paragraph));
      }
      title.after(about);
    }
    for (const freeze of pipeline.freezes || []) {
      const what = freeze.project ? `${freeze.project} is frozen` : "Frozen";
      const since = new Date(freeze.since).toLocaleString();
      section.append(make("p", "stopped", `${what} since ${since}: ${freeze.reason}`));
    }
    section.append(...queues);
    if (queues.length === 0) {
      section.append(make("p", "empty", "Nothing here"));
    }
    return section;
  }

  makeQueue(queue, key, wanted, before) {
    const element = make("div", "queue");
    const rows = queue.heads.flatMap((head) => layOutTree(head));
    const shown = wanted ? rows.filter((row) => wanted(row.item)) : rows;
    if (queue.window > 0) {
      const title = make("h3", "", queue.name);
      title.append(make("span", "window", `${rows.length} in queue, window ${queue.window}`));
      element.append(title);
    }
    if (queue.stopped) {
      element.append(make("p", "stopped", `Stopped: ${queue.stopped}`));
    }
    const limit = this.unfolded.has(key) ? Infinity : ITEMS_AT_FIRST;
    const list = make("ol");
    shown.slice(0, limit).forEach((row, position) => {
      list.append(this.findRow(row, `${key}\n${row.item.id ?? position}`, wanted !== null, before));
    });
    element.append(list);
    if (shown.length > limit) {
      const more = make("button", "more", `Show ${shown.length - limit} more`);
      more.type = "button";
      more.addEventListener("click", () => {
        this.unfolded.add(key);
        this.show(...this.shown);
      });
      element.append(more);
    }
    return element;
  }

  findRow(row, key, flat, before) {
    const text = JSON.stringify([row, flat, duration(Date.now() - row.item.enqueue_time)]);
    let found = before.get(key);
    if (!found || found.text !== text) {
      found = {element: this.makeRow(row, key, flat), text};
    }
    this.rows.set(key, found);
    return found.element;
  }

  makeRow(row, key, flat) {
    const {item} = row;
    const state = itemState(item);
    const element = make("li", `item ${state.name}`);
    element.append(makeGraph(flat ? [["dot"]] : row.cells, state));
    const open = this.expanded !== this.toggled.has(key);
    const details = make("details", "card");
    details.open = open;
    details.append(makeSummary(item));
    let filled = false;
    const fill = () => {
      if (details.open && !filled) {
        filled = true;
        details.append(makeJobs(item));
      }
    };
    fill();
    details.addEventListener("toggle", () => {
      fill();
      if (details.open === this.expanded) {
        this.toggled.delete(key);
      } else {
        this.toggled.add(key);
      }
    });
    element.append(details);
    return element;
  }
}

function matches(item, words) {
  const owner = item.owner || {};
  const texts = [item.id, item.project, owner.name, owner.email, owner.username];
  const whole = texts.filter(Boolean).join("\n").toLowerCase();
  return words.some((word) => whole.includes(word));
}

function makeGraph(cells, state) {
  const graph = make("div", "graph");
  for (const cell of cells) {
    const lane = make("span", ["lane", ...cell.filter((word) => word !== "dot")].join(" "));
    if (cell.includes("dot")) {
      const dot = make("span", "dot");
      dot.title = state.text;
      dot.append(make("span", "hidden", state.text));
      lane.append(dot);
    }
    graph.append(lane);
  }
  return graph;
}

function makeSummary(item) {
  const summary = make("summary");
  const first = make("span", "line");
  first.append(make("span", "project", item.project));
  const name = item.id && item.id.length === 40 ? item.id.slice(0, 10) : item.id;
  first.append(item.id ? makeLink(item.url, name, "change") : make("span", "change", "timer"));
  if (item.brake) {
    first.append(make("span", "tag", "held"));
  }
  const second = make("span", "line times");
  if (item.live) {
    second.append(makeJobBar(item.jobs));
    const left = make("span", "left", makeTimeLeft(item));
    left.title = left.textContent;
    second.append(left);
  } else {
    second.append(make("span", "left", "needed by a change behind it"));
  }
  const age = Date.now() - item.enqueue_time;
  const waited = make("span", `age ${ageClass(age)}`, duration(age));
  waited.title = `In this pipeline since ${new Date(item.enqueue_time).toLocaleString()}`;
  second.append(waited);
  summary.append(first, second);
  return summary;
}

function makeTimeLeft(item) {
  if (item.remaining_time !== null && item.active && item.jobs.length > 0) {
    return item.remaining_time > 0 ? `${duration(item.remaining_time)} left` : "nearly done";
  }
  return item.waiting || "";
}

function makeJobBar(jobs) {
  const counts = new Map();
  for (const job of jobs) {
    const {name} = jobState(job);
    counts.set(name, (counts.get(name) || 0) + 1);
  }
  const bar = make("span", jobs.length > 0 ? "jobs-bar" : "jobs-bar none");
  bar.setAttribute("role", "img");
  const words = [];
  for (const name of JOB_STATES) {
    if (counts.has(name)) {
      const part = make("span", name);
      part.style.flexGrow = counts.get(name);
      bar.append(part);
      words.push(`${counts.get(name)} ${name}`);
    }
  }
  bar.title = words.join(", ");
  bar.setAttribute("aria-label", `Jobs: ${bar.title || "none"}`);
  return bar;
}

function makeJobs(item) {
  const list = make("ul", "jobs");
  for (const reason of item.failing_reasons || []) {
    const where = reason === CONFLICT && item.conflict ? ` with ${item.conflict}` : "";
    list.append(make("li", "reason", reason + where));
  }
  if (item.waiting) {
    list.append(make("li", "waits", `Waiting: ${item.waiting}`));
  }
  if (item.brake && item.brake !== item.waiting) {
    list.append(make("li", "waits", `Will not merge yet: ${item.brake}`));
  }
  for (const job of item.jobs) {
    const state = jobState(job);
    const line = make("li", state.name);
    const finished = job.result !== null;
    line.append(makeLink((finished && job.report_url) || job.url, job.name, "name"));
    if (!job.voting) {
      line.append(make("span", "tag", "non-voting"));
    }
    if (state.name === "running") {
      const progress = make("progress");
      progress.max = 100;
      if (state.percent !== null) {
        progress.value = state.percent;
      }
      progress.setAttribute("aria-label", `${job.name}: ${state.text}`);
      line.append(progress);
    }
    line.append(make("span", "result", state.text));
    list.append(line);
  }
  if (list.childElementCount === 0) {
    list.append(make("li", "empty", "No jobs"));
  }
  return list;
}
