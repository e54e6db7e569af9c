/**
 * The closed set of reasons why a text, a draft or a record is refused, with the number that the
 * native engine answers. `native/core/src/reject.rs` repeats the numbers; a test compares them.
 *
 * Source: FORMATS 1 and 2.
 */
import * as Data from "effect/Data"

export const rejects = {
  json: [1, "not one JSON value"],
  utf8: [2, "not valid UTF-8"],
  float: [3, "a number with a fraction or an exponent"],
  negative_zero: [4, "the number -0"],
  integer_range: [5, "an integer beyond 2^53-1"],
  duplicate_key: [6, "two equal keys in one object (after NFC)"],
  surrogate: [7, "a lone surrogate"],
  unassigned: [8, "a code point that Unicode 16.0 does not assign"],
  depth: [9, "more than 16 levels of nesting"],
  not_canonical: [10, "white space, escapes or digits that differ from the canonical form"],
  key_order: [11, "keys out of canonical order"],
  not_nfc: [12, "a string that is not in NFC"],
  type: [13, "a value that JSON has no place for"],
  field_unknown: [14, "an unknown field"],
  field_missing: [15, "a missing field"],
  field_type: [16, "a field of the wrong type"],
  version: [17, "v is not 1"],
  ts_ms: [18, "ts_ms is not an integer from 0"],
  writer_id: [19, "writer_id breaks its rule"],
  seq: [20, "seq is not an integer from 1"],
  stream: [21, "stream breaks its rule"],
  kind: [22, "kind breaks its rule"],
  kind_reserved: [23, "a kind that only the runtime writes"],
  actor: [24, "actor breaks its rule"],
  subject: [25, "subject breaks its rule"],
  reason: [26, "reason breaks its rule"],
  attrs_size: [27, "attrs larger than max_attrs_bytes"],
  record_size: [28, "record larger than max_record_bytes"],
  prev: [29, "prev breaks its rule"],
  self_hash: [30, "self_hash is not that of the record"],
  op_id: [31, "attrs.op_id is not a UUID"],
  pii_blocked: [32, "holds a secret: a credential, or a value under a key that names one"],
} as const satisfies Record<string, readonly [number, string]>

/** The closed set of reasons why a draft or a record is refused: docs/reference/errors.md. */
export type RejectCode = keyof typeof rejects

const byNumber = new Map<number, RejectCode>(
  Object.entries(rejects).map(([code, [number]]) => [number, code as RejectCode]),
)

/** The code of a native status byte; `undefined` for 0. */
export const rejectCode = (number: number): RejectCode | undefined => byNumber.get(number)

export const rejectNumber = (code: RejectCode): number => rejects[code][0]

/**
 * A refusal of input. `path` is a JSON path such as `attrs.a[2]`, empty for the whole value; it
 * names keys, never values, so it can be logged.
 */
export class Rejected extends Data.TaggedError("Rejected")<{
  readonly code: RejectCode
  readonly path: string
  readonly message: string
}> {
  /** With the sentence of its code where no detail is given. */
  static of(code: RejectCode, path = "", detail = ""): Rejected {
    const what = detail === "" ? rejects[code][1] : detail
    return new Rejected({ code, path, message: path === "" ? what : `${path}: ${what}` })
  }
  get isRetryable(): boolean {
    return false
  }
}
