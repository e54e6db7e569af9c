/**
 * The rules of single fields of a record: type, pattern, length.
 *
 * Each takes a value that this room's reader gave, so strings are in NFC, and answers it with its
 * type. A fault inside actor or subject has the code of that field, its path says where.
 *
 * Source: FORMATS 2.
 */
import { utf8 } from "../base/Bytes.ts"
import { genesis, type HashText } from "../base/Hash.ts"
import { formatPath, type Json, type JsonObject } from "./Json.ts"
import { Rejected } from "./Reject.ts"

export interface Actor {
  readonly cap_id?: string
  readonly key_fpr?: string
  readonly passport_id?: string
  readonly anon?: boolean
}

export interface Subject {
  /** Shape: `b3:` and 1 to 64 hex digits. */
  readonly content_id?: string
  readonly ledger_txid?: string
  readonly name?: string
}

/** Errors: Rejected `field_type`. */
export const checkText = (value: Json | undefined, field: string): string => {
  if (typeof value !== "string") throw Rejected.of("field_type", field, "not a string")
  return value
}

const object = (value: Json | undefined, field: string): JsonObject => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw Rejected.of("field_type", field, "not an object")
  }
  return value as JsonObject
}

/** Errors: Rejected `field_type`, `ts_ms`, `seq`. */
export const checkInteger = (
  value: Json | undefined,
  field: "ts_ms" | "seq",
  least: 0 | 1,
): number => {
  if (typeof value !== "number") throw Rejected.of("field_type", field, "not an integer")
  if (value < least) throw Rejected.of(field, field)
  return value
}

const pattern = (value: string, rule: RegExp, code: "kind" | "reason"): string => {
  if (!rule.test(value)) throw Rejected.of(code, code, `does not match ${rule.source}`)
  return value
}

/** Errors: Rejected `field_type`, `kind`. */
export const checkKind = (value: Json | undefined): string =>
  pattern(checkText(value, "kind"), /^[A-Z][A-Za-z0-9]{0,63}$/, "kind")

/** Errors: Rejected `field_type`, `reason`. */
export const checkReason = (value: Json | undefined): string =>
  pattern(checkText(value, "reason"), /^[a-z][a-z0-9_.-]{0,63}$/, "reason")

const checkMember = (value: Json, bytesMax: number, code: "actor" | "subject", path: string) => {
  if (typeof value !== "string") throw Rejected.of(code, path, "not a string")
  const bytes = utf8(value).length
  if (bytes < 1 || bytes > bytesMax) {
    throw Rejected.of(code, path, `${bytes} bytes, allowed are 1 to ${bytesMax}`)
  }
}

/** Errors: Rejected `field_type`, `actor`. */
export const checkActor = (value: Json | undefined): Actor => {
  const actor = object(value, "actor")
  for (const key of Object.keys(actor)) {
    const member = actor[key]!
    if (key === "anon") {
      if (typeof member !== "boolean") throw Rejected.of("actor", "actor.anon", "not a boolean")
    } else if (key === "cap_id" || key === "key_fpr" || key === "passport_id") {
      checkMember(member, 256, "actor", `actor.${key}`)
    } else throw Rejected.of("actor", formatPath(["actor", key]), "an unknown key")
  }
  return actor as Actor
}

/** Errors: Rejected `field_type`, `subject`. */
export const checkSubject = (value: Json | undefined): Subject => {
  const subject = object(value, "subject")
  for (const key of Object.keys(subject)) {
    const member = subject[key]!
    if (key !== "content_id" && key !== "ledger_txid" && key !== "name") {
      throw Rejected.of("subject", formatPath(["subject", key]), "an unknown key")
    }
    checkMember(member, 512, "subject", `subject.${key}`)
    if (key === "content_id" && !/^b3:[0-9a-f]{1,64}$/.test(member as string)) {
      throw Rejected.of("subject", "subject.content_id", "does not match b3:[0-9a-f]{1,64}")
    }
  }
  return subject as Subject
}

/** Errors: Rejected `field_type`. Its size is a matter of `boundsCheck`. */
export const checkAttrs = (value: Json | undefined): JsonObject => object(value, "attrs")

/**
 * prev is `b3:0` at seq 1 and a whole hash everywhere else.
 * Errors: Rejected `field_type`, `prev`.
 */
export const checkPrev = (value: Json | undefined, seq: number): HashText => {
  const prev = checkText(value, "prev")
  const holds = seq === 1 ? prev === genesis : /^b3:[0-9a-f]{64}$/.test(prev)
  if (!holds) throw Rejected.of("prev", "prev", seq === 1 ? "not b3:0 at seq 1" : "not a hash")
  return prev
}
