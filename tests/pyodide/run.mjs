// Runs Python code in Pyodide; standard input is JSON: the code, its environment, what is mounted.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const module = pathToFileURL(path.join(asked.pyodide, "pyodide.mjs"));
const { loadPyodide } = await import(module);
const python = await loadPyodide({ env: asked.environment });
for (const [where, directory] of Object.entries(asked.mounted)) {
  python.mountNodeFS(where, directory);
}
try {
  python.runPython(asked.code);
} catch (error) {
  // Not the error itself: node would print all of Pyodide's source with it.
  console.error(String(error.message));
  process.exitCode = 1;
}
