// The playground: takes a picture, shows the answers of one or two versions. All it knows about models comes from the server.
import { Problem, fetchCatalogue, post, readAnswer } from "./api.js";
import { Asker } from "./asker.js";
import { Card, readable } from "./card.js";
import { listenForKey, listenForTheme, showKeyField, showModels, showNotice, showUnavailable } from "./chrome.js";
import { heat, seenPart } from "./heat.js";
import { asCurl, asPython, copy } from "./snippets.js";
import { followNumbers, showNumbers } from "./strip.js";
import { Surface, isDrawn } from "./surface.js";
import { percent, problemTexts, switchLanguage, text, translatePage } from "./texts.js";

const RETRY_SECONDS = 3;
const QUIET_MS = 700; // how long to wait after the last change before the answer is announced to screen readers
const find = (id) => document.getElementById(id);

let catalogue = null;
let model = null;
let input = null;
let comparing = false;
let announcement = 0;
let retry = 0;
const cards = [0, 1].map((place) => new Card({ changed: (name) => chooseVersion(place, name), explain }));
const shownCards = () => (comparing ? cards : cards.slice(0, 1));

const asker = new Asker(async (asked, signal) => {
  // One after the other, so that the versions do not affect each other's latency.
  for (const card of shownCards()) {
    const version = card.version;
    card.work();
    try {
      const answer = await post(`/predictions/${model.name}/${version.version}`, asked.blob, signal);
      if (card.version === version) card.show({ ...answer, ...readAnswer(answer.text) });
    } catch (error) {
      card.settle();
      if (error.name === "AbortError") return;
      react(card, problemOf(error), asked);
    }
  }
  conclude();
});

const surface = new Surface((next) => {
  // A drawing that continues: do not cancel the request for its previous state.
  const goesOn = input?.kind === "drawn" && next?.kind === "drawn";
  input = next;
  if (!goesOn) asker.cancel();
  for (const card of cards) card.dropExplanation();
  if (next) asker.request(next);
  else cards.forEach((card) => card.empty());
  if (!next) conclude();
  showCode();
});

/** Returns a Problem unchanged; any other error means an answer in an unknown format, or a bug in this page. */
function problemOf(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem("unreadable");
}

/** Shows why there is no answer, and takes the appropriate action. */
function react(card, problem, asked) {
  card.fail(problem);
  if (["keyMissing", "keyWrong"].includes(problem.kind)) {
    showKeyField(true);
    catalogue.keys = true;
    showCode();
  }
  if (problem.kind === "tooFast") asker.slowDown();
  if (problem.kind === "notServed") refresh();
  if (problem.kind === "unreachable") lookAgain();
  if (problem.retryAfter && asked === input) asker.requestLater(asked, problem.retryAfter);
}

/** Compares the answers if there are two, and announces them once they have settled. */
function conclude() {
  const answers = shownCards().map((card) => card.answer);
  const both = comparing && answers.every(Boolean);
  find("agreement").hidden = !both;
  if (both) {
    const [first, second] = answers.map(({ label }) => readable(label));
    find("agreement").textContent = first === second ? text("agree", { label: first }) : text("disagree");
  }
  clearTimeout(announcement);
  announcement = setTimeout(() => {
    find("live").textContent = shownCards().map(spoken).join(" ");
  }, QUIET_MS);
}

function spoken(card) {
  const { answer } = card;
  if (!answer) return card.element.querySelector(".problem").hidden ? "" : card.element.querySelector(".problem-text").textContent;
  const label = readable(answer.label);
  const said = answer.share === null ? label : text("announce", { label, share: percent(answer.share) });
  return comparing ? `${text("announceVersion", { version: card.version.version, answer: said })}.` : said;
}

async function explain(card) {
  const explained = input;
  card.awaitExplanation();
  try {
    const { text: attributions } = await post(`/explanations/${model.name}/${card.version.version}`, explained.blob);
    if (explained !== input) return;
    const picture = await createImageBitmap(explained.blob).catch(() => null);
    const part = picture && seenPart(picture, card.version.input);
    card.explained(heat(JSON.parse(attributions)), part && { source: picture, ...part });
  } catch (error) {
    if (explained === input) react(card, problemOf(error), explained);
  }
}

function chooseModel(name) {
  const chosen = model?.name === name ? cards.map((card) => card.version.version) : [];
  model = catalogue.models.find((each) => each.name === name);
  history.replaceState(null, "", `#${name}`);
  const stable = versionOf(chosen[0]) ?? versionOf(model.stable) ?? model.versions[0];
  const other = versionOf(chosen[1]) ?? versionOf(model.canary?.version) ?? model.versions.find((each) => each !== stable) ?? stable;
  [cards[0].version, cards[1].version] = [stable, other];
  asker.cancel();
  cards.forEach((card) => card.empty());
  comparing &&= model.versions.length > 1;
  surface.accept(stable);
  show();
  if (input) asker.request(input);
}

const versionOf = (name) => model.versions.find((each) => each.version === name);

function chooseVersion(place, name) {
  cards[place].version = versionOf(name);
  cards[place].empty();
  if (place === 0) surface.accept(cards[0].version);
  show();
  asker.cancel();
  if (input) asker.request(input);
}

function compare() {
  comparing = !comparing;
  cards[1].empty();
  show();
  if (comparing && input) asker.request(input);
  else conclude();
}

/** Shows everything that depends on the catalogue, the model and the language. */
function show() {
  showUnavailable(catalogue.unavailable);
  find("workbench").hidden = !model;
  if (!model) return;
  const drawn = isDrawn(cards[0].version.input);
  find("lead").textContent = text(drawn ? "leadDraw" : "leadPhoto");
  showModels(catalogue.models, model.name, chooseModel);
  find("compare").hidden = model.versions.length < 2;
  find("compare").setAttribute("aria-checked", String(comparing));
  find("cards").classList.toggle("two", comparing);
  for (const card of shownCards()) card.describe(model, card.version, drawn);
  find("cards").replaceChildren(...shownCards().map((card) => card.element));
  showCode();
}

function showCode() {
  if (!model) return;
  const url = `${location.origin}/predictions/${model.name}/${cards[0].version.version}`;
  find("curl").textContent = asCurl(url, input, catalogue.keys);
  find("python").textContent = asPython(url, input, catalogue.keys);
  const notes = [];
  if (!input) notes.push(text("codeNothing"));
  if (input?.kind === "file") notes.push(text("codeFile", { name: input.name }));
  if (input?.kind === "pasted") notes.push(text("codePasted"), savingLink());
  if (catalogue.keys) notes.push(text("codeKey"));
  find("code-note").replaceChildren(...notes.flatMap((note) => [note, " "]));
  find("code-note").hidden = notes.length === 0;
}

function savingLink() {
  const link = Object.assign(document.createElement("a"), { textContent: input.name, download: input.name });
  link.href = find("picture").src;
  return link;
}

async function copyCode(button, code) {
  const done = await copy(find(code).textContent);
  const name = button.dataset.text;
  button.textContent = text(done ? "copied" : "copyFailed");
  find("live").textContent = button.textContent;
  setTimeout(() => { button.textContent = text(name); }, 1600);
}

/** Fetches the catalogue and shows it; if there is no answer, tries again later. */
async function refresh() {
  let fresh;
  try {
    fresh = await fetchCatalogue();
  } catch (problem) {
    refused(problem);
    return;
  }
  const known = catalogue?.generation;
  catalogue = fresh;
  followNumbers();
  if (known === fresh.generation && model) return;
  showNotice(fresh.models.length ? "" : text("noModels"));
  showKeyField(fresh.keys);
  const wished = model?.name ?? decodeURIComponent(location.hash.slice(1));
  const next = fresh.models.find(({ name }) => name === wished)
    ?? fresh.models.find(({ versions }) => isDrawn(versions[0].input)) ?? fresh.models[0];
  if (next) chooseModel(next.name);
  else {
    model = null;
    show();
    lookAgain();
  }
}

/** Handles a failed fetch of the catalogue: the key is missing or wrong, or the server does not answer. */
function refused({ kind }) {
  const needsKey = kind !== "unreachable";
  if (needsKey) showKeyField(true);
  else lookAgain();
  if (!catalogue) showNotice(kind === "keyMissing" ? "" : needsKey ? problemTexts(kind, {}).join(" ") : text("noServer"));
}

function lookAgain() {
  clearTimeout(retry);
  retry = setTimeout(async () => {
    await refresh();
    if (input && !cards[0].answer) asker.request(input);
  }, RETRY_SECONDS * 1000);
}

function showLanguage() {
  translatePage();
  find("language").textContent = text("other");
  find("language").lang = text("other") === "English" ? "en" : "zh-CN";
  if (catalogue) {
    show();
    showNumbers();
    if (model) surface.accept(cards[0].version);
  }
}

find("language").addEventListener("click", () => {
  switchLanguage();
  showLanguage();
});
find("compare").addEventListener("click", compare);
for (const code of ["curl", "python"]) {
  find(`copy-${code}`).addEventListener("click", (event) => copyCode(event.currentTarget, code));
}
listenForKey(async () => {
  await refresh();
  if (input) asker.request(input);
});
listenForTheme(() => surface.redraw());
document.addEventListener("visibilitychange", () => document.hidden || refresh());
showLanguage();
refresh();
