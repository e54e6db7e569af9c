/**
 * Shapes: what drafts of one kind of event have in common, encoded once.
 *
 * A shape is everything of a draft but its strings and numbers: which keys, in which order, with
 * which types. Its template is the canonical text around them. A draft whose shape is known crosses
 * the engine's seam as the values alone, and nothing is sorted, quoted or parsed again.
 *
 * - Only drafts that JSON.stringify would give as they are have a shape, and only with plain ASCII
 *   keys; all others, and those with attrs.op_id, go as text (record/Draft).
 * - Memory is bounded: behind `stepsMax` different members no new shape is learned.
 *
 * The layout is that of native/core/src/shape.rs. Source: FORMATS 1 and 2; the seam is ours.
 */
import { fromUtf8, utf8 } from "../base/Bytes.ts"
import { invariant } from "../base/Invariant.ts"
import type { Draft } from "./Draft.ts"
import { formatString } from "./Json.ts"
import { isTellingKey } from "./Privacy.ts"
import { holdsSecret } from "./Secret.ts"

export const shapeValuesMax = 128
/** In a template's number of values: privacy has to look at a key. */
const keyFlag = 0x8000
const stepsMax = 4096
const levelsMax = 8
const tableBytesMax = 1 << 20

/** Drafts of a batch as values of shapes, in turn with texts. */
export interface Packed {
  readonly table: Uint8Array
  /** Shape: for a text 0 and its bytes; else 1 + place of the template, the end of each value. */
  readonly marks: Uint32Array
}

/** One decision on the way to a shape: which key, or which type, comes next. */
class Step {
  lastKey: unknown = undefined
  lastNext: Step | undefined = undefined
  readonly next = new Map<unknown, Step>()
  /** Place of the template where a draft ends here. */
  place: number | "unknown" | "none" = "unknown"
}

// Beside keys, which are strings: what a value is.
const [text, number, object, array, end] = [1, 2, 3, 4, 5]

export class Shapes {
  /** Templates; grows, so that it is taken together with the marks. */
  table = new Uint8Array(4096)
  /** The first `count` are the values of the draft last matched. */
  readonly values: Array<string> = new Array(shapeValuesMax).fill("")
  count = 0
  readonly #root = new Step()
  #steps = 0
  #tableUsed = 0

  /** 1 + the place of the draft's template, its values in `values`; 0 without a shape. */
  match(draft: Draft): number {
    const step = this.#follow(draft)
    if (step === undefined) return 0
    if (step.place === "unknown") step.place = this.#learn(draft, step)
    return step.place === "none" ? 0 : step.place + 1
  }

  #follow(draft: Draft): Step | undefined {
    this.count = 0
    // Somebody put a member into every object.
    for (const _ in Object.prototype) return undefined
    if (!hasFields(draft)) return undefined
    this.values[this.count++] = draft.kind
    this.values[this.count++] = draft.reason
    let step = this.#members(draft.actor, 2, this.#root)
    if (step !== undefined) step = this.#members(draft.subject, 2, step)
    if (step !== undefined) step = this.#members(draft.attrs, 2, step)
    return step
  }

  #walk(value: unknown, level: number, from: Step): Step | undefined {
    switch (typeof value) {
      case "string":
        if (this.count === shapeValuesMax) return undefined
        this.values[this.count++] = value
        return this.#next(from, text)
      case "number":
        if (!Number.isSafeInteger(value) || Object.is(value, -0)) return undefined
        if (this.count === shapeValuesMax) return undefined
        this.values[this.count++] = `${value}`
        return this.#next(from, number)
      case "boolean":
        return this.#next(from, value)
      case "object":
        if (value === null) return this.#next(from, null)
        if (level > levelsMax) return undefined
        return Array.isArray(value)
          ? this.#items(value, level, from)
          : this.#members(value, level, from)
      default:
        return undefined
    }
  }

  #items(values: ReadonlyArray<unknown>, level: number, from: Step): Step | undefined {
    if (Object.getPrototypeOf(values) !== Array.prototype || hasToJson(values)) return undefined
    let step = this.#next(from, array)
    for (let i = 0; i < values.length && step !== undefined; i++) {
      step = this.#walk(values[i], level + 1, step)
    }
    return step === undefined ? undefined : this.#next(step, end)
  }

  #members(value: object, level: number, from: Step): Step | undefined {
    const prototype: unknown = Object.getPrototypeOf(value)
    if ((prototype !== Object.prototype && prototype !== null) || hasToJson(value)) return undefined
    let step = this.#next(from, object)
    for (const key in value) {
      const member = (value as { readonly [key: string]: unknown })[key]
      // JSON leaves it out.
      if (member === undefined) continue
      if (step !== undefined) step = this.#next(step, key)
      if (step === undefined) return undefined
      // Most members are strings, and a call costs more than this.
      if (typeof member === "string" && this.count < shapeValuesMax) {
        this.values[this.count++] = member
        step = this.#next(step, text)
      } else step = this.#walk(member, level + 1, step)
    }
    return step === undefined ? undefined : this.#next(step, end)
  }

  #next(from: Step, key: unknown): Step | undefined {
    return from.lastKey === key ? from.lastNext : this.#find(from, key)
  }

  #find(from: Step, key: unknown): Step | undefined {
    let step = from.next.get(key)
    if (step === undefined) {
      if (this.#steps === stepsMax) return undefined
      this.#steps += 1
      step = new Step()
      from.next.set(key, step)
    }
    from.lastKey = key
    from.lastNext = step
    return step
  }

  /** Makes the template of a shape that is met for the first time. */
  #learn(draft: Draft, step: Step): number | "none" {
    const { kind, actor, subject, reason, attrs } = draft
    if (Object.hasOwn(attrs, "op_id")) return "none"
    // A copy without getters, which could answer otherwise now; following it gives the values back.
    const copy = copyOf({ stream: "", kind, actor, subject, reason, attrs }, 1) as Draft
    if (this.#follow(copy) !== step) return "none"
    const template = formatTemplate(copy, this.count)
    if (template === undefined) return "none"
    const place = this.#tableUsed
    const used = place + template.length
    if (used > tableBytesMax) return "none"
    if (used > this.table.length) {
      const table = new Uint8Array(Math.max(used, this.table.length * 2))
      table.set(this.table)
      this.table = table
    }
    this.table.set(template, place)
    this.#tableUsed = used
    return place
  }
}

const copyOf = (value: unknown, level: number): unknown => {
  if (typeof value !== "object" || value === null || level > levelsMax + 1) return value
  if (Array.isArray(value)) return value.map((item) => copyOf(item, level + 1))
  const members: Array<[string, unknown]> = []
  for (const key in value) {
    const member = (value as { readonly [key: string]: unknown })[key]
    if (member !== undefined) members.push([key, copyOf(member, level + 1)])
  }
  return Object.fromEntries(members)
}

const hasToJson = (value: object): boolean =>
  (value as { readonly toJSON?: unknown }).toJSON !== undefined

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Whether a draft has its six fields, of their types, and nothing else. */
const hasFields = (draft: Draft): boolean => {
  if (typeof draft !== "object" || draft === null) return false
  let count = 0
  for (const _ in draft) count++
  return (
    count === 6 &&
    typeof draft.stream === "string" &&
    typeof draft.kind === "string" &&
    typeof draft.reason === "string" &&
    isObject(draft.actor) &&
    isObject(draft.subject) &&
    isObject(draft.attrs)
  )
}

/** Literals between value slots: text, slot, text, ..., text. */
class Template {
  readonly literals: Array<string> = [""]
  readonly slots: Array<number> = []

  add(literal: string): void {
    this.literals.push(`${this.literals.pop() ?? ""}${literal}`)
  }
  slot(index: number): void {
    this.slots.push(index)
    this.literals.push("")
  }
}

interface Slots {
  next: number
}

/** Slots count in the order of the walk, members are put in canonical order. */
const compile = (value: unknown, slots: Slots): Array<string | number> => {
  if (typeof value === "string") return ['"', slots.next++, '"']
  if (typeof value === "number") return [slots.next++]
  if (Array.isArray(value)) {
    const items = value.map((item, i) => [i === 0 ? "" : ",", ...compile(item, slots)])
    return ["[", ...items.flat(), "]"]
  }
  if (typeof value !== "object" || value === null) return [String(value)]
  const members = Object.entries(value).map(
    ([key, member]) => [key, compile(member, slots)] as const,
  )
  // Plain ASCII: UTF-16 order is that of the bytes.
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  const parts = members.map(([key, pieces], i) => [`${i === 0 ? "" : ","}"${key}":`, ...pieces])
  return ["{", ...parts.flat(), "}"]
}

const hasPlainKeys = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return true
  return Object.entries(value).every(
    ([key, member]) => /^[ !#-[\]-~]*$/.test(key) && hasPlainKeys(member),
  )
}

const hasTellingKey = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).some(
    ([key, member]) => isTellingKey(key) || holdsSecret(key) || hasTellingKey(member),
  )

const formatTemplate = (draft: Draft, values: number): Uint8Array | undefined => {
  const { actor, subject, attrs } = draft
  if (![actor, subject, attrs].every(hasPlainKeys)) return undefined
  const slots: Slots = { next: 2 }
  const compiled = [actor, subject, attrs].map((value) => compile(value, slots))
  const [actorPart, subjectPart, attrsPart] = compiled as [Pieces, Pieces, Pieces]
  const parts = [['"', 0, '"'], actorPart, subjectPart, ['"', 1, '"'], attrsPart].map(toTemplate)
  const bytes: Array<number> = []
  const half = (value: number): void => void bytes.push(value & 0xff, value >> 8)
  half(hasTellingKey(attrs) ? values | keyFlag : values)
  for (const { literals, slots: indexes } of parts) {
    half(literals.length)
    literals.forEach((literal, i) => {
      if (i > 0) half(indexes[i - 1] as number)
      half(literal.length)
      bytes.push(...utf8(literal))
    })
  }
  return Uint8Array.from(bytes)
}

type Pieces = Array<string | number>

const toTemplate = (pieces: Pieces): Template => {
  const template = new Template()
  for (const piece of pieces) {
    if (typeof piece === "number") template.slot(piece)
    else template.add(piece)
  }
  return template
}

/** Packed drafts as lines `[kind,actor,subject,reason,attrs]`, each ended by a newline. */
export const unpackLines = (input: Uint8Array, { table, marks }: Packed): Uint8Array => {
  const lines: Array<string> = []
  let at = 0
  const take = (bytes: number): string => {
    const taken = fromUtf8(input.subarray(at, at + bytes))
    invariant(taken !== undefined, "packed drafts are UTF-8")
    at += bytes
    return taken
  }
  for (let mark = 0; mark < marks.length; ) {
    const place = marks[mark++] as number
    if (place === 0) {
      lines.push(take(marks[mark++] as number))
      continue
    }
    const values: Array<string> = []
    const count = readHalf(table, place - 1) & ~keyFlag
    for (let i = 0, start = 0; i < count; i++) {
      const valueEnd = marks[mark++] as number
      values.push(take(valueEnd - start))
      start = valueEnd
    }
    lines.push(`[${fillTemplate(table, place + 1, values).join(",")}]\n`)
  }
  return utf8(lines.join(""))
}

const readHalf = (table: Uint8Array, at: number): number =>
  (table[at] as number) | ((table[at + 1] as number) << 8)

const fillTemplate = (table: Uint8Array, from: number, values: Array<string>): Array<string> => {
  let at = from
  const half = (): number => {
    at += 2
    return readHalf(table, at - 2)
  }
  const literal = (): string => {
    const bytes = half()
    at += bytes
    return fromUtf8(table.subarray(at - bytes, at)) ?? ""
  }
  return Array.from({ length: 5 }, () => {
    const literals = half()
    let part = literal()
    // Digits are not changed by quoting them and taking the quotes off.
    for (let i = 1; i < literals; i++) {
      part += formatString(values[half()] as string).slice(1, -1) + literal()
    }
    return part
  })
}
