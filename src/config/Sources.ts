/**
 * Where values come from: flags over environment over file over defaults, each value with its
 * source.
 *
 * - Strict: an unknown flag, key or RON_AUDIT_ variable is an issue, with the nearest known name. A
 *   variable without the prefix that is no known alias is somebody else's.
 * - A malformed value is an issue even where another source overrides it: it must not lie in wait.
 * - An empty variable is one that is not set.
 * - Deprecated names (the runbook's AUDIT_*, WAL_PATH) are taken with a warning, below the names
 *   that replaced them.
 *
 * Source: LEDGER, C-25, C-91, C-95; FORMATS 11.
 */
import type { SinkKind } from "./Choice.ts"
import { hasExport, hasWal, withSinkParts } from "./Config.ts"
import { type FileEntry, readConfigText } from "./FileText.ts"
import type { Issue } from "./Issue.ts"
import {
  isInBounds,
  readText,
  readValue,
  redacted,
  type Setting,
  type Value,
  wantedOf,
} from "./Setting.ts"
import { nearest } from "./Suggest.ts"
import { isKey, type Key, keys, settingOf, streamFlag, streamKey, streamSetting } from "./Table.ts"

export interface Inputs {
  /** In the order of the invocation: the flag with its dashes, and its value. */
  readonly flags: ReadonlyArray<readonly [flag: string, value: string]>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file?: { readonly path: string; readonly bytes: Uint8Array }
}

const streamVariable = /^RON_AUDIT_STREAMS__(.+)__QUEUE_DEPTH$/
const prefix = "RON_AUDIT_"

/** One value that one source gives. */
interface Given {
  /** A key of the table, or that of a stream. */
  readonly key: string
  /** `undefined` where it is malformed; one out of bounds is left to the rules. */
  readonly value: Value | undefined
  readonly setting: Setting
  /** As it was given, redacted where it is secret. */
  readonly shown: string
  readonly source: string
}

export interface Gathered {
  /** What is in force of what was given, by key; the highest source first. */
  readonly given: ReadonlyMap<string, Given>
  /** Names of the streams among the keys. */
  readonly streams: ReadonlyMap<string, string>
  readonly issues: ReadonlyArray<Issue>
  readonly warnings: ReadonlyArray<string>
}

const unknown = (name: string, source: string, known: Iterable<string>): Issue => {
  const near = nearest(name, known)
  const hint = near === undefined ? "" : `, did you mean ${near}?`
  return { key: name, source, wanted: `a known name${hint}` }
}

const outside = ({ key, setting, shown, source }: Given): Issue => ({
  key,
  value: shown,
  source,
  wanted: wantedOf(setting),
})

const flagKeys = new Map(keys.flatMap((key) => settingOf(key).flags.map((flag) => [flag, key])))
const envKeys = new Map(keys.flatMap((key) => settingOf(key).env.map((name) => [name, key])))
const oldFileKeys = new Map(
  keys.flatMap((key) => {
    const name = settingOf(key).old?.file
    return name === undefined ? [] : [[name, key] as const]
  }),
)

class Gathering {
  readonly given = new Map<string, Given>()
  readonly overridden: Array<Given> = []
  readonly streams = new Map<string, string>()
  readonly issues: Array<Issue> = []
  readonly warnings: Array<string> = []

  /** The first that is taken for a key is in force. */
  take(key: string, setting: Setting, value: Value | undefined, raw: string, from: string): void {
    const shown = setting.isSecret === true && raw !== "" ? redacted : raw
    const given = { key, setting, value, shown, source: from }
    if (value === undefined) this.issues.push(outside(given))
    if (this.given.has(key)) this.overridden.push(given)
    else this.given.set(key, given)
  }

  takeText(key: Key, raw: string, source: string): void {
    const setting = settingOf(key)
    this.take(key, setting, readText(setting, raw), raw, source)
  }

  takeStream(stream: string, read: Value | undefined, raw: string, source: string): void {
    const key = streamKey(stream)
    this.streams.set(key, stream)
    this.take(key, streamSetting, read, raw, source)
  }
}

const twice = (key: string, source: string): Issue => ({
  key,
  source,
  wanted: "one value, it is given twice",
})

const gatherFlags = (to: Gathering, flags: Inputs["flags"]): void => {
  for (const [flag, raw] of flags) {
    const cut = raw.lastIndexOf("=")
    const key = flagKeys.get(flag)
    if (flag === streamFlag) {
      const [stream, depth] = [raw.slice(0, Math.max(cut, 0)), raw.slice(cut + 1)]
      if (cut < 1) to.issues.push({ key: flag, value: raw, source: flag, wanted: "STREAM=DEPTH" })
      else if (to.streams.has(streamKey(stream))) to.issues.push(twice(streamKey(stream), flag))
      else to.takeStream(stream, readText(streamSetting, depth), depth, flag)
    } else if (key === undefined) {
      to.issues.push(unknown(flag, "flag", [...flagKeys.keys(), streamFlag]))
    } else if (to.given.has(key)) {
      to.issues.push(twice(key, flag))
    } else to.takeText(key, raw, flag)
  }
}

const gatherEnv = (to: Gathering, set: ReadonlyMap<string, string>): void => {
  for (const key of keys) {
    for (const name of settingOf(key).env) {
      const raw = set.get(name)
      if (raw !== undefined) to.takeText(key, raw, name)
    }
  }
  for (const [name, raw] of set) {
    const stream = streamVariable.exec(name)?.[1]?.toLowerCase()
    if (stream !== undefined) to.takeStream(stream, readText(streamSetting, raw), raw, name)
    else if (name.startsWith(prefix) && !envKeys.has(name)) {
      to.issues.push(unknown(name, "environment", envKeys.keys()))
    }
  }
}

const gatherOldEnv = (to: Gathering, set: ReadonlyMap<string, string>): void => {
  for (const key of keys) {
    const setting = settingOf(key)
    for (const name of setting.old?.env ?? []) {
      const raw = set.get(name)
      if (raw === undefined) continue
      const by = to.given.get(key)?.source
      to.warnings.push(
        by === undefined
          ? `${name} is deprecated and goes in 2.0.0, use ${setting.env[0]}`
          : `${name} is deprecated and has no effect, as ${by} is given`,
      )
      to.takeText(key, raw, name)
    }
  }
}

const switches = [
  ["AUDIT_WAL_ENABLED", hasWal],
  ["AUDIT_EXPORT_ENABLED", hasExport],
] as const

/**
 * The runbook's two switches, which stand for `sink`. One that is not set leaves its half as the
 * file and the defaults have it; one that says other than RON_AUDIT_SINK is a contradiction.
 */
const gatherSwitches = (to: Gathering, set: ReadonlyMap<string, string>, below: SinkKind): void => {
  const named = switches.filter(([name]) => set.has(name))
  if (named.length === 0) return
  const parts = switches.map(([name, has]) => {
    const raw = set.get(name)
    if (raw === undefined) return has({ sink: below })
    if (raw !== "true" && raw !== "false") {
      to.issues.push({ key: name, value: raw, source: "environment", wanted: "true or false" })
    }
    return raw === "true"
  })
  const names = named.map(([name]) => name).join(", ")
  to.warnings.push(`${names}: deprecated, goes in 2.0.0, use RON_AUDIT_SINK and RON_AUDIT_AMNESIA`)
  const sink = set.get("RON_AUDIT_SINK")
  const said = readText(settingOf("sink"), sink ?? "") as SinkKind | undefined
  for (const [name, has] of named) {
    if (said === undefined || has({ sink: said }) === (set.get(name) === "true")) continue
    const wanted = `what ${name}=${set.get(name)} says too`
    to.issues.push({ key: "sink", value: said, source: "RON_AUDIT_SINK", wanted })
  }
  to.takeText("sink", withSinkParts(parts[0] === true, parts[1] === true), names)
}

const rawOf = (value: unknown): string => {
  const isPlain = ["string", "number", "boolean"].includes(typeof value)
  return isPlain ? String(value) : Array.isArray(value) ? "a list" : "a table or a date"
}

const placeOf = (file: string, { line }: FileEntry): string =>
  line === undefined ? file : `${file}:${line}`

const gatherEntry = (to: Gathering, file: string, entry: FileEntry): void => {
  const { path, value } = entry
  const source = placeOf(file, entry)
  const name = path.join(".")
  const [section = "", stream = "", ...rest] = path
  if (section === "streams") {
    const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0
    if (isEmpty && rest.length === 0) return
    if (rest.join(".") !== "queue_depth") {
      to.issues.push(unknown(name, source, [streamKey(stream)]))
    } else to.takeStream(stream, readValue(streamSetting, value), rawOf(value), source)
    return
  }
  const old = oldFileKeys.get(name)
  const key = isKey(name) ? name : old
  if (key === undefined) {
    const isEmptySection =
      rawOf(value).endsWith("date") && keys.some((k) => k.startsWith(`${name}.`))
    if (!isEmptySection) to.issues.push(unknown(name, source, keys))
    return
  }
  if (old !== undefined)
    to.warnings.push(`${name} (${source}) is deprecated and goes in 2.0.0, use ${old}`)
  const setting = settingOf(key)
  to.take(key, setting, readValue(setting, value), rawOf(value), source)
}

const gatherFile = (to: Gathering, file: Inputs["file"]): void => {
  if (file === undefined) return
  const entries = readConfigText(file.bytes)
  if (typeof entries === "string") {
    to.issues.push({ key: "file", source: file.path, wanted: `a readable one, it ${entries}` })
    return
  }
  // Old names last, so that they are below the names that replaced them.
  const isOld = ({ path }: FileEntry): boolean => oldFileKeys.has(path.join("."))
  const ordered = [...entries.filter((entry) => !isOld(entry)), ...entries.filter(isOld)]
  const seen = new Set<string>()
  for (const entry of ordered) {
    const name = entry.path.join(".")
    if (seen.has(name)) to.issues.push(twice(name, placeOf(file.path, entry)))
    else gatherEntry(to, file.path, entry)
    seen.add(name)
  }
}

/** What all sources say. */
export const gather = ({ flags, env, file }: Inputs): Gathered => {
  const set = new Map<string, string>()
  for (const [name, raw] of Object.entries(env)) {
    if (raw !== undefined && raw !== "") set.set(name, raw)
  }
  const fromFile = new Gathering()
  gatherFile(fromFile, file)
  const to = new Gathering()
  gatherFlags(to, flags)
  gatherEnv(to, set)
  gatherOldEnv(to, set)
  const below = fromFile.given.get("sink")?.value ?? "ram"
  gatherSwitches(to, set, below as SinkKind)
  const under = [...fromFile.given.values()].filter(({ key }) => to.given.has(key))
  const beyond = [...to.overridden, ...fromFile.overridden, ...under].filter(
    ({ setting, value }) => value !== undefined && !isInBounds(setting, value),
  )
  return {
    given: new Map([...fromFile.given, ...to.given]),
    streams: new Map([...fromFile.streams, ...to.streams]),
    issues: [...to.issues, ...fromFile.issues, ...beyond.map(outside)],
    warnings: [...to.warnings, ...fromFile.warnings],
  }
}
