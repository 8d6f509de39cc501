// Takes a picture from the pad, from a sample, or from a file that is dropped, pasted or picked. Passes on one input at a
// time: {kind: drawn|sample|file|pasted, blob, name, type, url, base64}.
import { fetchSample } from "./api.js";
import { Pad } from "./pad.js";
import { smallPicture } from "./raster.js";
import { base64 } from "./snippets.js";
import { text } from "./texts.js";

const SMALL = 64; // pixels; a model whose input is a grey square no larger than this gets a drawing pad
const find = (id) => document.getElementById(id);

export const isDrawn = ({ mode, size }) => mode === "L" && Boolean(size) && size[0] === size[1] && size[0] <= SMALL;

export class Surface {
  #use;
  #pad;
  #side = 0;
  #turn = 0; // number of the latest input; results for earlier ones are dropped
  #input = null;
  #samples = new Map(); // URL → its Blob

  /** `use` is called with each new input, or with null when the input has been cleared. */
  constructor(use) {
    this.#use = use;
    this.#pad = new Pad(find("pad"), () => this.#drawn());
    find("clear").addEventListener("click", () => this.clear());
    find("undo").addEventListener("click", () => this.#pad.undo());
    find("pick").addEventListener("click", () => find("file").click());
    find("file").addEventListener("change", (event) => {
      this.#file(event.target.files[0], "file");
      event.target.value = "";
    });
    this.#listen();
  }

  /** Switches to a version's input and samples; keeps the user's own picture, and a drawing if it fits. */
  accept({ input, samples }) {
    const side = isDrawn(input) ? input.size[0] : 0;
    const isOwn = ["file", "pasted"].includes(this.#input?.kind);
    const isSample = samples.some(({ url }) => this.#input?.url?.endsWith(url));
    const keeps = isOwn || isSample || (side && side === this.#side);
    this.#side = side;
    find("surface").classList.toggle("drawn", side > 0);
    find("pad").hidden = find("undo").hidden = !side;
    this.#pad.draw();
    this.#showSamples(samples);
    if (!keeps) this.clear();
  }

  clear() {
    this.#turn++;
    this.#showPicture(null);
    this.#pad.clear();
    this.#set(null);
  }

  /** Redraws the pad after a change of colours. */
  redraw() {
    this.#pad.draw();
  }

  #set(input) {
    this.#input = input;
    find("surface").classList.toggle("empty", !input);
    find("seen").hidden = input?.kind !== "drawn";
    find("clear").disabled = !input;
    find("undo").disabled = this.#pad.isEmpty;
    for (const button of find("samples").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(input?.kind === "sample" && button.dataset.url === input.url));
    }
    this.#use(input);
  }

  #drawn() {
    const turn = ++this.#turn;
    if (this.#pad.isEmpty) {
      if (this.#input?.kind === "drawn") this.#set(null);
      return;
    }
    this.#showPicture(null);
    requestAnimationFrame(() => {
      if (turn !== this.#turn) return;
      const small = smallPicture(this.#pad.strokes, this.#side);
      const seen = find("seen-picture");
      seen.width = seen.height = this.#side;
      seen.getContext("2d").drawImage(small, 0, 0);
      small.toBlob(async (blob) => {
        const input = { kind: "drawn", name: "drawing.png", type: blob.type, blob, base64: await base64(blob) };
        if (turn === this.#turn) this.#set(input);
      });
    });
  }

  #file(blob, kind) {
    if (!blob) return;
    this.#turn++;
    const name = kind === "pasted" ? text("pastedName") : blob.name;
    this.#showPicture(URL.createObjectURL(blob), name);
    this.#set({ kind, name, type: blob.type.startsWith("image/") ? blob.type : "application/octet-stream", blob });
  }

  #sample(name, url, blob) {
    this.#turn++;
    this.#showPicture(URL.createObjectURL(blob), name);
    this.#set({ kind: "sample", name, type: blob.type, url, blob });
  }

  /** Shows a picture over the pad and clears its strokes; null hides it. Shows the name if the browser cannot display it. */
  #showPicture(url, name = "") {
    const picture = find("picture");
    if (picture.src.startsWith("blob:")) URL.revokeObjectURL(picture.src);
    find("file-name").hidden = true;
    picture.hidden = !url;
    picture.alt = url ? text("pictureAlt", { name }) : "";
    if (!url) {
      picture.removeAttribute("src");
      return;
    }
    this.#pad.strokes = [];
    this.#pad.draw();
    picture.onload = () => picture.classList.toggle("pixelated", picture.naturalWidth <= SMALL);
    picture.onerror = () => {
      picture.hidden = true;
      find("file-name").textContent = name;
      find("file-name").hidden = false;
    };
    picture.src = url;
  }

  #showSamples(samples) {
    find("samples-box").hidden = samples.length === 0;
    for (const picture of find("samples").querySelectorAll("img")) URL.revokeObjectURL(picture.src);
    find("samples").replaceChildren(...samples.map((sample) => {
      const item = document.createElement("li");
      this.#sampleButton(sample).then((button) => item.append(button), () => item.remove());
      return item;
    }));
  }

  /** Fetches a sample by script, because an <img> element cannot send an API key. */
  async #sampleButton({ file, expected, url: path }) {
    const url = new URL(path, location.href).href;
    const blob = this.#samples.get(url) ?? await fetchSample(url);
    this.#samples.set(url, blob);
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.dataset.url = url;
    button.setAttribute("aria-label", expected ? text("sample", { file, expected }) : file);
    button.setAttribute("aria-pressed", String(url === this.#input?.url));
    const picture = Object.assign(document.createElement("img"), { alt: "", src: URL.createObjectURL(blob) });
    picture.onload = () => picture.classList.toggle("pixelated", picture.naturalWidth <= SMALL);
    button.append(picture);
    button.addEventListener("click", () => this.#sample(file, url, blob));
    return button;
  }

  #listen() {
    const veil = find("veil");
    const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
    let depth = 0; // dragenter and dragleave fire for every element on the way
    const over = (change) => (event) => {
      if (!carriesFile(event)) return;
      depth += change;
      veil.hidden = depth <= 0;
    };
    addEventListener("dragenter", over(1));
    addEventListener("dragleave", over(-1));
    addEventListener("dragover", (event) => carriesFile(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      depth = 0;
      veil.hidden = true;
      this.#file(event.dataTransfer.files[0], "file");
    });
    addEventListener("paste", (event) => {
      const file = event.clipboardData?.files[0];
      if (!file) return;
      event.preventDefault();
      this.#file(file, "pasted");
    });
  }
}
