// One version's card: its description, its answer, the latency, and the explanation.
import { accuracyPercent, day, number, percent, problemTexts, text, translate } from "./texts.js";
import { drawHeat } from "./heat.js";

const NAMES = { openvino: "OpenVINO", onnxruntime: "ONNX Runtime", torchscript: "TorchScript", eager: "PyTorch",
  f32: "float32", bf16: "bfloat16", f16: "float16" };
const SLOW_MS = 200; // after how long the card shows that a request is in progress
const SHORT = 3; // letters; labels up to this length fit next to their bars

export const readable = (label) => label.replaceAll("_", " ");

export class Card {
  #answer = null;
  #problem = null;
  #explanation = null;
  #clock = 0;
  #slow = 0;

  /** changed(version) is called when another version is chosen; explain(card) when an explanation is requested. */
  constructor({ changed, explain }) {
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.#find(".version").addEventListener("change", (event) => changed(event.target.value));
    this.#find(".explain").addEventListener("click", () => explain(this));
  }

  get answer() {
    return this.#answer;
  }

  /** Shows which version this is; keeps the answer. */
  describe(model, version, drawn) {
    this.version = version;
    translate(this.element);
    this.#find(".version").replaceChildren(...model.versions.map((each) => {
      const role = ["stable", "previous"].find((name) => model[name] === each.version)
        ?? (model.canary?.version === each.version ? "canary" : "");
      return new Option(role ? `${each.version} · ${text(role)}` : each.version, each.version);
    }));
    this.#find(".version").value = version.version;
    const canary = model.canary?.version === version.version ? model.canary : null;
    this.#find(".traffic").textContent = canary ? text("traffic", { weight: canary.weight }) : "";
    this.#find(".untrained").hidden = version.trained && !this.#answer?.untrained;
    this.#find(".nothing").textContent = text(drawn ? "nothingDraw" : "nothingPhoto");
    const { accuracy } = version;
    this.#fill({
      ".engine": NAMES[version.engine] ?? version.engine,
      ".precision": NAMES[version.precision] ?? version.precision,
      ".accuracy": accuracy
        ? text("accuracyOf", { top1: accuracyPercent(accuracy.top1), images: number(accuracy.images) })
        : text("accuracyUnknown"),
      ".built": day(version.built_at),
    });
    if (this.#answer) this.show(this.#answer);
    if (this.#explanation) this.explained(...this.#explanation);
    if (this.#problem) this.fail(this.#problem);
  }

  /** Clears the answer. */
  empty() {
    this.settle();
    this.#answer = this.#problem = null;
    this.dropExplanation();
    this.#toggle({ result: true });
    this.#find(".nothing").hidden = false;
    this.#find(".verdict").hidden = true;
    this.#find(".bars").replaceChildren();
  }

  work() {
    clearTimeout(this.#slow);
    this.#slow = setTimeout(() => this.element.classList.add("working"), SLOW_MS);
  }

  settle() {
    clearTimeout(this.#slow);
    this.element.classList.remove("working");
  }

  /** answer: the results of post() and readAnswer(), merged. */
  show(answer) {
    this.settle();
    this.#answer = answer;
    this.#problem = null;
    this.#toggle({ result: true, measured: true, explain: true });
    this.#find(".nothing").hidden = true;
    this.#find(".verdict").hidden = false;
    this.#find(".untrained").hidden = this.version.trained && !answer.untrained;
    this.#find(".verdict").classList.toggle("glyph", answer.label.length <= SHORT);
    this.#fill({
      ".label": readable(answer.label),
      ".share": answer.share === null ? "" : percent(answer.share),
      ".latency": text("milliseconds", { ms: number(answer.ms, answer.ms < 10 ? 1 : 0) }),
      ".answered-by": text("answeredByVersion", { version: answer.version || this.version.version }),
      ".request-id": answer.requestId || "–",
    });
    this.#showBars(answer);
  }

  /** problem: a Problem from api.js. */
  fail(problem) {
    this.settle();
    this.#answer = null;
    this.#problem = problem;
    this.dropExplanation();
    this.#toggle({ problem: true });
    const [what, advice] = problemTexts(problem.kind, { seconds: problem.retryAfter });
    const detail = [problem.status && `${problem.message} (${problem.status})`, problem.requestId].filter(Boolean);
    this.#fill({ ".problem-text": what, ".problem-advice": advice, ".problem-detail": detail.join(" · ") });
    this.#find(".problem details").hidden = detail.length === 0;
  }

  /** Counts the seconds until explained() or dropExplanation(). */
  awaitExplanation() {
    this.dropExplanation();
    const started = performance.now();
    const tick = () => {
      const seconds = Math.floor((performance.now() - started) / 1000);
      this.#find(".why-waiting").textContent = text("explaining", { seconds });
    };
    tick();
    this.#clock = setInterval(tick, 1000);
    this.#find(".explain").disabled = true;
  }

  /** heat: from heat.js; picture: the source and the part of it that the model sees, or null. */
  explained(heat, picture) {
    const { label } = this.#answer;
    this.dropExplanation();
    this.#explanation = [heat, picture];
    this.#find(".heat").hidden = false;
    drawHeat(this.#find(".heat canvas"), heat, picture);
    this.#find(".heat canvas").setAttribute("aria-label", text("heatLabel", { label: readable(label) }));
    const note = picture === null ? "heatAlone" : heat.smoothed ? "heatSmoothed" : "heatExact";
    this.#fill({ ".heat-title": text("why", { label: readable(label) }), ".heat-note": text(note, heat) });
  }

  dropExplanation() {
    clearInterval(this.#clock);
    this.#explanation = null;
    this.#find(".why-waiting").textContent = "";
    this.#find(".heat").hidden = true;
    this.#find(".explain").disabled = false;
  }

  #showBars({ bars, label: best }) {
    const list = this.#find(".bars");
    list.classList.toggle("short", bars.every(([label]) => label.length <= SHORT));
    while (list.children.length > bars.length) list.lastElementChild.remove();
    while (list.children.length < bars.length) list.append(this.#bar());
    bars.forEach(([label, share], index) => {
      const item = list.children[index];
      const [name, value] = item.querySelectorAll("span");
      name.textContent = readable(label);
      value.textContent = percent(share);
      item.classList.toggle("best", label === best);
      item.querySelector("i").style.setProperty("--share", share);
    });
  }

  #bar() {
    const item = document.createElement("li");
    const fill = document.createElement("i");
    fill.setAttribute("aria-hidden", "true");
    item.append(document.createElement("span"), fill, document.createElement("span"));
    return item;
  }

  #toggle({ result = false, problem = false, measured = false, explain = false }) {
    const shown = { ".result": result, ".problem": problem, ".measured": measured, ".explain": explain };
    for (const [selector, isShown] of Object.entries(shown)) this.#find(selector).hidden = !isShown;
  }

  #fill(contents) {
    for (const [selector, content] of Object.entries(contents)) this.#find(selector).textContent = content;
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }
}
