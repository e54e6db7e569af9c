/**
 * The audit log of one writer: its streams, its control chain, and the promises it keeps.
 *
 * - A chain is written by one process: it is locked from opening to closing.
 * - Every chain begins with StreamOpened and is announced by ChainOpened in the control chain, so
 *   that a missing chain is seen.
 * - A chain that recovery found tampered with is frozen: appends are refused, and the control chain
 *   says so.
 *
 * Source: FORMATS 2, 4, 10; LEDGER groups 5, 6, 11.
 */
import { existsSync } from "node:fs"
import { toHex } from "../base/Bytes.ts"
import type { Clock } from "../base/Clock.ts"
import { b3Text, genesis } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import type { ChainContext, Engine, EngineSigner } from "../engine/Engine.ts"
import { canonicalizeValue, type JsonObject } from "../record/Canonical.ts"
import type { Draft } from "../record/Draft.ts"
import { checkStream, checkWriterId } from "../record/Name.ts"
import type { RecordLimits } from "../record/Record.ts"
import { formatSigEntry } from "../signing/Envelope.ts"
import { batchDigest, contexts } from "../signing/Message.ts"
import type { Signer } from "../signing/Signer.ts"
import type { Trust } from "../signing/Trust.ts"
import { checkCaseSensitive, checkPrivate, makeDirectory } from "../sink/Durable.ts"
import { acquireLock, type Lock } from "../sink/Lock.ts"
import { chainDirectory, listChain, listChains } from "../sink/Segment.ts"
import type { Sink } from "../sink/Sink.ts"
import { SinkRam } from "../sink/SinkRam.ts"
import { SinkWal } from "../sink/SinkWal.ts"
import { AuditError } from "./AuditError.ts"
import { openedLogId } from "./ChainVerify.ts"
import {
  changedAttrs,
  type Declaration,
  type FsyncPolicy,
  formatDeclaration,
  type Predecessor,
  type Signing,
} from "./Declaration.ts"
import type { Finding } from "./Finding.ts"
import { Intake } from "./Intake.ts"
import { KeyJudge } from "./KeyJudge.ts"
import { exportedTo } from "./ManifestCheck.ts"
import type { AppendReceipt } from "./Progress.ts"
import { readRecords } from "./Read.ts"
import { type FrozenChain, type RecoveredChain, recover } from "./Recovery.ts"
import { Writer } from "./Writer.ts"

export const controlStream = "control"

/** Something that people should know and that stops nothing. */
export type Notice =
  | {
      readonly event: "frozen"
      readonly writerId: string
      readonly stream: string
      readonly finding: Finding
    }
  | {
      readonly event: "recovered"
      readonly stream: string
      readonly cutBytes: number
      readonly unsigned: number
    }
  | { readonly event: "trouble"; readonly stream: string; readonly error: unknown }

export interface AuditLogOptions {
  readonly writerId: string
  readonly sink: { readonly kind: "ram"; readonly bytesMax: number } | WalOptions
  readonly signing: Signing
  readonly fsync: FsyncPolicy
  readonly limits: RecordLimits
  readonly engine: Engine
  readonly clock: Clock
  /** 32 lower-case hex digits, used when the log is new. */
  readonly newLogId: () => string
  readonly recordSigner: EngineSigner | undefined
  readonly signer: Signer | undefined
  /** The keys that recovery may check signatures with. */
  readonly trust: Trust | undefined
  readonly checkpointEvery: number
  readonly queueDepth: number
  /** Positions that chains must have reached, from receipts kept elsewhere. */
  readonly expectHeads?: ReadonlyArray<ExpectedPosition>
  readonly notice: (notice: Notice) => void
}

export interface WalOptions {
  readonly kind: "wal"
  readonly dir: string
  readonly rotateBytes: number
  readonly exportDir: string | undefined
}

export interface ExpectedPosition {
  readonly writerId: string
  readonly stream: string
  readonly seq: number
  readonly selfHash: string
  readonly file: string
}

export interface ChainHead {
  readonly writerId: string
  readonly stream: string
  readonly seq: number
  readonly selfHash: string
  readonly checkpointedTo: number
}

interface Chain {
  readonly writerId: string
  readonly stream: string
  readonly intake: Intake
  readonly sink: Sink
  readonly lock: Lock | undefined
}

/** The chain that now goes by a writer and stream: the last successor, or itself. */
export const currentWriterId = (walDir: string, writerId: string, stream: string): string => {
  let current = writerId
  for (let k = 1; existsSync(chainDirectory(walDir, `${writerId}+${k}`, stream)); k++) {
    current = `${writerId}+${k}`
  }
  return current
}

export class AuditLog {
  readonly logId: string
  readonly #options: AuditLogOptions
  readonly #chains = new Map<string, Promise<Chain | Finding>>()
  /** Chains that are open already, so that an append need not wait for a promise. */
  readonly #open = new Map<string, Chain>()
  /** `writer / stream` announced in the control chain. */
  readonly #announced = new Set<string>()
  readonly #frozen = new Set<string>()
  #closing = false

  private constructor(options: AuditLogOptions, logId: string) {
    this.#options = options
    this.logId = logId
  }

  /**
   * Opens the log and every chain that this writer has in it.
   * Errors: Rejected for the writer id; SinkError; AuditError FROZEN when the control chain is,
   * WRONG_LOG when chains of two logs share the directory.
   */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    checkWriterId(options.writerId)
    const { sink } = options
    const walDir = sink.kind === "wal" ? sink.dir : undefined
    if (walDir !== undefined) prepare(walDir)
    const logId = (walDir === undefined ? undefined : findLogId(walDir)) ?? options.newLogId()
    const log = new AuditLog(options, logId)
    try {
      await log.#openAll(walDir)
    } catch (error) {
      await log.#closeChains()
      throw error
    }
    return log
  }

  /**
   * Takes a draft; fulfils when its record is accepted.
   * Errors: Rejected; AuditError BUSY, CLOSED, FROZEN, OP_ID_CONFLICT, FATAL; SinkError.
   */
  append(draft: Draft): Promise<AppendReceipt> {
    if (this.#closing) return Promise.reject(AuditError.of("CLOSED", "the log is closed"))
    const open = this.#open.get(draft.stream)
    if (open !== undefined) return open.intake.append(draft)
    return this.#chain(draft.stream).then((chain) => chain.intake.append(draft))
  }

  /** Everything accepted so far is on disk as fsync asks. */
  async flush(): Promise<void> {
    await this.#each((chain) => chain.intake.writer.flush())
  }

  /** Checkpoints every chain that has records behind its last one. */
  async checkpoint(): Promise<void> {
    await this.#each((chain) => chain.intake.writer.checkpoint())
  }

  /** Checkpoints, then seals every open segment, so that the files can be exported. */
  async seal(): Promise<void> {
    await this.checkpoint()
    await this.#each((chain) => chain.intake.writer.seal())
  }

  heads(): Array<ChainHead> {
    return [...this.#open.values()].map(({ writerId, stream, intake }) => {
      const { state, progress } = intake.writer
      const selfHash = state.seq === 0 ? genesis : `b3:${toHex(state.head)}`
      return {
        writerId,
        stream,
        seq: state.seq,
        selfHash,
        checkpointedTo: progress.at("checkpointed"),
      }
    })
  }

  /**
   * Stops intake, drains, signs a last checkpoint, fsyncs and releases the locks.
   * Errors: the first of SinkError, SignerError; everything is closed all the same.
   */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    await Promise.allSettled(this.#chains.values())
    let failed: { readonly error: unknown } | undefined
    if (this.#options.signer !== undefined) {
      await this.checkpoint().catch((error: unknown) => {
        failed = { error }
      })
    }
    await this.#closeChains().catch((error: unknown) => {
      failed ??= { error }
    })
    if (failed !== undefined) throw failed.error
  }

  async #openAll(walDir: string | undefined): Promise<void> {
    const control = await this.#load(controlStream)
    if (!("intake" in control)) throw frozenError(this.#options.writerId, controlStream, control)
    if (walDir === undefined) return
    await this.#readControl(walDir, control.writerId)
    for (const { writerId, stream } of listChains(walDir)) {
      const isOurs = writerId === currentWriterId(walDir, this.#options.writerId, stream)
      if (isOurs && stream !== controlStream) await this.#load(stream)
    }
  }

  async #chain(stream: string): Promise<Chain> {
    const chain = await this.#load(stream)
    if ("intake" in chain) return chain
    throw frozenError(this.#options.writerId, stream, chain)
  }

  #load(stream: string): Promise<Chain | Finding> {
    const known = this.#chains.get(stream)
    if (known !== undefined) return known
    const loading = this.#openChain(stream).then(async (chain) => {
      if ("intake" in chain) {
        this.#open.set(stream, chain)
        await this.#announce(chain)
      } else await this.#sayFrozen(stream, chain)
      return chain
    })
    // A stream that could not be opened may be tried again.
    loading.catch(() => this.#chains.delete(stream))
    this.#chains.set(stream, loading)
    return loading
  }

  async #openChain(stream: string): Promise<Chain | Finding> {
    checkStream(stream)
    const { sink, writerId: ours, clock } = this.#options
    if (sink.kind === "ram") return this.#begin(ours, stream, new SinkRam(sink), undefined)
    const writerId = currentWriterId(sink.dir, ours, stream)
    const since = new Date(clock.nowMs()).toISOString()
    const lock = await acquireLock(sink.dir, writerId, stream, since)
    try {
      const directory = chainDirectory(sink.dir, writerId, stream)
      const input = this.#recoveryInput(writerId, stream, sink)
      const found =
        existsSync(directory) || input.exportedTo > 0 || input.expected.length > 0
          ? await recoverAt(directory, input)
          : fresh
      if (found.kind === "frozen") {
        lock.release()
        return found.finding
      }
      const newest = found.kind === "fresh" ? { number: 0, count: 0, open: false } : found.newest
      const { rotateBytes } = sink
      if (found.kind === "fresh") makeDirectory(directory)
      const wal = new SinkWal({ directory, rotateBytes, newest })
      return found.kind === "fresh"
        ? await this.#begin(writerId, stream, wal, lock)
        : await this.#resume(writerId, stream, wal, lock, found)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  #recoveryInput(writerId: string, stream: string, sink: WalOptions) {
    const { engine, trust, clock, expectHeads = [] } = this.#options
    const exported =
      sink.exportDir === undefined ? undefined : chainDirectory(sink.exportDir, writerId, stream)
    return {
      engine,
      writerId,
      stream,
      logId: this.logId,
      judge: new KeyJudge({
        trust,
        keysRoot: sink.dir,
        logId: this.logId,
        writerId,
        stream,
        nowMs: clock.nowMs(),
      }),
      expected: expectHeads.filter((head) => head.writerId === writerId && head.stream === stream),
      exportedTo: exported === undefined ? 0 : exportedTo(exported),
    }
  }

  get #declaration(): Declaration {
    const { signing, fsync, signer, recordSigner } = this.#options
    return {
      logId: this.logId,
      signing,
      algs: recordSigner === undefined || signing === "checkpoint" ? [] : ["ed25519"],
      checkpointAlgs: signer === undefined ? [] : [signer.algoId],
      fsync,
    }
  }

  async #begin(
    writerId: string,
    stream: string,
    sink: Sink,
    lock: Lock | undefined,
    successorOf?: Predecessor,
  ): Promise<Chain> {
    const writer = this.#writer(writerId, stream, sink, {
      state: { seq: 0, tsMs: 0, head: new Uint8Array(32) },
      checkpoint: { number: 0, lastSeq: 0, digest: genesis },
      pending: Promise.resolve(new Uint8Array(0)),
    })
    const chain = this.#chainOf(writerId, stream, sink, lock, writer, new Map())
    const attrs = formatDeclaration({ ...this.#declaration, successorOf })
    await chain.intake.appendOwn("StreamOpened", attrs)
    await writer.flush()
    return chain
  }

  async #resume(
    writerId: string,
    stream: string,
    sink: SinkWal,
    lock: Lock,
    found: RecoveredChain,
  ): Promise<Chain> {
    const { declared, unsigned, cut } = found
    const pending = new Promise<Uint8Array>((done) => setImmediate(() => done(found.pending())))
    pending.catch(() => undefined)
    if (unsigned !== undefined) this.#signFound(writerId, stream, sink, declared, unsigned)
    const writer = this.#writer(writerId, stream, sink, { ...found, pending })
    const chain = this.#chainOf(writerId, stream, sink, lock, writer, found.opIds)
    if (unsigned !== undefined || cut !== undefined) {
      const count = unsigned === undefined ? 0 : unsigned.hashes.length / 32
      const range =
        unsigned === undefined ? {} : { first: unsigned.first, last: unsigned.first + count - 1 }
      const attrs = { ...range, cut_bytes: cut?.bytes ?? 0, file: cut?.file ?? "" }
      await chain.intake.appendOwn("Recovered", attrs)
      this.#options.notice({
        event: "recovered",
        stream,
        cutBytes: cut?.bytes ?? 0,
        unsigned: count,
      })
    }
    await this.#updateConfig(chain, declared)
    await writer.flush()
    return chain
  }

  /** FORMATS 4: good frames without a signature are signed as the chain declares. */
  #signFound(
    writerId: string,
    stream: string,
    sink: Sink,
    declared: Declaration,
    found: { readonly first: number; readonly hashes: Uint8Array },
  ): void {
    const { recordSigner, engine } = this.#options
    if (recordSigner === undefined) {
      throw AuditError.of("NO_SIGNER", `${stream} has unsigned records and no key is configured`)
    }
    const { first, hashes } = found
    const count = hashes.length / 32
    const envelope = (sig: Uint8Array) => [
      { algoId: "ed25519" as const, keyId: recordSigner.keyId, sig },
    ]
    if (declared.signing === "record") {
      for (let i = 0; i < count; i++) {
        const sig = recordSigner.sign(contexts.record, hashes.subarray(i * 32, i * 32 + 32))
        const seq = first + i
        sink.writeSignatures(
          formatSigEntry({ first: seq, last: seq, root: null, envelopes: envelope(sig) }),
        )
      }
      return
    }
    const root = engine.merkleRoot(hashes, "leaves")
    const last = first + count - 1
    const rootText = `b3:${toHex(root)}`
    const digest = batchDigest({ first, last, logId: this.logId, root: rootText, stream, writerId })
    const envelopes = envelope(recordSigner.sign(contexts.batch, digest))
    sink.writeSignatures(formatSigEntry({ first, last, root, envelopes }))
  }

  async #updateConfig(chain: Chain, declared: Declaration): Promise<void> {
    const wanted = this.#declaration
    if (declared.logId !== wanted.logId) {
      throw AuditError.of(
        "WRONG_LOG",
        `${chain.writerId} / ${chain.stream} belongs to log ${declared.logId}, not to ${wanted.logId}`,
      )
    }
    const changed: JsonObject = changedAttrs(declared, wanted)
    if (Object.keys(changed).length === 0) return
    // Recovery reads what a chain declares from first frames only.
    await chain.intake.writer.seal()
    const config_b3 = b3Text(canonicalizeValue(formatDeclaration(wanted)))
    await chain.intake.appendOwn("ConfigUpdated", { ...changed, config_b3 })
  }

  #writer(
    writerId: string,
    stream: string,
    sink: Sink,
    found: Pick<RecoveredChain, "state" | "checkpoint"> & { readonly pending: Promise<Uint8Array> },
  ): Writer {
    const { engine, clock, signing, fsync, recordSigner, signer } = this.#options
    const { checkpointEvery, queueDepth, limits, notice } = this.#options
    const chain: ChainContext = { logId: this.logId, writerId, stream, ...limits }
    const { state, checkpoint, pending } = found
    return new Writer({
      chain,
      state,
      engine,
      sink,
      clock,
      signing,
      fsync: this.#options.sink.kind === "ram" ? "ram" : fsync,
      recordSigner,
      signer,
      checkpoint,
      pending,
      checkpointEvery,
      queueDepth,
      onTrouble: (error) => notice({ event: "trouble", stream, error }),
    })
  }

  #chainOf(
    writerId: string,
    stream: string,
    sink: Sink,
    lock: Lock | undefined,
    writer: Writer,
    opIds: Map<string, number>,
  ): Chain {
    const { engine } = this.#options
    const read = async (seq: number) => {
      await writer.flush()
      return readOne(this.#options, writerId, stream, sink, seq)
    }
    const intake = new Intake({ engine, writerId, stream, writer, opIds, read })
    return { writerId, stream, intake, sink, lock }
  }

  /** FORMATS 7: each StreamOpened is also announced in the control chain. */
  async #announce(chain: Chain): Promise<void> {
    const { writerId, stream } = chain
    if (stream === controlStream || this.#announced.has(`${writerId} / ${stream}`)) return
    const opened = await readOne(this.#options, writerId, stream, chain.sink, 1)
    const control = await this.#chain(controlStream)
    const attrs = { writer_id: writerId, stream, self_hash: opened.self_hash }
    await control.intake.appendOwn("ChainOpened", attrs)
    await control.intake.writer.flush()
    this.#announced.add(`${writerId} / ${stream}`)
  }

  async #sayFrozen(stream: string, finding: Finding): Promise<void> {
    const { writerId, notice } = this.#options
    notice({ event: "frozen", writerId, stream, finding })
    const key = `${stream} ${finding.kind} ${finding.seq}`
    const control = this.#open.get(controlStream)
    if (control === undefined || this.#frozen.has(key)) return
    const { kind, seq, file, offset } = finding
    const position = { writer_id: writerId, stream, seq, file, offset }
    await control.intake.appendOwn("Frozen", { finding: kind, position })
    await control.intake.writer.flush()
  }

  async #readControl(walDir: string, writerId: string): Promise<void> {
    const { engine } = this.#options
    const files = listChain(chainDirectory(walDir, writerId, controlStream))
    const name = { writerId, stream: controlStream }
    for (const { record } of readRecords(engine, name, files, 1)) {
      const { attrs } = record
      if (record.kind === "ChainOpened") this.#announced.add(`${attrs.writer_id} / ${attrs.stream}`)
      if (record.kind !== "Frozen") continue
      const position = attrs.position as JsonObject
      this.#frozen.add(`${position.stream} ${attrs.finding} ${position.seq}`)
    }
  }

  async #each(step: (chain: Chain) => Promise<void>): Promise<void> {
    // The control chain last: it speaks of the others.
    const chains = [...this.#open.values()].sort(
      (a, b) => Number(a.stream === controlStream) - Number(b.stream === controlStream),
    )
    for (const chain of chains) await step(chain)
  }

  async #closeChains(): Promise<void> {
    let failed: { readonly error: unknown } | undefined
    for (const chain of this.#open.values()) {
      await chain.intake.writer.close().catch((error: unknown) => {
        failed ??= { error }
      })
      chain.lock?.release()
    }
    this.#open.clear()
    if (failed !== undefined) throw failed.error
  }
}

const fresh = { kind: "fresh" } as const

const recoverAt = async (
  directory: string,
  input: Parameters<typeof recover>[1],
): Promise<RecoveredChain | FrozenChain | typeof fresh> => {
  makeDirectory(directory)
  return recover(directory, input)
}

const prepare = (walDir: string): void => {
  makeDirectory(walDir)
  checkPrivate(walDir)
  checkCaseSensitive(walDir)
}

const frozenError = (writerId: string, stream: string, found: Finding): AuditError =>
  AuditError.of(
    "FROZEN",
    `${writerId} / ${stream} is frozen: ${found.kind} at seq ${found.seq} (${found.file}, byte ${found.offset}); look at it with audit verify, then go on with: audit continue --writer ${writerId} --stream ${stream}`,
  )

/** The log that the chains below a WAL directory belong to, by the first that says so. */
const findLogId = (walDir: string): string | undefined => {
  for (const { writerId, stream } of listChains(walDir)) {
    const logId = openedLogId(listChain(chainDirectory(walDir, writerId, stream)))
    if (logId !== undefined) return logId
  }
  return undefined
}

const readOne = (
  options: AuditLogOptions,
  writerId: string,
  stream: string,
  sink: Sink,
  seq: number,
) => {
  invariant(!(sink instanceof SinkRam), "only a WAL is read back")
  const { engine, sink: where } = options
  invariant(where.kind === "wal", "only a WAL is read back")
  const files = listChain(chainDirectory(where.dir, writerId, stream))
  for (const { record } of readRecords(engine, { writerId, stream }, files, seq)) return record
  throw AuditError.of("NOT_FOUND", `${writerId} / ${stream} has no record ${seq}`)
}
