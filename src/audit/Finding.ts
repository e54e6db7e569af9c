/**
 * What a verifier reports, and what it means for the verdict.
 *
 * Source: FORMATS 7.
 */

import { type VerifyFailure, verifyFailures } from "../bus/Topics.ts"

/** In the order of FORMATS 7. */
const findingKinds = [
  "canon",
  "hash_mismatch",
  "prev_mismatch",
  "seq_gap",
  "frame",
  "header_count",
  "root_mismatch",
  "checkpoint_gap",
  "sig_invalid",
  "sig_missing",
  "key_unknown",
  "key_expired",
  "key_compromised",
  "cert_invalid",
  "manifest_gap",
  "segment_missing",
  "truncated",
  "rollback",
  "fork",
  "wrong_stream",
  "wrong_log",
  "stream_opened",
  "recovered",
  "torn_tail",
] as const

export type FindingKind = (typeof findingKinds)[number]

export interface Finding {
  readonly kind: FindingKind
  /** The record, or the first record of the range, that it is about. */
  readonly seq: number
  /** Base name of the file. */
  readonly file: string
  /** Units: bytes from the start of the file. */
  readonly offset: number
  readonly expected: string
  readonly found: string
}

export type Verdict = "valid" | "invalid" | "unknown" | "intact"

/** Shown always, and never a reason to doubt. */
const harmless: ReadonlySet<FindingKind> = new Set(["recovered", "torn_tail"])
/** A reason not to know, where nothing else covers. */
const uncertain: ReadonlySet<FindingKind> = new Set(["key_unknown", "segment_missing"])

export type Weight = "harmless" | "uncertain" | "damning"

export const weightOf = (kind: FindingKind): Weight =>
  harmless.has(kind) ? "harmless" : uncertain.has(kind) ? "uncertain" : "damning"

/** First by seq, then by place: the order a reader wants, and one that does not depend on luck. */
export const compareFindings = (a: Finding, b: Finding): number =>
  a.seq - b.seq || a.file.localeCompare(b.file, "en") || a.offset - b.offset

const failures: Readonly<Record<VerifyFailure, ReadonlyArray<FindingKind>>> = {
  canon: ["canon", "frame", "header_count"],
  hash_mismatch: ["hash_mismatch"],
  prev_mismatch: [
    "prev_mismatch",
    "seq_gap",
    "segment_missing",
    "truncated",
    "rollback",
    "fork",
    "wrong_stream",
    "wrong_log",
    "stream_opened",
  ],
  root_mismatch: ["root_mismatch", "checkpoint_gap"],
  manifest_gap: ["manifest_gap"],
  sig_invalid: [
    "sig_invalid",
    "sig_missing",
    "key_unknown",
    "key_expired",
    "key_compromised",
    "cert_invalid",
  ],
}

/** A finding in the word of metrics, logs and events; `undefined`: it is harmless. LEDGER C-34 */
export const failureOf = (kind: FindingKind): VerifyFailure | undefined =>
  verifyFailures.find((failure) => failures[failure].includes(kind))
