/**
 * Reads JSON text by the rules of FORMATS 1, as ingress (any key order and white space, strings
 * become NFC) or strictly (only the canonical text itself).
 *
 * - The platform's JSON parser is not used: V8 13.6 and 14.6 return wrong keys after some texts
 *   (nodejs/node#63785), and it takes duplicate keys and floats in silence.
 * - Objects have no prototype, so `__proto__` and `constructor` are keys like any other.
 * - UTF-8 is checked for the whole text first; then the first fault in reading order is reported.
 *
 * Source: FORMATS 1, RFC 8259.
 */
import { fromUtf8 } from "../base/Bytes.ts"
import { depthMax } from "../base/Limits.ts"
import { type RejectCode, Rejected } from "./Reject.ts"
import { allAssigned, nfc, plainBelow } from "./Unicode.ts"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject

/** Shape: no prototype where it was read from bytes. */
export interface JsonObject {
  readonly [key: string]: Json
}

const unescaped: { readonly [letter: string]: string } = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
}

const letters: { readonly [char: string]: string } = Object.fromEntries(
  Object.entries(unescaped).map(([letter, char]) => [char, letter]),
)

const escapeChar = (char: string): string => {
  const letter = letters[char]
  return letter === undefined
    ? `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`
    : `\\${letter}`
}

/** A string in canonical form, quotes included. Source: RFC 8785 section 3.2.2.2. */
export const formatString = (text: string): string => {
  const escaped = /["\\\u0000-\u001f]/.test(text)
    ? text.replace(/["\\\u0000-\u001f]/g, escapeChar)
    : text
  return `"${escaped}"`
}

/** A path such as `attrs.a[2]`: keys only, and those cut short. */
export const formatPath = (steps: ReadonlyArray<string | number>): string => {
  let path = ""
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`
    else if (/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/.test(step)) path += path === "" ? step : `.${step}`
    else path += `[${formatString(step.slice(0, 64).toWellFormed())}]`
  }
  return path
}

const quote = 0x22
const backslash = 0x5c

/** A cursor over one JSON text. Errors: Rejected from every method. */
export class JsonReader {
  readonly #text: string
  readonly #strict: boolean
  #at = 0
  /** Step taken at each level; entries past the current level are stale. */
  readonly #trail: Array<string | number> = []

  constructor(bytes: Uint8Array, mode: "ingress" | "strict") {
    const text = fromUtf8(bytes)
    if (text === undefined) throw Rejected.of("utf8")
    this.#text = text
    this.#strict = mode === "strict"
  }

  /** The one value of the text. */
  document(): Json {
    this.#space()
    const value = this.#value(0)
    this.#end()
    return value
  }

  /** Like `document` for an object whose own keys may stand in any order even in strict mode. */
  record(): JsonObject {
    this.#space()
    if (this.#text.charCodeAt(this.#at) !== 0x7b) {
      this.document()
      throw Rejected.of("field_type", "", "not a JSON object")
    }
    const value = this.#object(1, false)
    this.#end()
    return value
  }

  #fail(code: RejectCode, level: number): Rejected {
    return Rejected.of(code, formatPath(this.#trail.slice(1, level + 1)))
  }

  #end(): void {
    this.#space()
    if (this.#at !== this.#text.length) throw this.#fail("json", 0)
  }

  #space(): void {
    for (;;) {
      const char = this.#text.charCodeAt(this.#at)
      if (char !== 0x20 && char !== 0x0a && char !== 0x0d && char !== 0x09) return
      if (this.#strict) throw this.#fail("not_canonical", 0)
      this.#at++
    }
  }

  #value(level: number): Json {
    switch (this.#text.charCodeAt(this.#at)) {
      case quote:
        return this.#string(level)
      case 0x7b:
        return this.#object(level + 1, true)
      case 0x5b:
        return this.#array(level + 1)
      case 0x74:
        return this.#literal("true", true, level)
      case 0x66:
        return this.#literal("false", false, level)
      case 0x6e:
        return this.#literal("null", null, level)
      default:
        return this.#integer(level)
    }
  }

  #literal<A extends Json>(word: string, value: A, level: number): A {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fail("json", level)
    this.#at += word.length
    return value
  }

  #integer(level: number): number {
    const text = this.#text
    const negative = text.charCodeAt(this.#at) === 0x2d
    const first = negative ? this.#at + 1 : this.#at
    let at = first
    let value = 0
    for (;;) {
      const digit = text.charCodeAt(at) - 0x30
      if (!(digit >= 0 && digit <= 9)) break
      value = value * 10 + digit
      at++
    }
    const leadingZero = text.charCodeAt(first) === 0x30 && at > first + 1
    if (at === first || leadingZero) throw this.#fail("json", level)
    const next = text.charCodeAt(at)
    if (next === 0x2e || next === 0x65 || next === 0x45) throw this.#fail("float", level)
    if (negative && value === 0) throw this.#fail("negative_zero", level)
    // The sum rounds only beyond 2^53, where it stays beyond.
    if (value > Number.MAX_SAFE_INTEGER) throw this.#fail("integer_range", level)
    this.#at = at
    return negative ? -value : value
  }

  #string(level: number): string {
    const text = this.#text
    const start = this.#at + 1
    let at = start
    let isPlain = true
    for (; ; at++) {
      const char = text.charCodeAt(at)
      if (char === quote) break
      if (char === backslash) return this.#escapedString(start, level)
      // Also the end of the text, where char is NaN.
      if (!(char >= 0x20)) throw this.#fail("json", level)
      if (char >= plainBelow) isPlain = false
    }
    this.#at = at + 1
    const value = text.slice(start, at)
    return isPlain ? value : this.#normalized(value, level)
  }

  #escapedString(start: number, level: number): string {
    const text = this.#text
    let value = ""
    let from = start
    let at = start
    for (;;) {
      const char = text.charCodeAt(at)
      if (char === quote) break
      if (!(char >= 0x20)) throw this.#fail("json", level)
      if (char !== backslash) {
        at++
        continue
      }
      value += text.slice(from, at)
      const letter = text[at + 1] ?? ""
      if (letter === "u") {
        const hex = text.slice(at + 2, at + 6)
        if (!/^[0-9A-Fa-f]{4}$/.test(hex)) throw this.#fail("json", level)
        value += String.fromCharCode(Number.parseInt(hex, 16))
        at += 6
      } else {
        const char = unescaped[letter]
        if (char === undefined) throw this.#fail("json", level)
        value += char
        at += 2
      }
      from = at
    }
    value += text.slice(from, at)
    this.#at = at + 1
    if (!value.isWellFormed()) throw this.#fail("surrogate", level)
    const normalized = this.#normalized(value, level)
    if (this.#strict && text.slice(start - 1, at + 1) !== formatString(value)) {
      throw this.#fail("not_canonical", level)
    }
    return normalized
  }

  #normalized(value: string, level: number): string {
    if (!allAssigned(value)) throw this.#fail("unassigned", level)
    const normalized = nfc(value)
    if (this.#strict && normalized !== value) throw this.#fail("not_nfc", level)
    return normalized
  }

  #array(level: number): ReadonlyArray<Json> {
    if (level > depthMax) throw this.#fail("depth", level - 1)
    const items: Array<Json> = []
    this.#at++
    this.#space()
    if (this.#text.charCodeAt(this.#at) === 0x5d) {
      this.#at++
      return items
    }
    for (;;) {
      this.#trail[level] = items.length
      this.#space()
      items.push(this.#value(level))
      this.#space()
      const char = this.#text.charCodeAt(this.#at++)
      if (char === 0x5d) return items
      if (char !== 0x2c) throw this.#fail("json", level)
    }
  }

  #object(level: number, sorted: boolean): JsonObject {
    if (level > depthMax) throw this.#fail("depth", level - 1)
    const members: { [key: string]: Json } = Object.create(null)
    this.#at++
    this.#space()
    if (this.#text.charCodeAt(this.#at) === 0x7d) {
      this.#at++
      return members
    }
    let last: string | undefined
    for (;;) {
      this.#space()
      if (this.#text.charCodeAt(this.#at) !== quote) throw this.#fail("json", level - 1)
      const key = this.#string(level - 1)
      this.#trail[level] = key
      if (key in members) throw this.#fail("duplicate_key", level)
      if (this.#strict && sorted && last !== undefined && last > key) {
        throw this.#fail("key_order", level)
      }
      last = key
      this.#space()
      if (this.#text.charCodeAt(this.#at++) !== 0x3a) throw this.#fail("json", level)
      this.#space()
      members[key] = this.#value(level)
      this.#space()
      const char = this.#text.charCodeAt(this.#at++)
      if (char === 0x7d) return members
      if (char !== 0x2c) throw this.#fail("json", level)
    }
  }
}
