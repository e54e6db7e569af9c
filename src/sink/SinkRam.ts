/**
 * The sink of the amnesia profile: bounded memory, nothing on disk.
 *
 * The oldest whole batches are dropped when the bound is reached; what was dropped is counted and
 * the chain goes on from its head, which lives with the writer.
 *
 * Source: LEDGER A-122, C-81.
 */
import { concat } from "../base/Bytes.ts"
import type { Sink } from "./Sink.ts"

interface Kept {
  readonly frames: Uint8Array
  readonly firstSeq: number
  readonly count: number
}

export class SinkRam implements Sink {
  readonly #bytesMax: number
  #kept: Array<Kept> = []
  #bytes = 0
  #spare: ArrayBuffer | undefined
  #signatures: Array<Uint8Array> = []
  #signatureBytes = 0
  readonly checkpoints = new Map<number, Uint8Array>()
  /** Records dropped to stay inside the bound. */
  evicted = 0

  constructor(options: { readonly bytesMax: number }) {
    this.#bytesMax = options.bytesMax
  }

  /** Seq of the oldest record kept, 0 when there is none. */
  get firstSeq(): number {
    return this.#kept[0]?.firstSeq ?? 0
  }

  /** Frames of the records kept, oldest first. */
  frames(): Uint8Array {
    return concat(...this.#kept.map((kept) => kept.frames))
  }

  signatures(): Uint8Array {
    return concat(...this.#signatures)
  }

  room(): number {
    return this.#bytesMax
  }

  write(frames: Uint8Array, firstSeq: number, count: number): void {
    this.#kept.push({ frames: this.#copy(frames), firstSeq, count })
    this.#bytes += frames.length
    while (this.#bytes > this.#bytesMax && this.#kept.length > 1) {
      const oldest = this.#kept.shift() as Kept
      this.#bytes -= oldest.frames.length
      this.evicted += oldest.count
      this.#spare = oldest.frames.buffer as ArrayBuffer
    }
  }

  /** Into the memory of what was dropped last: pages never touched cost more than a copy. */
  #copy(frames: Uint8Array): Uint8Array {
    const spare = this.#spare
    if (spare === undefined || spare.byteLength < frames.length) return new Uint8Array(frames)
    this.#spare = undefined
    const copy = new Uint8Array(spare, 0, frames.length)
    copy.set(frames)
    return copy
  }

  writeSignatures(entries: Uint8Array): void {
    this.#signatures.push(entries.slice())
    this.#signatureBytes += entries.length
    while (this.#signatureBytes > this.#bytesMax && this.#signatures.length > 1) {
      this.#signatureBytes -= this.#signatures.shift()?.length ?? 0
    }
  }

  async sync(): Promise<void> {}

  async rotate(): Promise<void> {}

  demandInPlace(): void {}

  async writeCheckpoint(number: number, bytes: Uint8Array): Promise<void> {
    this.checkpoints.set(number, bytes)
  }

  async close(): Promise<void> {}
}
