/** The vector files, typed. A file without cases stops whoever reads it. */
import { readFileSync } from "node:fs"
import type { AuditRecord } from "../../src/record/Record.ts"

const read = <A>(name: string): A =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8")) as A

const filled = <A>(cases: ReadonlyArray<A>): ReadonlyArray<A> => {
  if (cases.length === 0) throw new Error("a vector file has no cases")
  return cases
}

export interface CanonicalCase {
  readonly text: string
  readonly canonical?: string
  readonly b3?: string
  readonly reject?: string
}

export interface RecordCase {
  readonly name: string
  readonly record: { readonly [field: string]: unknown }
  readonly canonical?: string
  readonly self_hash?: string
  readonly reject?: string
}

export const canonicalCases = filled(read<{ cases: CanonicalCase[] }>("canonical").cases)

export const recordCases = filled(read<{ cases: RecordCase[] }>("records").cases)

/** Inclusive. */
export const unassigned = filled(
  read<{ ranges: [number, number][] }>("unicode-16-unassigned").ranges,
)

interface ChainVectors {
  readonly records: ReadonlyArray<AuditRecord>
  readonly range: readonly [number, number]
  readonly root: string
  readonly tampered_seq: number
  readonly tampered_root: string
}

export const chain = read<ChainVectors>("chain")
filled(chain.records)

export const wal = read<{ readonly hex: string; readonly sig_hex: string }>("wal")

export const merkleCases = filled(
  read<{ cases: ReadonlyArray<{ readonly size: number; readonly root: string }> }>("merkle").cases,
)

export const signatures = read<{
  readonly private_key_hex: string
  readonly pubkey_id: string
  readonly leaf_private_key_hex: string
  readonly batch_signed_bytes: string
  readonly receipt: {
    readonly signatures: ReadonlyArray<{ readonly sig: string }>
    readonly batch: { readonly signatures: ReadonlyArray<{ readonly sig: string }> }
  }
}>("signatures")
