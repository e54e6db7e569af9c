/** Each key as the ledger lists it: names, default, what it takes and refuses, reload class. */
import { describe, expect, it } from "vitest"
import { defaults } from "../../src/config/Config.ts"
import { formatValue } from "../../src/config/Setting.ts"
import { isKey, settingOf, valueAt } from "../../src/config/Table.ts"
import { directory, probeOf, resolve, secretFile, usual } from "./Place.ts"

interface Row {
  readonly id: string
  readonly key: string
  readonly env: string
  readonly flag: string
  readonly byDefault: string
  readonly good: ReadonlyArray<string>
  readonly bad: ReadonlyArray<string>
  readonly reload: string
  /** What else is said for the values to be judged. */
  readonly beside?: Readonly<Record<string, string>>
}

const onDisk = { RON_AUDIT_AMNESIA: "false", RON_AUDIT_SINK: "wal+export" }
const both = { ...onDisk, RON_AUDIT_WAL_DIR: "/a/wal", RON_AUDIT_EXPORT_DIR: "/a/export" }
const drain = "drain-and-switch"

const rows: ReadonlyArray<Row> = [
  {
    id: "[A-229]",
    key: "sink",
    env: "RON_AUDIT_SINK",
    flag: "--audit-sink",
    byDefault: "ram",
    good: ["ram", "wal", "export", "wal+export"],
    bad: ["disk", "WAL"],
    reload: drain,
    beside: { ...both, RON_AUDIT_SINK: "" },
  },
  {
    id: "[A-230]",
    key: "queue_depth",
    env: "RON_AUDIT_QUEUE_DEPTH",
    flag: "--audit-queue-depth",
    byDefault: "1024",
    good: ["1", "4294967295"],
    bad: ["0", "-1", "4294967296", "1k", "0x10", "1e3", "01"],
    reload: "hot",
  },
  {
    id: "[A-231]",
    key: "workers",
    env: "RON_AUDIT_WORKERS",
    flag: "--audit-workers",
    byDefault: "1",
    good: ["1", "8"],
    bad: ["0", "9", "2.0"],
    reload: "hot",
  },
  {
    id: "[A-232]",
    key: "max_attrs_bytes",
    env: "RON_AUDIT_MAX_ATTRS_BYTES",
    flag: "--audit-max-attrs",
    byDefault: "1KiB",
    good: ["256B", "1KiB"],
    bad: ["255B", "1025B", "1K"],
    reload: "hot",
  },
  {
    id: "[A-233]",
    key: "max_record_bytes",
    env: "RON_AUDIT_MAX_RECORD_BYTES",
    flag: "--audit-max-record",
    byDefault: "4KiB",
    good: ["1536B", "4KiB"],
    bad: ["1535B", "4097B"],
    reload: "hot",
  },
  {
    id: "[A-234]",
    key: "shed_policy",
    env: "RON_AUDIT_SHED_POLICY",
    flag: "--audit-shed",
    byDefault: "drop",
    good: ["drop"],
    bad: ["block", "wait"],
    reload: "hot",
  },
  {
    id: "[A-235]",
    key: "amnesia",
    env: "RON_AUDIT_AMNESIA",
    flag: "--audit-amnesia",
    byDefault: "true",
    good: ["true", "false"],
    bad: ["yes", "TRUE", "1"],
    reload: drain,
  },
  {
    id: "[A-236]",
    key: "privacy.ip_mode",
    env: "RON_AUDIT_PRIVACY_IP_MODE",
    flag: "--audit-privacy-ip",
    byDefault: "drop",
    good: ["drop", "prefix", "hash"],
    bad: ["keep"],
    reload: "hot",
    beside: { RON_AUDIT_PRIVACY_HASH_SALT_PATH: "/salt" },
  },
  {
    id: "[A-237]",
    key: "privacy.hash_salt_path",
    env: "RON_AUDIT_PRIVACY_HASH_SALT_PATH",
    flag: "--audit-privacy-hash-salt",
    byDefault: "",
    good: ["/salt"],
    bad: ["/none", "/open", "/a/wal"],
    reload: "hot",
    beside: { RON_AUDIT_PRIVACY_IP_MODE: "hash" },
  },
  {
    id: "[A-238]",
    key: "wal.dir",
    env: "RON_AUDIT_WAL_DIR",
    flag: "--audit-wal-dir",
    byDefault: "",
    good: ["/a/wal"],
    bad: ["/none", "/salt", "/open", "/read-only"],
    reload: drain,
    beside: { RON_AUDIT_AMNESIA: "false", RON_AUDIT_SINK: "wal" },
  },
  {
    id: "[A-239]",
    key: "wal.rotate_bytes",
    env: "RON_AUDIT_WAL_ROTATE_BYTES",
    flag: "--audit-wal-rotate",
    byDefault: "128MiB",
    good: ["8MiB", "1GB"],
    bad: ["8MB", "7MiB"],
    reload: drain,
  },
  {
    id: "[A-240]",
    key: "wal.fsync",
    env: "RON_AUDIT_WAL_FSYNC",
    flag: "--audit-wal-fsync",
    byDefault: "on_checkpoint",
    good: ["always", "on_checkpoint"],
    bad: ["never", "sometimes"],
    reload: drain,
    beside: { RON_AUDIT_PROFILE: "prod" },
  },
  {
    id: "[A-241]",
    key: "export.dir",
    env: "RON_AUDIT_EXPORT_DIR",
    flag: "--audit-export-dir",
    byDefault: "",
    good: ["/a/export"],
    bad: ["/none", "/salt", "/open"],
    reload: drain,
    beside: { RON_AUDIT_AMNESIA: "false", RON_AUDIT_SINK: "export" },
  },
  {
    id: "[A-242]",
    key: "export.checkpoint_every",
    env: "RON_AUDIT_CHECKPOINT_EVERY",
    flag: "--audit-checkpoint-every",
    byDefault: "50000",
    good: ["1000", "9007199254740991"],
    bad: ["999", "15m"],
    reload: "hot",
  },
  {
    id: "[A-243]",
    key: "export.export_every",
    env: "RON_AUDIT_EXPORT_EVERY",
    flag: "--audit-export-every",
    byDefault: "15m",
    good: ["1s", "15m", "24h"],
    bad: ["15", "0s"],
    reload: "hot",
  },
  {
    id: "[A-244]",
    key: "export.signer_key_id",
    env: "RON_AUDIT_CHECKPOINT_SIGNER_KEY_ID",
    flag: "--audit-checkpoint-signer",
    byDefault: "",
    good: ["ops-hsm-1"],
    bad: [""],
    reload: drain,
    beside: { ...both, RON_AUDIT_PROFILE: "prod" },
  },
  {
    id: "[A-245]",
    key: "export.alg",
    env: "RON_AUDIT_CHECKPOINT_ALG",
    flag: "--audit-checkpoint-alg",
    byDefault: "ed25519",
    good: ["ed25519", "ml-dsa-44"],
    bad: ["", "rsa"],
    reload: drain,
  },
]

const place = {
  probe: (path: string) =>
    usual(path) ??
    probeOf(
      path === "/open"
        ? directory("/open", { mode: 0o755 })
        : directory("/read-only", { isWritable: false }),
      secretFile("/other"),
    )(path),
}

const wrongKeys = (row: Row, value: string) =>
  resolve({ flags: [[row.flag, value]], env: row.beside ?? {} }, place).issues.map(({ key }) => key)

describe("the keys of the ledger", () => {
  it.each(rows)("$key has its names, default, values and reload class $id", (row) => {
    const { key, env, flag, byDefault, reload } = row
    if (!isKey(key)) throw new Error(`no key ${key}`)
    const setting = settingOf(key)
    expect([setting.env[0], setting.flags[0], setting.reload]).toEqual([env, flag, reload])
    expect(formatValue(setting, valueAt(defaults, key))).toBe(byDefault)
    for (const value of row.good) expect([value, wrongKeys(row, value)]).toEqual([value, []])
    for (const value of row.bad) expect([value, wrongKeys(row, value)]).toEqual([value, [key]])
  })
})
