// The page's language: English or Chinese, chosen by the reader, else by the browser.
import en from "./en.js";
import zh from "./zh.js";

const chosen = localStorage.getItem("language") ?? navigator.language;
let texts = chosen.toLowerCase().startsWith("zh") ? zh : en;

/** The text of `name` in the current language, its {names} replaced by `values`. */
export function text(name, values = {}) {
  return fill(texts[name], values);
}

/** [what happened, what to do] of a kind of problem. */
export function problemTexts(kind, values) {
  return texts.problems[kind].map((sentence) => fill(sentence, values));
}

function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function switchLanguage() {
  texts = texts === en ? zh : en;
  localStorage.setItem("language", texts.language);
}

/** Fills in every element of `root` that names its text (data-text) or its label (data-label). */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
}

export function translatePage() {
  document.documentElement.lang = texts.language;
  document.title = text("documentTitle");
  translate(document);
}

/** "98.2%"; what would round to 0% or 100% says so: a probability is neither. */
export function percent(share, digits = 1) {
  const format = new Intl.NumberFormat(texts.language, {
    style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
  const least = 10 ** -(digits + 2);
  if (share < least) return `<${format.format(least)}`;
  if (share > 1 - least) return `>${format.format(1 - least)}`;
  return format.format(share);
}

export const accuracyPercent = (share) =>
  new Intl.NumberFormat(texts.language, { style: "percent", maximumFractionDigits: 2 }).format(share);

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(texts.language, { maximumFractionDigits: digits }).format(value);

export const day = (iso) => new Intl.DateTimeFormat(texts.language, { dateStyle: "medium" }).format(new Date(iso));
