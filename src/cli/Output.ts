/**
 * What a command prints: results on stdout, everything else on stderr.
 *
 * - stdout is written in pieces and waited for when its reader is slow.
 * - A reader that went away is no error: the command is told by `broken` and ends quietly.
 * - Colour only where a person looks (a terminal, NO_COLOR not set).
 */
import { once } from "node:events"
import type { Writable } from "node:stream"

/** Why the command was aborted when nobody reads stdout any more. */
export class BrokenPipe extends Error {}

const pieceCharacters = 1 << 16

export type Paint = "bold" | "red" | "green" | "yellow" | "dim"

const codes: Readonly<Record<Paint, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 }

const isTerminal = (stream: Writable): boolean => "isTTY" in stream && stream.isTTY === true

export class Output {
  readonly isJson: boolean
  readonly isTty: boolean
  /** Aborts with BrokenPipe when stdout is closed by its reader. */
  readonly broken = new AbortController()
  readonly #hasColor: boolean
  #pending = ""

  constructor(isJson: boolean) {
    this.isJson = isJson
    this.isTty = isTerminal(process.stderr)
    this.#hasColor = isTerminal(process.stdout) && (process.env.NO_COLOR ?? "") === ""
    process.stdout.on("error", (error) => {
      const isPipe = "code" in error && error.code === "EPIPE"
      this.broken.abort(isPipe ? new BrokenPipe("stdout was closed") : error)
    })
    // Nobody can be told that stderr is gone.
    process.stderr.on("error", () => undefined)
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

  /** Hands everything to stdout; resolves when there is room for more. */
  async flush(): Promise<void> {
    const text = this.#pending
    this.#pending = ""
    if (text !== "") await this.write(text)
  }

  /** Bytes or text as they are. */
  async write(piece: string | Uint8Array): Promise<void> {
    if (this.broken.signal.aborted) return
    const hasRoom = process.stdout.write(piece)
    if (hasRoom || this.broken.signal.aborted) return
    // A closed pipe never drains; `broken` says so.
    await once(process.stdout, "drain", { signal: this.broken.signal }).catch(() => undefined)
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
