/**
 * A chain: records of one writer and stream, each holding the hash of the one before.
 *
 * Invariants: seq grows by one from 1, prev is the self_hash of seq - 1 and `b3:0` at seq 1.
 * Does not protect against records cut off at the end: a checkpoint that goes beyond it does.
 *
 * Source: FORMATS 2.
 */
import { formatHash, genesis, type HashText, hashBytes } from "../base/Hash.ts"
import type { AuditRecord } from "../record/Record.ts"
import { type ChainFault, verifyLink, verifyRecord } from "./Link.ts"

/** Where a chain stands; the same shape as the engine's `ChainState`. */
export interface ChainPosition {
  readonly seq: number
  /** Units: Unix milliseconds of the last record. */
  readonly tsMs: number
  /** Shape: 32 bytes. */
  readonly head: Uint8Array
}

export const emptyChain: ChainPosition = { seq: 0, tsMs: 0, head: new Uint8Array(hashBytes) }

/** `prev` of the record that comes next. */
export const headText = (position: ChainPosition): HashText =>
  position.seq === 0 ? genesis : formatHash(position.head)

const verifyFirst = (first: AuditRecord, start: ChainPosition): "ok" | ChainFault => {
  const { seq } = first
  if (seq !== start.seq + 1) {
    return { kind: "seq_gap", seq, expected: String(start.seq + 1), found: String(seq) }
  }
  const expected = headText(start)
  return first.prev === expected
    ? "ok"
    : { kind: "prev_mismatch", seq, expected, found: first.prev }
}

/**
 * The first fault of a chain that goes on from `start`, by default its beginning. In a record:
 * its own form and hash first, then chain, seq and prev.
 */
export const verifyChain = (
  records: Iterable<AuditRecord>,
  start: ChainPosition = emptyChain,
): "ok" | ChainFault => {
  let prev: AuditRecord | undefined
  for (const next of records) {
    const own = verifyRecord(next)
    if (own !== "ok") return own
    const link = prev === undefined ? verifyFirst(next, start) : verifyLink(prev, next)
    if (link !== "ok") return link
    prev = next
  }
  return "ok"
}
