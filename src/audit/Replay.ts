/**
 * Replaying sealed records: copies of chains that another directory holds, written record for
 * record as they were sealed.
 *
 * - A record continues its chain exactly or is refused; one that is there already is counted and
 *   changes nothing; another one at a taken position is TAMPER.
 * - Bytes are written as they came, after the checks that a verifier would make. Signatures of the
 *   source are not among sealed records: this log's key signs what it took, as the chain declares.
 * - What a crash cut off is cut aside as ever, but no Recovered is written: it would not be in the
 *   source, and the records come again with the next replay.
 *
 * Source: FORMATS 2 (appending a sealed record), 4, 5; INTERFACES, audit import.
 */
import { formatHash, genesis, hashBytes } from "../base/Hash.ts"
import { headText } from "../chain/Chain.ts"
import type { Engine } from "../engine/Engine.ts"
import { formatFrame } from "../record/Frame.ts"
import { parseBody, type RecordBody } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { isThere } from "../sink/RegularFile.ts"
import { chainDirectory, listChain } from "../sink/Segment.ts"
import { AuditError } from "./AuditError.ts"
import { parseDeclaration } from "./Declaration.ts"
import { lockChain } from "./LiveChain.ts"
import type { AuditLogOptions, WalPlace } from "./LogOptions.ts"
import { readFrames } from "./Read.ts"
import { freshChain, recover } from "./Recovery.ts"
import { recoveryInput } from "./RecoveryInput.ts"
import { ReplayChain } from "./ReplayChain.ts"

/** A sealed record as one line holds it. */
export interface Sealed {
  readonly body: RecordBody
  /** Canonical bytes without self_hash. */
  readonly bytes: Uint8Array
  readonly selfHash: string
}

export interface Replayed {
  readonly appended: number
  /** Records that were there already. */
  readonly known: number
  /** The first record that was refused; those behind it were not looked at. */
  readonly refused?: { readonly index: number; readonly error: Rejected | AuditError }
}

const suffix = /,"self_hash":"(b3:[0-9a-f]{64})"\}$/

/** Reads a canonical record with its self_hash. Errors: Rejected. */
export const parseSealed = (engine: Engine, line: Uint8Array): Sealed => {
  // The end that matters is ASCII, so it can be read without the rest.
  const match = suffix.exec(Buffer.from(line.subarray(-96)).toString("latin1"))
  if (match === null) {
    throw Rejected.of("self_hash", "self_hash", "not the last member of a canonical record")
  }
  const bytes = new Uint8Array(line.subarray(0, line.length - match[0].length + 1))
  bytes[bytes.length - 1] = 0x7d
  const body = parseBody(bytes)
  const hasher = engine.openHasher()
  hasher.update(bytes)
  const selfHash = match[1] ?? genesis
  if (formatHash(hasher.digest()) !== selfHash) throw Rejected.of("self_hash", "self_hash")
  return { body, bytes, selfHash }
}

const title = ({ writer_id, stream }: RecordBody): string => `${writer_id} / ${stream}`

/** Walks what is stored beside the records that come in, which ask in order as a rule. */
class Stored {
  readonly #options: AuditLogOptions
  readonly #place: WalPlace
  #walk: ReturnType<typeof readFrames> | undefined
  #first = 1
  #hashes: Uint8Array = new Uint8Array(0)

  constructor(options: AuditLogOptions, place: WalPlace) {
    this.#options = options
    this.#place = place
  }

  close(): void {
    this.#walk?.return(undefined)
    this.#walk = undefined
  }

  hashAt({ writer_id: writerId, stream, seq }: RecordBody): Uint8Array | undefined {
    if (this.#walk === undefined || seq < this.#first) {
      this.close()
      const files = listChain(chainDirectory(this.#place.dir, writerId, stream))
      this.#walk = readFrames(this.#options.engine, { writerId, stream }, files, seq)
      this.#hashes = new Uint8Array(0)
      this.#first = 1
    }
    while (seq >= this.#first + this.#hashes.length / hashBytes) {
      const step = this.#walk.next()
      if (step.done === true) return undefined
      this.#first = step.value.firstSeq
      this.#hashes = step.value.result.hashes
    }
    const at = (seq - this.#first) * hashBytes
    return this.#hashes.subarray(at, at + hashBytes)
  }
}

interface Open {
  readonly chain: ReplayChain
  readonly stored: Stored
}

const storedHash = ({ stored }: Open, body: RecordBody): string | undefined => {
  const hash = stored.hashAt(body)
  return hash === undefined ? undefined : formatHash(hash)
}

/** The chains that a replay writes, each locked from its first record to `close`. */
export class Replay {
  readonly logId: string
  readonly trustPath: string | undefined
  readonly #options: AuditLogOptions
  readonly #place: WalPlace
  readonly #chains = new Map<string, Open>()
  readonly #release: () => void

  /** `release` is called when everything is closed. Errors: AuditError SETTINGS. */
  constructor(
    options: AuditLogOptions,
    logId: string,
    trustPath: string | undefined,
    release: () => void,
  ) {
    if (options.sink.kind !== "wal") {
      throw AuditError.of("SETTINGS", "only a log on disk takes sealed records")
    }
    this.#options = options
    this.#place = options.sink
    this.#release = release
    this.logId = logId
    this.trustPath = trustPath
  }

  heads(): ReadonlyArray<{ writerId: string; stream: string; seq: number; selfHash: string }> {
    return [...this.#chains.values()].map(({ chain }) => ({
      writerId: chain.writerId,
      stream: chain.stream,
      seq: chain.state.seq,
      selfHash: headText(chain.state),
    }))
  }

  /**
   * Takes records of one chain, in order.
   * Errors: SinkError; AuditError FROZEN, WRONG_LOG, NO_SIGNER for the chain as a whole.
   */
  async write(records: ReadonlyArray<Sealed>): Promise<Replayed> {
    const first = records[0]
    if (first === undefined) return { appended: 0, known: 0 }
    const open = await this.#chain(first)
    let known = 0
    let refused: Replayed["refused"]
    const fresh: Array<Sealed> = []
    for (const [index, record] of records.entries()) {
      const error = this.#fault(open, record, fresh)
      if (error !== undefined) {
        refused = { index, error }
        break
      }
      if (record.body.seq <= open.chain.state.seq + fresh.length) known += 1
      else fresh.push(record)
    }
    if (fresh.length > 0)
      await open.chain.append(
        fresh.map(({ body, bytes, selfHash }) => ({
          body,
          frame: formatFrame(body.seq, bytes, selfHash),
        })),
      )
    return { appended: fresh.length, known, ...(refused === undefined ? {} : { refused }) }
  }

  /** Everything taken so far is on disk as the chains declare. Errors: SinkError. */
  async flush(): Promise<void> {
    for (const { chain } of this.#chains.values()) await chain.flush()
  }

  /** Checkpoints and closes every chain. Errors: the first of SinkError, SignerError. */
  async close(): Promise<void> {
    const failures: Array<unknown> = []
    for (const { chain, stored } of this.#chains.values()) {
      stored.close()
      await chain.close().catch((error: unknown) => void failures.push(error))
    }
    this.#release()
    if (failures.length > 0) throw failures[0]
  }

  /** `fresh`: those before it that continue the chain and are not written yet. */
  #fault(
    open: Open,
    record: Sealed,
    fresh: ReadonlyArray<Sealed>,
  ): Rejected | AuditError | undefined {
    const { body, selfHash } = record
    const { state } = open.chain
    const head = fresh.at(-1)?.selfHash ?? headText(state)
    const next = state.seq + fresh.length + 1
    if (body.seq < next) {
      const taken = fresh[body.seq - state.seq - 1]?.selfHash ?? storedHash(open, body)
      if (taken === selfHash) return undefined
      const place = `${title(body)} has ${taken ?? "no readable record"} at seq ${body.seq}`
      return AuditError.of("TAMPER", `${place}, not ${selfHash}`)
    }
    if (body.seq !== next) {
      const message = `${title(body)} goes on at seq ${next}, not at ${body.seq}`
      return AuditError.of("NOT_FOUND", message)
    }
    if (body.prev !== head) {
      const message = `${title(body)}: record ${body.seq} follows ${body.prev}, the head is ${head}`
      return AuditError.of("TAMPER", message)
    }
    if (body.seq > 1) return undefined
    const declared = body.kind === "StreamOpened" ? parseDeclaration(body.attrs) : undefined
    if (declared === undefined) return Rejected.of("kind", "kind", "seq 1 is no StreamOpened")
    return declared.logId === this.logId ? undefined : this.#wrongLog(body, declared.logId)
  }

  #wrongLog(body: RecordBody, found: string): AuditError {
    return AuditError.of("WRONG_LOG", `${title(body)} is of log ${found}, not of ${this.logId}`)
  }

  async #chain(first: Sealed): Promise<Open> {
    const { writer_id: writerId, stream } = first.body
    const key = `${writerId}/${stream}`
    const known = this.#chains.get(key)
    if (known !== undefined) return known
    const chain = await this.#open(first)
    const open = { chain, stored: new Stored(this.#options, this.#place) }
    this.#chains.set(key, open)
    return open
  }

  async #open({ body }: Sealed): Promise<ReplayChain> {
    const { writer_id: writerId, stream } = body
    const directory = chainDirectory(this.#place.dir, writerId, stream)
    const lock = await lockChain(this.#options, this.#place, writerId, stream)
    try {
      const input = recoveryInput(this.#options, this.#place, this.logId, writerId, stream)
      const isKnown = isThere(directory) || input.exportedTo > 0
      const found = isKnown ? await recover(directory, input) : freshChain
      if (found.kind === "frozen") {
        const { kind, seq, file } = found.finding
        const damage = `${kind} at seq ${seq} (${file})`
        throw AuditError.of("FROZEN", `${title(body)} is damaged: ${damage}; nothing was written`)
      }
      if (found.kind === "ready" && found.declared.logId !== this.logId) {
        throw this.#wrongLog(body, found.declared.logId)
      }
      const name = { writerId, stream, logId: this.logId, directory, lock }
      return ReplayChain.open(this.#options, this.#place, name, found)
    } catch (error) {
      lock.release()
      throw error
    }
  }
}

/** The log that sealed records say they are of, where one of them is its chain's first. */
export const logIdOf = (records: ReadonlyArray<Sealed>): string | undefined => {
  for (const { body } of records) {
    if (body.seq === 1 && body.kind === "StreamOpened") return parseDeclaration(body.attrs)?.logId
  }
  return undefined
}
