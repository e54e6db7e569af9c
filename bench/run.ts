/**
 * Runs benches, each in a fresh process pinned to one core where taskset is there:
 * `npm run bench [-- name... --json --save]`.
 */
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"

const known = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".bench.ts"))
  .map((file) => file.replace(".bench.ts", ""))
const flags = process.argv.slice(2).filter((argument) => argument.startsWith("-"))
const asked = process.argv.slice(2).filter((argument) => !argument.startsWith("-"))
const unknown = asked.filter((name) => !known.includes(name))
const usage = [
  "npm run bench [-- name... --json --save]",
  "",
  "Without a name every bench runs, which takes some minutes. --json prints JSON Lines, --save",
  `writes bench/results. Benches: ${known.join(", ")}`,
].join("\n")
const knownFlags = ["--json", "--save"]
const wrongFlag = flags.find((flag) => !knownFlags.includes(flag))
if (wrongFlag !== undefined) {
  const isHelp = wrongFlag === "--help" || wrongFlag === "-h"
  if (isHelp) process.stdout.write(`${usage}\n`)
  else process.stderr.write(`unknown flag ${wrongFlag}\n\n${usage}\n`)
  process.exit(isHelp ? 0 : 1)
}
if (unknown.length > 0) {
  process.stderr.write(`no bench called ${unknown.join(", ")}; there are: ${known.join(", ")}\n`)
  process.exit(1)
}
// The disk's benches need the second core for the kernel's work and libuv's threads.
const unpinned = new Set(["wal", "open", "chains"])
const oneCore = spawnSync("taskset", ["-c", "1", "true"]).status === 0 ? ["taskset", "-c", "1"] : []
let failed = 0
for (const name of asked.length > 0 ? asked : known) {
  const pin = unpinned.has(name) ? [] : oneCore
  process.stderr.write(`\n== ${name}${pin.length > 0 ? " (one core)" : ""}\n`)
  const [command, ...rest] = [
    ...pin,
    process.execPath,
    "--expose-gc",
    join(import.meta.dirname, `${name}.bench.ts`),
    ...flags,
  ]
  const { status } = spawnSync(command as string, rest, { stdio: "inherit" })
  if (status !== 0) failed += 1
}
process.exit(failed === 0 ? 0 : 1)
