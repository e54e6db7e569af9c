/**
 * One record and one link, checked by recomputation.
 *
 * Checks never throw and never change what they are given; a wrong record is a value that says
 * what was expected. Does not protect against a chain forged as a whole: signatures do.
 *
 * Source: FORMATS 2, FORMATS 7 (finding kinds).
 */
import { b3, formatHash, type HashText } from "../base/Hash.ts"
import { type AuditRecord, formatBody, type RecordBody } from "../record/Record.ts"
import { type RejectCode, Rejected } from "../record/Reject.ts"

/** What is wrong with a record or between two. */
export type ChainFault =
  | {
      readonly kind: "hash_mismatch" | "prev_mismatch" | "seq_gap" | "wrong_stream"
      readonly seq: number
      readonly expected: string
      readonly found: string
    }
  | {
      /** The record itself breaks a rule of FORMATS 1 or 2. */
      readonly kind: "canon"
      readonly code: RejectCode
      readonly seq: number
      readonly expected: string
      readonly found: string
    }

/** Shape: 32 bytes, those that self_hash prints. Errors: Rejected where the body breaks a rule. */
export const dedupeKey = (body: RecordBody): Uint8Array => b3(formatBody(body))

/** Whether a record in memory is canonical and has the self_hash that its fields give. */
export const verifyRecord = (record: AuditRecord): "ok" | ChainFault => {
  const { seq } = record
  let hash: HashText
  try {
    hash = formatHash(b3(formatBody(record, "strict")))
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    const { code, message } = error
    return { kind: "canon", code, seq, expected: "a canonical record", found: message }
  }
  return record.self_hash === hash
    ? "ok"
    : { kind: "hash_mismatch", seq, expected: hash, found: String(record.self_hash) }
}

const chainName = (body: RecordBody): string => `${body.writer_id} ${body.stream}`

/** Whether `next` follows `prev` in one chain. Neither is verified by itself here. */
export const verifyLink = (prev: AuditRecord, next: AuditRecord): "ok" | ChainFault => {
  const { seq } = next
  if (prev.writer_id !== next.writer_id || prev.stream !== next.stream) {
    return { kind: "wrong_stream", seq, expected: chainName(prev), found: chainName(next) }
  }
  if (seq !== prev.seq + 1) {
    return { kind: "seq_gap", seq, expected: String(prev.seq + 1), found: String(seq) }
  }
  return next.prev === prev.self_hash
    ? "ok"
    : { kind: "prev_mismatch", seq, expected: prev.self_hash, found: next.prev }
}
