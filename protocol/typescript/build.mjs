// `npm run build`: compiles the modules and their types into dist/, and bundles the preload script into the single
// CommonJS file that a sandboxed window needs.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { buildSync } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

rmSync(join(here, "dist"), { recursive: true, force: true });
const tsc = join(here, "node_modules", "typescript", "bin", "tsc");
execFileSync(process.execPath, [tsc, "-p", join(here, "tsconfig.build.json")], { stdio: "inherit" });
buildSync({
  entryPoints: [join(here, "preload_script.ts")],
  outfile: join(here, "dist", "preload.cjs"),
  bundle: true,
  format: "cjs",
  platform: "browser",
  target: "es2022",
  external: ["electron"],
  legalComments: "none",
});
