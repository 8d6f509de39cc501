// What surrounds the workbench: the list of models, the unavailable ones, the API key, the theme.
import { keepKey, readKey } from "./api.js";
import { text } from "./texts.js";

const find = (id) => document.getElementById(id);

/** Shows one radio button per model. */
export function showModels(models, chosen, choose) {
  const legend = find("models").querySelector("legend");
  find("models").replaceChildren(legend, ...models.map(({ name }) => {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "model", value: name });
    radio.checked = name === chosen;
    radio.addEventListener("change", () => choose(name));
    label.append(radio, Object.assign(document.createElement("span"), { textContent: name }));
    return label;
  }));
}

export function showUnavailable(unavailable) {
  find("unavailable").hidden = unavailable.length === 0;
  find("unavailable-list").replaceChildren(...unavailable.map(({ name, version, reason, remedy }) => {
    const item = document.createElement("li");
    for (const [kind, content] of [["h3", `${name} ${version}`], ["p", reason], ["p", text("remedy", { remedy })]]) {
      item.append(Object.assign(document.createElement(kind), { textContent: content }));
    }
    return item;
  }));
}

/** Shows a message about the whole page; an empty message hides it. */
export function showNotice(message) {
  find("notice").textContent = message;
  find("notice").hidden = !message;
}

/** Sets up the field for the API key; `changed` is called when the key changes. */
export function listenForKey(changed) {
  find("key").addEventListener("submit", (event) => {
    event.preventDefault();
    use(find("key-field").value.trim());
  });
  find("key-forget").addEventListener("click", () => {
    find("key-field").value = "";
    use("");
  });
  find("key-field").value = readKey();

  function use(key) {
    keepKey(key);
    find("key-forget").hidden = !key;
    changed();
  }
}

export function showKeyField(shown) {
  find("key").hidden = !shown;
  find("key-forget").hidden = !readKey();
}

/** Sets up the button that switches the theme; `changed` is called when the colours have changed. */
export function listenForTheme(changed) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const show = () => {
    find("theme").setAttribute("aria-pressed", String(isDark()));
    changed();
  };
  find("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
    show();
  });
  dark.addEventListener("change", show);
  show();
}
