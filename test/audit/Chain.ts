/** A chain's files, taken apart by hand: what tests of recovery damage. */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { readFrame } from "../../src/record/Frame.ts"
import { readSigEntry } from "../../src/signing/Envelope.ts"
import { chainDirectory } from "../../src/sink/Segment.ts"
import { type Place, stream, writerId } from "./Room.ts"

/** Where one frame or `.sig` entry lies. */
export interface Piece {
  readonly seq: number
  readonly offset: number
  readonly end: number
}

export class ChainFolder {
  readonly path: string

  constructor({ wal }: Place, of = stream, writer = writerId) {
    this.path = chainDirectory(wal, writer, of)
  }

  file(name: string): string {
    return join(this.path, name)
  }

  names(): Array<string> {
    return existsSync(this.path) ? readdirSync(this.path).sort() : []
  }

  read(name: string): Buffer {
    return readFileSync(this.file(name))
  }

  write(name: string, bytes: Uint8Array): void {
    writeFileSync(this.file(name), bytes, { mode: 0o600 })
  }

  append(name: string, bytes: Uint8Array): void {
    appendFileSync(this.file(name), bytes)
  }

  truncate(name: string, size: number): void {
    truncateSync(this.file(name), size)
  }

  remove(...names: ReadonlyArray<string>): void {
    for (const name of names) rmSync(this.file(name))
  }

  /** Removes every checkpoint, so that nothing says how far the chain had got. */
  removeCheckpoints(): void {
    this.remove(...this.names().filter((name) => name.startsWith("checkpoint-")))
  }

  frames(name: string): Array<Piece> {
    const bytes = this.read(name)
    const pieces: Array<Piece> = []
    for (let offset = 32; offset < bytes.length; ) {
      const frame = readFrame(bytes, offset)
      if (frame === "incomplete" || "what" in frame) break
      pieces.push({ seq: frame.seq, offset, end: frame.next })
      offset = frame.next
    }
    return pieces
  }

  entries(name: string): Array<Piece & { readonly last: number }> {
    const bytes = this.read(name)
    const pieces: Array<Piece & { readonly last: number }> = []
    for (let offset = 0; offset < bytes.length; ) {
      const found = readSigEntry(bytes, offset)
      if (found === "incomplete" || "what" in found) break
      const { first, last } = found.entry
      pieces.push({ seq: first, last, offset, end: found.next })
      offset = found.next
    }
    return pieces
  }
}
