// Compiles src into dist: `node build.mjs`. With --check it writes nothing and fails unless dist is what src
// compiles to, byte for byte.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import zopfli from "@gfx/zopfli";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);
const read = (path) => readFileSync(path);
const sha256 = (data) => createHash("sha256").update(data).digest("hex");

/** pack compresses a file as gzip, a few percent smaller than zlib can. */
const pack = promisify((data, done) => zopfli.gzip(data, { numiterations: 5 }, done));

/** filesBelow returns the paths of all files below a folder, sorted. */
const filesBelow = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true }).filter((e) => e.isFile()).map((e) => join(e.parentPath ?? e.path, e.name)).sort();

/** sourcesHash is the hash of everything that dist depends on. console_test.go computes it too. */
function sourcesHash() {
  const hash = createHash("sha256");
  for (const path of ["build.mjs", "package-lock.json", ...filesBelow("src")]) hash.update(`${path}\n${sha256(read(path))}\n`);
  return hash.digest("hex");
}

/** licences returns the licences of the packages that are compiled in. */
function licences(inputs) {
  const packages = new Set(inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
  return [...packages].sort().map((name) => {
    const folder = join("node_modules", name);
    const { version, license } = JSON.parse(read(join(folder, "package.json")));
    const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
    return `${name} ${version}, ${license}\n\n${read(join(folder, file)).toString().trim()}\n`;
  }).join(`\n${"-".repeat(80)}\n\n`);
}

/** texts makes "text:" and the path of a style sheet its text. */
const texts = {
  name: "texts",
  setup(b) {
    b.onResolve({ filter: /^text:/ }, async ({ path, resolveDir }) => {
      const found = await b.resolve(path.slice(5), { resolveDir, kind: "import-rule" });
      return { path: relative(here, found.path), namespace: "text" };
    });
    b.onLoad({ filter: /./, namespace: "text" }, async ({ path }) => {
      const { code } = await transform(read(path).toString(), { loader: "css", minify: true, target: options.target });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

const options = {
  bundle: true, minify: true, write: false, format: "esm", splitting: true, metafile: true,
  outdir: "dist", target: ["chrome123", "firefox128", "safari17.5"], charset: "utf8", legalComments: "none",
  entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]", jsx: "automatic", jsxImportSource: "preact", logLevel: "warning", plugins: [texts],
};

const result = await build({ ...options, entryPoints: [{ in: "src/main.tsx", out: "app" }] });
const files = new Map(result.outputFiles.map((f) => [basename(f.path), Buffer.from(f.contents)]));
const outputs = Object.entries(result.metafile.outputs);
const [script, entry] = outputs.find(([, o]) => o.entryPoint === "src/main.tsx");
const icon = read("src/icon.svg");
const names = { script: basename(script), style: basename(entry.cssBundle), icon: `icon-${sha256(icon).slice(0, 8)}.svg` };
files.set(names.icon, icon);
files.set("index.html", Buffer.from(read("src/index.html").toString().replace(/\{(\w+)\}/g, (_, name) => names[name])));
files.set("licences.txt", Buffer.from(licences(Object.keys(result.metafile.inputs))));

/** first are the files that a browser loads before it shows anything. */
const first = new Set(["index.html", ...Object.values(names)]);
const visit = (path) => {
  for (const i of result.metafile.outputs[path].imports) {
    if (i.kind === "import-statement" && !first.has(basename(i.path))) {
      first.add(basename(i.path));
      visit(i.path);
    }
  }
};
visit(script);

const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
const manifest = {
  sources: sourcesHash(),
  first: [...first].sort(),
  files: Object.fromEntries(sorted.map(([name, data]) => [name, { sha256: sha256(data), bytes: data.length }])),
};

if (process.argv.includes("--check")) {
  const problems = [];
  const committed = existsSync("dist/manifest.json") ? read("dist/manifest.json").toString() : "";
  if (committed !== `${JSON.stringify(manifest, null, 2)}\n`) problems.push("dist/manifest.json differs");
  for (const [name, data] of sorted) {
    const path = `dist/${name}.gz`;
    if (!existsSync(path) || !gunzipSync(read(path)).equals(data)) problems.push(`${path} differs`);
  }
  for (const name of readdirSync("dist")) if (name !== "manifest.json" && !files.has(name.replace(/\.gz$/, ""))) problems.push(`dist/${name} is not compiled any more`);
  if (problems.length > 0) {
    console.error(`the console in dist is not what src compiles to; run "make console":\n  ${problems.join("\n  ")}`);
    process.exit(1);
  }
  console.log(`dist is what src compiles to: ${sorted.length} files`);
} else {
  rmSync("dist", { recursive: true, force: true });
  mkdirSync("dist");
  let all = 0;
  let early = 0;
  for (const [name, data] of sorted) {
    const packed = await pack(data);
    writeFileSync(`dist/${name}.gz`, packed);
    all += packed.length;
    if (first.has(name)) early += packed.length;
    console.log(`${String(packed.length).padStart(8)} ${name}`);
  }
  writeFileSync("dist/manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(`${String(all).padStart(8)} in all, ${early} before anything else is opened`);
}
