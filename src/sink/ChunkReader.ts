/**
 * Files read in pieces of bounded size, never beyond the size that was taken at listing.
 */
import { readSync } from "node:fs"
import { frameBytesMax } from "../base/Limits.ts"
import { closeFile, openRegular } from "./RegularFile.ts"
import { SinkError, sinkError } from "./SinkError.ts"

const fill = (fd: number, buffer: Uint8Array, from: number, position: number): number => {
  let at = from
  while (at < buffer.length) {
    const got = readSync(fd, buffer, at, buffer.length - at, position + at - from)
    if (got === 0) break
    at += got
  }
  return at
}

/** Up to `length` bytes at `position`. Errors: SinkError. */
export const readAt = (path: string, position: number, length: number): Uint8Array => {
  let fd: number | undefined
  try {
    fd = openRegular(path)
    const buffer = new Uint8Array(length)
    return buffer.subarray(0, fill(fd, buffer, 0, position))
  } catch (cause) {
    throw cause instanceof SinkError ? cause : sinkError("read", path, cause)
  } finally {
    if (fd !== undefined) closeFile(fd)
  }
}

const chunkBytes = 4 << 20

/**
 * A file read front to back in chunks, keeping what was not consumed for the next one.
 * Units: chunks of 4 MiB, far above the largest frame and the largest `.sig` entry.
 */
export class ChunkReader {
  /** Offset in the file of the first byte of `bytes`. */
  offset: number
  bytes: Uint8Array = new Uint8Array(0)
  /** Absent once it is closed. */
  #fd: number | undefined
  readonly #path: string
  readonly #end: number
  readonly #buffer: Uint8Array

  /** Errors: SinkError. */
  constructor(file: { readonly path: string; readonly size: number }, from: number) {
    this.#path = file.path
    this.#end = file.size
    this.offset = Math.min(from, file.size)
    this.#buffer = new Uint8Array(
      Math.min(chunkBytes, Math.max(frameBytesMax, this.#end - this.offset)),
    )
    this.#fd = openRegular(file.path)
  }

  /** True when `bytes` reaches the end of what is to be read. */
  get atEnd(): boolean {
    return this.offset + this.bytes.length >= this.#end
  }

  /** Drops `consumed` bytes and reads on behind the rest. Errors: SinkError, which closes it. */
  advance(consumed: number): void {
    const fd = this.#fd
    if (fd === undefined) return
    const rest = this.bytes.subarray(consumed)
    this.offset += consumed
    this.#buffer.set(rest)
    const want = Math.min(this.#buffer.length, this.#end - this.offset)
    try {
      const position = this.offset + rest.length
      const at = fill(fd, this.#buffer.subarray(0, want), rest.length, position)
      this.bytes = this.#buffer.subarray(0, at)
    } catch (cause) {
      this.close()
      throw sinkError("read", this.#path, cause)
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeFile(this.#fd)
    this.#fd = undefined
  }
}
