/**
 * What a command prints: results on stdout, everything else on stderr.
 *
 * - stdout is written in pieces and waited for when its reader is slow.
 * - A reader that went away is no error: the command is told by `broken` and ends quietly. Any
 *   other failure ends the command as well, and is told at its end.
 * - Colour only where a person looks (a terminal, NO_COLOR not set).
 */
import type { Writable } from "node:stream"
import { OutputError } from "./Exit.ts"

/** Why the command was aborted when nobody reads stdout any more. */
export class BrokenPipe extends Error {}

/** Whether the reader of stdout went away. */
export const isGone = (error: Error): boolean =>
  "code" in error && ["EPIPE", "ECONNRESET"].includes(String(error.code))

const print = (piece: string | Uint8Array): Promise<Error | undefined> =>
  new Promise((done) => {
    process.stdout.write(piece, (error) => done(error ?? undefined))
  })

const pieceCharacters = 1 << 16

export type Paint = "bold" | "red" | "green" | "yellow" | "dim"

const codes: Readonly<Record<Paint, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 }

const isTerminal = (stream: Writable): boolean => "isTTY" in stream && stream.isTTY === true

export class Output {
  readonly isJson: boolean
  readonly isTty: boolean
  /** Aborts with BrokenPipe, or with OutputError, when stdout takes no more. */
  readonly broken = new AbortController()
  readonly #hasColor: boolean
  #pending = ""

  constructor(isJson: boolean) {
    this.isJson = isJson
    this.isTty = isTerminal(process.stderr)
    this.#hasColor = isTerminal(process.stdout) && (process.env.NO_COLOR ?? "") === ""
  }

  paint(paint: Paint, text: string): string {
    return this.#hasColor ? `\u001b[${codes[paint]}m${text}\u001b[0m` : text
  }

  /** A line of the result, kept until a piece is full or `flush`. */
  line(text = ""): void {
    this.#pending += `${text}\n`
  }

  /** One JSON value on a line. */
  json(value: unknown): void {
    this.line(JSON.stringify(value))
  }

  get isFull(): boolean {
    return this.#pending.length >= pieceCharacters
  }

  /** Hands everything to stdout; resolves when it was taken, or never will be. */
  async flush(): Promise<void> {
    const text = this.#pending
    this.#pending = ""
    if (text !== "") await this.write(text)
  }

  /** Bytes or text as they are. */
  async write(piece: string | Uint8Array): Promise<void> {
    if (this.broken.signal.aborted) return
    const error = await print(piece)
    if (error === undefined || this.broken.signal.aborted) return
    this.broken.abort(isGone(error) ? new BrokenPipe("stdout was closed") : OutputError.of(error))
  }

  /** A line for people, on stderr. */
  note(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  /** A line for people that the next one overwrites; nothing where stderr is no terminal. */
  transient(text: string): void {
    if (this.isTty) process.stderr.write(`\r\u001b[K${text}`)
  }
}

/** Columns as wide as they must be; the last one is not padded. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): Array<string> => {
  const widths: Array<number> = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  )
}

/** A hash short enough for a table. */
export const short = (hash: string): string => (hash.length > 15 ? `${hash.slice(0, 15)}…` : hash)

export const count = (amount: number, one: string, many = `${one}s`): string =>
  `${amount.toLocaleString("en")} ${amount === 1 ? one : many}`
