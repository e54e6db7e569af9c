/**
 * Strongroom as a library: open a log, append what is worth proving, close it.
 *
 *     const room = await Strongroom.open({ writerId: "svc-gateway@inst-1", wal: { dir } })
 *     const receipt = await room.append({ stream: "ingress", kind: "GetServed", actor: { cap_id },
 *       subject: { content_id }, reason: "ok", attrs: {} })
 *     await receipt.reached("durable")
 *     await room.close()
 *
 * The defaults need nothing else installed: a sealed key file signs batches and checkpoints, and
 * trust.json beside the log names it for verifiers.
 */
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { AuditError } from "./audit/AuditError.ts"
import {
  AuditLog,
  type AuditLogOptions,
  type ChainHead,
  type Notice,
  openWal,
} from "./audit/AuditLog.ts"
import { type Continued, continueChain } from "./audit/Continue.ts"
import { type FsyncPolicy, fsyncPolicies, type Signing, signings } from "./audit/Declaration.ts"
import { type Exported, exportChain } from "./audit/Export.ts"
import type { AppendReceipt } from "./audit/Progress.ts"
import { Replay } from "./audit/Replay.ts"
import type { ExpectedPosition } from "./audit/Verify.ts"
import { toHex } from "./base/Bytes.ts"
import type { Clock } from "./base/Clock.ts"
import {
  checkpointEveryDefault,
  frameBytesMax,
  rotateBytesDefault,
  rotateBytesMin,
  smallSegments,
} from "./base/Limits.ts"
import {
  createFileKey,
  KeyFileError,
  openFileKey,
  unsealKeyWarning,
} from "./custody/backend/BackendFile.ts"
import type { Engine, EngineSigner } from "./engine/Engine.ts"
import { type EngineChoice, selectEngine } from "./engine/Select.ts"
import type { Draft } from "./record/Draft.ts"
import { checkWriterId } from "./record/Name.ts"
import { defaultLimits } from "./record/Record.ts"
import type { Signer } from "./signing/Signer.ts"
import { formatTrust, parseTrust, type Trust } from "./signing/Trust.ts"
import { makeDirectory, writeFileDurably } from "./sink/Durable.ts"
import { listChains, readSmallFile } from "./sink/Segment.ts"

export { AuditError, type AuditErrorCode } from "./audit/AuditError.ts"
export type { ChainHead, Notice } from "./audit/AuditLog.ts"
export type { FsyncPolicy, Signing } from "./audit/Declaration.ts"
export type { Exported } from "./audit/Export.ts"
export type { AppendReceipt, Level } from "./audit/Progress.ts"
export type { EngineChoice } from "./engine/Select.ts"
export type { Draft } from "./record/Draft.ts"
export { type RejectCode, Rejected } from "./record/Reject.ts"
export { SinkError, type SinkErrorCode } from "./sink/SinkError.ts"

export interface OpenOptions {
  readonly writerId: string
  /** Default `wal`. `ram` writes nothing to disk, not even a key. */
  readonly sink?: "ram" | "wal"
  readonly wal?: {
    readonly dir: string
    /** Units: bytes, from 8 MiB; default 128 MiB. */
    readonly rotateBytes?: number
    readonly [smallSegments]?: true
    readonly fsync?: FsyncPolicy
  }
  readonly export?: { readonly dir: string }
  /** Holds `keys/` and `trust.json`; default: the folder that holds wal.dir. */
  readonly dataDir?: string
  /** Default `batch`. */
  readonly signing?: Signing
  readonly checkpointEvery?: number
  /** Drafts that may wait in each stream. */
  readonly queueDepth?: number
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

const keyAlias = "root"
const queueDepthDefault = 8192
const ramBytesDefault = 64 << 20
const systemClock: Clock = { nowMs: () => Date.now() }

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

const asSigner = (key: EngineSigner): Signer => ({
  algoId: "ed25519",
  keyId: key.keyId,
  publicKey: key.publicKey,
  sign: async (context, digest) => key.sign(context, digest),
})

const anchorsOf = (key: EngineSigner): Trust => ({
  keys: [{ algoId: "ed25519", publicKey: key.publicKey, keyId: key.keyId, purposes: ["root"] }],
  revoked: [],
})

/** One writer's log, embedded in its host. */
export class Strongroom {
  readonly logId: string
  /** Id of the key that signs, `b3:` and 32 hex digits. */
  readonly keyId: string
  readonly engine: Engine
  /** Where the trust file lies; absent with the ram sink. */
  readonly trustPath: string | undefined
  readonly #log: AuditLog
  readonly #key: EngineSigner
  readonly #walDir: string | undefined
  readonly #exportDir: string | undefined

  private constructor(parts: {
    readonly log: AuditLog
    readonly key: EngineSigner
    readonly engine: Engine
    readonly walDir: string | undefined
    readonly exportDir: string | undefined
    readonly trustPath: string | undefined
  }) {
    this.#log = parts.log
    this.#key = parts.key
    this.#walDir = parts.walDir
    this.#exportDir = parts.exportDir
    this.engine = parts.engine
    this.trustPath = parts.trustPath
    this.logId = parts.log.logId
    this.keyId = parts.key.keyId
  }

  /**
   * Opens the log, makes the key and trust.json on first start, and recovers what a crash left.
   * Errors: Rejected; AuditError, SETTINGS for an option out of its bounds; SinkError; KeyFileError;
   * EngineError.
   */
  static async open(options: OpenOptions): Promise<Strongroom> {
    const { engine, key, trustPath, logOptions } = await prepareLog(options)
    try {
      const log = await AuditLog.open(logOptions)
      await keepTrust(trustPath, log.logId, key).catch(async (error: unknown) => {
        await log.close().catch(() => undefined)
        throw error
      })
      const walDir = options.sink === "ram" ? undefined : options.wal?.dir
      const exportDir = options.export?.dir
      return new Strongroom({ log, key, engine, walDir, exportDir, trustPath })
    } catch (error) {
      key.close()
      throw error
    }
  }

  /**
   * Opens the successor of this writer's damaged chain for a stream, and nothing else.
   * Errors: as `open`; AuditError NOT_FOUND, SETTINGS where there is no damage.
   */
  static async continueChain(options: OpenOptions, stream: string): Promise<Continued> {
    const { key, logOptions } = await prepareLog(options)
    try {
      return await continueChain(logOptions, stream)
    } finally {
      key.close()
    }
  }

  /**
   * Opens the directory for sealed records. `logId` names the log where the directory is new.
   * Errors: SinkError, KeyFileError, EngineError; AuditError SETTINGS.
   */
  static async openReplay(options: OpenOptions, logId: string | undefined): Promise<Replay> {
    const { key, trustPath, logOptions } = await prepareLog(options, logId)
    try {
      const id = openWal(logOptions)
      await keepTrust(trustPath, id, key)
      return new Replay(logOptions, id, trustPath, () => key.close())
    } catch (error) {
      key.close()
      throw error
    }
  }

  /**
   * Takes a draft; fulfils when its record is accepted, rejects at once when the queue is full.
   * Errors: Rejected; AuditError BUSY, CLOSED, FROZEN, OP_ID_CONFLICT, FATAL; SinkError.
   */
  append(draft: Draft): Promise<AppendReceipt> {
    return this.#log.append(draft)
  }

  flush(): Promise<void> {
    return this.#log.flush()
  }

  checkpoint(): Promise<void> {
    return this.#log.checkpoint()
  }

  heads(): ReadonlyArray<ChainHead> {
    return this.#log.heads()
  }

  /** Checkpoints, seals and exports what is new of every open chain. Errors: SinkError. */
  async export(): Promise<ReadonlyArray<Exported>> {
    const [walDir, exportDir] = [this.#walDir, this.#exportDir]
    if (walDir === undefined || exportDir === undefined) {
      throw new TypeError("Strongroom.export: export.dir was not given to open")
    }
    await this.#log.seal()
    const options = {
      engine: this.engine,
      clock: systemClock,
      signer: asSigner(this.#key),
      logId: this.logId,
      walDir,
      exportDir,
    }
    const exported: Array<Exported> = []
    for (const head of this.#log.heads()) exported.push(await exportChain(options, head))
    return exported
  }

  /** Stops intake, drains, signs the last checkpoint, releases the locks and wipes the key. */
  async close(): Promise<void> {
    try {
      await this.#log.close()
    } finally {
      this.#key.close()
    }
  }
}

const prepare = (dataDir: string): string => {
  makeDirectory(dataDir)
  return join(dataDir, "keys")
}

interface Prepared {
  readonly engine: Engine
  readonly key: EngineSigner
  readonly trustPath: string | undefined
  readonly logOptions: AuditLogOptions
}

/** Refuses values that no log can have, before anything is made. Errors: AuditError, Rejected. */
const checkOptions = (options: OpenOptions): void => {
  const { wal } = options
  checkWriterId(options.writerId)
  checkChoice("sink", options.sink, ["ram", "wal"])
  checkChoice("engine", options.engine, ["auto", "native", "js"])
  checkChoice("signing", options.signing, signings)
  checkChoice("wal.fsync", wal?.fsync, fsyncPolicies)
  const rotateMin = wal?.[smallSegments] === true ? 1 : rotateBytesMin
  checkAtLeast("wal.rotateBytes", wal?.rotateBytes, rotateMin)
  checkAtLeast("ramBytesMax", options.ramBytesMax, frameBytesMax)
  checkAtLeast("checkpointEvery", options.checkpointEvery, 1)
  checkAtLeast("queueDepth", options.queueDepth, 1)
}

const checkChoice = (name: string, value: string | undefined, of: ReadonlyArray<string>): void => {
  if (value === undefined || of.includes(value)) return
  throw AuditError.of("SETTINGS", `${name} is none of ${of.join(", ")}`)
}

const checkAtLeast = (name: string, value: number | undefined, min: number): void => {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min)) return
  throw AuditError.of("SETTINGS", `${name} is ${value}, not an integer from ${min}`)
}

/** Engine, key and trust: all that is there before a chain is opened. */
const prepareLog = async (options: OpenOptions, newLogId?: string): Promise<Prepared> => {
  checkOptions(options)
  const tell = options.notice ?? tellDefault
  const engine = selectEngine(options.engine ?? "auto", (message) =>
    tell({ event: "warning", message }),
  )
  const wal = options.sink === "ram" ? undefined : options.wal
  if (wal === undefined && options.sink !== "ram") {
    throw new TypeError('Strongroom.open: wal.dir is missing; give it, or sink: "ram"')
  }
  const dataDir = wal === undefined ? undefined : (options.dataDir ?? dirname(wal.dir))
  const trustPath = dataDir === undefined ? undefined : join(dataDir, "trust.json")
  const known = trustPath !== undefined && existsSync(trustPath)
  const trust = known ? parseTrust(readSmallFile(trustPath)) : undefined
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

const hasChains = (walDir: string): boolean => existsSync(walDir) && listChains(walDir).length > 0

/** trust.json is written on first start and never changed. */
const keepTrust = async (
  path: string | undefined,
  logId: string,
  key: EngineSigner,
): Promise<void> => {
  if (path === undefined || existsSync(path)) return
  await writeFileDurably(path, formatTrust({ logId, ...anchorsOf(key) }))
}

const toLogOptions = (
  options: OpenOptions,
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
    limits: defaultLimits,
    engine,
    clock: systemClock,
    newLogId: () => logId,
    recordSigner: key,
    signer: asSigner(key),
    trust: trust ?? anchorsOf(key),
    checkpointEvery: options.checkpointEvery ?? checkpointEveryDefault,
    queueDepth: options.queueDepth ?? queueDepthDefault,
    expectHeads: options.expectHeads ?? [],
    notice: tell,
  }
}
