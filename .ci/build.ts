/**
 * `npm run build`: the package as others install it, in `dist`: JavaScript, types, and the addon
 * where it was built. `npm pack` runs it.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root, run, runBin } from "./Suite.ts"

const dist = join(root, "dist")
const fail = (what: string): never => {
  console.error(`build: ${what}`)
  process.exit(1)
}

rmSync(dist, { recursive: true, force: true })
if (!run(process.execPath, join(root, "native", "build.mjs"))) fail("the addon was not built")
if (!runBin("tsc", "-p", "tsconfig.build.json")) fail("the types do not check")

mkdirSync(join(dist, "native"), { recursive: true })
const native = readdirSync(join(root, "native"))
const addons = native.filter((name) => name.endsWith(".node"))
for (const name of ["load.mjs", ...addons]) {
  cpSync(join(root, "native", name), join(dist, "native", name))
}
// What the tour shows, with the licence of the data.
cpSync(join(root, "test/data/cloudtrail"), join(dist, "test/data/cloudtrail"), { recursive: true })

const { name, version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const manifest = { name, version, license, type: "module", private: true }
writeFileSync(join(dist, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`)
console.log(`build: dist, ${addons.length === 0 ? "JS engine only" : addons.join(" ")}`)
