// The requests to this server, and what its refusals mean. Nothing here knows the page.

const TYPES = { 400: "notAnImage", 401: "keyMissing", 403: "keyWrong", 404: "notServed", 413: "tooLarge",
  415: "unsupported", 429: "tooFast", 408: "timeout", 503: "busy", 504: "timeout" };
const KEY = "apiKey";

/** Why a request got no answer: `kind` names its text in en.js, `retryAfter` is in seconds, or 0. */
export class Problem extends Error {
  constructor(kind, { message = "", retryAfter = 0, requestId = "", status = 0 } = {}) {
    super(message || kind);
    Object.assign(this, { kind, retryAfter, requestId, status });
  }
}

export const readKey = () => sessionStorage.getItem(KEY) ?? "";

export function keepKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** The catalogue of models, or a Problem. */
export async function fetchCatalogue() {
  let response;
  try {
    response = await fetch("/playground/models.json", { cache: "no-store" });
  } catch {
    throw new Problem("unreachable");
  }
  if (!response.ok) throw new Problem("unreachable", { status: response.status });
  return response.json();
}

/** POST a picture (a Blob) → {text, ms, requestId, version, untrained}, or a Problem. An abort is an AbortError. */
export async function post(path, picture, signal) {
  const headers = { Accept: "application/json", "Content-Type": contentType(picture) };
  if (readKey()) headers.Authorization = `Bearer ${readKey()}`;
  const started = performance.now();
  let response, text;
  try {
    response = await fetch(path, { method: "POST", body: picture, headers, signal });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(await isReachable() ? "cutOff" : "unreachable");
  }
  const ms = performance.now() - started;
  const requestId = response.headers.get("X-Request-Id") ?? "";
  if (!response.ok) throw refusal(response, text, requestId);
  return {
    text, ms, requestId,
    version: response.headers.get("X-Model-Version") ?? "",
    untrained: response.headers.get("X-Model-Untrained") === "true",
  };
}

/** A text file would be decoded on its way, a form taken apart: only pictures are sent as what they are. */
export const contentType = (picture) => (picture.type.startsWith("image/") ? picture.type : "application/octet-stream");

/** An answer's text → {label, share, bars: [[label, share]]}; no bars where the model answers with a label alone. */
export function readAnswer(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    value = text.trim();
  }
  const entries = value && typeof value === "object" ? Object.entries(value) : [];
  if (entries.length && entries.every(([, share]) => typeof share === "number")) {
    const [label, share] = entries.reduce((best, entry) => (entry[1] > best[1] ? entry : best));
    return { label, share, bars: entries };
  }
  return { label: typeof value === "object" ? JSON.stringify(value) : String(value), share: null, bars: [] };
}

function refusal(response, text, requestId) {
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = {};
  }
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  let kind = TYPES[response.status] ?? (response.status < 500 ? "notAnImage" : "serverError");
  if (kind === "busy" && !retryAfter) kind = "serverError";
  if (kind === "tooFast" && !retryAfter) return new Problem(kind, { ...known(), retryAfter: 1 });
  if (kind === "keyMissing" && readKey()) kind = "keyWrong";
  return new Problem(kind, known());

  function known() {
    return { message: said.message, requestId: said.request_id ?? requestId, retryAfter, status: response.status };
  }
}

async function isReachable() {
  try {
    return (await fetch("/playground/models.json", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}
