// Writes the current request as a curl command and as a Python program, ready to run.

const shell = (word) => `'${word.replaceAll("'", `'\\''`)}'`;
const python = JSON.stringify;
const KEY_OPTION = '-H "Authorization: Bearer $API_KEY"';

/** input: {kind: drawn|sample|file|pasted, name, type, url, base64} or null; keyed: whether requests need a key. */
export function asCurl(url, input, keyed) {
  const options = ["-H 'Accept: application/json'"];
  if (keyed) options.push(KEY_OPTION);
  const ask = (...how) => [`curl ${shell(url)}`, ...options, ...how].join(" \\\n  ");
  const key = keyed ? ` ${KEY_OPTION}` : "";
  if (input?.kind === "drawn") return ask("-H 'Content-Type: text/plain'", `--data ${shell(input.base64)}`);
  if (input?.kind === "sample") {
    return `curl -s${key} ${shell(input.url)} |\n${ask(`-H 'Content-Type: ${input.type}'`, "--data-binary @-")}`;
  }
  return ask(`-T ${shell(input?.name ?? "picture.png")}`);
}

export function asPython(url, input, keyed) {
  const headers = [`"Accept": "application/json",`, `"Content-Type": ${python(input?.type ?? "image/png")},`];
  if (keyed) headers.push("**key,");
  const imports = ["json", "urllib.request"];
  let picture = `open(${python(input?.name ?? "picture.png")}, "rb").read()`;
  if (input?.kind === "drawn") {
    imports.unshift("base64");
    picture = `base64.b64decode(${python(input.base64)})`;
  } else if (input?.kind === "sample") {
    const asked = keyed ? `urllib.request.Request(${python(input.url)}, headers=key)` : python(input.url);
    picture = `urllib.request.urlopen(${asked}).read()`;
  }
  if (keyed) imports.splice(imports.indexOf("json") + 1, 0, "os");
  return [
    ...imports.map((name) => `import ${name}`),
    "",
    ...(keyed ? ['key = {"Authorization": "Bearer " + os.environ["API_KEY"]}'] : []),
    `picture = ${picture}`,
    "request = urllib.request.Request(",
    `    ${python(url)},`,
    "    data=picture,",
    "    headers={",
    ...headers.map((header) => `        ${header}`),
    "    },",
    ")",
    "with urllib.request.urlopen(request) as response:",
    "    print(json.load(response))",
  ].join("\n");
}

/** Returns a Blob's bytes in Base64. */
export async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}

/** Copies text, returns whether it worked. Without HTTPS (except on localhost) browsers have only the old clipboard API. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
