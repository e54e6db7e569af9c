/**
 * One chain that this process writes: locked, recovered or begun, with its writer behind an intake.
 *
 * A new chain begins with StreamOpened; a recovered one gets its missing signatures, then Recovered
 * where a crash left something, then ConfigUpdated where the settings changed.
 *
 * Source: FORMATS 4, 7 and 10.
 */
import { setImmediate as turn } from "node:timers/promises"
import { b3Text, formatHash, genesis } from "../base/Hash.ts"
import type { ChainContext } from "../engine/Engine.ts"
import { canonicalizeValue } from "../record/Canonical.ts"
import { checkStream } from "../record/Name.ts"
import type { AuditRecord } from "../record/Record.ts"
import { formatSigEntry } from "../signing/Envelope.ts"
import { batchDigest, contexts } from "../signing/Message.ts"
import { makeDirectory } from "../sink/Durable.ts"
import { acquireLock, type Lock } from "../sink/Lock.ts"
import { isThere } from "../sink/RegularFile.ts"
import { type ChainName, chainDirectory } from "../sink/Segment.ts"
import type { Sink } from "../sink/Sink.ts"
import { SinkRam } from "../sink/SinkRam.ts"
import { SinkWal } from "../sink/SinkWal.ts"
import { AuditError } from "./AuditError.ts"
import {
  changedAttrs,
  type Declaration,
  formatDeclaration,
  type Predecessor,
} from "./Declaration.ts"
import type { Finding } from "./Finding.ts"
import { Intake } from "./Intake.ts"
import type { AuditLogOptions, WalPlace } from "./LogOptions.ts"
import {
  type FreshChain,
  type FrozenChain,
  freshChain,
  type RecoveredChain,
  type RecoveryInput,
  recover,
} from "./Recovery.ts"
import { recoveryInput } from "./RecoveryInput.ts"
import { rollScrub } from "./RollingScrub.ts"
import type { Scrub } from "./Scrub.ts"
import { Shedding } from "./Shedding.ts"
import { readStored } from "./StoredRecord.ts"
import { Watch } from "./Watch.ts"
import { Writer } from "./Writer.ts"

export interface LiveChain {
  readonly writerId: string
  readonly stream: string
  readonly intake: Intake
  readonly shedding: Shedding
  /** A stored record. Errors: AuditError NOT_FOUND, TAMPER. */
  readonly read: (seq: number) => AuditRecord
  readonly lock: Lock | undefined
  /** Over the sink; absent with the ram sink. */
  readonly watch: Watch | undefined
  /** Rejects with what ended the writer before it was closed; never fulfils. */
  readonly stopped: Promise<never>
  /** Reads back what is on disk; absent with the ram sink. */
  readonly scrub: Scrub | undefined
  /** Ends what runs beside the writer. */
  readonly leave: () => void
}

/** Chains that this chain's folder could also go by: `<writer>+1`, `<writer>+2`, ... */
export const currentWriterId = (walDir: string, writerId: string, stream: string): string => {
  let current = writerId
  for (let k = 1; isThere(chainDirectory(walDir, `${writerId}+${k}`, stream)); k++) {
    current = `${writerId}+${k}`
  }
  return current
}

const declarationOf = (options: AuditLogOptions, logId: string): Declaration => {
  const { signing, fsync, signer, recordSigner } = options
  return {
    logId,
    signing,
    algs: recordSigner === undefined || signing === "checkpoint" ? [] : ["ed25519"],
    checkpointAlgs: signer === undefined ? [] : [signer.algoId],
    fsync,
  }
}

/**
 * Opens the chain that now goes by the log's writer and `stream`; the finding where it is frozen.
 * Errors: Rejected; SinkError LOCKED and others; AuditError WRONG_LOG, NO_SIGNER.
 */
export const openChain = async (
  options: AuditLogOptions,
  logId: string,
  stream: string,
): Promise<LiveChain | Finding> => {
  checkStream(stream)
  const { sink: place, writerId: ours } = options
  if (place.kind === "ram") {
    return beginChain(options, logId, { writerId: ours, stream, lock: undefined }, undefined)
  }
  const writerId = currentWriterId(place.dir, ours, stream)
  const lock = await lockChain(options, place, writerId, stream)
  try {
    const input = recoveryInput(options, place, logId, writerId, stream)
    const found = await recoverChain(place, input)
    if (found.kind === "frozen") {
      lock.release()
      return found.finding
    }
    const chain = { writerId, stream, lock }
    return found.kind === "fresh"
      ? await beginChain(options, logId, chain, undefined, found)
      : await resumeChain(options, place, logId, chain, found)
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Takes the operating system's lock of a chain. Errors: SinkError LOCKED. */
export const lockChain = (
  { clock }: AuditLogOptions,
  place: WalPlace,
  writerId: string,
  stream: string,
): Promise<Lock> => acquireLock(place.dir, writerId, stream, new Date(clock.nowMs()).toISOString())

const recoverChain = async (
  place: WalPlace,
  input: RecoveryInput,
): Promise<RecoveredChain | FrozenChain | FreshChain> => {
  const directory = chainDirectory(place.dir, input.writerId, input.stream)
  const isKnown = isThere(directory) || input.exportedTo > 0 || input.expected.length > 0
  if (!isKnown) return freshChain
  makeDirectory(directory)
  return recover(directory, input)
}

interface Opening {
  readonly writerId: string
  readonly stream: string
  readonly lock: Lock | undefined
}

/** A sink, and what watches over one that is on disk. */
interface Watched {
  readonly sink: Sink
  readonly watch: Watch | undefined
}

const openSink = (
  { clock, tuningOf, space, notice }: AuditLogOptions,
  { dir, rotateBytes }: WalPlace,
  { writerId, stream }: Opening,
  newest: RecoveredChain["newest"],
): Watched => {
  const tell = (error: unknown): void => notice({ event: "trouble", stream, error })
  const watch = new Watch({ stream, clock, tuning: tuningOf(stream), space, tell })
  const directory = chainDirectory(dir, writerId, stream)
  return { sink: new SinkWal({ directory, rotateBytes, newest, watch }), watch }
}

/** Begins a chain with its StreamOpened; `successorOf` for one that continues a damaged chain. */
export const beginChain = async (
  options: AuditLogOptions,
  logId: string,
  opening: Opening,
  successorOf: Predecessor | undefined,
  { newest, cut }: FreshChain = freshChain,
): Promise<LiveChain> => {
  const { sink: place } = options
  const { writerId, stream } = opening
  if (place.kind === "wal") makeDirectory(chainDirectory(place.dir, writerId, stream))
  const watched =
    place.kind === "wal"
      ? openSink(options, place, opening, newest)
      : { sink: new SinkRam(place), watch: undefined }
  const chain = assemble(options, logId, opening, watched, {
    state: { seq: 0, tsMs: 0, head: new Uint8Array(32) },
    checkpoint: { number: 0, lastSeq: 0, digest: genesis },
    pending: Promise.resolve(new Uint8Array(0)),
    opIds: new Map(),
    newest,
  })
  const attrs = formatDeclaration({ ...declarationOf(options, logId), successorOf })
  return opened(options, chain, async () => {
    await chain.intake.appendOwn("StreamOpened", attrs)
    if (cut !== undefined) await sayRecovered(options, chain, undefined, cut)
  })
}

/** The chain after its first records are written; nothing of it stays open where that fails. */
const opened = async (
  { tuningOf }: AuditLogOptions,
  chain: LiveChain,
  write: () => Promise<void>,
): Promise<LiveChain> => {
  const { writer } = chain.intake
  try {
    await write()
    await writer.flush()
    writer.tune(tuningOf(chain.stream))
    if (chain.watch !== undefined) chain.watch.isOpening = false
    return chain
  } catch (error) {
    await abandonChain(chain)
    throw error
  }
}

/** Stops and closes all of a chain but its lock; what fails meanwhile is told by somebody else. */
export const abandonChain = async ({ scrub, intake, leave }: LiveChain): Promise<void> => {
  leave()
  scrub?.done.catch(() => undefined)
  await intake.writer.close().catch(() => undefined)
}

const resumeChain = async (
  options: AuditLogOptions,
  place: WalPlace,
  logId: string,
  opening: Opening,
  found: RecoveredChain,
): Promise<LiveChain> => {
  const { writerId, stream } = opening
  const { declared, unsigned, cut, newest } = found
  if (declared.logId !== logId) {
    const message = `${writerId} / ${stream} belongs to log ${declared.logId}, not to ${logId}`
    throw AuditError.of("WRONG_LOG", message)
  }
  const watched = openSink(options, place, opening, newest)
  // Reading older segments may take a while, and only the next checkpoint waits for it.
  const pending = turn().then(found.pending)
  pending.catch(() => undefined)
  const chain = assemble(options, logId, opening, watched, { ...found, pending })
  return opened(options, chain, async () => {
    if (unsigned !== undefined) signFound(options, logId, opening, watched.sink, declared, unsigned)
    if (unsigned !== undefined || cut !== undefined) {
      await sayRecovered(options, chain, unsigned, cut)
    }
    await updateConfig(chain, declared, declarationOf(options, logId))
  })
}

const sayRecovered = async (
  { notice }: AuditLogOptions,
  chain: LiveChain,
  unsigned: RecoveredChain["unsigned"],
  cut: RecoveredChain["cut"],
): Promise<void> => {
  const count = unsigned === undefined ? 0 : unsigned.hashes.length / 32
  const range =
    unsigned === undefined ? {} : { first: unsigned.first, last: unsigned.first + count - 1 }
  const cutBytes = cut?.bytes ?? 0
  const attrs = { ...range, cut_bytes: cutBytes, file: cut?.file ?? "" }
  await chain.intake.appendOwn("Recovered", attrs)
  const { writerId, stream } = chain
  notice({ event: "recovered", writerId, stream, cutBytes, unsigned: count })
}

/** FORMATS 4: good frames without a signature are signed as the chain declares. */
const signFound = (
  { recordSigner, engine }: AuditLogOptions,
  logId: string,
  { writerId, stream }: Opening,
  sink: Sink,
  declared: Declaration,
  { first, hashes }: NonNullable<RecoveredChain["unsigned"]>,
): void => {
  if (recordSigner === undefined) {
    const message = `${writerId} / ${stream} has unsigned records and no key is configured`
    throw AuditError.of("NO_SIGNER", message)
  }
  const envelopes = (context: string, digest: Uint8Array) => [
    {
      algoId: "ed25519" as const,
      keyId: recordSigner.keyId,
      sig: recordSigner.sign(context, digest),
    },
  ]
  const count = hashes.length / 32
  if (declared.signing === "record") {
    for (let i = 0; i < count; i++) {
      const seq = first + i
      const signed = envelopes(contexts.record, hashes.subarray(i * 32, i * 32 + 32))
      sink.writeSignatures(formatSigEntry({ first: seq, last: seq, root: null, envelopes: signed }))
    }
    return
  }
  const root = engine.merkleRoot(hashes, "leaves")
  const last = first + count - 1
  const digest = batchDigest({ first, last, logId, root: formatHash(root), stream, writerId })
  const signed = envelopes(contexts.batch, digest)
  sink.writeSignatures(formatSigEntry({ first, last, root, envelopes: signed }))
}

const updateConfig = async (
  chain: LiveChain,
  declared: Declaration,
  wanted: Declaration,
): Promise<void> => {
  const changed = changedAttrs(declared, wanted)
  if (Object.keys(changed).length === 0) return
  // Recovery reads what a chain declares from the first frames of segments only.
  await chain.intake.writer.seal()
  const config_b3 = b3Text(canonicalizeValue(formatDeclaration(wanted)))
  await chain.intake.appendOwn("ConfigUpdated", { ...changed, config_b3 })
}

const assemble = (
  options: AuditLogOptions,
  logId: string,
  { writerId, stream, lock }: Opening,
  { sink, watch }: Watched,
  found: Pick<RecoveredChain, "state" | "checkpoint" | "opIds" | "newest"> & {
    readonly pending: Promise<Uint8Array>
  },
): LiveChain => {
  const { engine, clock, signing, recordSigner, signer, pool, bus } = options
  const context: ChainContext = { logId, writerId, stream, ...options.limits }
  const { state, checkpoint, pending, opIds } = found
  const { promise: stopped, reject: onStop } = Promise.withResolvers<never>()
  // Who keeps the chain alive listens; nobody does while it is being opened.
  stopped.catch(() => undefined)
  const shedding = new Shedding(clock, (attrs) => intake.appendOwn("Gap", attrs))
  const writer = new Writer({
    chain: context,
    state,
    engine,
    sink,
    clock,
    signing,
    policy: options.sink.kind === "ram" ? "ram" : options.fsync,
    recordSigner,
    signer,
    checkpoint,
    pending,
    pool,
    // The first records of an opening are not refused, however slow the disk.
    tuning: { ...options.tuningOf(stream), enqueueMs: Number.POSITIVE_INFINITY },
    onShed: (reason, count) => {
      if (watch?.isOpening !== true) shedding.add(reason, count)
    },
    onRoom: () => {
      if (watch?.isShut !== true) shedding.room()
    },
    onCheckpoint: ({ range, root, signer_key_id }) =>
      bus.publish("audit.checkpoint.created", {
        stream,
        writer_id: writerId,
        range,
        root,
        signer_key_id,
      }),
    onTrouble: (error) => options.notice({ event: "trouble", stream, error }),
    onStop,
  })
  const scrub = scrubOf(options, logId, { writerId, stream }, found, writer)
  const quit = watch?.enter({ stream, writer, shedding })
  const leave = (): void => {
    quit?.()
    scrub?.stop()
  }
  const walDir = options.sink.kind === "wal" ? options.sink.dir : undefined
  const read = (seq: number) => readStored(engine, walDir, sink, { writerId, stream }, seq)
  const intake = new Intake({ engine, writerId, stream, writer, opIds, read })
  const name = { writerId, stream }
  return { ...name, intake, shedding, read, lock, watch, stopped, scrub, leave }
}

const scrubOf = (
  options: AuditLogOptions,
  logId: string,
  { writerId, stream }: ChainName,
  { newest, state }: Pick<RecoveredChain, "newest" | "state">,
  writer: Writer,
): Scrub | undefined => {
  const { sink: place, scrub, notice } = options
  if (place.kind === "ram" || scrub === undefined) return undefined
  return rollScrub({
    ...scrub,
    directory: chainDirectory(place.dir, writerId, stream),
    input: () => ({
      ...recoveryInput(options, place, logId, writerId, stream),
      require: "signed",
    }),
    opened: { number: newest.number, seq: state.seq },
    seqNow: () => writer.state.seq,
    onTrouble: (error) => notice({ event: "trouble", stream, error }),
  })
}
