// Runs Python code in Pyodide. Standard input is JSON: the code, its environment variables, and the
// directories to mount.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const request = JSON.parse(fs.readFileSync(0, "utf8"));
const module = pathToFileURL(path.join(request.pyodide, "pyodide.mjs"));
const { loadPyodide } = await import(module);
const python = await loadPyodide({ env: request.environment });
for (const [where, directory] of Object.entries(request.mounted)) {
  python.mountNodeFS(where, directory);
}
try {
  python.runPython(request.code);
} catch (error) {
  // Not the error itself: node would print all of Pyodide's source with it.
  console.error(String(error.message));
  process.exitCode = 1;
}
