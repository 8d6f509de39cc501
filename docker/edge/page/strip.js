// The live metrics of each version: the same that scripts/stack status shows.
import { fetchNumbers } from "./api.js";
import { number, text } from "./texts.js";

const EVERY_MS = 2000;
const UNKNOWN = "–";
const find = (id) => document.getElementById(id);

let latest = null;
let following = false;

/** Polls the metrics while the page is visible and the server accepts the key. */
export async function followNumbers() {
  if (following) return;
  following = true;
  let welcome = true;
  while (welcome && !document.hidden) {
    try {
      latest = await fetchNumbers();
    } catch (problem) {
      latest = null;
      welcome = problem.kind === "unreachable";
    }
    showNumbers();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  following = false;
}

/** Shows the latest metrics in the current language. */
export function showNumbers() {
  const models = latest?.models ?? [];
  find("now").hidden = false;
  find("now-box").hidden = models.length === 0;
  find("now-note").textContent = models.length ? text("nowOver", { seconds: number(latest.seconds) }) : text("nowNone");
  find("now-rows").replaceChildren(...models.map(row));
}

function row(model) {
  const { rate, workers } = model;
  const requests = rate && rate["2xx"] + rate["4xx"] + rate["5xx"];
  const cells = [
    measured(requests), measured(rate?.["4xx"]), measured(rate?.["5xx"]), milliseconds(model.p50_ms), milliseconds(model.p99_ms),
    text("nowBusyOf", { running: number(model.in_flight), queued: number(model.queue) }),
    text("nowWorkersOf", { ready: number(workers.ready), all: number(workers.ready + workers.starting + workers.failed) }),
  ];
  const line = document.createElement("tr");
  const name = Object.assign(document.createElement("th"), { scope: "row", textContent: `${model.name} ${model.version}` });
  if (!model.trained) name.append(" · ", Object.assign(document.createElement("strong"), { textContent: text("nowUntrained") }));
  line.append(name, ...cells.map((content) => Object.assign(document.createElement("td"), { textContent: content })));
  return line;
}

const measured = (value) => (value === null || value === undefined ? UNKNOWN : number(value, 1));

const milliseconds = (value) => (value === null ? UNKNOWN : text("milliseconds", { ms: number(value, value < 10 ? 1 : 0) }));
