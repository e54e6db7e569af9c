/**
 * `audit show`: records as they are stored, verified on read (form, hash, link), without the lock.
 *
 * --json gives canonical records with self_hash, one a line: what `audit import --format sealed`
 * takes.
 */
import { selectEngine } from "../../engine/Select.ts"
import { type AuditRecord, defaultLimits, formatUnsafe } from "../../record/Record.ts"
import { listChains } from "../../sink/Segment.ts"
import { exits, UsageError } from "../Exit.ts"
import { mergedMax, mergeRecords } from "../Merge.ts"
import { formatMoment } from "../Moment.ts"
import { checkNames } from "../Names.ts"
import type { Context } from "../Opening.ts"
import type { Output } from "../Output.ts"
import { rootOf, windowOf } from "./Verify.ts"

export interface ShowInput {
  readonly stream: string | undefined
  readonly writer: string | undefined
  readonly fromSeq: number
  readonly limit: number | undefined
  readonly since: string | undefined
  readonly until: string | undefined
  readonly kind: string | undefined
  readonly csv: boolean
}

const fields = [
  "ts_ms",
  "writer_id",
  "stream",
  "seq",
  "kind",
  "actor",
  "subject",
  "reason",
  "attrs",
  "prev",
  "self_hash",
] as const

/** A spreadsheet must not take a value for a formula. */
const csvCell = (value: unknown): string => {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value)
  const isFormula = /^[=+\-@\t\r]/.test(text) && typeof value === "string"
  const safe = isFormula ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

const csvLine = (record: AuditRecord): string =>
  fields.map((field) => csvCell(record[field])).join(",")

/** Canonical, with self_hash as the last member: what was read keeps every rule. */
const sealedLine = ({ self_hash, ...body }: AuditRecord): string => {
  const text = Buffer.from(formatUnsafe(body, defaultLimits)).toString("utf8")
  return `${text.slice(0, -1)},"self_hash":"${self_hash}"}`
}

const brief = (value: object): string =>
  Object.entries(value)
    .map(([key, held]) => `${key}=${held}`)
    .join(" ") || "-"

/** Characters that a terminal would obey. */
const plain = (text: string): string =>
  text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  )

const cells = (record: AuditRecord): ReadonlyArray<string> =>
  [
    formatMoment(record.ts_ms),
    record.writer_id,
    record.stream,
    `${record.seq}`,
    record.kind,
    record.reason,
    brief(record.actor),
    brief(record.subject),
  ].map(plain)

const heads = ["TIME", "WRITER", "STREAM", "SEQ", "KIND", "REASON", "ACTOR", "SUBJECT"]

/** Rows that are looked at before the first is printed. */
const rowsAhead = 100

/** Lines for people, as wide as the first rows need. */
class Columns {
  #ahead: Array<ReadonlyArray<string>> | undefined = [heads]
  readonly #widths: Array<number> = []
  readonly #print: (line: string) => void

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  add(row: ReadonlyArray<string>): void {
    if (this.#ahead === undefined) this.#print(this.#line(row))
    else if (this.#ahead.push(row) > rowsAhead) this.end()
  }

  end(): void {
    const rows = this.#ahead ?? []
    this.#ahead = undefined
    for (const row of rows) {
      for (const [i, cell] of row.entries()) {
        this.#widths[i] = Math.max(this.#widths[i] ?? 0, Math.min(cell.length, 48))
      }
    }
    for (const row of rows) this.#print(this.#line(row))
  }

  #line(row: ReadonlyArray<string>): string {
    return row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(this.#widths[i] ?? 0)))
      .join("  ")
  }
}

/** Where records go; `end` when there are no more. */
interface Printer {
  readonly add: (record: AuditRecord) => void
  readonly end: () => void
}

const printerFor = (input: ShowInput, output: Output): Printer => {
  const nothing = (): void => undefined
  if (output.isJson) return { add: (record) => output.line(sealedLine(record)), end: nothing }
  if (input.csv) {
    output.line(fields.join(","))
    return { add: (record) => output.line(csvLine(record)), end: nothing }
  }
  const columns = new Columns((line) => output.line(line))
  return { add: (record) => columns.add(cells(record)), end: () => columns.end() }
}

const wants = (input: ShowInput): ((record: AuditRecord) => boolean) => {
  const window = windowOf(input.since, input.until)
  const { kind } = input
  return (record) =>
    (kind === undefined || record.kind === kind) &&
    (window === undefined || (record.ts_ms >= window.sinceMs && record.ts_ms <= window.untilMs))
}

/** Errors: UsageError; AuditError TAMPER; SinkError. */
export const run = async (input: ShowInput, context: Context): Promise<number> => {
  const { settings, output, signal } = context
  if (input.csv && output.isJson) {
    throw UsageError.of("USAGE", "--csv and --json were given together")
  }
  checkNames(input)
  const { root } = rootOf(settings)
  const names = listChains(root).filter(
    ({ writerId, stream }) =>
      (input.writer === undefined || input.writer === writerId) &&
      (input.stream === undefined || input.stream === stream),
  )
  const isWanted = wants(input)
  const engine = selectEngine(settings.engine, (line) => output.note(line))
  if (names.length > mergedMax) output.note(`${names.length} chains: shown one after another`)
  const printer = printerFor(input, output)
  let left = input.limit ?? Number.POSITIVE_INFINITY
  for (const record of mergeRecords(engine, root, names, input.fromSeq)) {
    if (left <= 0) break
    if (!isWanted(record)) continue
    printer.add(record)
    left -= 1
    if (!output.isFull) continue
    await output.flush()
    signal.throwIfAborted()
  }
  printer.end()
  await output.flush()
  return exits.done
}
