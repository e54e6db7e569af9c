/**
 * What must be there before a chain is opened: settings within their bounds, the engine, the key,
 * and the trust file.
 *
 * A first start makes the key and trust.json; where several processes start first, one makes them
 * and the others wait. The log goes on with no other key than those its trust file names.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import { dirname, join } from "node:path"
import { AuditError } from "../src/audit/AuditError.ts"
import { type AuditLogOptions, controlStream, type Notice } from "../src/audit/AuditLog.ts"
import {
  type FsyncPolicy,
  fsyncPolicies,
  type Signing,
  signings,
} from "../src/audit/Declaration.ts"
import { DiskSpace } from "../src/audit/DiskSpace.ts"
import { type ScrubTerms, scrubTerms } from "../src/audit/RollingScrub.ts"
import { ScrubLane } from "../src/audit/Scrub.ts"
import type { ExpectedPosition } from "../src/audit/Verify.ts"
import { openPool, type Tuning } from "../src/audit/WriterOptions.ts"
import { toHex } from "../src/base/Bytes.ts"
import type { Clock } from "../src/base/Clock.ts"
import {
  checkpointEveryDefault,
  frameBytesMax,
  reserveBytesDefault,
  rotateBytesDefault,
  rotateBytesMin,
  scrubTermsOf,
  smallSegments,
  timerMsMax,
} from "../src/base/Limits.ts"
import { Bus } from "../src/bus/Bus.ts"
import type { PrivacyCfg } from "../src/config/Config.ts"
import {
  createFileKey,
  KeyFileError,
  openFileKey,
  unsealKeyWarning,
} from "../src/custody/backend/BackendFile.ts"
import type { Engine, EngineSigner } from "../src/engine/Engine.ts"
import { type EngineChoice, selectEngine } from "../src/engine/Select.ts"
import { checkStream, checkWriterId } from "../src/record/Name.ts"
import { defaultLimits, type RecordLimits } from "../src/record/Record.ts"
import type { Signer } from "../src/signing/Signer.ts"
import { formatTrust, parseTrust, type Trust } from "../src/signing/Trust.ts"
import { checkPrivate, makeDirectory, writeFileDurably } from "../src/sink/Durable.ts"
import { acquireFirstStart } from "../src/sink/Lock.ts"
import { isThere } from "../src/sink/RegularFile.ts"
import { privacyOf } from "../src/sink/SaltFile.ts"
import { listChains, readSmallFile } from "../src/sink/Segment.ts"

/** What a log is opened with: `wal.dir` or `sink: "ram"`, and what the defaults do not fit. */
export interface OpenOptions {
  /**
   * Which instance writes. Default: the first `strongroom@<host>-<n>` that no other process writes,
   * so that forks of one program never share a chain, and a restart goes on with one of theirs.
   */
  readonly writerId?: string
  /** Default `wal`. `ram` writes nothing to disk, not even a key. */
  readonly sink?: "ram" | "wal"
  readonly wal?: {
    readonly dir: string
    /** Units: bytes, from 8 MiB; default 128 MiB. */
    readonly rotateBytes?: number
    readonly [smallSegments]?: true
    readonly [scrubTermsOf]?: ScrubTerms
    readonly fsync?: FsyncPolicy
    /** Units: bytes set aside to say why when the disk is full; default 1 MiB, 0: none. */
    readonly reserveBytes?: number
  }
  readonly export?: {
    readonly dir: string
    /** Units: milliseconds between exports by the clock; without it only `export` exports. */
    readonly everyMs?: number
  }
  /** Holds `keys/` and `trust.json`; default: the folder that holds wal.dir. */
  readonly dataDir?: string
  /** What becomes of network addresses in attrs; default: they are dropped. */
  readonly privacy?: Partial<PrivacyCfg>
  /** Tighter bounds for records than those of the format. */
  readonly limits?: RecordLimits
  /** Default `batch`. */
  readonly signing?: Signing
  /** Units: records between checkpoints; default 50,000. */
  readonly checkpointEvery?: number
  /** Units: milliseconds between checkpoints by the clock; default 15 minutes. */
  readonly checkpointEveryMs?: number
  /** Drafts that may wait in each stream; default 1024. */
  readonly queueDepth?: number
  readonly streams?: Readonly<Record<string, { readonly queueDepth?: number }>>
  readonly deadlines?: {
    /** Units: milliseconds that a draft may wait while the sink has no room; default 25. */
    readonly enqueueMs?: number
    /** Units: milliseconds that a write or fsync of the WAL may take, for each MiB; default 50. */
    readonly walMs?: number
    /** Units: milliseconds that `close` may take to drain; default 5000. */
    readonly drainMs?: number
    /** Units: milliseconds that an export or a checkpoint may take before it is told of; 2000. */
    readonly exportMs?: number
  }
  readonly breaker?: {
    /** Missed deadlines in a row at which a sink counts as stalled; default 5. */
    readonly failures?: number
    /** Units: milliseconds until a failing export is tried again, at first; default 1000. */
    readonly cooldownMs?: number
  }
  /** Units: bytes that the ram sink keeps. */
  readonly ramBytesMax?: number
  readonly engine?: EngineChoice
  /** UTF-8, wiped by the caller; without one an unseal.key lies beside the key. */
  readonly passphrase?: Uint8Array
  readonly expectHeads?: ReadonlyArray<ExpectedPosition>
  /** Warnings and what recovery found; default: warnings on stderr. */
  readonly notice?: (
    notice: Notice | { readonly event: "warning"; readonly message: string },
  ) => void
}

/** Options of a writer that has its name. */
export type NamedOptions = OpenOptions & { readonly writerId: string }

const keyAlias = "root"
// What a first start does takes a moment; a process that hangs in it must not hang all others.
const firstStartPatienceMs = 30_000
const writersMax = 1024
const queueDepthDefault = 1024
const enqueueMsDefault = 25
const walMsDefault = 50
export const breakerDefaults = { failures: 5, cooldownMs: 1_000 }
export const drainMsDefault = 5_000
export const exportMsDefault = 2_000
export const checkpointEveryMsDefault = 15 * 60_000
const ramBytesDefault = 64 << 20
export const systemClock: Clock = { nowMs: () => Date.now() }

type Tell = NonNullable<OpenOptions["notice"]>

const tellDefault: Tell = (notice) => {
  if (notice.event === "warning") process.stderr.write(`${notice.message}\n`)
}

const openKey = async (
  engine: Engine,
  dir: string,
  passphrase: Uint8Array | undefined,
  isFirstStart: boolean,
  tell: Tell,
): Promise<EngineSigner> => {
  const place = { dir, alias: keyAlias, passphrase }
  try {
    return await openFileKey(place, (seed) => engine.openSigner(seed))
  } catch (error) {
    // A log whose key is gone must not go on with another one as if nothing had happened.
    const mayCreate = error instanceof KeyFileError && error.code === "KEY_MISSING" && isFirstStart
    if (!mayCreate) throw error
  }
  await createFileKey({ ...place, random: (count) => randomBytes(count) })
  if (passphrase === undefined) tell({ event: "warning", message: unsealKeyWarning })
  return openFileKey(place, (seed) => engine.openSigner(seed))
}

export const asSigner = (key: EngineSigner): Signer => ({
  algoId: "ed25519",
  keyId: key.keyId,
  publicKey: key.publicKey,
  sign: async (context, digest) => key.sign(context, digest),
})

const anchorsOf = (key: EngineSigner): Trust => ({
  keys: [{ algoId: "ed25519", publicKey: key.publicKey, keyId: key.keyId, purposes: ["root"] }],
  revoked: [],
})

/** Names to try in turn where the caller gave none. */
export function* writerIds(options: OpenOptions): Generator<string, void> {
  if (options.writerId !== undefined) return void (yield options.writerId)
  const base = `strongroom@${hostname()}`
  // Nothing on disk says which names are taken.
  if (options.sink === "ram") yield `${base}-${process.pid}-${toHex(randomBytes(4))}`
  else for (let n = 1; n <= writersMax; n++) yield `${base}-${n}`
}

/**
 * Runs `work`, alone where the directory has no trust file yet.
 * Errors: those of `work`; AuditError, Rejected for options; SinkError LOCKED.
 */
export const underFirstStart = async <A>(
  options: NamedOptions,
  work: () => Promise<A>,
): Promise<A> => {
  checkOptions(options)
  const trustPath = trustPathOf(options)
  if (options.wal === undefined || trustPath === undefined || isThere(trustPath)) return work()
  const { dir } = options.wal
  makeDirectory(dir)
  // Nothing of ours goes into a directory that is refused anyway.
  checkPrivate(dir)
  const since = new Date(systemClock.nowMs()).toISOString()
  const lock = await acquireFirstStart(dir, since, firstStartPatienceMs)
  try {
    return await work()
  } finally {
    lock.release()
  }
}

const trustPathOf = ({ sink, wal, dataDir }: OpenOptions): string | undefined =>
  sink === "ram" || wal === undefined ? undefined : join(dataDir ?? dirname(wal.dir), "trust.json")

const prepare = (dataDir: string): string => {
  makeDirectory(dataDir)
  return join(dataDir, "keys")
}

export interface Prepared {
  readonly engine: Engine
  readonly key: EngineSigner
  readonly trustPath: string | undefined
  readonly logOptions: AuditLogOptions
}

/** Refuses values that no log can have, before anything is made. Errors: AuditError, Rejected. */
const checkOptions = (options: NamedOptions): void => {
  const { wal } = options
  checkWriterId(options.writerId)
  checkChoice("sink", options.sink, ["ram", "wal"])
  if (wal === undefined && options.sink !== "ram") {
    throw AuditError.of("SETTINGS", 'wal.dir is missing: give it, or sink: "ram"')
  }
  checkChoice("privacy.ipMode", options.privacy?.ipMode, ["drop", "prefix", "hash"])
  checkChoice("engine", options.engine, ["auto", "native", "js"])
  checkChoice("signing", options.signing, signings)
  checkChoice("wal.fsync", wal?.fsync, fsyncPolicies)
  const rotateMin = wal?.[smallSegments] === true ? 1 : rotateBytesMin
  checkAtLeast("wal.rotateBytes", wal?.rotateBytes, rotateMin)
  checkAtLeast("ramBytesMax", options.ramBytesMax, frameBytesMax)
  checkAtLeast("checkpointEvery", options.checkpointEvery, 1)
  checkAtLeast("queueDepth", options.queueDepth, 1)
  checkMs("deadlines.enqueueMs", options.deadlines?.enqueueMs)
  checkAtLeast("wal.reserveBytes", wal?.reserveBytes, 0)
  checkMs("deadlines.walMs", options.deadlines?.walMs)
  checkAtLeast("breaker.failures", options.breaker?.failures, 1)
  checkMs("breaker.cooldownMs", options.breaker?.cooldownMs)
  checkMs("deadlines.exportMs", options.deadlines?.exportMs)
  checkMs("checkpointEveryMs", options.checkpointEveryMs)
  checkMs("export.everyMs", options.export?.everyMs)
  checkMs("deadlines.drainMs", options.deadlines?.drainMs)
  for (const [stream, { queueDepth }] of Object.entries(options.streams ?? {})) {
    checkStream(stream)
    checkAtLeast(`streams.${stream}.queueDepth`, queueDepth, 1)
  }
}

const checkChoice = (name: string, value: string | undefined, of: ReadonlyArray<string>): void => {
  if (value === undefined || of.includes(value)) return
  throw AuditError.of("SETTINGS", `${name} is none of ${of.join(", ")}`)
}

const checkMs = (name: string, value: number | undefined): void => {
  checkAtLeast(name, value, 1)
  if (value === undefined || value <= timerMsMax) return
  throw AuditError.of("SETTINGS", `${name} is ${value}, more than ${timerMsMax}`)
}

const checkAtLeast = (name: string, value: number | undefined, min: number): void => {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min)) return
  throw AuditError.of("SETTINGS", `${name} is ${value}, not an integer from ${min}`)
}

/** Engine, key and trust: all that is there before a chain is opened. */
export const prepareLog = async (options: NamedOptions, newLogId?: string): Promise<Prepared> => {
  checkOptions(options)
  const tell = options.notice ?? tellDefault
  const engine = selectEngine(options.engine ?? "auto", (message) =>
    tell({ event: "warning", message }),
  )
  const wal = options.sink === "ram" ? undefined : options.wal
  const dataDir = wal === undefined ? undefined : (options.dataDir ?? dirname(wal.dir))
  const trustPath = trustPathOf(options)
  const known = trustPath !== undefined && isThere(trustPath)
  const trust = known ? parseTrust(readSmallFile(trustPath, "follow")) : undefined
  const isFirstStart = !known && (wal === undefined || !hasChains(wal.dir))
  const key =
    dataDir === undefined
      ? engine.openSigner(randomBytes(32))
      : await openKey(engine, prepare(dataDir), options.passphrase, isFirstStart, tell)
  if (trust !== undefined && !trust.keys.some(({ keyId }) => keyId === key.keyId)) {
    const { keyId } = key
    key.close()
    throw AuditError.of("SETTINGS", `the signing key ${keyId} is not one that ${trustPath} names`)
  }
  const logId = trust?.logId ?? newLogId ?? toHex(randomBytes(16))
  return { engine, key, trustPath, logOptions: toLogOptions(options, engine, key, trust, logId) }
}

const hasChains = (walDir: string): boolean => isThere(walDir) && listChains(walDir).length > 0

/** trust.json is written on first start and never changed. */
export const keepTrust = async (
  path: string | undefined,
  logId: string,
  key: EngineSigner,
): Promise<void> => {
  if (path === undefined || isThere(path)) return
  await writeFileDurably(path, formatTrust({ logId, ...anchorsOf(key) }))
}

/** Settings of each stream that may change while it is written. */
export const tuningOf = (options: OpenOptions): ((stream: string) => Tuning) => {
  const { queueDepth, streams, checkpointEvery, deadlines, breaker } = options
  // Read once, for the salt is on disk.
  const privacy = privacyOf({ ipMode: "drop", hashSaltPath: "", ...options.privacy })
  return (stream) => ({
    privacy,
    queueDepth: streams?.[stream]?.queueDepth ?? queueDepth ?? queueDepthDefault,
    checkpointEvery: checkpointEvery ?? checkpointEveryDefault,
    // Only the runtime writes to the control chain, and what it says there must be said.
    enqueueMs:
      stream === controlStream
        ? Number.POSITIVE_INFINITY
        : (deadlines?.enqueueMs ?? enqueueMsDefault),
    walMs: deadlines?.walMs ?? walMsDefault,
    walStrikes: breaker?.failures ?? breakerDefaults.failures,
  })
}

const toLogOptions = (
  options: NamedOptions,
  engine: Engine,
  key: EngineSigner,
  trust: Trust | undefined,
  logId: string,
): AuditLogOptions => {
  const { wal } = options
  const tell = options.notice ?? tellDefault
  return {
    writerId: options.writerId,
    sink:
      options.sink === "ram" || wal === undefined
        ? { kind: "ram", bytesMax: options.ramBytesMax ?? ramBytesDefault }
        : {
            kind: "wal",
            dir: wal.dir,
            rotateBytes: wal.rotateBytes ?? rotateBytesDefault,
            exportDir: options.export?.dir,
          },
    signing: options.signing ?? "batch",
    fsync: wal?.fsync ?? "on_checkpoint",
    limits: options.limits ?? defaultLimits,
    engine,
    clock: systemClock,
    newLogId: () => logId,
    recordSigner: key,
    signer: asSigner(key),
    trust: trust ?? anchorsOf(key),
    tuningOf: tuningOf(options),
    space:
      options.sink === "ram" || wal === undefined
        ? undefined
        : new DiskSpace({
            walDir: wal.dir,
            reserveBytes: wal.reserveBytes ?? reserveBytesDefault,
            tell: (stream, error) => tell({ event: "trouble", stream, error }),
          }),
    scrub: { lane: new ScrubLane(systemClock), terms: wal?.[scrubTermsOf] ?? scrubTerms },
    pool: openPool(),
    bus: new Bus(systemClock),
    expectHeads: options.expectHeads ?? [],
    notice: tell,
  }
}
