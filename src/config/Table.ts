/**
 * The one table of the configuration: each key with its names, type, bounds, reload class and a
 * sentence. Reading, validation, `config check` and docs/reference/config.md are made of it; the
 * default of a key stands in Config.ts.
 *
 * - A new key has a default that changes nothing. A renamed one keeps its old names under
 *   `old` for a minor version at least.
 * - Addresses, ports and TLS are no keys of the audit log: they stay with the host.
 *
 * Source: LEDGER group 10, C-16, C-23 to C-28, C-48, C-86, C-87, C-91; FORMATS 11.
 */
import {
  attrsBytesMax,
  batchRecordsMax,
  frameBytesMax,
  recordBytesMax,
  rotateBytesMin,
} from "../base/Limits.ts"
import {
  fsyncPolicies,
  ipModes,
  profiles,
  shedPolicies,
  signatureAlgorithms,
  sinkKinds,
} from "./Choice.ts"
import { type AuditConfig, defaults } from "./Config.ts"
import type { Setting, Value } from "./Setting.ts"

const u32Max = 0xffff_ffff
const open = Number.MAX_SAFE_INTEGER
const hour = 3_600_000

const choice = (choices: ReadonlyArray<string>) => ({ kind: "choice", choices }) as const
const integer = (min: number, max: number) => ({ kind: "integer", min, max }) as const
const size = (min: number, max: number) => ({ kind: "size", min, max }) as const
const duration = (min: number, max: number) => ({ kind: "duration", min, max }) as const
const boolean = { kind: "boolean" } as const
const text = { kind: "text" } as const
const path = { kind: "path" } as const

export const settings = {
  enabled: {
    type: boolean,
    env: ["RON_AUDIT_ENABLED"],
    flags: ["--audit-enabled"],
    reload: "drain-and-switch",
    doc: "Whether the host writes audit records at all.",
    old: { env: ["AUDIT_ENABLED"] },
  },
  profile: {
    type: choice(profiles),
    env: ["RON_AUDIT_PROFILE"],
    flags: ["--audit-profile", "--profile"],
    reload: "restart",
    doc: "How strict validation is: prod refuses what loses or does not sign evidence.",
  },
  writer_id: {
    type: text,
    env: ["RON_AUDIT_WRITER_ID"],
    flags: ["--audit-writer-id", "--writer"],
    reload: "restart",
    doc: "Identity of this writer in its chains; empty: the host chooses one.",
  },
  data_dir: {
    type: path,
    env: ["RON_AUDIT_DATA_DIR"],
    flags: ["--audit-data-dir", "--data-dir"],
    reload: "restart",
    doc: "Holds keys and trust.json, and wal and export where their own keys are empty.",
  },
  engine: {
    type: choice(["auto", "native", "js"]),
    env: ["RON_AUDIT_ENGINE", "STRONGROOM_ENGINE"],
    flags: ["--audit-engine", "--engine"],
    reload: "restart",
    doc: "Which engine computes; one that was forced and is missing stops the start.",
  },
  sink: {
    type: { kind: "choice", choices: sinkKinds, spellings: { wal_export: "wal+export" } },
    env: ["RON_AUDIT_SINK"],
    flags: ["--audit-sink"],
    reload: "drain-and-switch",
    doc: "Where records go; amnesia allows only ram and export.",
  },
  amnesia: {
    type: boolean,
    env: ["RON_AUDIT_AMNESIA"],
    flags: ["--audit-amnesia"],
    reload: "drain-and-switch",
    doc: "Nothing is written to disk.",
  },
  queue_depth: {
    type: integer(1, u32Max),
    env: ["RON_AUDIT_QUEUE_DEPTH"],
    flags: ["--audit-queue-depth"],
    reload: "hot",
    doc: "Drafts that may wait in the queue of each stream; a smaller one discards nothing.",
    old: { env: ["AUDIT_QUEUE_DEPTH"] },
  },
  workers: {
    type: integer(1, 8),
    env: ["RON_AUDIT_WORKERS"],
    flags: ["--audit-workers"],
    reload: "hot",
    doc: "Workers among which the streams are divided; more than there are cores gain nothing.",
    old: { env: ["AUDIT_WORKERS"] },
  },
  max_attrs_bytes: {
    type: size(256, attrsBytesMax),
    env: ["RON_AUDIT_MAX_ATTRS_BYTES"],
    flags: ["--audit-max-attrs"],
    reload: "hot",
    doc: "Canonical attrs of a record at most; the format's ceiling can only be tightened.",
  },
  max_record_bytes: {
    type: size(256 + 512, recordBytesMax),
    env: ["RON_AUDIT_MAX_RECORD_BYTES"],
    flags: ["--audit-max-record"],
    reload: "hot",
    doc: "Canonical record without self_hash at most; at least max_attrs_bytes and 512B.",
  },
  shed_policy: {
    type: choice(shedPolicies),
    env: ["RON_AUDIT_SHED_POLICY"],
    flags: ["--audit-shed"],
    reload: "hot",
    doc: "A full queue: drop refuses the new record with Busy, block waits and is for tests only.",
  },
  on_degraded: {
    type: choice(["fail_closed", "shed"]),
    env: ["RON_AUDIT_ON_DEGRADED"],
    flags: ["--audit-on-degraded"],
    reload: "hot",
    doc: "While a durable sink is broken: refuse what needs a record, or let it pass unrecorded.",
  },
  "ram.bytes_max": {
    type: size(frameBytesMax, open),
    env: ["RON_AUDIT_RAM_BYTES_MAX"],
    flags: ["--audit-ram-bytes"],
    reload: "drain-and-switch",
    doc: "Memory of the ram sink; the oldest records give way.",
  },
  "privacy.ip_mode": {
    type: choice(ipModes),
    env: ["RON_AUDIT_PRIVACY_IP_MODE"],
    flags: ["--audit-privacy-ip"],
    reload: "hot",
    doc: "IP addresses in attrs: left out, cut to their /24 or /64, or hashed with a salt.",
  },
  "privacy.hash_salt_path": {
    type: path,
    env: ["RON_AUDIT_PRIVACY_HASH_SALT_PATH"],
    flags: ["--audit-privacy-hash-salt"],
    reload: "hot",
    doc: "The salt file of ip_mode hash: not empty, mode 0600.",
    isSecret: true,
  },
  "wal.dir": {
    type: path,
    env: ["RON_AUDIT_WAL_DIR"],
    flags: ["--audit-wal-dir", "--wal-dir"],
    reload: "drain-and-switch",
    doc: "The write-ahead log: a directory that exists, mode 0700, apart from export.dir.",
    old: { env: ["AUDIT_WAL_DIR", "WAL_PATH"] },
  },
  "wal.rotate_bytes": {
    type: size(rotateBytesMin, open),
    env: ["RON_AUDIT_WAL_ROTATE_BYTES"],
    flags: ["--audit-wal-rotate"],
    reload: "drain-and-switch",
    doc: "Size at which a segment is sealed and the next one begun.",
  },
  "wal.fsync": {
    type: choice(fsyncPolicies),
    env: ["RON_AUDIT_WAL_FSYNC"],
    flags: ["--audit-wal-fsync", "--fsync"],
    reload: "drain-and-switch",
    doc: "When records are forced to the disk; never is for tests and refused in profile prod.",
    old: { file: "fsync" },
  },
  "wal.reserve_bytes": {
    type: size(0, open),
    env: ["RON_AUDIT_WAL_RESERVE_BYTES"],
    flags: ["--audit-wal-reserve"],
    reload: "drain-and-switch",
    doc: "Space set aside in wal.dir to say why when the disk is full; 0 sets none aside.",
  },
  "wal.batch_records": {
    type: integer(1, batchRecordsMax),
    env: ["RON_AUDIT_WAL_BATCH_RECORDS"],
    flags: ["--audit-wal-batch"],
    reload: "hot",
    doc: "Records that are sealed and written together at most.",
    old: { env: ["AUDIT_WAL_BATCH"] },
  },
  "export.dir": {
    type: path,
    env: ["RON_AUDIT_EXPORT_DIR"],
    flags: ["--audit-export-dir", "--export-dir"],
    reload: "drain-and-switch",
    doc: "Exported segments and manifests: a directory that exists, mode 0700.",
    old: { env: ["AUDIT_EXPORT_DIR"] },
  },
  "export.checkpoint_every": {
    type: integer(1000, open),
    env: ["RON_AUDIT_CHECKPOINT_EVERY"],
    flags: ["--audit-checkpoint-every"],
    reload: "hot",
    doc: "Records of a chain between two checkpoints, unless export_every comes first.",
    old: { env: ["AUDIT_CHECKPOINT_EVERY"] },
  },
  "export.export_every": {
    type: duration(1000, 24 * hour),
    env: ["RON_AUDIT_EXPORT_EVERY"],
    flags: ["--audit-export-every"],
    reload: "hot",
    doc: "Time between two checkpoints and exports, unless checkpoint_every comes first.",
  },
  "export.signer_key_id": {
    type: text,
    env: ["RON_AUDIT_CHECKPOINT_SIGNER_KEY_ID"],
    flags: ["--audit-checkpoint-signer"],
    reload: "drain-and-switch",
    doc: "Name of the key that signs checkpoints; profile prod needs one for a durable sink.",
    old: { env: ["AUDIT_KEY_ID"] },
  },
  "export.alg": {
    type: choice(signatureAlgorithms),
    env: ["RON_AUDIT_CHECKPOINT_ALG"],
    flags: ["--audit-checkpoint-alg"],
    reload: "drain-and-switch",
    doc: "Algorithm of that key.",
  },
  "signing.mode": {
    type: choice(["record", "batch", "checkpoint"]),
    env: ["RON_AUDIT_SIGNING_MODE"],
    flags: ["--audit-signing", "--signing"],
    reload: "drain-and-switch",
    doc: "What is signed: each record, each group commit, or checkpoints only.",
    old: { file: "signing" },
  },
  "signing.passphrase_file": {
    type: path,
    env: ["RON_AUDIT_PASSPHRASE_FILE", "STRONGROOM_PASSPHRASE_FILE"],
    flags: ["--audit-passphrase-file", "--passphrase-file"],
    reload: "drain-and-switch",
    doc: "Holds the passphrase of the signing key: not empty, mode 0600.",
    isSecret: true,
  },
  "signing.pq_hybrid": {
    type: boolean,
    env: ["RON_AUDIT_PQ_HYBRID"],
    flags: ["--audit-pq-hybrid"],
    reload: "drain-and-switch",
    doc: "Sign twice, also post-quantum. This version has no such signer: true is refused.",
  },
  "signing.pq_sign_algo": {
    type: choice(["ml-dsa", "slh-dsa"]),
    env: ["RON_AUDIT_PQ_SIGN_ALGO"],
    flags: ["--audit-pq-sign-algo"],
    reload: "drain-and-switch",
    doc: "The post-quantum algorithm of pq_hybrid. Not used yet.",
  },
  "signing.pq_only": {
    type: boolean,
    env: ["RON_AUDIT_PQ_ONLY"],
    flags: ["--audit-pq-only"],
    reload: "drain-and-switch",
    doc: "Refuse what has no post-quantum signature. This version makes none: true is refused.",
  },
  "signing.key_rotation_days": {
    type: integer(1, 3650),
    env: ["RON_AUDIT_KEY_ROTATION_DAYS"],
    flags: ["--audit-key-rotation-days"],
    reload: "hot",
    doc: "Age at which the signing key is due for rotation. Not used yet.",
  },
  "deadline.enqueue": {
    type: duration(5, 25),
    env: ["RON_AUDIT_DEADLINE_ENQUEUE"],
    flags: ["--audit-deadline-enqueue"],
    reload: "hot",
    doc: "From the offer of a draft to its acceptance.",
  },
  "deadline.wal": {
    type: duration(5, 50),
    env: ["RON_AUDIT_DEADLINE_WAL"],
    flags: ["--audit-deadline-wal"],
    reload: "hot",
    doc: "One step of the write-ahead log for each MiB; one that outlasts too many is a stall.",
  },
  "deadline.export": {
    type: duration(1, 2000),
    env: ["RON_AUDIT_DEADLINE_EXPORT"],
    flags: ["--audit-deadline-export"],
    reload: "hot",
    doc: "One batch of export and checkpoint work.",
  },
  "deadline.drain": {
    type: duration(1000, 5000),
    env: ["RON_AUDIT_DEADLINE_DRAIN"],
    flags: ["--audit-deadline-drain"],
    reload: "hot",
    doc: "From the end of intake to the abort of what is left.",
  },
  "breaker.failures": {
    type: integer(1, 1000),
    env: ["RON_AUDIT_BREAKER_FAILURES"],
    flags: ["--audit-breaker-failures"],
    reload: "hot",
    doc: "Failures or missed deadlines of a sink in a row that open its breaker.",
  },
  "breaker.cooldown": {
    type: duration(10, 60_000),
    env: ["RON_AUDIT_BREAKER_COOLDOWN"],
    flags: ["--audit-breaker-cooldown"],
    reload: "hot",
    doc: "How long an open breaker sheds before it tries the sink again.",
  },
} as const satisfies Readonly<Record<string, Setting>>

export type Key = keyof typeof settings

export const keys = Object.keys(settings) as ReadonlyArray<Key>

export const isKey = (name: string): name is Key => Object.hasOwn(settings, name)

export const settingOf = (key: Key): Setting => settings[key]

/** `streams.<name>.queue_depth`, which is no fixed key: bounds and class are the global depth's. */
export const streamSetting: Setting = settings.queue_depth

export const streamFlag = "--audit-stream-queue-depth"

/** The name of a stream's queue depth, as reports show it. */
export const streamKey = (stream: string): string => `streams.${stream}.queue_depth`

type Tree = { readonly [step: string]: Tree | Value }

const camel = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

const stepsOf = (key: Key): ReadonlyArray<string> => {
  const unit = settings[key].type.kind === "duration" ? "Ms" : ""
  return camel(`${key}${unit}`).split(".")
}

/** The value of a key. */
export const valueAt = (config: AuditConfig, key: Key): Value => {
  let at: unknown = config
  for (const step of stepsOf(key)) at = (at as Tree)[step]
  return at as Value
}

const put = (tree: Tree, [step = "", ...rest]: ReadonlyArray<string>, value: Value): Tree => ({
  ...tree,
  [step]: rest.length === 0 ? value : put(tree[step] as Tree, rest, value),
})

/** The configuration with some keys set; values have the types of their keys. */
export const withValues = (
  values: Iterable<readonly [Key, Value]>,
  base: AuditConfig = defaults,
): AuditConfig => {
  let tree = base as unknown as Tree
  for (const [key, value] of values) tree = put(tree, stepsOf(key), value)
  return tree as unknown as AuditConfig
}
