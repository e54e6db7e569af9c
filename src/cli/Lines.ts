/**
 * Files and stdin in pieces, and in lines: whatever their size, a few pieces are in memory.
 */
import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  openSync,
  readSync,
  statSync,
} from "node:fs"
import { concat } from "../base/Bytes.ts"
import { UsageError } from "./Exit.ts"

const pieceBytes = 256 << 10
const newline = 0x0a

/** `-` is stdin. */
export const nameOf = (file: string): string => (file === "-" ? "stdin" : file)

/** Refuses what cannot be read, before anything is written. Errors: UsageError INPUT. */
export const demandFile = (file: string): void => {
  if (file === "-") return demandStdin()
  let isDirectory: boolean
  try {
    isDirectory = statSync(file).isDirectory()
    accessSync(file, constants.R_OK)
  } catch (error) {
    throw unreadable(file, error)
  }
  if (isDirectory) throw UsageError.of("INPUT", `${file} is a directory, not a file`)
}

/** The platform reads a directory as if it were empty. */
const demandStdin = (): void => {
  if (fstatSync(0).isDirectory()) {
    throw UsageError.of("INPUT", "stdin is a directory, not a file")
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of its path is not a directory",
}

/** Why a file could not be read, in words where there are some. */
export const reasonOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable"
  return reasons[code] ?? code
}

const unreadable = (file: string, error: unknown): UsageError =>
  UsageError.of("INPUT", `cannot read ${nameOf(file)}: ${reasonOf(error)}`)

/**
 * All of a small file, `undefined` where it is larger than `bytesMax`: a device may have no end.
 * Errors: those of the operating system.
 */
export const readSmall = (file: string, bytesMax: number): Uint8Array | undefined => {
  const fd = openSync(file, "r")
  let bytes = new Uint8Array(Math.min(bytesMax + 1, pieceBytes))
  try {
    for (let size = 0; ; ) {
      const got = readSync(fd, bytes, { offset: size })
      if (got === 0) return bytes.subarray(0, size)
      size += got
      if (size > bytesMax) return undefined
      if (size < bytes.length) continue
      const larger = new Uint8Array(Math.min(bytesMax + 1, bytes.length * 2))
      larger.set(bytes)
      // It may be a secret, and the reader wipes only what it gets.
      bytes.fill(0)
      bytes = larger
    }
  } finally {
    closeSync(fd)
  }
}

/** The pieces of a file; ends early when `signal` aborts. Errors: UsageError INPUT. */
export async function* readPieces(file: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (file === "-") demandStdin()
  const stream =
    file === "-" ? process.stdin : createReadStream(file, { highWaterMark: pieceBytes })
  const stop = (): void => void stream.destroy()
  signal.addEventListener("abort", stop, { once: true })
  try {
    if (!signal.aborted) yield* stream as AsyncIterable<Uint8Array>
  } catch (error) {
    if (!signal.aborted) throw unreadable(file, error)
  } finally {
    signal.removeEventListener("abort", stop)
    stream.destroy()
  }
}

export interface Line {
  /** From 1. */
  readonly number: number
  /** Without the line end; `undefined` for a line beyond the bound, which was skipped. */
  readonly bytes: Uint8Array | undefined
}

/** The lines that a piece completes, in order. */
class LineBuffer {
  readonly #bytesMax: number
  #rest: Array<Uint8Array> = []
  #restBytes = 0
  #number = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  take(piece: Uint8Array): Array<Line> {
    const lines: Array<Line> = []
    let from = 0
    for (;;) {
      const end = piece.indexOf(newline, from)
      if (end < 0) break
      lines.push(this.#complete(piece.subarray(from, end)))
      from = end + 1
    }
    this.#keep(piece.subarray(from))
    return lines
  }

  /** The last line where no line end follows it. */
  end(): Array<Line> {
    return this.#restBytes === 0 ? [] : [this.#complete(new Uint8Array(0))]
  }

  #keep(part: Uint8Array): void {
    this.#restBytes += part.length
    // What is beyond the bound is counted only.
    if (part.length > 0 && this.#restBytes <= this.#bytesMax) this.#rest.push(part)
  }

  #complete(part: Uint8Array): Line {
    const size = this.#restBytes + part.length
    const isSplit = this.#restBytes > 0
    const isTooLong = size > this.#bytesMax
    const bytes = isTooLong ? undefined : isSplit ? concat(...this.#rest, part) : part
    this.#rest = []
    this.#restBytes = 0
    this.#number += 1
    return { number: this.#number, bytes }
  }
}

/** The lines of a file, many at a time. Errors: UsageError INPUT. */
export async function* readLines(
  file: string,
  bytesMax: number,
  signal: AbortSignal,
): AsyncGenerator<ReadonlyArray<Line>> {
  const buffer = new LineBuffer(bytesMax)
  for await (const piece of readPieces(file, signal)) {
    const lines = buffer.take(piece)
    if (lines.length > 0) yield lines
  }
  const last = signal.aborted ? [] : buffer.end()
  if (last.length > 0) yield last
}

/** All of a file, up to a bound. Errors: UsageError INPUT. */
export const readWhole = async (
  file: string,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  let size = 0
  for await (const piece of readPieces(file, signal)) {
    size += piece.length
    if (size > bytesMax) {
      throw UsageError.of("INPUT", `${nameOf(file)} is larger than ${bytesMax} bytes`)
    }
    pieces.push(piece)
  }
  signal.throwIfAborted()
  return concat(...pieces)
}
