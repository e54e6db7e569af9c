/**
 * What a new configuration changes, what that costs, and what is told of it.
 *
 * - Pure: the runtime builds the next snapshot with `planReload` and swaps one reference, without
 *   waiting between reading the old one and writing the new one.
 * - All or nothing: one key that needs a restart refuses the whole reload, so what is in force is
 *   always what one file said, and was judged as a whole.
 * - No secret is in a change, in a digest or in a record.
 *
 * Source: LEDGER, C-53, C-86; FORMATS 10 (ConfigUpdated).
 */
import { utf8 } from "../base/Bytes.ts"
import { b3Text, type HashText } from "../base/Hash.ts"
import { canonicalizeValue, type JsonObject } from "../record/Canonical.ts"
import type { AuditConfig } from "./Config.ts"
import { ConfigError } from "./Issue.ts"
import { type ReloadClass, showValue } from "./Setting.ts"
import { keys, settingOf, streamKey, streamSetting, valueAt } from "./Table.ts"

/** One configuration in force. */
export interface Snapshot {
  /** 1 at the start, one more with each reload that changed something. */
  readonly version: number
  readonly config: AuditConfig
}

/** Values as a person would write them, redacted where they are secret. */
export interface Change {
  readonly key: string
  readonly reload: ReloadClass
  readonly from: string
  readonly to: string
}

export interface ReloadPlan {
  /** To be swapped in; the old one itself where nothing changed. */
  readonly next: Snapshot
  readonly changes: ReadonlyArray<Change>
  /** What the costliest change needs. */
  readonly needs: "nothing" | "hot" | "drain-and-switch"
}

const inherited = "inherited"

const streamDepths = ({ streams }: AuditConfig): ReadonlyMap<string, string> =>
  new Map(
    [...streams].flatMap(([stream, { queueDepth }]) =>
      queueDepth === undefined
        ? []
        : [[streamKey(stream), showValue(streamSetting, queueDepth)] as const],
    ),
  )

/** Every key whose value differs, in the order of the table, streams behind it. */
export const diff = (from: AuditConfig, to: AuditConfig): ReadonlyArray<Change> => {
  const changed = keys
    .filter((key) => valueAt(from, key) !== valueAt(to, key))
    .map((key) => {
      const setting = settingOf(key)
      const [before, after] = [valueAt(from, key), valueAt(to, key)]
      const shown = { from: showValue(setting, before), to: showValue(setting, after) }
      return { key, reload: setting.reload, ...shown }
    })
  const [before, after] = [streamDepths(from), streamDepths(to)]
  const streams = [...new Set([...before.keys(), ...after.keys()])].sort()
  const moved = streams
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => ({
      key,
      reload: streamSetting.reload,
      from: before.get(key) ?? inherited,
      to: after.get(key) ?? inherited,
    }))
  return [...changed, ...moved]
}

/** One line of a log: `queue_depth: 1024 -> 2048`. */
export const formatChange = ({ key, from, to }: Change): string =>
  `${key}: ${from === "" ? "empty" : from} -> ${to === "" ? "empty" : to}`

/**
 * The way from what is in force to a configuration that has passed `resolveConfig`.
 * Errors: ConfigError CONFIG_RESTART, nothing is to be changed then.
 */
export const planReload = (current: Snapshot, config: AuditConfig): ReloadPlan => {
  const changes = diff(current.config, config)
  const stuck = changes.filter(({ reload }) => reload === "restart")
  if (stuck.length > 0) throw ConfigError.restart(stuck)
  if (changes.length === 0) return { next: current, changes, needs: "nothing" }
  const isHot = changes.every(({ reload }) => reload === "hot")
  const next = { version: current.version + 1, config }
  return { next, changes, needs: isHot ? "hot" : "drain-and-switch" }
}

/** Names a configuration: BLAKE3 of its canonical JSON, key to value as `config check` shows it. */
export const configHash = (config: AuditConfig): HashText => {
  const fixed = keys.map((key) => [key, showValue(settingOf(key), valueAt(config, key))] as const)
  return b3Text(canonicalizeValue(Object.fromEntries([...fixed, ...streamDepths(config)])))
}

/** Leaves room in attrs for the declaration's own changes. */
const changedBytesMax = 512

/**
 * Attrs of the ConfigUpdated record, but for those of the declaration (signing, algs, fsync).
 * What does not fit is counted in `more`; config_b3 covers it.
 */
export const updatedAttrs = ({ next, changes }: ReloadPlan): JsonObject => {
  const changed: Array<string> = []
  let room = changedBytesMax
  for (const change of changes) {
    const line = formatChange(change)
    room -= utf8(line).length + 3
    if (room < 0) break
    changed.push(line)
  }
  const more = changes.length - changed.length
  return {
    config_b3: configHash(next.config),
    version: next.version,
    changed,
    ...(more === 0 ? {} : { more }),
  }
}
