/**
 * Files as drafts: one draft or one refusal for each line or event, in order, in batches.
 *
 * Everything about a draft that can be told without its place in the chain is checked here, so that
 * a bad line is known before anything behind it is appended.
 */
import { formatHash } from "../base/Hash.ts"
import { attrsBytesMax, recordBytesMax } from "../base/Limits.ts"
import type { Engine } from "../engine/Engine.ts"
import { format, type Json, type JsonObject, parse } from "../record/Canonical.ts"
import { type Draft, opIdOf, parseDraft } from "../record/Draft.ts"
import { isReserved } from "../record/Kind.ts"
import { Rejected } from "../record/Reject.ts"
import { mapEvent } from "./CloudTrail.ts"
import { EventSplit } from "./EventSplit.ts"
import { readLines, readPieces } from "./Lines.ts"

export interface Taken {
  /** Line or event, from 1. */
  readonly at: number
  readonly draft: Draft
  /** Its record may be too large, which only the writer can tell. */
  readonly isLarge?: boolean
}

export interface Refused {
  readonly at: number
  readonly code: string
  readonly message: string
  /** Nothing behind it can be read. */
  readonly isEnd?: true
}

export type Item = Taken | Refused

/** Units: bytes. Far above the longest text of a record of 4 KiB. */
export const lineBytesMax = 1 << 20

const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const withStream = (value: Json, stream: string | undefined): Json =>
  stream === undefined || !isObject(value) || "stream" in value ? value : { ...value, stream }

const draftOf = (line: Uint8Array | undefined, stream: string | undefined): Draft => {
  if (line === undefined) {
    throw Rejected.of("record_size", "", `a line beyond ${lineBytesMax} bytes`)
  }
  const draft = parseDraft(withStream(parse(line), stream))
  if (isReserved(draft.kind)) throw Rejected.of("kind_reserved", "kind")
  opIdOf(draft)
  if (Buffer.byteLength(format(draft.attrs)) > attrsBytesMax) {
    throw Rejected.of("attrs_size", "attrs")
  }
  return draft
}

/** Units: bytes. A line of it cannot grow beyond a record's bound, not even by NFC. */
const certainlySmall = 1100

/** Units: bytes. What a writer adds to a draft: names, numbers, prev and their keys. */
const addedBytesMax = 512

const isLarge = (line: Uint8Array | undefined, draft: Draft): boolean =>
  line !== undefined &&
  line.length > certainlySmall &&
  Buffer.byteLength(format({ ...draft } as unknown as JsonObject)) > recordBytesMax - addedBytesMax

const refusalOf = (at: number, error: unknown): Refused => {
  if (!(error instanceof Rejected)) throw error
  return { at, code: error.code, message: error.message }
}

/** One draft a line; `stream` stands for one that a line does not name. Errors: UsageError. */
export async function* jsonLines(
  file: string,
  stream: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<ReadonlyArray<Item>> {
  for await (const lines of readLines(file, lineBytesMax, signal)) {
    yield lines.map(({ number, bytes }): Item => {
      try {
        const draft = draftOf(bytes, stream)
        return { at: number, draft, isLarge: isLarge(bytes, draft) }
      } catch (error) {
        return refusalOf(number, error)
      }
    })
  }
}

/** Events that are mapped together. */
const eventsMax = 64

const openBrace = "{".charCodeAt(0)

export interface EventOptions {
  readonly stream: string | undefined
  /** Hashes the events; the native one is about four times as fast. */
  readonly engine: Engine
  /** Is told the name of each member that was cut. */
  readonly onCut: (member: string) => void
}

const itemOf = (at: number, event: Uint8Array, options: EventOptions): Item => {
  if (event[0] !== openBrace) return { at, code: "field_type", message: "not an object" }
  try {
    const { draft, cut } = mapEvent(event, options.stream, (text) => {
      const hasher = options.engine.openHasher()
      hasher.update(Buffer.from(text))
      return formatHash(hasher.digest())
    })
    for (const member of cut) options.onCut(member)
    return { at, draft }
  } catch (error) {
    return refusalOf(at, error)
  }
}

/** CloudTrail events by docs/reference/cloudtrail.md. */
export async function* cloudTrailEvents(
  file: string,
  options: EventOptions,
  signal: AbortSignal,
): AsyncGenerator<ReadonlyArray<Item>> {
  const split = new EventSplit()
  let count = 0
  let items: Array<Item> = []
  const add = (event: Uint8Array): void => {
    count += 1
    items.push(itemOf(count, event, options))
  }
  const batch = (): Array<Item> => {
    const full = items
    items = []
    return full
  }
  try {
    for await (const piece of readPieces(file, signal)) {
      for (const event of split.take(piece)) {
        add(event)
        if (items.length === eventsMax) yield batch()
      }
      if (items.length > 0) yield batch()
    }
    if (signal.aborted) return
    for (const event of split.end()) add(event)
    if (items.length > 0) yield batch()
  } catch (error) {
    if (items.length > 0) yield batch()
    yield [{ ...refusalOf(count + 1, error), isEnd: true }]
  }
}
