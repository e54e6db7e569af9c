/**
 * Files as drafts: one draft or one refusal for each line or event, in order, in batches.
 *
 * Everything about a draft that can be told without its place in the chain is checked here, so that
 * a bad line is known before anything behind it is appended.
 */
import { concat } from "../base/Bytes.ts"
import { attrsBytesMax } from "../base/Limits.ts"
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
        return { at: number, draft: draftOf(bytes, stream) }
      } catch (error) {
        return refusalOf(number, error)
      }
    })
  }
}

/** Events that are mapped together. */
const eventsMax = 64

const newline = Uint8Array.of(0x0a)

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
    const name = nameOf(file)
    const text = concat(...events.flatMap((event) => [event, newline]))
    const { drafts, refusals, cuts } = cloudTrailDrafts(text, name, stream)
    const items: Array<Item> = [
      ...drafts.map(({ event, draft }) => ({ at: done + event, draft })),
      ...refusals.map(({ event, code, message }) => ({
        at: done + event,
        code,
        message: message.replace(`${name}, event ${event}: `, ""),
      })),
    ]
    for (const [member, count] of cuts) onCut(member, count)
    done += events.length
    events = []
    return items.sort((a, b) => a.at - b.at)
  }
  try {
    for await (const piece of readPieces(file, signal)) {
      for (const event of split.take(piece)) {
        if (events.push(event) === eventsMax) yield map()
      }
      if (events.length > 0) yield map()
    }
    if (signal.aborted) return
    events = [...split.end()]
    if (events.length > 0) yield map()
  } catch (error) {
    if (events.length > 0) yield map()
    yield [{ ...refusalOf(done + 1, error), isEnd: true }]
  }
}
