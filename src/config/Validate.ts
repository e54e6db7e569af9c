/**
 * Judges a configuration: every rule that it breaks, at once. Nothing is repaired.
 *
 * Does not protect against what changes between the look and the use: who opens a directory checks
 * it again.
 *
 * Source: LEDGER, C-18, C-58.
 */
import { allAssigned } from "../record/Unicode.ts"
import type { Profile } from "./Choice.ts"
import { type AuditConfig, hasExport, hasWal } from "./Config.ts"
import type { Issue } from "./Issue.ts"
import { type Facts, type Probe, refusedStream, rules } from "./Rule.ts"
import { isInBounds, type Setting, showValue, type Value, wantedOf } from "./Setting.ts"
import { type Key, keys, settingOf, streamKey, streamSetting, valueAt } from "./Table.ts"

export interface ValidateOptions {
  /** True binds to profile prod whatever the configuration says. */
  readonly profileProd: boolean
  readonly probe: Probe
  /** Where a key's value comes from; default: `given`. */
  readonly sourceOf?: (key: string) => string
  /** Keys whose value is unknown: rules that read them are not judged. */
  readonly unknown?: ReadonlySet<string>
}

const profileOf = (config: AuditConfig, { profileProd }: { profileProd: boolean }): Profile =>
  profileProd ? "prod" : config.profile

/** A text also has to fit into canonical JSON, which names the configuration. */
const isRight = (setting: Setting, value: Value): boolean =>
  isInBounds(setting, value) && (typeof value !== "string" || allAssigned(value))

const streamIssues = (
  config: AuditConfig,
  sourceOf: (key: string) => string,
): ReadonlyArray<Issue> =>
  [...config.streams].flatMap(([stream, { queueDepth }]) => {
    const key = streamKey(stream)
    const source = sourceOf(key)
    const wrong = refusedStream(stream)
    const named =
      wrong === undefined ? [] : [{ key, source, wanted: `a stream, its name ${wrong}` }]
    if (queueDepth === undefined || isInBounds(streamSetting, queueDepth)) return named
    const value = showValue(streamSetting, queueDepth)
    return [...named, { key, value, source, wanted: wantedOf(streamSetting) }]
  })

/** Every rule that the configuration breaks, the single keys first. */
export const validate = (config: AuditConfig, options: ValidateOptions): ReadonlyArray<Issue> => {
  const { probe, sourceOf = () => "given", unknown = new Set() } = options
  const shown = (key: Key) => showValue(settingOf(key), valueAt(config, key))
  const issue = (key: Key, wanted: string): Issue => ({
    key,
    value: shown(key),
    source: sourceOf(key),
    wanted,
  })
  const beyond = new Set<string>(
    keys.filter((key) => !unknown.has(key) && !isRight(settingOf(key), valueAt(config, key))),
  )
  const facts: Facts = {
    config,
    profile: profileOf(config, options),
    probe,
    said: (key) => `${key} is ${shown(key)} (${sourceOf(key)})`,
  }
  const judged = rules.filter(({ reads }) => !reads.some((key) => unknown.has(key)))
  return [
    ...keys.filter((key) => beyond.has(key)).map((key) => issue(key, wantedOf(settingOf(key)))),
    ...judged.flatMap(({ reads: [key], judge }) => {
      const wanted = judge(facts)
      return wanted === undefined ? [] : [issue(key, wanted)]
    }),
    ...streamIssues(config, sourceOf),
  ]
}

/** What is allowed and should be known. */
export const warningsOf = (config: AuditConfig, options: { profileProd: boolean }) => {
  const profile = profileOf(config, options)
  const isDurable = (hasWal(config) || hasExport(config)) && !config.amnesia
  return [
    ...(profile !== "prod" && isDurable && config.export.signerKeyId === ""
      ? ["export.signer_key_id is empty: profile prod refuses that for a durable sink"]
      : []),
    ...(config.wal.fsync === "never"
      ? ["wal.fsync is never: a power cut loses records; for tests only"]
      : []),
    ...(config.shedPolicy === "block"
      ? ["shed_policy is block: callers wait; for tests only"]
      : []),
    ...(config.amnesia && config.export.dir !== ""
      ? ["export.dir is not used: amnesia is true, exports are handed to the host"]
      : []),
    ...(config.amnesia && config.dataDir !== "" ? ["data_dir is not used: amnesia is true"] : []),
    ...(config.signing.keyRotationDays === 90
      ? []
      : ["signing.key_rotation_days is checked and not used yet"]),
  ]
}
