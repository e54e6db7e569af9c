/**
 * Files as drafts: one draft or one refusal for each line or event, in order, in batches.
 *
 * Everything about a draft that can be told without its place in the chain is checked here, so that
 * a bad line is known before anything behind it is appended.
 */
import { concat } from "../base/Bytes.ts"
import { attrsBytesMax, recordBytesMax } from "../base/Limits.ts"
import { format, type Json, type JsonObject, parse } from "../record/Canonical.ts"
import { type Draft, opIdOf, parseDraft } from "../record/Draft.ts"
import { isReserved } from "../record/Kind.ts"
import { Rejected } from "../record/Reject.ts"
import { cloudTrailDrafts } from "./CloudTrail.ts"
import { EventSplit } from "./EventSplit.ts"
import { nameOf, readLines, readPieces } from "./Lines.ts"

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
const arrayStart = Uint8Array.of("[".charCodeAt(0))
const comma = Uint8Array.of(",".charCodeAt(0))
const arrayEnd = Uint8Array.of("]".charCodeAt(0))

/** Items of events that follow one another; `at` counts from 1. */
const mapEvents = (
  events: ReadonlyArray<Uint8Array>,
  name: string,
  stream: string | undefined,
  onCut: (member: string, events: number) => void,
): Array<Item> => {
  const items: Array<Item> = []
  const places: Array<number> = []
  const text: Array<Uint8Array> = []
  for (const [index, event] of events.entries()) {
    const at = index + 1
    if (event[0] !== openBrace) {
      items.push({ at, code: "field_type", message: "not an object" })
      continue
    }
    places.push(at)
    text.push(text.length === 0 ? arrayStart : comma, event)
  }
  if (text.length === 0) return items
  const { drafts, refusals, cuts } = cloudTrailDrafts(concat(...text, arrayEnd), name, stream)
  const placed = (event: number): number => places[event - 1] ?? event
  for (const { event, draft } of drafts) items.push({ at: placed(event), draft })
  for (const { event, code, message } of refusals) {
    const bare = message.replace(`${name}, event ${event}: `, "")
    items.push({ at: placed(event), code, message: bare })
  }
  for (const [member, count] of cuts) onCut(member, count)
  return items.sort((a, b) => a.at - b.at)
}

/** CloudTrail events by docs/reference/cloudtrail.md; `onCut` counts what was cut. */
export async function* cloudTrailEvents(
  file: string,
  stream: string | undefined,
  onCut: (member: string, events: number) => void,
  signal: AbortSignal,
): AsyncGenerator<ReadonlyArray<Item>> {
  const split = new EventSplit()
  let done = 0
  let events: Array<Uint8Array> = []
  const map = (): Array<Item> => {
    const items = mapEvents(events, nameOf(file), stream, onCut).map(
      (item): Item => ({ ...item, at: done + item.at }),
    )
    done += events.length
    events = []
    return items
  }
  try {
    for await (const piece of readPieces(file, signal)) {
      for (const event of split.take(piece)) {
        if (events.push(event) === eventsMax) yield map()
      }
      if (events.length > 0) yield map()
    }
    if (signal.aborted) return
    for (const event of split.end()) events.push(event)
    if (events.length > 0) yield map()
  } catch (error) {
    if (events.length > 0) yield map()
    yield [{ ...refusalOf(done + 1, error), isEnd: true }]
  }
}
