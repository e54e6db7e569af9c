/**
 * The configuration of an audit log as the program uses it: types and defaults.
 *
 * - Every leaf belongs to one row of Table.ts, by its name: `wal.rotate_bytes` is
 *   `wal.rotateBytes`, a duration `deadline.wal` is `deadline.walMs`.
 * - An empty text means that nothing was said: a key without a default.
 * - A value of this type need not be valid: Validate.ts judges it.
 *
 * Source: LEDGER A-296, C-24, C-26, C-87.
 */
import {
  attrsBytesMax,
  batchRecordsMax,
  checkpointEveryDefault,
  recordBytesMax,
  reserveBytesDefault,
  rotateBytesDefault,
} from "../base/Limits.ts"
import type { FsyncPolicy, IpMode, Profile, ShedPolicy, SinkKind } from "./Choice.ts"

export interface PrivacyCfg {
  readonly ipMode: IpMode
  readonly hashSaltPath: string
}

export interface WalCfg {
  readonly dir: string
  /** Units: bytes. */
  readonly rotateBytes: number
  readonly reserveBytes: number
  readonly fsync: FsyncPolicy
  readonly batchRecords: number
}

export interface ExportCfg {
  readonly dir: string
  /** Units: records. */
  readonly checkpointEvery: number
  readonly exportEveryMs: number
  readonly signerKeyId: string
  readonly alg: string
}

export interface SigningCfg {
  readonly mode: "record" | "batch" | "checkpoint"
  readonly passphraseFile: string
  readonly pqHybrid: boolean
  readonly pqSignAlgo: "ml-dsa" | "slh-dsa"
  readonly pqOnly: boolean
  readonly keyRotationDays: number
}

export interface DeadlineCfg {
  readonly enqueueMs: number
  readonly walMs: number
  readonly exportMs: number
  readonly drainMs: number
}

export interface StreamOverride {
  readonly queueDepth?: number
}

export interface AuditConfig {
  readonly enabled: boolean
  readonly profile: Profile
  readonly writerId: string
  readonly dataDir: string
  readonly engine: "auto" | "native" | "js"
  readonly sink: SinkKind
  readonly amnesia: boolean
  readonly queueDepth: number
  readonly workers: number
  readonly maxAttrsBytes: number
  readonly maxRecordBytes: number
  readonly shedPolicy: ShedPolicy
  /** What the write edges do while a durable sink is broken. */
  readonly onDegraded: "fail_closed" | "shed"
  readonly ram: { readonly bytesMax: number }
  readonly privacy: PrivacyCfg
  readonly wal: WalCfg
  readonly export: ExportCfg
  readonly signing: SigningCfg
  readonly deadline: DeadlineCfg
  readonly breaker: { readonly failures: number; readonly cooldownMs: number }
  readonly streams: ReadonlyMap<string, StreamOverride>
}

/** What holds where nothing was said. */
export const defaults: AuditConfig = {
  enabled: true,
  profile: "dev",
  writerId: "",
  dataDir: "",
  engine: "auto",
  sink: "ram",
  amnesia: true,
  queueDepth: 1024,
  workers: 1,
  maxAttrsBytes: attrsBytesMax,
  maxRecordBytes: recordBytesMax,
  shedPolicy: "drop",
  onDegraded: "fail_closed",
  ram: { bytesMax: 64 << 20 },
  privacy: { ipMode: "drop", hashSaltPath: "" },
  wal: {
    dir: "",
    rotateBytes: rotateBytesDefault,
    reserveBytes: reserveBytesDefault,
    fsync: "on_checkpoint",
    batchRecords: batchRecordsMax,
  },
  export: {
    dir: "",
    checkpointEvery: checkpointEveryDefault,
    exportEveryMs: 15 * 60_000,
    signerKeyId: "",
    alg: "ed25519",
  },
  signing: {
    mode: "batch",
    passphraseFile: "",
    pqHybrid: false,
    pqSignAlgo: "ml-dsa",
    pqOnly: false,
    keyRotationDays: 90,
  },
  deadline: { enqueueMs: 25, walMs: 50, exportMs: 2000, drainMs: 5000 },
  breaker: { failures: 5, cooldownMs: 1000 },
  streams: new Map(),
}

/** Drafts that may wait in the queue of one stream: its override, else the global depth. */
export const queueDepthFor = (config: AuditConfig, stream: string): number =>
  config.streams.get(stream)?.queueDepth ?? config.queueDepth

type HasSink = Pick<AuditConfig, "sink">

export const hasWal = ({ sink }: HasSink): boolean => sink === "wal" || sink === "wal+export"

export const hasExport = ({ sink }: HasSink): boolean => sink === "export" || sink === "wal+export"

export const withSinkParts = (wal: boolean, exported: boolean): SinkKind =>
  wal ? (exported ? "wal+export" : "wal") : exported ? "export" : "ram"
