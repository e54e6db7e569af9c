/**
 * Takes a stream of CloudTrail JSON apart into its events, whatever its size: a JSON array of
 * events, `{"Records":[…]}`, one event, or any of these one after another.
 *
 * It finds only where an event begins and ends; what is inside is read by `cloudTrailDrafts`.
 * Memory holds one piece of the file and one event.
 */
import { concat } from "../base/Bytes.ts"
import { Rejected } from "../record/Reject.ts"

/** Units: bytes. CloudTrail's own limit for an event is 256 KB. */
const eventBytesMax = 8 << 20

const open = "{".charCodeAt(0)
const close = "}".charCodeAt(0)
const openArray = "[".charCodeAt(0)
const closeArray = "]".charCodeAt(0)
const quote = '"'.charCodeAt(0)
const backslash = "\\".charCodeAt(0)
const comma = ",".charCodeAt(0)

const isSpace = (byte: number): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** What may come next, outside an event. */
type Place = "document" | "first item" | "item" | "behind item" | "wrapper end"

/** Bytes in which `{"Records": [` is recognised. */
const headBytes = 256
const records = /^\{\s*"Records"\s*:\s*\[/

export class EventSplit {
  #bytes: Uint8Array = new Uint8Array(0)
  /** Offset in the file of `#bytes`. */
  #offset = 0
  #at = 0
  #place: Place = "document"
  #isWrapped = false
  #hasDocument = false

  // Owned by the event in progress: how far it was read.
  #scanned = 0
  #depth = 0
  #isInString = false;

  /** The events that a piece completes. Errors: Rejected `json`, `utf8` for the whole text. */
  *take(piece: Uint8Array): Generator<Uint8Array> {
    if (this.#offset === 0 && this.#bytes.length === 0 && piece[0] === 0x1f && piece[1] === 0x8b) {
      throw Rejected.of("utf8", "", "compressed by gzip: decompress it first (gunzip -c FILE)")
    }
    this.#offset += this.#at
    const rest = this.#bytes.subarray(this.#at)
    this.#bytes = rest.length === 0 ? piece : concat(rest, piece)
    this.#at = 0
    yield* this.#events(false)
  }

  /** What is left when the file ends. Errors: Rejected `json`. */
  *end(): Generator<Uint8Array> {
    yield* this.#events(true)
    if (this.#place === "document" && this.#hasDocument && this.#at === this.#bytes.length) return
    if (!this.#hasDocument) throw Rejected.of("json", "", "holds no JSON at all")
    throw this.#fail(this.#scanned > 0 ? "the text ends inside an event" : "the text ends early")
  }

  #fail(detail: string): Rejected {
    return Rejected.of(
      "json",
      "",
      `no CloudTrail JSON at byte ${this.#offset + this.#at}: ${detail}`,
    )
  }

  *#events(isEnd: boolean): Generator<Uint8Array> {
    for (;;) {
      if (this.#scanned === 0 && !this.#enter(isEnd)) return
      const event = this.#event(isEnd)
      if (event === undefined) return
      yield event
      this.#place = this.#place === "document" ? "document" : "behind item"
    }
  }

  /** Steps to the beginning of the next event; false where more bytes are needed. */
  #enter(isEnd: boolean): boolean {
    for (;;) {
      while (isSpace(this.#bytes[this.#at] ?? 0)) this.#at++
      const byte = this.#bytes[this.#at]
      if (byte === undefined) return false
      if (this.#place === "document") {
        const step = this.#enterDocument(byte, isEnd)
        if (step !== "again") return step === "event"
      } else if (this.#place === "wrapper end") {
        if (byte !== close) throw this.#fail('something else stands where "}" belongs')
        this.#leave()
      } else if (this.#place === "behind item") {
        if (byte === comma) this.#place = "item"
        else if (byte === closeArray) this.#closeItems()
        else throw this.#fail('something else stands where "]" belongs')
        this.#at++
      } else if (this.#place === "first item" && byte === closeArray) {
        this.#closeItems()
        this.#at++
      } else if (byte === comma || byte === closeArray || byte === close) {
        throw this.#fail("an event is missing")
      } else return true
    }
  }

  #closeItems(): void {
    this.#place = this.#isWrapped ? "wrapper end" : "document"
  }

  #leave(): void {
    this.#place = "document"
    this.#isWrapped = false
    this.#at++
  }

  #enterDocument(byte: number, isEnd: boolean): "again" | "event" | "more" {
    this.#hasDocument = true
    if (byte === openArray) {
      this.#place = "first item"
      this.#at++
      return "again"
    }
    if (byte !== open) throw this.#fail("neither an object nor an array begins there")
    const head = this.#bytes.subarray(this.#at, this.#at + headBytes)
    if (head.length < headBytes && !isEnd) return "more"
    const match = records.exec(Buffer.from(head).toString("latin1"))
    if (match === null) return "event"
    this.#place = "first item"
    this.#isWrapped = true
    this.#at += match[0].length
    return "again"
  }

  /** Reads on in the event that begins at `#at`; `undefined` where more bytes are needed. */
  #event(isEnd: boolean): Uint8Array | undefined {
    const bytes = this.#bytes
    let at = this.#at + this.#scanned
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number
      if (this.#isInString) {
        if (byte === backslash) at++
        else if (byte === quote) this.#isInString = false
      } else if (byte === quote) this.#isInString = true
      else if (byte === open || byte === openArray) this.#depth++
      else if (byte === close || byte === closeArray) {
        // A scalar where an event belongs ends before the bracket around it.
        if (this.#depth === 0) return this.#complete(at)
        this.#depth--
        if (this.#depth === 0) return this.#complete(at + 1)
      } else if (this.#depth === 0 && (byte === comma || isSpace(byte))) return this.#complete(at)
    }
    this.#scanned = at - this.#at
    if (this.#scanned > eventBytesMax) throw this.#fail(`an event beyond ${eventBytesMax} bytes`)
    if (isEnd && this.#scanned > 0) throw this.#fail("the text ends inside an event")
    return undefined
  }

  #complete(end: number): Uint8Array {
    const event = this.#bytes.subarray(this.#at, end)
    this.#at = end
    this.#scanned = 0
    this.#depth = 0
    this.#isInString = false
    return event
  }
}
