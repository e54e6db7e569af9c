import { AuditLog, type ChainHead, openWal } from "../src/audit/AuditLog.ts"
import { type Continued, continueChain } from "../src/audit/Continue.ts"
import { type Exported, exportChain } from "../src/audit/Export.ts"
import type { AppendReceipt } from "../src/audit/Progress.ts"
import { Replay } from "../src/audit/Replay.ts"
import type { Engine, EngineSigner } from "../src/engine/Engine.ts"
import type { Draft } from "../src/record/Draft.ts"
import { SinkError } from "../src/sink/SinkError.ts"

import {
  asSigner,
  keepTrust,
  type NamedOptions,
  type OpenOptions,
  prepareLog,
  systemClock,
  underFirstStart,
  writerIds,
} from "./Setup.ts"

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

/** Another process writes as this writer. */
const isTaken = (error: unknown): boolean => error instanceof SinkError && error.code === "LOCKED"
