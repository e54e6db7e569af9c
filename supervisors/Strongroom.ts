/**
 * The plain-promise door of the runtime: one writer's log, embedded in its host.
 *
 *     const room = await Strongroom.open({ writerId: "svc-gateway@inst-1", wal: { dir } })
 *     const receipt = await room.append({ stream: "ingress", kind: "GetServed", actor: { cap_id },
 *       subject: { content_id }, reason: "ok", attrs: {} })
 *     await receipt.reached("durable")
 *     await room.close()
 */

import { AuditError } from "../src/audit/AuditError.ts"
import {
  AuditLog,
  type AuditLogOptions,
  type ChainHead,
  type CloseReport,
  type LogCounts,
} from "../src/audit/AuditLog.ts"
import type { BreakerState } from "../src/audit/Breaker.ts"
import { type Continued, continueChain } from "../src/audit/Continue.ts"
import { type Exported, exportChain } from "../src/audit/Export.ts"
import { ExportRound } from "../src/audit/ExportRound.ts"
import { openWal } from "../src/audit/OpenWal.ts"
import type { AppendReceipt, Level } from "../src/audit/Progress.ts"
import { Replay } from "../src/audit/Replay.ts"
import type { Bus, Subscription } from "../src/bus/Bus.ts"
import type { Engine, EngineSigner } from "../src/engine/Engine.ts"
import type { JsonObject } from "../src/record/Canonical.ts"
import type { Draft } from "../src/record/Draft.ts"
import { SinkError } from "../src/sink/SinkError.ts"
import { type AuditTree, openAuditTree } from "./AuditTree.ts"
import type { SupervisorEvent } from "./ChildSpec.ts"
import {
  asSigner,
  breakerDefaults,
  checkpointEveryMsDefault,
  drainMsDefault,
  exportMsDefault,
  keepTrust,
  type NamedOptions,
  type OpenOptions,
  prepareLog,
  systemClock,
  tuningOf,
  underFirstStart,
  writerIds,
} from "./Setup.ts"

// What a chain may take to fsync and close behind the deadline of draining.
const closeMs = 1_000

/** One writer's log, embedded in its host. */
export class Strongroom {
  readonly logId: string
  /** Id of the key that signs, `b3:` and 32 hex digits. */
  readonly keyId: string
  readonly engine: Engine
  /** Where the trust file lies; absent with the ram sink. */
  readonly trustPath: string | undefined
  readonly #log: AuditLog
  readonly #tree: AuditTree
  readonly #bus: Bus
  readonly #drainMs: number
  #closing: Promise<ClosedReport> | undefined
  readonly #key: EngineSigner
  readonly #exports: ExportRound | undefined

  private constructor(parts: {
    readonly log: AuditLog
    readonly tree: AuditTree
    readonly bus: Bus
    readonly drainMs: number
    readonly key: EngineSigner
    readonly engine: Engine
    readonly exports: ExportRound | undefined
    readonly trustPath: string | undefined
  }) {
    this.#log = parts.log
    this.#tree = parts.tree
    this.#bus = parts.bus
    this.#drainMs = parts.drainMs
    this.#key = parts.key
    this.#exports = parts.exports
    this.engine = parts.engine
    this.trustPath = parts.trustPath
    this.logId = parts.log.logId
    this.keyId = parts.key.keyId
  }

  /**
   * Opens the log, makes the key and trust.json on first start, and recovers what a crash left.
   * Errors: Rejected; AuditError, SETTINGS for an option out of its bounds; SinkError;
   * KeyFileError; EngineError.
   */
  static async open(options: OpenOptions): Promise<Strongroom> {
    let taken: unknown
    for (const writerId of writerIds(options)) {
      const named = { ...options, writerId }
      try {
        return await underFirstStart(named, () => Strongroom.#open(named))
      } catch (error) {
        if (options.writerId !== undefined || !isTaken(error)) throw error
        taken = error
      }
    }
    throw taken
  }

  static async #open(options: NamedOptions): Promise<Strongroom> {
    const { engine, key, trustPath, logOptions } = await prepareLog(options)
    const { bus, notice } = logOptions
    const drainMs = options.deadlines?.drainMs ?? drainMsDefault
    const listener = listen(bus, notice)
    const tree = await openAuditTree({ shutdownMs: closeMs, listener })
    try {
      const log = await AuditLog.open(logOptions, tree.nursery)
      await keepTrust(trustPath, log.logId, key).catch(async (error: unknown) => {
        await log.close().catch(() => undefined)
        throw error
      })
      const exports = openExports(options, log, engine, key)
      const parts = { log, tree, bus, drainMs, key, engine, exports, trustPath }
      const room = new Strongroom(parts)
      await room.#startTimers(options, notice)
      return room
    } catch (error) {
      await tree.close()
      key.close()
      throw error
    }
  }

  async #startTimers(options: OpenOptions, notice: AuditLogOptions["notice"]): Promise<void> {
    const { checkpointEveryMs = checkpointEveryMsDefault } = options
    const budgetMs = options.deadlines?.exportMs ?? exportMsDefault
    const timer = (name: string, everyMs: number, budget: number, step: () => Promise<unknown>) =>
      this.#tree.every({
        name,
        everyMs,
        step,
        budgetMs: budget,
        onTrouble: (error) => notice({ event: "trouble", stream: name, error }),
      })
    await timer("checkpoints", checkpointEveryMs, budgetMs, () => this.checkpoint())
    const { everyMs } = options.export ?? {}
    const exports = this.#exports
    if (everyMs === undefined || exports === undefined) return
    // A round has a budget of its own, and is no news while it is suspended.
    const step = async () => (exports.state.state === "open" ? [] : exports.run())
    await timer("exports", everyMs, Number.POSITIVE_INFINITY, step)
  }

  /**
   * Opens the successor of this writer's damaged chain for a stream, and nothing else.
   * Errors: as `open`; AuditError NOT_FOUND, SETTINGS where there is no damage.
   */
  static async continueChain(options: NamedOptions, stream: string): Promise<Continued> {
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
  static async openReplay(options: NamedOptions, logId: string | undefined): Promise<Replay> {
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
   * Errors: Rejected; AuditError BUSY, CANCELED, CLOSED, FROZEN, OP_ID_CONFLICT, UNAVAILABLE;
   * SinkError.
   */
  append(draft: Draft): Promise<AppendReceipt> {
    return this.#log.append(draft)
  }

  /**
   * Runs a business action only if its record has reached the level: what was done is on record, or
   * was not done. Gives what the action gives.
   * Errors: as `append`, and those of the level, before the action; then those of the action.
   */
  async gate<A>(
    draft: Draft,
    level: Level,
    action: (receipt: AppendReceipt) => Promise<A> | A,
  ): Promise<A> {
    const receipt = await this.append(draft)
    await receipt.reached(level)
    return action(receipt)
  }

  /** Events from now on, of one topic, of a family (`kernel`), or of all. Errors: TypeError. */
  subscribe(filter?: string): Subscription {
    return this.#bus.subscribe(filter)
  }

  /**
   * Applies settings that may change while records are written: queue depths, the cadence of
   * checkpoints, the deadline of the queue. What waits already stays.
   */
  tune(options: OpenOptions): void {
    this.#log.tune(tuningOf(options))
  }

  /** A reload, for the control chain and for those who subscribe. */
  async sayConfig(version: number, attrs: JsonObject): Promise<void> {
    this.#bus.publish("kernel.config.updated", { version })
    await this.#log.sayConfig(attrs)
  }

  /** What was appended and shed since the log was opened. */
  counts(): LogCounts {
    return this.#log.counts()
  }

  /** Everything accepted so far is on disk as fsync asks. Errors: SinkError. */
  flush(): Promise<void> {
    return this.#log.flush()
  }

  /**
   * Signs a checkpoint over what each chain has behind its last one.
   * Errors: AuditError; SignerError; SinkError.
   */
  checkpoint(): Promise<void> {
    return this.#log.checkpoint()
  }

  /** Where each open chain ends: kept elsewhere, it shows a log that was cut off. */
  heads(): ReadonlyArray<ChainHead> {
    return this.#log.heads()
  }

  /** Whether exports are tried, and when; `undefined` where there are none. */
  exportState(): BreakerState | undefined {
    return this.#exports?.state
  }

  /**
   * Checkpoints, seals and exports what is new of every open chain; the others too where one fails.
   * Errors: SinkError; AuditError TIMEOUT for a chain whose export makes no progress, UNAVAILABLE
   * at once while exports are suspended.
   */
  async export(): Promise<ReadonlyArray<Exported>> {
    if (this.#exports === undefined) {
      throw new TypeError("Strongroom.export: export.dir was not given to open")
    }
    return this.#exports.run()
  }

  /**
   * Stops intake, drains, signs the last checkpoint, releases the locks and wipes the key. What is
   * not written at the deadline is given up: its callers are told CANCELED, the report counts it.
   * Errors: SinkError, SignerError; everything is closed all the same.
   */
  close(reason = "close"): Promise<ClosedReport> {
    this.#closing ??= this.#close(reason)
    return this.#closing
  }

  async #close(reason: string): Promise<ClosedReport> {
    this.#bus.publish("kernel.shutdown", { reason })
    const timers = this.#tree.stopTimers()
    let abandoned: ReadonlyArray<string> = []
    const report = await this.#log.close(this.#drainMs).finally(async () => {
      await timers
      abandoned = await this.#tree.close()
      this.#key.close()
    })
    return { ...report, abandoned }
  }
}

/** What closing a log left. */
export interface ClosedReport extends CloseReport {
  /** Streams whose sink did not let go in time; their locks end with the process. */
  readonly abandoned: ReadonlyArray<string>
}

const openExports = (
  options: NamedOptions,
  log: AuditLog,
  engine: Engine,
  key: EngineSigner,
): ExportRound | undefined => {
  const { wal, export: place, sink, deadlines, breaker } = options
  if (sink === "ram" || wal === undefined || place === undefined) return undefined
  const { logId } = log
  const signer = asSigner(key)
  const where = { engine, clock: systemClock, signer, logId, walDir: wal.dir, exportDir: place.dir }
  return new ExportRound({
    clock: systemClock,
    budgetMs: deadlines?.exportMs ?? exportMsDefault,
    breaker: { ...breakerDefaults, ...breaker },
    streams: () => log.heads().map(({ stream }) => stream),
    seal: (stream) => log.seal(stream),
    exportOne: async (stream, progress) => {
      const head = log.heads().find((one) => one.stream === stream)
      return head === undefined ? undefined : exportChain({ ...where, progress }, head)
    },
  })
}

/** Another process writes as this writer. */
const isTaken = (error: unknown): boolean => error instanceof SinkError && error.code === "LOCKED"

/** Crashes and restarts of chains, for those who subscribe and for the host's notices. */
const listen =
  (bus: Bus, notice: AuditLogOptions["notice"]) =>
  (event: SupervisorEvent): void => {
    if (event.event === "crashed") {
      const { child: service, error } = event
      bus.publish("kernel.service.crashed", { service, code: codeOf(error) })
    }
    if (event.event === "gave_up" || event.event === "abandoned") {
      const stream = event.child.slice(event.child.indexOf("/") + 1)
      const error = "error" in event ? event.error : AuditError.of("CANCELED", "it hangs")
      notice({ event: "trouble", stream, error })
    }
  }

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "DEFECT"
