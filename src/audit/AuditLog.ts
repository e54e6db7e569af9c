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
import type { ChainState } from "../engine/Engine.ts"
import type { JsonObject } from "../record/Canonical.ts"
import type { Draft } from "../record/Draft.ts"
import { checkWriterId } from "../record/Name.ts"
import { chainDirectory, listChain, listChains } from "../sink/Segment.ts"
import { AuditError } from "./AuditError.ts"
import { frozen, isFrozen, sentenceOf, unavailable, within } from "./ClosedChain.ts"
import { added, type CloseReport, countsOf, type LogCounts, nothing } from "./Counts.ts"
import { type Finding, failureOf } from "./Finding.ts"
import { abandonChain, currentWriterId, type LiveChain, openChain } from "./LiveChain.ts"
import type { AuditLogOptions } from "./LogOptions.ts"
import { type ChainActor, gone, type Nursery } from "./Nursery.ts"
import { openWal } from "./OpenWal.ts"
import type { AppendReceipt } from "./Progress.ts"
import { readRecords } from "./Read.ts"

export type { CloseReport, LogCounts } from "./Counts.ts"
export type { AuditLogOptions, Notice } from "./LogOptions.ts"

export const controlStream = "control"

// How long a chain is waited for before the next one has its turn beside it.
const patienceMs = 250
// How long a chain that could not be opened again is left alone by those who append to it.
const retryEveryMs = 1_000

/** Where the open chain of a stream ends. */
export interface ChainHead {
  readonly writerId: string
  readonly stream: string
  readonly seq: number
  readonly selfHash: string
  readonly checkpointedTo: number
  /** Last seq that was read from the disk and verified since the chain was opened; ram: all. */
  readonly scrubbedTo: number
}

export class AuditLog {
  readonly logId: string
  #options: AuditLogOptions
  readonly #nursery: Nursery
  /** Chains that can be written. */
  readonly #open = new Map<string, LiveChain>()
  /** First starts under way, for those who wait for them. */
  readonly #starting = new Map<string, Promise<void>>()
  /** Why a chain that is not open is not. */
  readonly #closed = new Map<string, unknown>()
  /** Chains that were open and stopped: they come back by themselves. */
  readonly #crashed = new Set<string>()
  /** When one of those could not be opened. */
  readonly #triedMs = new Map<string, number>()
  /** By `writer / stream`: self_hash of the first record, as the control chain announces it. */
  readonly #announced = new Map<string, string>()
  /** By `writer / stream`: how far a chain that crashed had got. */
  readonly #mustHave = new Map<string, ChainState>()
  /** What the control chain says is frozen, so that reopening does not repeat it. */
  readonly #frozen = new Set<string>()
  readonly #failures: Array<unknown> = []
  /** Of chains that are not open any more. */
  #past: LogCounts = nothing
  /** Settles when everything is closed; defined from the moment that closing begins. */
  #closing: Promise<CloseReport> | undefined

  private constructor(options: AuditLogOptions, nursery: Nursery, logId: string) {
    this.#options = options
    this.#nursery = nursery
    this.logId = logId
  }

  /**
   * Opens the log and every chain that this writer has in it, each as an actor of the nursery.
   * Errors: Rejected for the writer id; SinkError; AuditError FROZEN when the control chain is,
   * WRONG_LOG when chains of two logs share the directory.
   */
  static async open(options: AuditLogOptions, nursery: Nursery): Promise<AuditLog> {
    checkWriterId(options.writerId)
    const walDir = options.sink.kind === "wal" ? options.sink.dir : undefined
    const logId = openWal(options)
    const log = new AuditLog(options, nursery, logId)
    try {
      await options.space?.open()
      await log.#openAll(walDir)
    } catch (error) {
      await log.#stopAll()
      throw error
    }
    return log
  }

  /**
   * Takes a draft; fulfils when its record is accepted.
   * Errors: Rejected; AuditError BUSY, CLOSED, FROZEN, OP_ID_CONFLICT, UNAVAILABLE; SinkError.
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

  /** Checkpoints a chain, then seals its open segment, so that the files can be exported. */
  async seal(stream: string): Promise<void> {
    const writer = this.#open.get(stream)?.intake.writer
    await writer?.checkpoint()
    await writer?.seal()
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
   * Stops intake, drains, signs a last checkpoint, fsyncs and releases the locks. What is not
   * written within `drainMs` is given up: its callers are told, and the report counts it.
   * Errors: the first of SinkError, SignerError; everything is closed all the same.
   */
  close(drainMs = Number.POSITIVE_INFINITY): Promise<CloseReport> {
    // Whoever calls again waits as well: behind `close` the key is wiped.
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  /** Settings for the drafts that come from now on, in chains that are open and that will be. */
  tune(tuningOf: AuditLogOptions["tuningOf"]): void {
    this.#options = { ...this.#options, tuningOf }
    for (const { stream, intake, watch } of this.#open.values()) {
      intake.writer.tune(tuningOf(stream))
      watch?.tune(tuningOf(stream))
    }
  }

  /** Tells a reload in the control chain. */
  async sayConfig(attrs: JsonObject): Promise<void> {
    const control = await this.#chain(controlStream)
    await control.intake.appendOwn("ConfigUpdated", attrs)
  }

  /** What was appended and shed since the log was opened, all chains together. */
  counts(): LogCounts {
    const counts = [...this.#open.values()].map(countsOf).reduce(added, this.#past)
    return { ...counts, diskFull: this.#options.space?.found ?? 0 }
  }

  async #close(drainMs: number): Promise<CloseReport> {
    const isDrained = await within(drainMs, this.#drain())
    this.#options.space?.close()
    const open = [...this.#open.values()]
    const left = isDrained ? 0 : open.reduce((sum, chain) => sum + chain.intake.writer.abort(), 0)
    const { waiting: _waiting, ...counts } = this.counts()
    await this.#stopAll()
    if (this.#failures.length > 0) throw this.#failures[0]
    return { ...counts, left }
  }

  async #drain(): Promise<void> {
    await Promise.allSettled(this.#starting.values())
    const keep = (error: unknown): void => void this.#failures.push(error)
    await this.#each(({ shedding }) => shedding.flush()).catch(keep)
    if (this.#options.signer === undefined) return this.flush().catch(keep)
    // What still waits in the queues belongs under the last checkpoint too.
    await this.flush().catch(keep)
    await this.checkpoint().catch(keep)
  }

  async #openAll(walDir: string | undefined): Promise<void> {
    const { writerId } = await this.#chain(controlStream)
    if (walDir === undefined) return
    this.#readControl(walDir, writerId)
    const ours = this.#options.writerId
    const streams = new Set(
      listChains(walDir)
        .filter((chain) => chain.writerId === currentWriterId(walDir, ours, chain.stream))
        .map(({ stream }) => stream),
    )
    for (const stream of streams) {
      await this.#chain(stream).catch((error: unknown) => {
        // A frozen chain leaves the others to go on.
        if (!isFrozen(error)) throw error
      })
    }
  }

  /** The open chain of a stream, which is begun where there is none. */
  async #chain(stream: string): Promise<LiveChain> {
    const isWanted = !this.#open.has(stream) && !isFrozen(this.#closed.get(stream))
    if (isWanted && !this.#wasJustTried(stream)) await this.#start(stream)
    const chain = this.#open.get(stream)
    if (chain !== undefined) return chain
    throw this.#closed.get(stream) ?? unavailable(stream, "it is being opened")
  }

  /** Each start reads a chain anew: those who append do not decide how often. */
  #wasJustTried(stream: string): boolean {
    const triedMs = this.#triedMs.get(stream) ?? Number.NEGATIVE_INFINITY
    return this.#crashed.has(stream) && this.#options.clock.nowMs() - triedMs < retryEveryMs
  }

  #start(stream: string): Promise<void> {
    const known = this.#starting.get(stream)
    if (known !== undefined) return known
    const isBack = this.#crashed.has(stream)
    // What was not opened before may still be ending.
    const starting = (isBack ? Promise.resolve() : this.#nursery.stop(stream))
      .then(() => this.#nursery.start(stream, () => this.#openActor(stream)))
      .finally(() => this.#starting.delete(stream))
    this.#starting.set(stream, starting)
    return starting
  }

  /**
   * A cold start, also after a crash: whatever is there goes through recovery. A chain that was
   * never open is tried again by whoever appends; one that crashed, by the nursery.
   */
  async #openActor(stream: string): Promise<ChainActor> {
    try {
      const chain = await openChain(this.#optionsFor(stream), this.logId, stream)
      if (!("intake" in chain)) {
        this.#closed.set(stream, frozen(this.#options.writerId, stream, chain))
        await this.#sayFrozen(stream, chain).catch((error: unknown) =>
          this.#options.notice({ event: "trouble", stream, error }),
        )
        return gone
      }
      return await this.#adopt(chain)
    } catch (error) {
      if (!this.#crashed.has(stream)) {
        this.#closed.set(stream, error)
        return gone
      }
      this.#triedMs.set(stream, this.#options.clock.nowMs())
      this.#closed.set(stream, unavailable(stream, `it could not be opened (${sentenceOf(error)})`))
      throw error
    }
  }

  async #adopt(chain: LiveChain): Promise<ChainActor> {
    const { writerId, stream, intake, scrub, lock } = chain
    if (stream !== controlStream) {
      await this.#announce(chain).catch(async (error: unknown) => {
        await abandonChain(chain)
        lock?.release()
        throw error
      })
    }
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
    ended.catch(() => undefined)
    const shut = (why: unknown): void => {
      if (this.#open.get(stream) !== chain) return
      this.#open.delete(stream)
      this.#closed.set(stream, why)
    }
    chain.stopped.catch((error: unknown) => {
      this.#crashed.add(stream)
      this.#mustHave.set(`${writerId} / ${stream}`, intake.writer.mustHave)
      shut(unavailable(stream, `it stopped (${sentenceOf(error)}) and is opened again`))
      reject(error)
    })
    scrub?.done.then(
      async (finding) => {
        if (finding === undefined || this.#open.get(stream) !== chain) return
        if (this.#closing !== undefined) return
        shut(frozen(this.#options.writerId, stream, finding))
        await this.#sayFrozen(stream, finding).catch((error: unknown) =>
          this.#options.notice({ event: "trouble", stream, error }),
        )
        resolve()
      },
      (error: unknown) => this.#options.notice({ event: "trouble", stream, error }),
    )
    this.#closed.delete(stream)
    this.#crashed.delete(stream)
    this.#open.set(stream, chain)
    return { ended, close: () => this.#release(chain) }
  }

  async #release(chain: LiveChain): Promise<void> {
    const { stream, leave, intake, shedding, lock } = chain
    shedding.close()
    this.#past = added(this.#past, { ...countsOf(chain), waiting: 0 })
    if (this.#open.get(stream) === chain) this.#open.delete(stream)
    leave()
    try {
      await intake.writer.close()
    } catch (error) {
      // Of a writer that crashed everybody was told.
      if (this.#closing !== undefined) this.#failures.push(error)
    } finally {
      lock?.release()
    }
  }

  /** A chain that was announced has its first record: one without it was rolled back. */
  #optionsFor(stream: string): AuditLogOptions {
    const { sink, writerId: ours, expectHeads } = this.#options
    if (sink.kind === "ram") return this.#options
    const writerId = currentWriterId(sink.dir, ours, stream)
    const name = `${writerId} / ${stream}`
    const selfHash = this.#announced.get(name)
    const head = this.#mustHave.get(name)
    const expected = [
      ...(selfHash === undefined ? [] : [{ seq: 1, selfHash }]),
      ...(head === undefined || head.seq === 0
        ? []
        : [{ seq: head.seq, selfHash: headText(head) }]),
    ].map((position) => ({ writerId, stream, ...position, file: "" }))
    return { ...this.#options, expectHeads: [...expectHeads, ...expected] }
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
    const reason = failureOf(kind)
    if (reason !== undefined)
      this.#options.bus.publish("audit.verify.failed", { stream, writer_id: writerId, seq, reason })
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
    const steps: Array<Promise<void>> = []
    for (const chain of chains) {
      const running = step(chain)
      steps.push(running)
      // One that hangs, or fails, keeps no other from its turn.
      await within(patienceMs, running).catch(() => undefined)
    }
    await Promise.all(steps)
  }

  /** The control chain last: it speaks of the others. */
  async #stopAll(): Promise<void> {
    const names = [...this.#open.keys(), ...this.#closed.keys()]
    const others = names.filter((name) => name !== controlStream)
    await Promise.all([...new Set(others)].map((name) => this.#nursery.stop(name)))
    await this.#nursery.stop(controlStream)
  }
}
