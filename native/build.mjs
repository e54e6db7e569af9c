/**
 * Builds the addon where there is a Rust toolchain and the sources changed since the last build.
 *
 * Without cargo, or when the build fails, one line says so and the exit code is 0: the JS engine
 * does the same work, slower. With STRONGROOM_ENGINE=native both are errors. An addon of other
 * sources is never left behind.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { stripVTControlCharacters } from "node:util"

const native = dirname(fileURLToPath(import.meta.url))
const root = dirname(native)
const stamp = join(native, ".stamp")

const giveUp = (reason) => {
  console.error(`strongroom: native engine NOT built, the slower JS engine is used: ${reason}`)
  process.exit(process.env.STRONGROOM_ENGINE === "native" ? 1 : 0)
}

const addons = () => readdirSync(native).filter((name) => name.endsWith(".node"))

const cargo = spawnSync("cargo", ["--version"], { cwd: root, encoding: "utf8" })
if (cargo.error !== undefined || cargo.status !== 0) {
  // Whoever put an addon here without cargo knows where it is from; its interface is checked.
  if (addons().length > 0) process.exit(0)
  giveUp("cargo was not found")
}

const sources = () => {
  const crate = ["native/lib.rs", "native/napi.json", "native/build.mjs"]
  const workspace = ["Cargo.toml", "Cargo.lock", "build.rs"]
  const core = readdirSync(join(native, "core"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(rs|toml)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  return [...crate, ...workspace, ...core].sort()
}

const fingerprint = createHash("sha256").update(`${cargo.stdout}${process.platform}${process.arch}`)
for (const file of sources()) {
  fingerprint
    .update(`${file}\0`)
    .update(readFileSync(join(root, file)))
    .update("\0")
}
const current = fingerprint.digest("hex")

const isBuilt = addons().length > 0 && existsSync(stamp) && readFileSync(stamp, "utf8") === current
if (isBuilt) process.exit(0)
for (const stale of [...addons(), ".stamp"]) rmSync(join(native, stale), { force: true })

console.error("strongroom: building the native engine, once, about a minute")
const cli = join(root, "node_modules", "@napi-rs", "cli", "dist", "cli.js")
if (!existsSync(cli)) giveUp("@napi-rs/cli is not installed (npm ci brings it)")
const options = ["--platform", "--release", "--config-path", "native/napi.json", "--no-js"]
const build = spawnSync(
  process.execPath,
  [cli, "build", ...options, "--output-dir", "native", "--dts", "index.d.ts"],
  { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 },
)
if (build.status !== 0) {
  const lines = `${build.stderr ?? ""}\n${build.stdout ?? ""}`.split("\n")
  const first = lines.find((line) => /\berror\b/i.test(line)) ?? build.error?.message ?? "no reason"
  giveUp(`${stripVTControlCharacters(first).trim()} (npx napi build shows all of it)`)
}
writeFileSync(stamp, current)
