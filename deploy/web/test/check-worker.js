/**
 * Checks the types of `service-worker.js`, which is a template and knows other globals than a
 * page: filled in, in a folder of its own, with the worker's library.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FOLDER = new URL("..", import.meta.url).pathname;
const template = readFileSync(join(FOLDER, "service-worker.js"), "utf-8");
if (!template.includes('const VERSION = "@VERSION@";') || !template.includes("= @FILES@;")) {
  throw new Error("service-worker.js lacks the two lines that packaging fills in");
}
const filled = template.replace("@VERSION@", "0").replace("@FILES@", '["index.html"]');
const folder = mkdtempSync(join(tmpdir(), "edgecnn-worker-"));
try {
  writeFileSync(join(folder, "service-worker.js"), filled);
  const { compilerOptions } = JSON.parse(readFileSync(join(FOLDER, "tsconfig.json"), "utf-8"));
  const options = { ...compilerOptions, lib: ["ES2022", "WebWorker"] };
  const project = { compilerOptions: options, include: ["*.js"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project));
  const tsc = join(FOLDER, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(process.execPath, [tsc, "--project", folder], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
