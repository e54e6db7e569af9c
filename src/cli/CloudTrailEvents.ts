/**
 * Finds the events in a CloudTrail text: a JSON array of events, `{"Records":[…]}`, one event, or
 * any of these one after another (JSON Lines).
 *
 * It only finds where each event begins and ends, so that a fault inside one event is that event's
 * alone; what is inside is read by `Canonical.parse`. A text that cannot be taken apart is refused
 * whole: nothing says where the next event would begin.
 */
import { Rejected } from "../record/Reject.ts"

const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const quote = 0x22
const backslash = 0x5c
const comma = 0x2c

const isSpace = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** A cursor over the bytes of one file. Errors: Rejected `json` from every method. */
class Cursor {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  /** The next byte, -1 at the end. */
  peek(): number {
    return this.#bytes[this.#at] ?? -1
  }

  space(): void {
    while (isSpace(this.peek())) this.#at++
  }

  fail(detail: string): Rejected {
    return Rejected.of("json", "", `no CloudTrail JSON at byte ${this.#at}: ${detail}`)
  }

  /** Whether this byte comes next, after white space; if so it is stepped over. */
  takes(byte: number): boolean {
    this.space()
    if (this.peek() !== byte) return false
    this.#at++
    return true
  }

  expect(byte: number): void {
    if (this.takes(byte)) return
    const found = this.isAtEnd ? "the text ends" : "something else stands"
    throw this.fail(`${found} where "${String.fromCharCode(byte)}" belongs`)
  }

  /** Steps over `{"Records":` where an array follows, and over nothing else. */
  takesRecords(): boolean {
    const head = new TextDecoder("latin1").decode(this.#bytes.subarray(this.#at, this.#at + 256))
    const match = /^\{\s*"Records"\s*:\s*(?=\[)/.exec(head)
    this.#at += match?.[0].length ?? 0
    return match !== null
  }

  #string(): void {
    for (this.#at++; !this.isAtEnd; this.#at++) {
      const byte = this.peek()
      if (byte === backslash) this.#at++
      else if (byte === quote) {
        this.#at++
        return
      }
    }
    throw this.fail("the text ends inside a string")
  }

  #nested(): void {
    let depth = 0
    do {
      if (this.isAtEnd) throw this.fail("the text ends inside an event")
      const byte = this.peek()
      if (byte === openBrace || byte === openBracket) depth++
      if (byte === closeBrace || byte === closeBracket) depth--
      if (byte === quote) this.#string()
      else this.#at++
    } while (depth > 0)
  }

  #scalar(): void {
    const from = this.#at
    const ends = [comma, closeBracket, closeBrace]
    while (!this.isAtEnd && !isSpace(this.peek()) && !ends.includes(this.peek())) this.#at++
    if (this.#at === from) throw this.fail("an event is missing")
  }

  /** Steps over one value, by its brackets; its inside is not judged. */
  value(): Uint8Array {
    this.space()
    const from = this.#at
    const first = this.peek()
    if (first === openBrace || first === openBracket) this.#nested()
    else if (first === quote) this.#string()
    else this.#scalar()
    return this.#bytes.subarray(from, this.#at)
  }
}

function* items(cursor: Cursor): Generator<Uint8Array> {
  cursor.expect(openBracket)
  if (cursor.takes(closeBracket)) return
  do yield cursor.value()
  while (cursor.takes(comma))
  cursor.expect(closeBracket)
}

function* document(cursor: Cursor): Generator<Uint8Array> {
  if (cursor.takesRecords()) {
    yield* items(cursor)
    cursor.expect(closeBrace)
  } else if (cursor.peek() === openBracket) yield* items(cursor)
  else if (cursor.peek() === openBrace) yield cursor.value()
  else throw cursor.fail("neither an object nor an array begins there")
}

/** The bytes of each event, in order. Errors: Rejected `utf8`, `json` for the whole text. */
export function* cloudTrailEvents(bytes: Uint8Array): Generator<Uint8Array> {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    throw Rejected.of("utf8", "", "compressed by gzip: decompress it first (gunzip -c FILE)")
  }
  const cursor = new Cursor(bytes)
  cursor.space()
  if (cursor.isAtEnd) throw Rejected.of("json", "", "holds no JSON at all")
  for (; !cursor.isAtEnd; cursor.space()) yield* document(cursor)
}
