// Sends the requests to this server and interprets its errors. Independent of the page.

const TYPES = { 400: "notAnImage", 401: "keyMissing", 403: "keyWrong", 404: "notServed", 413: "tooLarge",
  415: "unsupported", 429: "tooFast", 408: "timeout", 503: "busy", 504: "timeout" };
// A full queue or a starting server answers 503 with this type; a failing model answers 503 with a different one.
const BUSY_TYPE = "ServiceUnavailableException";
const ASKED_AGAIN = ["busy", "tooFast"];
const KEY = "apiKey";
const RESEND_MS = 300;
const MAX_RESEND_BYTES = 1_000_000; // a larger body may itself be the reason why the connection was lost

/** Why a request got no answer. `kind`: the name of its text in en.js; `retryAfter`: seconds, 0 if a retry would not help. */
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

/** Returns the catalogue of models. Throws a Problem. */
export const fetchCatalogue = async () => (await get("/playground/models.json")).json();

/** Returns the live metrics of each version. Throws a Problem. */
export const fetchNumbers = async () => (await get("/playground/metrics.json")).json();

/** Returns a sample as a Blob. Throws a Problem. */
export const fetchSample = async (url) => (await get(url)).blob();

async function get(url) {
  let response;
  try {
    response = await send(url, { headers: authorisation(), cache: "no-cache" });
  } catch {
    throw new Problem("unreachable");
  }
  if (response.ok) return response;
  const problem = refusal(response, await response.text());
  throw ["keyMissing", "keyWrong"].includes(problem.kind) ? problem : new Problem("unreachable");
}

/** Like fetch, but retries once if the connection is lost, for example when a phone leaves its Wi-Fi. */
async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError" || options.body?.size > MAX_RESEND_BYTES) throw error;
    await new Promise((resolve) => setTimeout(resolve, RESEND_MS));
    return fetch(url, options);
  }
}

const authorisation = () => (readKey() ? { Authorization: `Bearer ${readKey()}` } : {});

/** POSTs a picture (a Blob); returns {text, ms, requestId, version, untrained}. Throws a Problem, or AbortError if aborted. */
export async function post(path, picture, signal) {
  const headers = { Accept: "application/json", "Content-Type": contentType(picture), ...authorisation() };
  const started = performance.now();
  let response, text;
  try {
    response = await send(path, { method: "POST", body: picture, headers, signal });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(await isReachable() ? "cutOff" : "unreachable");
  }
  const ms = performance.now() - started;
  if (!response.ok) throw refusal(response, text);
  return {
    text, ms,
    requestId: response.headers.get("X-Request-Id") ?? "",
    version: response.headers.get("X-Model-Version") ?? "",
    untrained: response.headers.get("X-Model-Untrained") === "true",
  };
}

/** The type to send: the server would decode a text file and parse a form, so only pictures keep their own type. */
const contentType = (picture) => (picture.type.startsWith("image/") ? picture.type : "application/octet-stream");

/** Parses an answer's text into {label, share, bars: [[label, share]]}; bars is empty if the answer is only a label. */
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

function refusal(response, text) {
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = {};
  }
  let kind = TYPES[response.status] ?? (response.status < 500 ? "notAnImage" : "serverError");
  if (kind === "busy" && said.type !== BUSY_TYPE) kind = "serverError";
  const retryAfter = ASKED_AGAIN.includes(kind) ? Number(response.headers.get("Retry-After")) || 1 : 0;
  if (kind === "keyMissing" && readKey()) kind = "keyWrong";
  const requestId = said.request_id ?? response.headers.get("X-Request-Id") ?? "";
  return new Problem(kind, { message: said.message, requestId, retryAfter, status: response.status });
}

async function isReachable() {
  try {
    return (await fetch("/playground/models.json", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}
