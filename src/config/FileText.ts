/**
 * A configuration file: TOML, or JSON where the text begins with `{`, as a list of keys with the
 * line that each stands on.
 *
 * - Parsers are not ours: effect's TOML and the record room's JSON, both strict about duplicate
 *   keys. Neither tells lines, so they are found apart, in a text that has parsed already: a TOML
 *   statement is the fewest lines that parse alone.
 * - A line that cannot be found is left out, never guessed.
 *
 * Source: LEDGER A-224; docs/decisions/0009-configuration.md.
 */
import * as Toml from "effect/encoding/Toml"
import { fromUtf8, utf8 } from "../base/Bytes.ts"
import { parse as parseJson } from "../record/Canonical.ts"
import { Rejected } from "../record/Reject.ts"

export const configFileBytesMax = 64 << 10

/** Lines of one TOML statement whose line is still told. */
const statementLinesMax = 64

export interface FileEntry {
  readonly path: ReadonlyArray<string>
  /** A scalar, a list, a date, or a table without keys. */
  readonly value: unknown
  readonly line: number | undefined
}

type Lines = ReadonlyMap<string, number>

const pathName = (path: ReadonlyArray<string>): string => path.join("\0")

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

const leaves = function* (
  value: unknown,
  path: ReadonlyArray<string> = [],
): Generator<readonly [path: ReadonlyArray<string>, value: unknown]> {
  const inner = isTable(value) ? Object.entries(value) : []
  if (inner.length === 0 && path.length > 0) yield [path, value]
  for (const [key, held] of inner) yield* leaves(held, [...path, key])
}

const tomlOf = (text: string): unknown => {
  const result = Toml.parse(text)
  return result._tag === "Success" ? result.success : undefined
}

const tomlLines = (text: string): Lines => {
  const lines = text.split("\n")
  const found = new Map<string, number>()
  let header = ""
  for (let at = 0; at < lines.length; ) {
    let table: unknown
    let statement = ""
    let span = 0
    while (table === undefined && span < statementLinesMax && at + span < lines.length) {
      statement += `${lines[at + span]}\n`
      span += 1
      const isHeader = /^\s*\[/.test(statement)
      table = tomlOf(isHeader ? statement : header + statement)
      if (isHeader && table !== undefined) header = statement
    }
    if (table === undefined) return found
    for (const [path] of leaves(table)) {
      const name = pathName(path)
      if (!found.has(name)) found.set(name, at + 1)
    }
    at += span
  }
  return found
}

const jsonLines = (text: string): Lines => {
  const found = new Map<string, number>()
  const trail: Array<string> = []
  let depth = 0
  let line = 1
  for (const [token, word, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}\n]/g)) {
    if (token === "{") depth += 1
    else if (token === "}") depth -= 1
    if (word !== undefined && colon !== undefined) {
      trail.length = Math.max(0, depth - 1)
      trail.push(String(parseJson(utf8(word))))
      const name = pathName(trail)
      if (!found.has(name)) found.set(name, line)
    }
    line += token.split("\n").length - 1
  }
  return found
}

const parseText = (text: string): { readonly table: unknown; readonly lines: Lines } | string => {
  if (/^\s*\{/.test(text)) {
    try {
      return { table: parseJson(utf8(text)), lines: jsonLines(text) }
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      return `is no JSON: ${error.message}`
    }
  }
  const result = Toml.parse(text)
  if (result._tag === "Failure") return `is no TOML: ${result.failure.message}`
  return { table: result.success, lines: tomlLines(text) }
}

/** Every key of the file, or what is wrong with the file as a whole. */
export const readConfigText = (bytes: Uint8Array): ReadonlyArray<FileEntry> | string => {
  if (bytes.length > configFileBytesMax) return `is larger than ${configFileBytesMax} bytes`
  const text = fromUtf8(bytes)
  if (text === undefined) return "is no UTF-8"
  const parsed = parseText(text)
  if (typeof parsed === "string") return parsed
  return [...leaves(parsed.table)].map(([path, value]) => {
    // A key inside a list or an inline table stands on the line of what holds it.
    const line = parsed.lines.get(pathName(path))
    return { path, value, line }
  })
}
