// Bundle the pages into a folder of static files, or bundle and run the unit tests.
//
//   node build.mjs [--outdir FOLDER]   default: ../circus_httpd/static
//   node build.mjs --test              node's own test runner over tests/*.test.ts

import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { build } from "esbuild";

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const targets = ["chrome123", "firefox121", "safari17.5"];

/** Bundle everything into `outdir`, which is made anew. */
async function buildPages(outdir) {
  await rm(outdir, { recursive: true, force: true });
  await mkdir(outdir, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx", theme: "src/theme_first.ts" },
    outdir,
    bundle: true,
    minify: true,
    format: "iife",
    target: targets,
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".woff2": "file" },
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  const made = Object.keys(metafile.outputs).map((file) => path.basename(file));
  const one = (pattern) => made.find((name) => pattern.test(name)) ?? fail(`esbuild made no ${pattern}`);
  const template = await readFile(path.join(here, "src/index.html"), "utf8");
  const page = template
    .replace("{{style}}", one(/^app-.*\.css$/))
    .replace("{{theme}}", one(/^theme-.*\.js$/))
    .replace("{{app}}", one(/^app-.*\.js$/));
  await writeFile(path.join(outdir, "index.html"), page);
  await writeFile(path.join(outdir, "favicon.svg"), await readFile(path.join(here, "src/favicon.svg")));
  await writeFile(path.join(outdir, "licences.txt"), await licences(metafile));
}

/** The licence texts of all packages that got into the bundle. */
async function licences(metafile) {
  const packages = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input);
    if (found) packages.add(found[1]);
  }
  const texts = ["The pages of circus-httpd contain these works of others.\n"];
  for (const name of [...packages].sort()) {
    const folder = path.join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) fail(`${name} has no file with its licence`);
    const text = await readFile(path.join(folder, file), "utf8");
    texts.push(`${"-".repeat(78)}\n${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return texts.join("\n");
}

/** Run tests/*.test.ts; the exit status is that of the test runner. */
async function runTests() {
  const folder = await mkdtemp(path.join(tmpdir(), "circus-httpd-tests-"));
  try {
    const names = (await readdir(path.join(here, "tests"))).filter((name) => name.endsWith(".test.ts"));
    await build({
      absWorkingDir: here,
      entryPoints: names.map((name) => `tests/${name}`),
      outdir: folder,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      logLevel: "warning",
    });
    const files = names.map((name) => path.join(folder, name.replace(/\.ts$/, ".mjs")));
    return spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function fail(text) {
  throw new Error(text);
}

const [mode, value] = process.argv.slice(2);
if (mode === "--test") process.exitCode = await runTests();
else if (mode === undefined) await buildPages(path.join(here, "../circus_httpd/static"));
else if (mode === "--outdir" && value) await buildPages(path.resolve(value));
else fail("usage: node build.mjs [--outdir FOLDER | --test]");
