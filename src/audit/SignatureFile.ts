/**
 * The entries of one `.sig` file, in order, in pieces of bounded size, and the envelope arrays
 * beside checkpoints and manifests. Source: FORMATS 4 and 5.
 */
import { type Envelope, parseEnvelopes, readSigEntry, type SigEntry } from "../signing/Envelope.ts"
import { ChunkReader } from "../sink/ChunkReader.ts"
import { type Numbered, readSmallFile } from "../sink/Segment.ts"
import { type Instead, insteadOf } from "../sink/SinkError.ts"

export interface PlacedEntry {
  readonly entry: SigEntry
  /** Offset in the file, and behind the entry. */
  readonly offset: number
  readonly next: number
}

/** Where reading ended before the end of the file: `what` is `incomplete` or what is malformed. */
export interface SignatureBreak {
  readonly offset: number
  readonly what: string
  /** What stands there where it is no file that can be read. */
  readonly instead?: Instead
}

export class SignatureReader {
  readonly #reader: ChunkReader | undefined
  #at = 0
  #peeked: PlacedEntry | undefined
  broken: SignatureBreak | undefined

  /** No file is an empty file. Errors: SinkError. */
  constructor(file: Numbered | undefined) {
    try {
      this.#reader = file === undefined ? undefined : new ChunkReader(file, 0)
      this.#reader?.advance(0)
    } catch (error) {
      const instead = insteadOf(error)
      if (instead === undefined) throw error
      this.#reader = undefined
      this.broken = { offset: 0, what: instead.found, instead }
    }
  }

  /** The next entry without taking it; `undefined` at the end or where `broken` says why. */
  peek(): PlacedEntry | undefined {
    this.#peeked ??= this.#read()
    return this.#peeked
  }

  take(): PlacedEntry | undefined {
    const entry = this.peek()
    this.#peeked = undefined
    return entry
  }

  close(): void {
    this.#reader?.close()
  }

  #read(): PlacedEntry | undefined {
    const reader = this.#reader
    if (reader === undefined || this.broken !== undefined) return undefined
    if (this.#at === reader.bytes.length) {
      if (reader.atEnd) return undefined
      this.#refill(reader)
    }
    let found = readSigEntry(reader.bytes, this.#at)
    if (found === "incomplete" && !reader.atEnd) {
      this.#refill(reader)
      found = readSigEntry(reader.bytes, this.#at)
    }
    const offset = reader.offset + this.#at
    if (found === "incomplete" || "what" in found) {
      this.broken = { offset, what: found === "incomplete" ? found : found.what }
      return undefined
    }
    this.#at = found.next
    return { entry: found.entry, offset, next: reader.offset + found.next }
  }

  #refill(reader: ChunkReader): void {
    reader.advance(this.#at)
    this.#at = 0
  }
}

/** The envelopes beside a checkpoint or manifest, or what is there instead. Errors: SinkError. */
export const readEnvelopes = ({ path }: Numbered): ReadonlyArray<Envelope> | Instead => {
  try {
    const envelopes = parseEnvelopes(readSmallFile(path))
    return "what" in envelopes
      ? { expected: "an envelope array", found: envelopes.what }
      : envelopes
  } catch (error) {
    const instead = insteadOf(error)
    if (instead === undefined) throw error
    return instead
  }
}
