/**
 * From the sources to one configuration, or to everything that is wrong with it.
 *
 * Flow: defaults, file, environment, flags, then the rules. On any issue there is no configuration,
 * so nothing can start with one that was refused (fail closed). Pure: the caller reads the file and
 * the environment, and the probe looks at the file system.
 *
 * Source: LEDGER.
 */
import { type AuditConfig, hasExport, hasWal } from "./Config.ts"
import type { Issue } from "./Issue.ts"
import { derivedDir, type Probe } from "./Rule.ts"
import { showValue } from "./Setting.ts"
import { type Gathered, gather, type Inputs } from "./Sources.ts"
import { keys, settingOf, streamSetting, valueAt, withValues } from "./Table.ts"
import { validate, warningsOf } from "./Validate.ts"

/** A value in force, and where it comes from. */
export interface Effective {
  readonly key: string
  /** As a person would write it; redacted where it is secret. */
  readonly value: string
  readonly source: string
}

export interface Resolved {
  /** Absent where anything is wrong. */
  readonly config: AuditConfig | undefined
  readonly effective: ReadonlyArray<Effective>
  readonly issues: ReadonlyArray<Issue>
  readonly warnings: ReadonlyArray<string>
}

/** `wal` and `export` below `data_dir`, where they are used and not named. */
const derivedOf = (config: AuditConfig): ReadonlyMap<"wal.dir" | "export.dir", string> => {
  const isUsed = { wal: hasWal(config), export: hasExport(config) && !config.amnesia }
  const parts = (["wal", "export"] as const).filter(
    (part) => config.dataDir !== "" && isUsed[part] && config[part].dir === "",
  )
  return new Map(parts.map((part) => [`${part}.dir`, derivedDir(config, part)]))
}

const configOf = ({ given, streams }: Gathered): AuditConfig => {
  const good = keys.flatMap((key) => {
    const value = given.get(key)?.value
    return value === undefined ? [] : [[key, value] as const]
  })
  const depths = [...streams].flatMap(([key, stream]) => {
    const value = given.get(key)?.value
    return typeof value === "number" ? [[stream, { queueDepth: value }] as const] : []
  })
  return { ...withValues(good), streams: new Map(depths) }
}

/** Merges the sources and judges the result. */
export const resolveConfig = (
  inputs: Inputs,
  { probe, profileProd = false }: { readonly probe: Probe; readonly profileProd?: boolean },
): Resolved => {
  const gathered = gather(inputs)
  const { given, streams } = gathered
  const said = configOf(gathered)
  const derived = derivedOf(said)
  const config = withValues(derived, said)
  const sourceOf = (key: string): string => {
    if (!derived.has(key as "wal.dir")) return given.get(key)?.source ?? "default"
    return `data_dir, ${given.get("data_dir")?.source}`
  }
  const unusable = [...given.values()].filter(({ value }) => value === undefined)
  const unknown = new Set(unusable.map(({ key }) => key))
  const options = { profileProd, probe, sourceOf, unknown }
  const issues = [...gathered.issues, ...validate(config, options)]
  const shown = (key: string, value: string): Effective => ({
    key,
    value: unknown.has(key) ? (given.get(key)?.shown ?? "") : value,
    source: sourceOf(key),
  })
  return {
    config: issues.length === 0 ? config : undefined,
    effective: [
      ...keys.map((key) => shown(key, showValue(settingOf(key), valueAt(config, key)))),
      ...[...streams.keys()].map((key) =>
        shown(key, showValue(streamSetting, given.get(key)?.value ?? "")),
      ),
    ],
    issues,
    warnings: [...gathered.warnings, ...warningsOf(config, options)],
  }
}
