/**
 * A draft: what a caller gives of a record, and its text on the way to the engine.
 *
 * The text is made by JSON.stringify, which changes values in silence (-0 to 0, NaN to null, dates
 * to strings, functions to nothing), so a walk over the draft refuses those first. Everything that
 * can be seen in the text (lone surrogates, NFC, rules of the fields, sizes) the engine checks.
 *
 * Source: FORMATS 2 (draft, op_id), FORMATS 1 rules 3 and 4.
 */
import { depthMax } from "../base/Limits.ts"
import { fromMemory } from "./Canonical.ts"
import {
  type Actor,
  checkActor,
  checkAttrs,
  checkKind,
  checkReason,
  checkSubject,
  checkText,
  type Subject,
} from "./Field.ts"
import { formatPath, type Json, type JsonObject } from "./Json.ts"
import { checkStream } from "./Name.ts"
import { Rejected } from "./Reject.ts"

/** What a caller says of an event; the log adds writer, place, time and hashes. */
export interface Draft {
  readonly stream: string
  readonly kind: string
  readonly actor: Actor
  readonly subject: Subject
  readonly reason: string
  readonly attrs: JsonObject
}

const fields: ReadonlyArray<string> = ["stream", "kind", "actor", "subject", "reason", "attrs"]

/** Whether JSON.stringify gives this value as it is. Cost: some 300 ns for attrs of 25 members. */
const isFaithful = (value: unknown, level: number): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true
    case "number":
      return Number.isSafeInteger(value) && (value !== 0 || !Object.is(value, -0))
    case "object":
      break
    default:
      return false
  }
  if (value === null) return true
  // Also what ends a cycle.
  if (level > depthMax) return false
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype) return false
    for (let index = 0; index < value.length; index++) {
      if (!isFaithful(value[index], level + 1)) return false
    }
    return true
  }
  if (prototype !== Object.prototype && prototype !== null) return false
  for (const key in value) {
    const member = (value as { readonly [key: string]: unknown })[key]
    // Most members are strings, and a call costs more than this.
    if (typeof member === "string" || member === undefined) continue
    if (!isFaithful(member, level + 1)) return false
  }
  return true
}

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const unknownField = (draft: object): string | undefined =>
  Object.entries(draft).find(([key, value]) => value !== undefined && !fields.includes(key))?.[0]

const countKeys = (draft: object): number => {
  let count = 0
  for (const _ in draft) count++
  return count
}

/** Says what `encodeDraft` found. */
const refuse = (draft: Draft): Rejected => {
  if (!isObject(draft)) return Rejected.of("field_type", "", "not an object")
  const unknown = unknownField(draft)
  if (unknown !== undefined) return Rejected.of("field_unknown", formatPath([unknown]))
  for (const field of fields) {
    const value = (draft as unknown as { readonly [field: string]: unknown })[field]
    if (value === undefined) return Rejected.of("field_missing", field)
    if (field === "stream" || field === "kind" || field === "reason") {
      if (typeof value !== "string") return Rejected.of("field_type", field, "not a string")
    } else if (!isObject(value)) return Rejected.of("field_type", field, "not an object")
    fromMemory(value, "ingress", [field])
  }
  return Rejected.of("type")
}

/**
 * The text `[kind,actor,subject,reason,attrs]` for the engine, a snapshot of the draft.
 * Errors: Rejected for a draft that the text would not show as it is, with its path.
 */
export const encodeDraft = (draft: Draft): string => {
  const isPlain =
    isObject(draft) &&
    typeof draft.stream === "string" &&
    typeof draft.kind === "string" &&
    typeof draft.reason === "string" &&
    isObject(draft.actor) &&
    isObject(draft.subject) &&
    isObject(draft.attrs) &&
    (countKeys(draft) === fields.length || unknownField(draft) === undefined) &&
    isFaithful(draft.actor, 2) &&
    isFaithful(draft.subject, 2) &&
    isFaithful(draft.attrs, 2)
  if (!isPlain) throw refuse(draft)
  return JSON.stringify([draft.kind, draft.actor, draft.subject, draft.reason, draft.attrs])
}

/** A draft from one line of a file. Errors: Rejected. */
export const parseDraft = (value: Json): Draft => {
  if (!isObject(value)) throw Rejected.of("field_type", "", "not a JSON object")
  const given = value as JsonObject
  const unknown = unknownField(given)
  if (unknown !== undefined) throw Rejected.of("field_unknown", formatPath([unknown]))
  for (const field of fields) if (!(field in given)) throw Rejected.of("field_missing", field)
  const stream = checkText(given.stream, "stream")
  checkStream(stream)
  return {
    stream,
    kind: checkKind(given.kind),
    actor: checkActor(given.actor),
    subject: checkSubject(given.subject),
    reason: checkReason(given.reason),
    attrs: checkAttrs(given.attrs),
  }
}

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i

/** attrs.op_id in lower case, `undefined` without one. Errors: Rejected `op_id`. */
export const opIdOf = (draft: { readonly attrs: JsonObject }): string | undefined => {
  const id = draft.attrs.op_id
  if (id === undefined) return undefined
  if (typeof id !== "string" || !uuid.test(id)) throw Rejected.of("op_id", "attrs.op_id")
  return id.toLowerCase()
}
