// `npm run build`: bundles the main process, the preload script and the page, and copies the page's other files.
//
// `sidecar-electron/…` is the parent folder, by `paths` in tsconfig.json; your own app has the package in node_modules.
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "dist");
const { resolve } = createRequire(import.meta.url);

const bundle = (entry, outfile, options) =>
  buildSync({
    entryPoints: [join(here, entry)],
    outfile: join(out, outfile),
    bundle: true,
    tsconfig: join(here, "tsconfig.json"),
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
    ...options,
  });

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "fonts"), { recursive: true });
bundle("main.ts", "main.mjs", { format: "esm", platform: "node", external: ["electron"] });
bundle("preload.ts", "preload.cjs", { format: "cjs", platform: "browser", external: ["electron"] });
bundle("page/app.ts", "page.js", { format: "iife", platform: "browser" });
bundle("page/style/all.css", "style.css", { external: ["*.woff2"] });
copyFileSync(join(here, "page", "index.html"), join(out, "index.html"));
for (const [font, file] of [
  ["instrument-sans", "instrument-sans-latin-wght-normal"],
  ["instrument-sans", "instrument-sans-latin-ext-wght-normal"],
  ["instrument-sans", "instrument-sans-latin-wght-italic"],
  ["jetbrains-mono", "jetbrains-mono-latin-wght-normal"],
]) {
  const folder = dirname(resolve(`@fontsource-variable/${font}/package.json`));
  copyFileSync(join(folder, "files", `${file}.woff2`), join(out, "fonts", `${file}.woff2`));
}
