/**
 * Canonical JSON: RFC 8785 restricted to integers, with NFC.
 *
 * Two directions, never mixed: `parse` and `canonicalize` take what callers send and normalize it;
 * `parseCanonical` reads what is stored and refuses everything but the canonical bytes.
 *
 * Invariants: `canonicalize(canonicalize(x)) = canonicalize(x)`; bytes that `parseCanonical` takes
 * are those that `format` gives for the value. Does not protect against two texts that mean the
 * same to a reader (confusable letters, for one).
 *
 * Source: FORMATS 1, RFC 8785 section 3.2.
 */
import { utf8 } from "../base/Bytes.ts"
import { depthMax } from "../base/Limits.ts"
import { formatPath, formatString, type Json, type JsonObject, JsonReader } from "./Json.ts"
import { type RejectCode, Rejected } from "./Reject.ts"
import { allAssigned, nfc } from "./Unicode.ts"

export type { Json, JsonObject } from "./Json.ts"

/** Reads a JSON text of any key order and white space; strings become NFC. Errors: Rejected. */
export const parse = (bytes: Uint8Array): Json => new JsonReader(bytes, "ingress").document()

/** Reads canonical bytes and nothing else. Errors: Rejected. */
export const parseCanonical = (bytes: Uint8Array): Json =>
  new JsonReader(bytes, "strict").document()

const formatArray = (items: ReadonlyArray<Json>): string => {
  let text = "["
  for (let index = 0; index < items.length; index++) {
    if (index > 0) text += ","
    text += format(items[index]!)
  }
  return `${text}]`
}

const sortedKeys = (object: JsonObject): ReadonlyArray<string> => {
  const keys = Object.keys(object)
  for (let index = 1; index < keys.length; index++) {
    // Both `<` and sort() compare UTF-16 code units.
    if (keys[index]! < keys[index - 1]!) return keys.sort()
  }
  return keys
}

const formatObject = (object: JsonObject): string => {
  const keys = sortedKeys(object)
  let text = "{"
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!
    if (index > 0) text += ","
    text += `${formatString(key)}:${format(object[key]!)}`
  }
  return `${text}}`
}

/** The canonical text of a value from `parse`, `parseCanonical` or `fromMemory`. */
export const format = (value: Json): string => {
  if (typeof value === "string") return formatString(value)
  if (typeof value !== "object" || value === null) return String(value)
  return Array.isArray(value) ? formatArray(value) : formatObject(value as JsonObject)
}

/** Canonical bytes of one JSON text. Errors: Rejected. */
export const canonicalize = (bytes: Uint8Array): Uint8Array => utf8(format(parse(bytes)))

/** Where a walk through memory stands. */
interface Place {
  readonly isStrict: boolean
  readonly path: Array<string | number>
}

const reject = (code: RejectCode, place: Place, detail?: string): Rejected =>
  Rejected.of(code, formatPath(place.path), detail)

const stringFromMemory = (text: string, place: Place): string => {
  if (!text.isWellFormed()) throw reject("surrogate", place)
  if (!allAssigned(text)) throw reject("unassigned", place)
  const normalized = nfc(text)
  if (place.isStrict && normalized !== text) throw reject("not_nfc", place)
  return normalized
}

const numberFromMemory = (value: number, place: Place): number => {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return value
  if (value === 0) throw reject("negative_zero", place)
  throw reject(Number.isInteger(value) ? "integer_range" : "float", place)
}

const arrayFromMemory = (items: ReadonlyArray<unknown>, place: Place): ReadonlyArray<Json> => {
  const out: Array<Json> = []
  for (let index = 0; index < items.length; index++) {
    place.path.push(index)
    out.push(valueFromMemory(items[index], place))
    place.path.pop()
  }
  return out
}

const objectFromMemory = (object: object, place: Place): JsonObject => {
  const out: { [key: string]: Json } = Object.create(null)
  for (const [key, member] of Object.entries(object)) {
    if (member === undefined) continue
    place.path.push(key)
    const name = stringFromMemory(key, place)
    if (name in out) throw reject("duplicate_key", place)
    out[name] = valueFromMemory(member, place)
    place.path.pop()
  }
  return out
}

const isPlain = (object: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (Array.isArray(object)) return prototype === Array.prototype
  return prototype === Object.prototype || prototype === null
}

const valueFromMemory = (value: unknown, place: Place): Json => {
  switch (typeof value) {
    case "string":
      return stringFromMemory(value, place)
    case "number":
      return numberFromMemory(value, place)
    case "boolean":
      return value
    case "object":
      break
    default:
      throw reject("type", place, `a value of type ${typeof value}`)
  }
  if (value === null) return null
  // Every object on the way added one step, so a cycle ends here too.
  if (place.path.length >= depthMax) throw reject("depth", place)
  if (!isPlain(value)) throw reject("type", place, "neither a plain object nor an array")
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === "function") {
    throw reject("type", place, "has a toJSON method")
  }
  return Array.isArray(value) ? arrayFromMemory(value, place) : objectFromMemory(value, place)
}

/**
 * A JSON value from one in memory. Own enumerable properties with string keys are its members,
 * `undefined` ones absent. Strings become NFC, or in strict mode must be.
 *
 * `at` names the value in messages; each of its steps counts as a level around it.
 * Errors: Rejected, `type` for what JSON has no place for.
 */
export const fromMemory = (
  value: unknown,
  mode: "ingress" | "strict" = "ingress",
  at: ReadonlyArray<string> = [],
): Json => valueFromMemory(value, { isStrict: mode === "strict", path: [...at] })

/** Canonical bytes of a value in memory. Errors: as `fromMemory`. */
export const canonicalizeValue = (value: unknown): Uint8Array => utf8(format(fromMemory(value)))
