// The page's language: English or Chinese, as chosen by the user, otherwise by the browser.
import en from "./en.js";
import zh from "./zh.js";

const chosen = localStorage.getItem("language") ?? navigator.language;
let texts = chosen.toLowerCase().startsWith("zh") ? zh : en;

/** Returns the text `name` in the current language, with its {names} replaced by `values`. */
export function text(name, values = {}) {
  return fill(texts[name], values);
}

/** Returns [what happened, what to do] for a kind of problem. */
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

/** Fills in the text (data-text) or label (data-label) of every element in `root` that names one. */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
}

export function translatePage() {
  document.documentElement.lang = texts.language;
  document.title = text("documentTitle");
  translate(document);
}

/** Formats a share as "98.2%"; as "<0.1%" or ">99.9%" if it would round to 0% or 100%, which no probability is. */
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
