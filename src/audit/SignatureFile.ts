/**
 * The entries of one `.sig` file, in order, in pieces of bounded size. Source: FORMATS 4.
 */
import { readSigEntry, type SigEntry } from "../signing/Envelope.ts"
import { ChunkReader } from "../sink/ChunkReader.ts"
import type { Numbered } from "../sink/Segment.ts"

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
}

export class SignatureReader {
  readonly #reader: ChunkReader | undefined
  #at = 0
  #peeked: PlacedEntry | undefined
  broken: SignatureBreak | undefined

  /** No file is an empty file. Errors: SinkError. */
  constructor(file: Numbered | undefined) {
    this.#reader = file === undefined ? undefined : new ChunkReader(file, 0)
    this.#reader?.advance(0)
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
