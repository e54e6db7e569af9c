/**
 * Where a command works and with what: flags over environment over configuration file over
 * defaults.
 *
 * Of the file, TOML or JSON, commands use six keys: data_dir, wal.dir, export.dir, writer_id,
 * signing.mode, wal.fsync. A key that docs/reference/config.md does not know is refused: a typo in
 * a security setting must not be read as its default.
 * Relative paths are relative to the working directory. Source: FORMATS 11, INTERFACES, CLI.
 */
import { accessSync, constants, type Stats, statSync } from "node:fs"
import { hostname, userInfo } from "node:os"
import { join, relative } from "node:path"
import { type FsyncPolicy, fsyncPolicies, type Signing, signings } from "../audit/Declaration.ts"
import { isKey } from "../config/Table.ts"
import type { EngineChoice } from "../engine/Select.ts"
import { type Json, parse } from "../record/Canonical.ts"
import { Rejected } from "../record/Reject.ts"
import { UsageError } from "./Exit.ts"
import { readSmall, reasonOf } from "./Lines.ts"
import { nameFault } from "./Names.ts"

/** Flags that every command takes. */
export interface GlobalFlags {
  readonly json: boolean
  readonly config: string | undefined
  readonly dataDir: string | undefined
  readonly walDir: string | undefined
  readonly exportDir: string | undefined
  readonly engine: EngineChoice | undefined
  readonly passphraseFile: string | undefined
}

export interface Settings {
  readonly dataDir: string
  readonly walDir: string
  readonly exportDir: string
  /** Directories that a flag named, not a default or the file. */
  readonly given: { readonly walDir: boolean; readonly exportDir: boolean }
  readonly writerId: string | undefined
  readonly signing: Signing | undefined
  readonly fsync: FsyncPolicy | undefined
  readonly engine: EngineChoice
  readonly passphraseFile: string | undefined
}

interface FileSettings {
  data_dir?: string
  "wal.dir"?: string
  "export.dir"?: string
  writer_id?: string
  signing?: Signing
  fsync?: FsyncPolicy
}

const keys = ["data_dir", "wal.dir", "export.dir", "writer_id", "signing", "fsync"]

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** `{wal:{dir}}` as `wal.dir`, one level deep: no key of ours is deeper. */
const flatten = (table: Readonly<Record<string, unknown>>): Array<readonly [string, unknown]> =>
  Object.entries(table).flatMap(([key, value]) =>
    isTable(value)
      ? Object.entries(value).map(([inner, held]) => [`${key}.${inner}`, held] as const)
      : [[key, value] as const],
  )

const check = (path: string, table: unknown): FileSettings => {
  const fail = (what: string, hint?: string) => UsageError.of("CONFIG", `${path}: ${what}`, hint)
  if (!isTable(table)) throw fail("is not a table of settings")
  const found: Record<string, string> = {}
  for (const [name, value] of flatten(table)) {
    const key = name === "signing.mode" ? "signing" : name === "wal.fsync" ? "fsync" : name
    // What only a running service needs is judged by it and by config check.
    if (!keys.includes(key) && (isKey(key) || key.startsWith("streams."))) continue
    if (!keys.includes(key)) throw fail(`unknown key ${key}`, `known are ${keys.join(", ")}`)
    if (typeof value !== "string" || value === "") throw fail(`${key} is not a text`)
    const allowed: ReadonlyArray<string> | undefined =
      key === "signing" ? signings : key === "fsync" ? fsyncPolicies : undefined
    if (allowed?.includes(value) === false) throw fail(`${key} is none of ${allowed.join(", ")}`)
    const fault = key === "writer_id" ? nameFault("writer_id", value) : undefined
    if (fault !== undefined) throw fail(`writer_id ${JSON.stringify(value)} ${fault}`)
    found[key] = value
  }
  return found
}

/** Units: bytes. Far above any configuration or passphrase. */
const configBytesMax = 1 << 20
const passphraseBytesMax = 4096

const readConfigured = (path: string, what: string, bytesMax: number): Uint8Array => {
  let bytes: Uint8Array | undefined
  try {
    bytes = readSmall(path, bytesMax)
  } catch (error) {
    throw UsageError.of("CONFIG", `cannot read the ${what} ${path}: ${reasonOf(error)}`)
  }
  if (bytes !== undefined) return bytes
  throw UsageError.of("CONFIG", `the ${what} ${path} is larger than ${bytesMax} bytes`)
}

const parseFile = async (path: string): Promise<unknown> => {
  const bytes = readConfigured(path, "configuration", configBytesMax)
  const isJson = /^\s*\{/.test(Buffer.from(bytes.subarray(0, 256)).toString("latin1"))
  try {
    if (isJson) return parse(bytes) as Json
    const { parse: parseToml } = await import("effect/encoding/Toml")
    const result = parseToml(Buffer.from(bytes).toString("utf8"))
    if (result._tag === "Success") return result.success
    throw UsageError.of("CONFIG", `${path} is no TOML: ${result.failure.message}`)
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    throw UsageError.of("CONFIG", `${path} is no JSON: ${error.message}`)
  }
}

const engineFrom = (text: string | undefined): EngineChoice | undefined => {
  if (text === undefined || text === "") return undefined
  const choice = (["auto", "native", "js"] as const).find((known) => known === text)
  if (choice !== undefined) return choice
  throw UsageError.of("CONFIG", "STRONGROOM_ENGINE is none of auto, native, js")
}

/** The effective settings. Errors: UsageError CONFIG. */
export const resolveSettings = async (
  flags: GlobalFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Settings> => {
  const file = flags.config === undefined ? {} : check(flags.config, await parseFile(flags.config))
  const dataDir = flags.dataDir ?? file.data_dir ?? ".strongroom"
  const passphraseFile = flags.passphraseFile ?? env.STRONGROOM_PASSPHRASE_FILE
  return {
    dataDir,
    walDir: flags.walDir ?? file["wal.dir"] ?? join(dataDir, "wal"),
    exportDir: flags.exportDir ?? file["export.dir"] ?? join(dataDir, "export"),
    given: { walDir: flags.walDir !== undefined, exportDir: flags.exportDir !== undefined },
    writerId: file.writer_id,
    signing: file.signing,
    fsync: file.fsync,
    engine: flags.engine ?? engineFrom(env.STRONGROOM_ENGINE) ?? "auto",
    passphraseFile: passphraseFile === "" ? undefined : passphraseFile,
  }
}

/** `user@host` in characters that need no encoding; the same from run to run. */
export const defaultWriterId = (): string => {
  let user = "user"
  try {
    user = userInfo().username
  } catch {
    // A user id without a name, as in many containers.
  }
  const clean = (text: string) => text.replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 60)
  return `${clean(user) || "user"}@${clean(hostname()) || "host"}`
}

/** The passphrase in a file, without the line end. Duty: the caller wipes it. */
export const readPassphrase = (path: string): Uint8Array => {
  const bytes = readConfigured(path, "passphrase file", passphraseBytesMax)
  let end = bytes.length
  if (bytes[end - 1] === 0x0a) end -= 1
  if (bytes[end - 1] === 0x0d) end -= 1
  // A copy, which the wiping does not reach.
  const passphrase = new Uint8Array(bytes.subarray(0, end))
  bytes.fill(0)
  if (passphrase.length > 0) return passphrase
  throw UsageError.of("CONFIG", `the passphrase file ${path} is empty`)
}

/** Refuses what is no directory. `what` names it, as in "WAL directory". */
export const demandDirectory = (path: string, what: string, hint?: string): void => {
  let found: Stats | undefined
  try {
    found = statSync(path, { throwIfNoEntry: false })
    if (found?.isDirectory() === true) accessSync(path, constants.R_OK | constants.X_OK)
  } catch (error) {
    throw UsageError.of("INPUT", `cannot read the ${what} ${path}: ${reasonOf(error)}`)
  }
  if (found === undefined) {
    throw UsageError.of("INPUT", `the ${what} ${path} does not exist`, hint)
  }
  if (!found.isDirectory()) {
    throw UsageError.of("INPUT", `the ${what} ${path} is not a directory`, hint)
  }
}

/** A path as a person would type it here. */
export const shown = (path: string): string => {
  const near = relative("", path)
  return near === "" ? "." : near.startsWith("..") || near.length > path.length ? path : near
}
