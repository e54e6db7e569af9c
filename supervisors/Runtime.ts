/**
 * The log as a configured host runs it: settings from flags, environment and file, signals that
 * drain, SIGHUP that reloads. The package's `strongroom/runtime`.
 *
 *     const runtime = await Runtime.start({ flags: [], env: process.env, file: "audit.toml" })
 *     runtime.handleSignals()
 *     await runtime.append(draft)
 *
 * - A configuration with one wrong key starts nothing, and a reload with one changes nothing.
 * - What a reload changes is swapped in without a wait; what cannot be changed while records are
 *   written is drained first, and callers are told UNAVAILABLE meanwhile. No accepted record is
 *   lost by either.
 *
 * Source: LEDGER, C-86.
 */
import { AuditError } from "../src/audit/AuditError.ts"
import type { AppendReceipt } from "../src/audit/Progress.ts"
import { type AuditConfig, hasExport, hasWal } from "../src/config/Config.ts"
import { ConfigError } from "../src/config/Issue.ts"
import {
  type Change,
  formatChange,
  planReload,
  type Snapshot,
  updatedAttrs,
} from "../src/config/Reload.ts"
import { resolveConfig } from "../src/config/Resolve.ts"
import type { Draft } from "../src/record/Draft.ts"
import { probeFile, readConfigFile } from "../src/sink/ConfigFile.ts"
import { makeDirectory } from "../src/sink/Durable.ts"
import type { OpenOptions } from "./Setup.ts"
import { handleSignals, type Signals } from "./Signals.ts"
import { type ClosedReport, Strongroom } from "./Strongroom.ts"

export { ConfigError } from "../src/config/Issue.ts"

/** Where the settings come from, and who is told. */
export interface RuntimeOptions {
  /** Flag and value, as `--audit-sink` and `wal`. */
  readonly flags: ReadonlyArray<readonly [flag: string, value: string]>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path of a TOML or JSON file. */
  readonly file?: string
  readonly notice?: NonNullable<OpenOptions["notice"]>
  /** Gets whole lines without their end: warnings, what a reload changed, how it stopped. */
  readonly print?: (line: string) => void
}

const printDefault = (line: string): void => void process.stderr.write(`${line}\n`)

const signalRepeatMs = 500
// Behind the drain come the last checkpoint, fsyncs and the locks.
const stopMs = 2_000

/** A log that a configuration made, and that its reloads change. */
export class Runtime {
  readonly #options: RuntimeOptions
  #snapshot: Snapshot
  #room: Strongroom
  /** While one log is drained and the next one opened. */
  #switching: Promise<void> | undefined

  private constructor(options: RuntimeOptions, config: AuditConfig, room: Strongroom) {
    this.#options = options
    this.#snapshot = { version: 1, config }
    this.#room = room
  }

  /** Errors: ConfigError with every wrong key; those of `Strongroom.open`. */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    const config = readConfig(options)
    return new Runtime(options, config, await openRoom(options, config))
  }

  /** Errors: as `Strongroom.append`; AuditError UNAVAILABLE while the log is switched. */
  append(draft: Draft): Promise<AppendReceipt> {
    if (this.#switching === undefined) return this.#room.append(draft)
    return Promise.reject(AuditError.of("UNAVAILABLE", "the log is being switched, try again"))
  }

  /** The log in force; another one after a reload that switched. */
  get room(): Strongroom {
    return this.#room
  }

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  /**
   * Reads the configuration again and applies it; the changes.
   * Errors: ConfigError, and nothing was changed; those of `Strongroom.open` after a switch, and
   * the log that was is open again.
   */
  async reload(): Promise<ReadonlyArray<Change>> {
    await this.#switching
    const plan = planReload(this.#snapshot, readConfig(this.#options))
    if (plan.needs === "nothing") return plan.changes
    const { config } = plan.next
    if (plan.needs === "hot") this.#room.tune(openOptions(this.#options, config))
    else await this.#switch(config)
    this.#snapshot = plan.next
    for (const change of plan.changes) this.#print(`configuration: ${formatChange(change)}`)
    await this.#room.sayConfig(plan.next.version, updatedAttrs(plan))
    return plan.changes
  }

  /** SIGTERM and SIGINT drain and exit, a second one or the deadline aborts; SIGHUP reloads. */
  handleSignals(): Signals {
    return handleSignals({
      source: process,
      stopIntake: () => undefined,
      drain: async () => void (await this.stop("signal")),
      deadlineMs: this.#snapshot.config.deadline.drainMs + stopMs,
      repeatMs: signalRepeatMs,
      reload: async () => {
        const changes = await this.reload()
        if (changes.length === 0) this.#print("configuration: nothing changed")
      },
      left: () => ({ "records waiting": this.#room.counts().waiting }),
      print: (line) => this.#print(line),
      exit: (code) => process.exit(code),
      drainedCode: 0,
      monotonicMs: () => performance.now(),
    })
  }

  /** Stops intake, drains until the deadline, closes. Errors: SinkError, SignerError. */
  async stop(reason = "stop"): Promise<ClosedReport> {
    await this.#switching
    const report = await this.#room.close(reason)
    this.#print(formatReport(report))
    return report
  }

  async #switch(config: AuditConfig): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#switching = promise
    try {
      await this.#room.close("reload")
      this.#room = await openRoom(this.#options, config).catch(async (error: unknown) => {
        this.#room = await openRoom(this.#options, this.#snapshot.config)
        throw error
      })
    } finally {
      this.#switching = undefined
      resolve()
    }
  }

  #print(line: string): void {
    const print = this.#options.print ?? printDefault
    print(line)
  }
}

/** One line: what was accepted since the start, how far it got, what was left. */
const formatReport = (report: ClosedReport): string => {
  const { accepted, durable, signed, checkpointed, shed, left, abandoned } = report
  const proven = `${signed} signed, ${checkpointed} checkpointed`
  const told = `${accepted} accepted, ${durable} durable, ${proven}`
  const hung = abandoned.length === 0 ? "" : `; not closed: ${abandoned.join(", ")}`
  return `closed: ${told}; ${shed} shed, ${left} left${hung}`
}

const readConfig = ({ flags, env, file, print }: RuntimeOptions): AuditConfig => {
  const given = file === undefined ? {} : { file: { path: file, bytes: readConfigFile(file) } }
  const { config, issues, warnings } = resolveConfig({ flags, env, ...given }, { probe: probeFile })
  for (const warning of warnings) (print ?? printDefault)(`configuration: ${warning}`)
  if (config === undefined) throw ConfigError.invalid(issues)
  return config
}

const openRoom = (options: RuntimeOptions, config: AuditConfig): Promise<Strongroom> => {
  const { dataDir, wal, export: exported } = config
  // Derived from data_dir they are ours to make; named, they must be there already.
  for (const dir of [wal.dir, exported.dir]) {
    if (dataDir !== "" && dir.startsWith(dataDir)) makeDirectory(dir)
  }
  return Strongroom.open(openOptions(options, config))
}

/** The configuration as options of the library. */
const openOptions = (
  { notice }: Pick<RuntimeOptions, "notice">,
  config: AuditConfig,
): OpenOptions => {
  const { writerId, dataDir, export: exported, deadline, streams, signing } = config
  const { dir, rotateBytes, fsync, reserveBytes } = config.wal
  return {
    ...(writerId === "" ? {} : { writerId }),
    ...(dataDir === "" ? {} : { dataDir }),
    ...(notice === undefined ? {} : { notice }),
    engine: config.engine,
    signing: signing.mode,
    queueDepth: config.queueDepth,
    streams: Object.fromEntries(streams),
    privacy: config.privacy,
    limits: { attrsBytesMax: config.maxAttrsBytes, recordBytesMax: config.maxRecordBytes },
    checkpointEvery: exported.checkpointEvery,
    ramBytesMax: config.ram.bytesMax,
    deadlines: {
      enqueueMs: deadline.enqueueMs,
      walMs: deadline.walMs,
      exportMs: deadline.exportMs,
      drainMs: deadline.drainMs,
    },
    breaker: config.breaker,
    ...(hasWal(config)
      ? { sink: "wal", wal: { dir, rotateBytes, fsync, reserveBytes } }
      : { sink: "ram" }),
    ...(hasExport(config) && !config.amnesia
      ? { export: { dir: exported.dir, everyMs: exported.exportEveryMs } }
      : {}),
  }
}
