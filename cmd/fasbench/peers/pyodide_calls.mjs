// Calls main(args) of a file COUNT times by Pyodide, each time in a fresh interpreter.
//
//   node pyodide_calls.mjs PACKAGES FILE ARGS COUNT
//
// PACKAGES is the folder of the npm package's installation. The fastest way that its API has is loadPyodide() with a snapshot of the memory
// of a started interpreter, which is marked as experimental. Prints the last result, the seconds of each call, and those of the processor for
// all calls.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, file, args, count] = process.argv.slice(2);
const path = createRequire(`${packages}/`).resolve("pyodide/pyodide.mjs");
const { loadPyodide, version } = await import(pathToFileURL(path));
const code =
  readFileSync(file, "utf8").replace('if __name__ == "__main__":', "if False:") +
  `\nimport json\njson.dumps(main(json.loads(${JSON.stringify(args)}), {}))\n`;
const snapshot = (await loadPyodide({ _makeSnapshot: true })).makeMemorySnapshot();

async function call() {
  const start = performance.now();
  const pyodide = await loadPyodide({ _loadSnapshot: snapshot });
  const result = pyodide.runPython(code);
  return { seconds: (performance.now() - start) / 1000, result };
}

await call();
const before = process.cpuUsage();
const calls = [];
for (let i = 0; i < Number(count); i++) calls.push(await call());
const used = process.cpuUsage(before);
console.log(
  JSON.stringify({
    version,
    result: JSON.parse(calls.at(-1).result),
    seconds: calls.map((c) => c.seconds),
    cpu: (used.user + used.system) / 1e6,
  }),
);
