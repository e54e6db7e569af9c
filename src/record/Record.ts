/**
 * The audit record: eleven fields in a fixed order, and self_hash over their canonical bytes.
 *
 * Invariants: one value has one byte string (top level in the order of `RecordBody`, everything
 * below canonical); a body from here keeps every rule of FORMATS 2, the prev/seq rule included.
 * What a single record cannot show (order, links, time) is for chain/.
 *
 * Source: FORMATS 2.
 */
import { utf8 } from "../base/Bytes.ts"
import { b3Text, type HashText } from "../base/Hash.ts"
import { attrsBytesMax, recordBytesMax } from "../base/Limits.ts"
import { format, fromMemory } from "./Canonical.ts"
import {
  type Actor,
  checkActor,
  checkAttrs,
  checkInteger,
  checkKind,
  checkPrev,
  checkReason,
  checkSubject,
  checkText,
  type Subject,
} from "./Field.ts"
import { formatPath, type Json, type JsonObject, JsonReader } from "./Json.ts"
import { checkStream, checkWriterId } from "./Name.ts"
import { Rejected } from "./Reject.ts"

export type { Actor, Subject } from "./Field.ts"

/** The hashed part of a record. Duty: strings are in NFC, as everywhere behind the ingress. */
export interface RecordBody {
  readonly v: 1
  /** Units: Unix milliseconds, advisory. */
  readonly ts_ms: number
  readonly writer_id: string
  readonly seq: number
  readonly stream: string
  readonly kind: string
  readonly actor: Actor
  readonly subject: Subject
  readonly reason: string
  readonly attrs: JsonObject
  readonly prev: HashText
}

/** A record as it is stored: its body and the hash over it. */
export interface AuditRecord extends RecordBody {
  readonly self_hash: HashText
}

export interface RecordLimits {
  readonly attrsBytesMax: number
  readonly recordBytesMax: number
}

/** The ceilings; a caller's limits can only be tighter. */
export const defaultLimits: RecordLimits = { attrsBytesMax, recordBytesMax }

const fields = [
  "v",
  "ts_ms",
  "writer_id",
  "seq",
  "stream",
  "kind",
  "actor",
  "subject",
  "reason",
  "attrs",
  "prev",
] as const satisfies ReadonlyArray<keyof RecordBody>

const fieldNames: ReadonlySet<string> = new Set(fields)

const checkFields = (value: JsonObject): RecordBody => {
  if (value.v !== 1) throw Rejected.of("version", "v")
  const ts_ms = checkInteger(value.ts_ms, "ts_ms", 0)
  const writer_id = checkText(value.writer_id, "writer_id")
  checkWriterId(writer_id)
  const seq = checkInteger(value.seq, "seq", 1)
  const stream = checkText(value.stream, "stream")
  checkStream(stream)
  const kind = checkKind(value.kind)
  const actor = checkActor(value.actor)
  const subject = checkSubject(value.subject)
  const reason = checkReason(value.reason)
  const attrs = checkAttrs(value.attrs)
  const prev = checkPrev(value.prev, seq)
  return { v: 1, ts_ms, writer_id, seq, stream, kind, actor, subject, reason, attrs, prev }
}

const checkNames = (value: JsonObject): void => {
  for (const key of Object.keys(value)) {
    if (!fieldNames.has(key)) throw Rejected.of("field_unknown", formatPath([key]))
  }
  for (const field of fields) {
    if (!(field in value)) throw Rejected.of("field_missing", field)
  }
}

const formatFields = (body: RecordBody, attrs: string): string => {
  let out = ""
  for (const field of fields) {
    const value = field === "attrs" ? attrs : format(body[field] as Json)
    out += `${out === "" ? "{" : ","}"${field}":${value}`
  }
  return `${out}}`
}

const measure = (body: RecordBody): { readonly bytes: Uint8Array; readonly attrsBytes: number } => {
  const attrs = format(body.attrs)
  return { bytes: utf8(formatFields(body, attrs)), attrsBytes: utf8(attrs).length }
}

/** Whether a canonical record keeps the bounds. */
export const boundsCheck = (
  body: RecordBody,
  limits: RecordLimits = defaultLimits,
): "ok" | "attrs_size" | "record_size" => {
  const { bytes, attrsBytes } = measure(body)
  if (attrsBytes > limits.attrsBytesMax) return "attrs_size"
  return bytes.length > limits.recordBytesMax ? "record_size" : "ok"
}

/**
 * Canonical bytes of a body whose fields keep their rules and whose strings are in NFC.
 * Errors: Rejected `attrs_size`, `record_size`.
 */
export const formatUnsafe = (body: RecordBody, limits: RecordLimits): Uint8Array => {
  const { bytes, attrsBytes } = measure(body)
  if (attrsBytes > limits.attrsBytesMax) throw Rejected.of("attrs_size", "attrs")
  if (bytes.length > limits.recordBytesMax) throw Rejected.of("record_size")
  return bytes
}

interface Normalized {
  readonly body: RecordBody
  readonly bytes: Uint8Array
  readonly selfHash: HashText | undefined
}

const normalizeFields = (value: Json, limits: RecordLimits): Normalized => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw Rejected.of("field_type", "", "not a JSON object")
  }
  const { self_hash: selfHash, ...rest } = value as JsonObject
  checkNames(rest)
  const body = checkFields(rest)
  const bytes = formatUnsafe(body, limits)
  if (selfHash !== undefined && checkText(selfHash, "self_hash") !== b3Text(bytes)) {
    throw Rejected.of("self_hash", "self_hash")
  }
  return { body, bytes, selfHash: selfHash as HashText | undefined }
}

/**
 * A record in any key order, read by `parse`, with or without self_hash.
 * Errors: Rejected; `self_hash` where the one given is not that of the body.
 */
export const normalize = (
  value: Json,
  limits: RecordLimits = defaultLimits,
): { readonly body: RecordBody; readonly selfHash: HashText | undefined } => {
  const { body, selfHash } = normalizeFields(value, limits)
  return { body, selfHash }
}

/** A self_hash that the value may carry is not looked at. */
const fieldsFromMemory = (value: RecordBody, mode: "ingress" | "strict"): Normalized => {
  const { self_hash: _, ...body } = value as AuditRecord
  return normalizeFields(fromMemory(body, mode), defaultLimits)
}

/**
 * Canonical bytes of a record in memory, without self_hash; strings become NFC, or in strict mode
 * must be. Errors: Rejected where it breaks a rule.
 */
export const formatBody = (body: RecordBody, mode: "ingress" | "strict" = "ingress"): Uint8Array =>
  fieldsFromMemory(body, mode).bytes

/** The body of stored canonical bytes. Errors: Rejected for any other bytes. */
export const parseBody = (bytes: Uint8Array, limits: RecordLimits = defaultLimits): RecordBody => {
  if (bytes.length > limits.recordBytesMax) throw Rejected.of("record_size")
  const value = new JsonReader(bytes, "strict").record()
  checkNames(value)
  Object.keys(value).forEach((key, index) => {
    if (key !== fields[index]) throw Rejected.of("key_order", key)
  })
  const body = checkFields(value)
  // The bytes are canonical, so what is not attrs is as long as this.
  const restBytes = utf8(formatFields(body, "")).length
  if (bytes.length - restBytes > limits.attrsBytesMax) throw Rejected.of("attrs_size", "attrs")
  return body
}

/** The record of a body, with its self_hash. Errors: as `formatBody`. */
export const seal = (body: RecordBody): AuditRecord => {
  const normalized = fieldsFromMemory(body, "ingress")
  return { ...normalized.body, self_hash: b3Text(normalized.bytes) }
}
