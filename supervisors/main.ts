#!/usr/bin/env node
/**
 * The program: `strongroom`, also called `ronctl` and `stella`. Wires the library into the command
 * line; the library is loaded by the commands that open a log.
 */
import { readFileSync } from "node:fs"
import { basename } from "node:path"

/** Until the program is loaded there is nothing to put in order. Exit code: INTERFACES, CLI. */
let onSignal = (): void => process.exit(130)
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => onSignal())

// Behind the handlers: a static import would be loaded before them.
const { runCli } = await import("../src/cli/Cli.ts")
const { parse } = await import("../src/record/Canonical.ts")

const library = () => import("./Strongroom.ts")

const versionOf = (bytes: Uint8Array): string => {
  const manifest = parse(bytes)
  const version = Reflect.get(Object(manifest), "version")
  return typeof version === "string" ? version : "0"
}

const called = basename(process.argv[1] ?? "").replace(/\.(ts|js)$/, "")
const alias = ["ronctl", "stella"].find((name) => name === called)
const isInstalled = alias !== undefined || called === "strongroom"

runCli({
  openRoom: async (options) => (await library()).Strongroom.open(options),
  continueChain: async (options, stream) =>
    (await library()).Strongroom.continueChain(options, stream),
  openReplay: async (options, logId) => (await library()).Strongroom.openReplay(options, logId),
  takeSignals: (act) => {
    onSignal = act
  },
  args: process.argv.slice(2),
  name: alias ?? "strongroom",
  program: isInstalled ? called : "npm run -s strongroom --",
  version: versionOf(readFileSync(new URL("../package.json", import.meta.url))),
})
