/**
 * The few items of CBOR that envelopes need, in the deterministic encoding and no other: shortest
 * lengths, definite sizes, no tags, no floats.
 *
 * Lengths are checked against what is there and against a bound before anything is copied.
 * Source: RFC 8949 sections 3 and 4.2.1; docs/decisions/0004-cbor-codec.md.
 */
import { concat, dataView, fromUtf8, utf8 } from "../base/Bytes.ts"
import { invariant } from "../base/Invariant.ts"

export const unsigned = 0
const byteString = 2
const textString = 3
export const array = 4
export const map = 5

type Major = 0 | 2 | 3 | 4 | 5

export const nullItem = Uint8Array.of(0xf6)

/** The head of an item: its major type and the shortest form of its number. */
export const head = (major: Major, value: number): Uint8Array => {
  invariant(Number.isSafeInteger(value) && value >= 0, "a CBOR number is a safe integer from 0")
  const type = major << 5
  if (value < 24) return Uint8Array.of(type | value)
  const size = value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x100000000 ? 4 : 8
  const out = new Uint8Array(1 + size)
  const view = dataView(out)
  out[0] = type | (24 + Math.log2(size))
  if (size === 1) view.setUint8(1, value)
  else if (size === 2) view.setUint16(1, value)
  else if (size === 4) view.setUint32(1, value)
  else view.setBigUint64(1, BigInt(value))
  return out
}

export const bytes = (value: Uint8Array): Uint8Array =>
  concat(head(byteString, value.length), value)

export const text = (value: string): Uint8Array => {
  const encoded = utf8(value)
  return concat(head(textString, encoded.length), encoded)
}

class Fault extends Error {}

/** A cursor; every method refuses an encoding that `head`, `bytes` and `text` would not write. */
export class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(input: Uint8Array) {
    this.#bytes = input
  }

  fault(what: string): Error {
    return new Fault(`${what} at byte ${this.#at}`)
  }

  /** The number in the head of an item of this major type. */
  head(major: Major): number {
    const first = this.#bytes[this.#at]
    if (first === undefined) throw this.fault("an early end")
    if (first >> 5 !== major) throw this.fault("an item of another type")
    const short = first & 31
    if (short < 24) {
      this.#at += 1
      return short
    }
    if (short > 27) throw this.fault("a length without a definite size")
    const size = 1 << (short - 24)
    if (this.#at + 1 + size > this.#bytes.length) throw this.fault("an early end")
    const view = dataView(this.#bytes.subarray(this.#at + 1, this.#at + 1 + size))
    let value: number
    if (size === 1) value = view.getUint8(0)
    else if (size === 2) value = view.getUint16(0)
    else if (size === 4) value = view.getUint32(0)
    else value = Number(view.getBigUint64(0))
    const floor = size === 1 ? 24 : 2 ** (4 * size)
    if (value < floor) throw this.fault("a number not in its shortest form")
    if (!Number.isSafeInteger(value)) throw this.fault("a number beyond 2^53-1")
    this.#at += 1 + size
    return value
  }

  exactly(major: Major, value: number): void {
    if (this.head(major) !== value) throw this.fault("a key out of place")
  }

  isNull(): boolean {
    if (this.#bytes[this.#at] !== nullItem[0]) return false
    this.#at += 1
    return true
  }

  bytes(sizeMax: number): Uint8Array {
    return this.#take(this.head(byteString), sizeMax).slice()
  }

  text(sizeMax: number): string {
    const value = fromUtf8(this.#take(this.head(textString), sizeMax))
    if (value === undefined) throw this.fault("text that is not UTF-8")
    return value
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.fault("bytes behind the last item")
  }

  #take(size: number, sizeMax: number): Uint8Array {
    if (size > sizeMax) throw this.fault("a string beyond its bound")
    if (this.#at + size > this.#bytes.length) throw this.fault("an early end")
    const taken = this.#bytes.subarray(this.#at, this.#at + size)
    this.#at += size
    return taken
  }
}

/** Reads one value that fills the bytes; what is wrong comes back as a value. */
export const read = <A>(
  input: Uint8Array,
  decode: (reader: Reader) => A,
): A | { readonly what: string } => {
  const reader = new Reader(input)
  try {
    const value = decode(reader)
    reader.end()
    return value
  } catch (error) {
    if (error instanceof Fault) return { what: error.message }
    throw error
  }
}
