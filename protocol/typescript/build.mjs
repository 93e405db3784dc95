// `npm run build`: compiles the modules and their types into dist/ as ES modules and into dist/cjs/ as CommonJS modules,
// and bundles the preload script into the single CommonJS file that a sandboxed window needs.
//
// An entry point is a line in `exports` of package.json, and one in `typesVersions`, which TypeScript's old resolution
// (`node10`) reads instead.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { basename, dirname, join, relative } from "node:path";
import { buildSync } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const sources = join(dist, "src");

function compile(config) {
  const tsc = join(here, "node_modules", "typescript", "bin", "tsc");
  const maps = ["--sourceMap", "--declarationMap"];
  execFileSync(process.execPath, [tsc, "-p", join(here, config), ...maps], { stdio: "inherit" });
}

/** Makes the maps of a folder point to the copies of the sources that are in the package. */
function redirectMaps(folder) {
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".map"))) {
    const map = JSON.parse(readFileSync(join(folder, name), "utf8"));
    map.sources = map.sources.map((path) => relative(folder, join(sources, basename(path))).replaceAll("\\", "/"));
    writeFileSync(join(folder, name), JSON.stringify(map));
  }
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(sources, { recursive: true });
for (const name of readdirSync(here).filter((name) => /\.tsx?$/.test(name))) {
  copyFileSync(join(here, name), join(sources, name));
}
compile("tsconfig.build.json");
compile("tsconfig.cjs.json");
writeFileSync(join(dist, "cjs", "package.json"), '{ "type": "commonjs" }\n');
buildSync({
  entryPoints: [join(here, "preload_script.ts")],
  outfile: join(dist, "preload.cjs"),
  bundle: true,
  format: "cjs",
  platform: "browser",
  target: "es2022",
  external: ["electron"],
  legalComments: "none",
  sourcemap: true,
  sourcesContent: false,
});
writeFileSync(join(dist, "preload.d.cts"), "export {};\n");
redirectMaps(dist);
redirectMaps(join(dist, "cjs"));
