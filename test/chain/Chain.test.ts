import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { rootOf, sealAll } from "../../models/ChainModel.ts"
import { fromHex, fromUtf8, toHex, utf8 } from "../../src/base/Bytes.ts"
import { b3, formatHash, parseHash } from "../../src/base/Hash.ts"
import { emptyChain, headText, verifyChain } from "../../src/chain/Chain.ts"
import { dedupeKey, verifyLink, verifyRecord } from "../../src/chain/Link.ts"
import { canonicalizeValue, type JsonObject, parse } from "../../src/record/Canonical.ts"
import { type AuditRecord, formatBody, seal } from "../../src/record/Record.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { draft, runs } from "../record/Arbitrary.ts"
import { chain, recordCases } from "../record/Vectors.ts"

const { records } = chain
const at = (seq: number): AuditRecord => records[seq - 1]!
const without = (seq: number) => records.filter((record) => record.seq !== seq)
const replaced = (record: AuditRecord) => records.map((r) => (r.seq === record.seq ? record : r))

describe("chain.json", () => {
  it("is a chain of 200 records [A-006, A-039, A-040, A-287, A-324]", () => {
    expect(records.length).toBe(200)
    expect(verifyChain(records)).toBe("ok")
    expect(at(1)).toMatchObject({ seq: 1, prev: "b3:0" })
  })

  it("has the root over its range, and another where a byte is flipped [A-328]", () => {
    const [first, last] = chain.range
    const leaf = ({ seq, self_hash }: AuditRecord, tampered: boolean) => {
      const data = parseHash(self_hash)!
      return tampered && seq === chain.tampered_seq ? b3(data) : data
    }
    const range = records.slice(first - 1, last)
    expect(formatHash(rootOf(range.map((record) => leaf(record, false))))).toBe(chain.root)
    expect(formatHash(rootOf(range.map((record) => leaf(record, true))))).toBe(chain.tampered_root)
  })
})

describe("verifyRecord", () => {
  it("finds every changed field by the hash [A-049, A-288]", () => {
    const record = at(2)
    for (const change of [
      { ts_ms: record.ts_ms + 1 },
      { kind: "GetServe" },
      { reason: "ok_" },
      { attrs: { ...record.attrs, i: 3 } },
      { actor: {} },
      { stream: "ingres" },
      { self_hash: at(3).self_hash },
    ]) {
      expect(verifyRecord({ ...record, ...change })).toMatchObject({
        kind: "hash_mismatch",
        seq: 2,
      })
    }
  })

  it("names the rule that a record breaks, and repairs nothing [A-288]", () => {
    const record = at(2)
    const fault = (change: object) => verifyRecord({ ...record, ...change } as AuditRecord)
    expect(fault({ writer_id: "e\u0301" })).toMatchObject({ kind: "canon", code: "not_nfc" })
    expect(fault({ attrs: { a: 0.5 } })).toMatchObject({ kind: "canon", code: "float" })
    expect(fault({ extra: 1 })).toMatchObject({ kind: "canon", code: "field_unknown" })
    expect(fault({ prev: undefined })).toMatchObject({ kind: "canon", code: "field_missing" })
    expect(fault({ prev: "b3:0" })).toMatchObject({ kind: "canon", code: "prev" })
    expect(fault({ self_hash: undefined })).toMatchObject({ kind: "hash_mismatch" })
  })

  it("changes nothing it is given [A-287]", () => {
    const frozen = Object.freeze({ ...at(5), attrs: Object.freeze({ ...at(5).attrs }) })
    expect(verifyRecord(frozen)).toBe("ok")
    expect(verifyLink(at(4), frozen)).toBe("ok")
    expect(frozen).toEqual(at(5))
  })
})

describe("verifyLink", () => {
  it("takes the seed's two records [A-326]", () => {
    const [genesis, next] = recordCases as unknown as ReadonlyArray<{
      readonly record: AuditRecord
      readonly self_hash: string
    }>
    const sealed = [genesis!, next!].map(({ record, self_hash }) => ({ ...record, self_hash }))
    expect(sealed.map(verifyRecord)).toEqual(["ok", "ok"])
    expect(verifyLink(sealed[0]!, sealed[1]!)).toBe("ok")
  })

  it("says what breaks between two records [A-288]", () => {
    expect(verifyLink(at(1), at(3))).toEqual({
      kind: "seq_gap",
      seq: 3,
      expected: "2",
      found: "3",
    })
    const forged = seal({ ...at(2), prev: at(3).self_hash })
    expect(verifyLink(at(1), forged)).toEqual({
      kind: "prev_mismatch",
      seq: 2,
      expected: at(1).self_hash,
      found: at(3).self_hash,
    })
    const other = seal({ ...at(2), stream: "policy" })
    expect(verifyLink(at(1), other)).toMatchObject({ kind: "wrong_stream", seq: 2 })
  })
})

describe("verifyChain", () => {
  it("finds a record taken out, swapped, repeated or rewritten [A-039, A-049, A-513]", () => {
    expect(verifyChain(without(1))).toMatchObject({ kind: "seq_gap", expected: "1", found: "2" })
    expect(verifyChain(without(100))).toMatchObject({ kind: "seq_gap", seq: 101 })
    expect(verifyChain([...records, at(200)])).toMatchObject({ kind: "seq_gap", expected: "201" })
    expect(verifyChain([at(2), at(1)])).toMatchObject({ kind: "seq_gap" })
    // Sealed again after the edit, so only the next link shows it.
    const rewritten = seal({ ...at(100), reason: "forged" })
    expect(verifyChain(replaced(rewritten))).toMatchObject({ kind: "prev_mismatch", seq: 101 })
    expect(verifyChain(replaced({ ...at(100), reason: "forged" }))).toMatchObject({
      kind: "hash_mismatch",
      seq: 100,
    })
  })

  it("goes on from a position", () => {
    const start = { seq: 99, tsMs: at(99).ts_ms, head: parseHash(at(99).self_hash)! }
    expect(verifyChain(records.slice(99), start)).toBe("ok")
    expect(verifyChain(records.slice(98), start)).toMatchObject({ kind: "seq_gap" })
    const forked = { ...start, head: parseHash(at(98).self_hash)! }
    expect(verifyChain(records.slice(99), forked)).toMatchObject({
      kind: "prev_mismatch",
      seq: 100,
    })
  })

  it("begins at b3:0, seq 0 [A-040]", () => {
    expect(emptyChain.seq).toBe(0)
    expect(headText(emptyChain)).toBe("b3:0")
    expect(headText({ ...emptyChain, seq: 1 })).toBe(`b3:${"0".repeat(64)}`)
    expect(verifyChain([])).toBe("ok")
  })
})

describe("dedupeKey", () => {
  it("is the hash that self_hash prints [A-038, A-061, A-286]", () => {
    for (const record of records) expect(`b3:${toHex(dedupeKey(record))}`).toBe(record.self_hash)
    const known = recordCases.find(({ name }) => name.includes("5.1"))!
    expect(dedupeKey(known.record as unknown as AuditRecord)).toEqual(
      fromHex(known.self_hash!.slice(3)),
    )
  })
})

describe("chains of any drafts", () => {
  const canonical = (value: unknown) => fromUtf8(canonicalizeValue(value))!
  const naive = fc.array(draft, { minLength: 2, maxLength: 6 }).map((drafts) => {
    try {
      return drafts.map(({ kind, actor, subject, reason, attrs }) => ({
        kind: canonical(kind),
        actor: canonical(actor),
        subject: canonical(subject),
        reason: canonical(reason),
        attrs: canonical(attrs),
      }))
    } catch (error) {
      if (error instanceof Rejected) return []
      throw error
    }
  })

  it("link as the model does; a record removed or a byte altered is found [A-049, A-513]", () => {
    fc.assert(
      fc.property(
        naive,
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (drafts, n, p, x) => {
          fc.pre(drafts.length >= 2)
          const modelled = sealAll("w", "s", 5, drafts)
          const sealed = modelled.map(
            ({ text, selfHash }) =>
              ({
                ...(parse(utf8(text)) as JsonObject),
                self_hash: selfHash,
              }) as unknown as AuditRecord,
          )
          expect(verifyChain(sealed)).toBe("ok")
          for (const record of sealed) expect(seal(record)).toEqual(record)
          const removed = n % (sealed.length - 1)
          expect(verifyChain(sealed.filter((_, i) => i !== removed))).not.toBe("ok")
          const place = n % sealed.length
          const bytes = formatBody(sealed[place]!)
          bytes[p % bytes.length]! ^= x
          expect(formatHash(b3(bytes))).not.toBe(sealed[place]!.self_hash)
        },
      ),
      runs,
    )
  })
})
