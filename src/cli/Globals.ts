/** The flags that every command takes. Source: INTERFACES, CLI. */

import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { GlobalFlags } from "./Settings.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
    Flag.optional,
  )

const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withoutNegation,
    Flag.withDescription("JSON on stdout, everything else on stderr"),
    Flag.withDefault(false),
  ),
})

const Config = GlobalFlag.Setting("config")({
  flag: text("config", "FILE", "Settings from a TOML or JSON file").pipe(
    Flag.withAlias("audit-config"),
  ),
})

const DataDir = GlobalFlag.Setting("data-dir")({
  flag: text("data-dir", "D", "Holds wal, export, keys and trust.json; default ./.strongroom"),
})

const WalDir = GlobalFlag.Setting("wal-dir")({
  flag: text("wal-dir", "D", "The write-ahead log; default wal in the data directory"),
})

const ExportDir = GlobalFlag.Setting("export-dir")({
  flag: text("export-dir", "D", "Exported files; default export in the data directory"),
})

const Engine = GlobalFlag.Setting("engine")({
  flag: Flag.Literals("engine", ["auto", "native", "js"]).pipe(
    Flag.withDescription("Which engine computes; also STRONGROOM_ENGINE; default auto"),
    Flag.optional,
  ),
})

const PassphraseFile = GlobalFlag.Setting("passphrase-file")({
  flag: text(
    "passphrase-file",
    "FILE",
    "Holds the signing key's passphrase; also STRONGROOM_PASSPHRASE_FILE",
  ),
})

export const all = [Json, Config, DataDir, WalDir, ExportDir, Engine, PassphraseFile] as const

/** What the invocation says. */
export const read = Effect.gen(function* () {
  const flags: GlobalFlags = {
    json: yield* Json,
    config: Option.getOrUndefined(yield* Config),
    dataDir: Option.getOrUndefined(yield* DataDir),
    walDir: Option.getOrUndefined(yield* WalDir),
    exportDir: Option.getOrUndefined(yield* ExportDir),
    engine: Option.getOrUndefined(yield* Engine),
    passphraseFile: Option.getOrUndefined(yield* PassphraseFile),
  }
  return flags
})
