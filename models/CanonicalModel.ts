/**
 * Canonical JSON the slow way: UTF-8 decoded by hand into code points, read by recursion straight
 * from the grammar of RFC 8259, written again from a tree.
 *
 * Shares nothing with src/record; only NFC itself is the platform's.
 *
 * Source: FORMATS 1.
 */

type Points = ReadonlyArray<number>

type Node =
  | { readonly is: "word"; readonly text: string }
  | { readonly is: "string"; readonly points: Points }
  | { readonly is: "array"; readonly items: ReadonlyArray<Node> }
  | { readonly is: "object"; readonly members: ReadonlyArray<readonly [Points, Node]> }

class Refused extends Error {}

function refuse(why: string): never {
  throw new Refused(why)
}

const decodeUtf8 = (bytes: Uint8Array): Points => {
  const points: Array<number> = []
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) refuse("utf8")
    let point = size === 1 ? lead : lead % 2 ** (7 - size)
    for (let next = at + 1; next < at + size; next++) {
      const byte = bytes[next] ?? 0
      if (byte < 0x80 || byte > 0xbf) refuse("utf8")
      point = point * 64 + (byte - 0x80)
    }
    const isLong = point < [0, 0, 0x80, 0x800, 0x10000][size]!
    if (isLong || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) refuse("utf8")
    points.push(point)
    at += size
  }
  return points
}

const code = (char: string): number => char.codePointAt(0)!
const textOf = (points: Points): string => points.map((p) => String.fromCodePoint(p)).join("")

/** Inclusive ranges of code points. */
export type Ranges = ReadonlyArray<readonly [number, number]>

class Grammar {
  readonly #input: Points
  readonly #unassigned: Ranges
  #at = 0

  constructor(input: Points, unassigned: Ranges) {
    this.#input = input
    this.#unassigned = unassigned
  }

  document(): Node {
    const node = this.#padded(() => this.#value(0))
    return this.#at === this.#input.length ? node : refuse("more than one value")
  }

  #sees(chars: string): boolean {
    return [...chars].some((char) => this.#input[this.#at] === code(char))
  }

  #take(char: string): boolean {
    const seen = this.#sees(char)
    if (seen) this.#at++
    return seen
  }

  #must(text: string): void {
    for (const char of text) if (!this.#take(char)) refuse(`no ${char}`)
  }

  #padded<A>(one: () => A): A {
    while (this.#sees(" \t\n\r")) this.#at++
    const result = one()
    while (this.#sees(" \t\n\r")) this.#at++
    return result
  }

  #value(depth: number): Node {
    if (this.#sees('"')) return { is: "string", points: this.#string() }
    const word = ["true", "false", "null"].find((text) => this.#sees(text[0]!))
    if (word !== undefined) {
      this.#must(word)
      return { is: "word", text: word }
    }
    if (depth === 16 && this.#sees("[{")) refuse("depth")
    if (this.#take("["))
      return { is: "array", items: this.#list("]", () => this.#value(depth + 1)) }
    if (!this.#take("{")) return this.#number()
    return { is: "object", members: this.#list("}", () => this.#member(depth)) }
  }

  #list<A>(close: string, one: () => A): ReadonlyArray<A> {
    const all: Array<A> = []
    if (this.#padded(() => this.#take(close))) return all
    do all.push(this.#padded(one))
    while (this.#take(","))
    this.#must(close)
    return all
  }

  #member(depth: number): readonly [Points, Node] {
    const key = this.#string()
    this.#padded(() => this.#must(":"))
    return [key, this.#value(depth + 1)]
  }

  #number(): Node {
    const start = this.#at
    this.#take("-")
    while (this.#sees("0123456789")) this.#at++
    const text = textOf(this.#input.slice(start, this.#at))
    if (!/^-?(0|[1-9][0-9]*)$/.test(text)) refuse("number")
    if (this.#sees(".eE")) refuse("float")
    if (text === "-0" || !Number.isSafeInteger(Number(text))) refuse("range")
    return { is: "word", text }
  }

  #string(): Points {
    this.#must('"')
    const points: Array<number> = []
    while (!this.#take('"')) {
      const point = this.#input[this.#at++] ?? refuse("an open string")
      if (point < 0x20) refuse("control")
      points.push(point === code("\\") ? this.#escaped() : point)
    }
    const isNew = (p: number) => this.#unassigned.some(([first, last]) => first <= p && p <= last)
    if (points.some((p) => p > 0x7f && isNew(p))) refuse("unassigned")
    return [...textOf(points).normalize("NFC")].map(code)
  }

  #escaped(): number {
    const letter = textOf(this.#input.slice(this.#at, ++this.#at))
    const simple = '"\\/bfnrt'.indexOf(letter)
    if (letter !== "" && simple >= 0) return code('"\\/\b\f\n\r\t'[simple]!)
    if (letter !== "u") refuse("escape")
    const high = this.#unit()
    if (high < 0xd800 || high > 0xdfff) return high
    this.#must("\\u")
    const low = this.#unit()
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) refuse("surrogate")
    return 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00)
  }

  #unit(): number {
    const hex = textOf(this.#input.slice(this.#at, this.#at + 4))
    if (!/^[0-9a-fA-F]{4}$/.test(hex)) refuse("hex")
    this.#at += 4
    return Number.parseInt(hex, 16)
  }
}

/** Canonical text, `undefined` where the bytes are refused. */
export const canonicalizeModel = (bytes: Uint8Array, unassigned: Ranges): string | undefined => {
  try {
    return write(new Grammar(decodeUtf8(bytes), unassigned).document())
  } catch (error) {
    if (error instanceof Refused) return undefined
    throw error
  }
}

const units = (points: Points): Points =>
  textOf(points)
    .split("")
    .map((unit) => unit.charCodeAt(0))

const compareUnits = (a: Points, b: Points): number => {
  const index = a.findIndex((unit, at) => unit !== b[at])
  return index < 0 ? a.length - b.length : a[index]! - (b[index] ?? -1)
}

const writeString = (points: Points): string => {
  const one = (point: number): string => {
    const simple = [0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x22, 0x5c].indexOf(point)
    if (simple >= 0) return `\\${'btnfr"\\'[simple]}`
    return point < 0x20 ? `\\u${point.toString(16).padStart(4, "0")}` : String.fromCodePoint(point)
  }
  return `"${points.map(one).join("")}"`
}

const write = (node: Node): string => {
  if (node.is === "word") return node.text
  if (node.is === "string") return writeString(node.points)
  if (node.is === "array") return `[${node.items.map(write).join(",")}]`
  const sorted = node.members
    .map(([key, value]) => ({ key, units: units(key), value }))
    .sort((a, b) => compareUnits(a.units, b.units))
  sorted.forEach(({ units }, index) => {
    if (index > 0 && compareUnits(sorted[index - 1]!.units, units) === 0) refuse("duplicate")
  })
  return `{${sorted.map(({ key, value }) => `${writeString(key)}:${write(value)}`).join(",")}}`
}
