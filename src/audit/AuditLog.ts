/**
 * The audit log of one writer: its streams, its control chain, and the promises it keeps.
 *
 * - A chain is written by one process: it is locked from opening to closing.
 * - Every chain is announced by ChainOpened in the control chain, so that a missing one is seen.
 * - A chain that recovery found tampered with is frozen: appends are refused, and the control chain
 *   says so.
 *
 * Source: FORMATS 2, 4, 7, 10; LEDGER groups 5, 6, 11.
 */

import { headText } from "../chain/Chain.ts"
import type { JsonObject } from "../record/Canonical.ts"
import type { Draft } from "../record/Draft.ts"
import { checkWriterId } from "../record/Name.ts"
import { checkCaseSensitive, checkPrivate, makeDirectory } from "../sink/Durable.ts"
import { chainDirectory, listChain, listChains } from "../sink/Segment.ts"
import { AuditError } from "./AuditError.ts"
import { openedLogId } from "./ChainVerify.ts"
import type { Finding } from "./Finding.ts"
import {
  type AuditLogOptions,
  abandonChain,
  currentWriterId,
  type LiveChain,
  openChain,
} from "./LiveChain.ts"
import type { AppendReceipt } from "./Progress.ts"
import { readRecords } from "./Read.ts"

export type { AuditLogOptions, Notice } from "./LiveChain.ts"

export const controlStream = "control"

export interface ChainHead {
  readonly writerId: string
  readonly stream: string
  readonly seq: number
  readonly selfHash: string
  readonly checkpointedTo: number
  /** Last seq verified since the chain was opened, by opening, writing or the scrub. */
  readonly scrubbedTo: number
}

export class AuditLog {
  readonly logId: string
  readonly #options: AuditLogOptions
  readonly #chains = new Map<string, Promise<LiveChain | Finding>>()
  /** Chains that are open already, so that an append need not wait for a promise. */
  readonly #open = new Map<string, LiveChain>()
  /** By `writer / stream`: self_hash of the first record, as the control chain announces it. */
  readonly #announced = new Map<string, string>()
  /** What the control chain says is frozen, so that reopening does not repeat it. */
  readonly #frozen = new Set<string>()
  /** Settles when everything is closed; defined from the moment that closing begins. */
  #closing: Promise<void> | undefined

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
    const walDir = options.sink.kind === "wal" ? options.sink.dir : undefined
    const logId = openWal(options)
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
    if (this.#closing !== undefined)
      return Promise.reject(AuditError.of("CLOSED", "the log is closed"))
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
    return [...this.#open.values()].map(({ writerId, stream, intake, scrub }) => {
      const { state, progress } = intake.writer
      const { seq } = state
      const checkpointedTo = progress.at("checkpointed")
      const scrubbedTo = scrub === undefined ? seq : scrub.position()
      return { writerId, stream, seq, selfHash: headText(state), checkpointedTo, scrubbedTo }
    })
  }

  /**
   * Stops intake, drains, signs a last checkpoint, fsyncs and releases the locks.
   * Errors: the first of SinkError, SignerError; everything is closed all the same.
   */
  close(): Promise<void> {
    // Whoever calls again waits as well: behind `close` the key is wiped.
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#chains.values())
    const failures: Array<unknown> = []
    const keep = (error: unknown): void => void failures.push(error)
    if (this.#options.signer !== undefined) {
      // What still waits in the queues belongs under the last checkpoint too.
      await this.flush().catch(keep)
      await this.checkpoint().catch(keep)
    }
    await this.#closeChains().catch(keep)
    if (failures.length > 0) throw failures[0]
  }

  async #openAll(walDir: string | undefined): Promise<void> {
    const { writerId } = this.#options
    const control = await this.#load(controlStream)
    if (!("intake" in control)) throw frozen(writerId, controlStream, control)
    if (walDir === undefined) return
    this.#readControl(walDir, control.writerId)
    const streams = new Set(
      listChains(walDir)
        .filter((chain) => chain.writerId === currentWriterId(walDir, writerId, chain.stream))
        .map(({ stream }) => stream),
    )
    for (const stream of streams) await this.#load(stream)
  }

  async #chain(stream: string): Promise<LiveChain> {
    const chain = await this.#load(stream)
    if ("intake" in chain) return chain
    throw frozen(this.#options.writerId, stream, chain)
  }

  #load(stream: string): Promise<LiveChain | Finding> {
    const known = this.#chains.get(stream)
    if (known !== undefined) return known
    const loading = this.#openOne(stream)
    // A stream that could not be opened may be tried again.
    loading.catch(() => this.#chains.delete(stream))
    this.#chains.set(stream, loading)
    return loading
  }

  async #openOne(stream: string): Promise<LiveChain | Finding> {
    const chain = await openChain(this.#optionsFor(stream), this.logId, stream)
    if (!("intake" in chain)) {
      await this.#sayFrozen(stream, chain)
      return chain
    }
    if (stream !== controlStream) {
      await this.#announce(chain).catch(async (error: unknown) => {
        await abandonChain(chain)
        chain.lock?.release()
        throw error
      })
    }
    this.#open.set(stream, chain)
    chain.scrub?.done.then(
      (finding) => finding && this.#freeze(chain, finding),
      (error: unknown) => this.#options.notice({ event: "trouble", stream, error }),
    )
    return chain
  }

  /** A chain that was announced has its first record: one without it was rolled back. */
  #optionsFor(stream: string): AuditLogOptions {
    const { sink, writerId: ours, expectHeads } = this.#options
    if (sink.kind === "ram") return this.#options
    const writerId = currentWriterId(sink.dir, ours, stream)
    const selfHash = this.#announced.get(`${writerId} / ${stream}`)
    if (selfHash === undefined) return this.#options
    const announced = { writerId, stream, seq: 1, selfHash, file: "" }
    return { ...this.#options, expectHeads: [...expectHeads, announced] }
  }

  /** The scrub found tampering: nothing more is written to the chain. */
  async #freeze(chain: LiveChain, finding: Finding): Promise<void> {
    const { stream, intake, lock } = chain
    if (this.#closing !== undefined) return
    this.#open.delete(stream)
    this.#chains.set(stream, Promise.resolve(finding))
    try {
      await intake.writer.close()
      lock?.release()
      await this.#sayFrozen(stream, finding)
    } catch (error) {
      this.#options.notice({ event: "trouble", stream, error })
    }
  }

  /** FORMATS 7: each StreamOpened is also announced in the control chain. */
  async #announce({ writerId, stream, read }: LiveChain): Promise<void> {
    if (this.#announced.has(`${writerId} / ${stream}`)) return
    const control = await this.#chain(controlStream)
    const { self_hash } = read(1)
    await control.intake.appendOwn("ChainOpened", { writer_id: writerId, stream, self_hash })
    await control.intake.writer.flush()
    this.#announced.set(`${writerId} / ${stream}`, self_hash)
  }

  async #sayFrozen(stream: string, finding: Finding): Promise<void> {
    const { notice, sink } = this.#options
    const ours = this.#options.writerId
    const writerId = sink.kind === "ram" ? ours : currentWriterId(sink.dir, ours, stream)
    notice({ event: "frozen", writerId, stream, finding })
    const { kind, seq, file, offset } = finding
    const control = this.#open.get(controlStream)
    if (control === undefined || this.#frozen.has(`${stream} ${kind} ${seq}`)) return
    const position = { writer_id: writerId, stream, seq, file, offset }
    await control.intake.appendOwn("Frozen", { finding: kind, position })
    await control.intake.writer.flush()
    this.#frozen.add(`${stream} ${kind} ${seq}`)
  }

  #readControl(walDir: string, writerId: string): void {
    const files = listChain(chainDirectory(walDir, writerId, controlStream))
    const name = { writerId, stream: controlStream }
    for (const { record } of readRecords(this.#options.engine, name, files, 1)) {
      const { kind, attrs } = record
      if (kind === "ChainOpened") {
        this.#announced.set(`${attrs.writer_id} / ${attrs.stream}`, String(attrs.self_hash))
      }
      if (kind !== "Frozen") continue
      const position = attrs.position as JsonObject
      this.#frozen.add(`${position.stream} ${attrs.finding} ${position.seq}`)
    }
  }

  async #each(step: (chain: LiveChain) => Promise<void>): Promise<void> {
    // The control chain last: it speaks of the others.
    const rank = ({ stream }: LiveChain): number => Number(stream === controlStream)
    const chains = [...this.#open.values()].sort((a, b) => rank(a) - rank(b))
    for (const chain of chains) await step(chain)
  }

  async #closeChains(): Promise<void> {
    const failures: Array<unknown> = []
    for (const { intake, lock, scrub } of this.#open.values()) {
      scrub?.stop()
      await intake.writer.close().catch((error: unknown) => void failures.push(error))
      lock?.release()
    }
    this.#open.clear()
    if (failures.length > 0) throw failures[0]
  }
}

/** Makes the WAL directory and gives its log: what a chain there says, else a new one. */
export const openWal = ({ sink, newLogId }: AuditLogOptions): string => {
  if (sink.kind === "ram") return newLogId()
  makeDirectory(sink.dir)
  checkPrivate(sink.dir)
  checkCaseSensitive(sink.dir)
  return findLogId(sink.dir) ?? newLogId()
}

const frozen = (writerId: string, stream: string, found: Finding): AuditError =>
  AuditError.of(
    "FROZEN",
    `${writerId} / ${stream} is frozen: ${found.kind} at seq ${found.seq} (${found.file}, byte ` +
      `${found.offset}); look at it with audit verify, then go on with: ` +
      `audit continue --writer ${writerId} --stream ${stream}`,
  )

/** The log that the chains below a WAL directory belong to, by the first that says so. */
const findLogId = (walDir: string): string | undefined => {
  for (const { writerId, stream } of listChains(walDir)) {
    const logId = openedLogId(listChain(chainDirectory(walDir, writerId, stream)))
    if (logId !== undefined) return logId
  }
  return undefined
}
