import { describe, expect, it } from "vitest"
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { b3, b3Text } from "../../src/base/Hash.ts"
import { parse } from "../../src/record/Canonical.ts"
import * as Record from "../../src/record/Record.ts"
import { type RejectCode, Rejected } from "../../src/record/Reject.ts"

const genesis: Record.RecordBody = {
  v: 1,
  ts_ms: 1730246400000,
  writer_id: "svc-gateway@inst-1",
  seq: 1,
  stream: "ingress",
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: {},
  prev: "b3:0",
}
const hash = `b3:${"ab".repeat(32)}`
const bytesOf = (value: object) => utf8(JSON.stringify(value))
const normalize = (value: object, limits?: Record.RecordLimits) =>
  Record.normalize(parse(bytesOf(value)), limits)

const refusal = (run: () => unknown): Rejected => {
  try {
    run()
  } catch (error) {
    if (error instanceof Rejected) return error
    throw error
  }
  throw new Error("not refused")
}

const wrong: ReadonlyArray<readonly [RejectCode, string, object]> = [
  ["version", "v", { v: 2 }],
  ["version", "v", { v: "1" }],
  ["ts_ms", "ts_ms", { ts_ms: -1 }],
  ["field_type", "ts_ms", { ts_ms: "1" }],
  ["writer_id", "writer_id", { writer_id: "" }],
  ["writer_id", "writer_id", { writer_id: "a/b" }],
  ["writer_id", "writer_id", { writer_id: "\u00e9".repeat(65) }],
  ["writer_id", "writer_id", { writer_id: "a\u0085" }],
  ["field_type", "writer_id", { writer_id: null }],
  ["seq", "seq", { seq: 0 }],
  ["seq", "seq", { seq: -1 }],
  ["field_type", "seq", { seq: true }],
  ["stream", "stream", { stream: "s".repeat(65) }],
  ["stream", "stream", { stream: "a\u007f" }],
  ["kind", "kind", { kind: "getServed" }],
  ["kind", "kind", { kind: "Get\n" }],
  ["kind", "kind", { kind: `K${"k".repeat(64)}` }],
  ["field_type", "kind", { kind: 1 }],
  ["field_type", "actor", { actor: null }],
  ["field_type", "actor", { actor: [] }],
  ["actor", "actor.email", { actor: { email: "x" } }],
  ["actor", "actor.cap_id", { actor: { cap_id: null } }],
  ["actor", "actor.cap_id", { actor: { cap_id: "" } }],
  ["actor", "actor.key_fpr", { actor: { key_fpr: "k".repeat(257) } }],
  ["actor", "actor.passport_id", { actor: { passport_id: 7 } }],
  ["actor", "actor.anon", { actor: { anon: "true" } }],
  ["subject", "subject.content_id", { subject: { content_id: "b3:ABCD" } }],
  ["subject", "subject.content_id", { subject: { content_id: "b3:" } }],
  ["subject", "subject.content_id", { subject: { content_id: `b3:${"0".repeat(65)}` } }],
  ["subject", "subject.name", { subject: { name: "n".repeat(513) } }],
  ["subject", "subject.id", { subject: { id: "x" } }],
  ["reason", "reason", { reason: "Not OK" }],
  ["reason", "reason", { reason: "" }],
  ["field_type", "attrs", { attrs: [] }],
  ["field_type", "attrs", { attrs: null }],
  ["attrs_size", "attrs", { attrs: { k: "x".repeat(1017) } }],
  ["prev", "prev", { prev: hash }],
  ["prev", "prev", { seq: 2 }],
  ["prev", "prev", { seq: 2, prev: hash.toUpperCase() }],
  ["prev", "prev", { seq: 2, prev: hash.slice(0, -1) }],
  ["field_type", "prev", { prev: 0 }],
  ["field_unknown", "extra", { extra: 1 }],
  ["field_unknown", "__proto__", JSON.parse('{"__proto__":1}') as object],
]

describe("a record", () => {
  it("has exactly its eleven fields and self_hash, in their order [A-001, A-024]", () => {
    const text = fromUtf8(Record.formatBody(genesis))
    expect(text).toBe(JSON.stringify(genesis))
    const sealed = Record.seal(genesis)
    expect(Object.keys(sealed)).toEqual([...Object.keys(genesis), "self_hash"])
    expect(Object.keys(sealed).length).toBe(12)
  })

  it.each(wrong)("is refused as %s at '%s' [A-016]", (code, path, change) => {
    const record = { ...genesis, ...change }
    const own = Object.hasOwn(change, "__proto__") ? Object.assign(change, genesis) : record
    expect(refusal(() => normalize(own))).toMatchObject({ code, path })
    // The stored form is refused as well, if not always for the same reason.
    expect(() => Record.parseBody(bytesOf(own))).toThrow(Rejected)
  })

  it.each(Object.keys(genesis))("is refused without %s [A-001]", (field) => {
    const { [field as "v"]: _, ...rest } = genesis
    expect(refusal(() => normalize(rest))).toMatchObject({ code: "field_missing", path: field })
    expect(refusal(() => Record.parseBody(bytesOf(rest))).code).toBe("field_missing")
  })

  it("is refused where it is no object", () => {
    for (const text of ["null", "[]", "1", '"x"']) {
      expect(refusal(() => Record.normalize(parse(utf8(text)))).code).toBe("field_type")
      expect(refusal(() => Record.parseBody(utf8(text))).code).toBe("field_type")
    }
    expect(refusal(() => Record.parseBody(utf8("[1.5]"))).code).toBe("float")
  })

  it("takes every field at its bound [A-010, A-011, A-013]", () => {
    const record = {
      ...genesis,
      ts_ms: 0,
      writer_id: "w".repeat(128),
      seq: Number.MAX_SAFE_INTEGER,
      stream: "\u00e9".repeat(32),
      kind: `K${"9".repeat(63)}`,
      actor: { anon: false, cap_id: "c".repeat(256), key_fpr: "k", passport_id: "u:abcd" },
      subject: { content_id: `b3:${"0".repeat(64)}`, ledger_txid: "t", name: "n".repeat(512) },
      reason: `r${"_.-9".repeat(15)}`,
      attrs: { k: "x".repeat(1016) },
      prev: hash,
    }
    expect(normalize(record).body).toEqual(record)
    for (const actor of [{}, { anon: true }, { cap_id: "c" }]) normalize({ ...genesis, actor })
  })

  it("takes kinds nobody has heard of, and reserved ones [A-008, A-009]", () => {
    for (const kind of ["CapIssued", "PolicyChanged", "IndexWrite", "Future9", "StreamOpened"]) {
      expect(normalize({ ...genesis, kind }).body.kind).toBe(kind)
    }
  })

  it("refuses floats in any place [A-026]", () => {
    const text = JSON.stringify(genesis)
    for (const [from, to] of [
      ['"seq":1', '"seq":1.0'],
      ['"v":1', '"v":1e0'],
      ['"attrs":{}', '"attrs":{"a":[{"b":0.5}]}'],
    ] as const) {
      const changed = utf8(text.replace(from, to))
      expect(changed.length).not.toBe(text.length)
      expect(refusal(() => Record.normalize(parse(changed))).code).toBe("float")
      expect(refusal(() => Record.parseBody(changed)).code).toBe("float")
    }
  })
})

describe("self_hash", () => {
  it("is BLAKE3 of the canonical bytes without it [A-015, A-036, A-285]", () => {
    const sealed = Record.seal(genesis)
    expect(sealed.self_hash).toBe(b3Text(Record.formatBody(genesis)))
    expect(sealed.self_hash).toMatch(/^b3:[0-9a-f]{64}$/)
    expect(Record.formatBody(sealed)).toEqual(Record.formatBody(genesis))
  })

  it("is compared where it is given", () => {
    const sealed = Record.seal(genesis)
    expect(normalize(sealed).selfHash).toBe(sealed.self_hash)
    expect(normalize(genesis).selfHash).toBeUndefined()
    const wrongHash = { ...sealed, self_hash: hash }
    expect(refusal(() => normalize(wrongHash))).toMatchObject({ code: "self_hash" })
    expect(refusal(() => normalize({ ...sealed, self_hash: 1 })).code).toBe("field_type")
    expect(refusal(() => Record.parseBody(bytesOf(sealed))).code).toBe("field_unknown")
  })

  it("is the same for any key order and for NFD [A-030, A-031, A-062, A-283]", () => {
    const record = { ...genesis, writer_id: "s\u00e9rver", attrs: { a: 1, b: "\u00e9" } }
    const shuffled = Object.fromEntries(
      Object.entries({ ...record, attrs: { b: "e\u0301", a: 1 } }).reverse(),
    )
    const nfd = JSON.stringify(shuffled).replace("s\u00e9rver", "s\\u0065\\u0301rver")
    const { body } = Record.normalize(parse(utf8(nfd)))
    expect(Record.seal(body).self_hash).toBe(Record.seal(record).self_hash)
    expect(b3(Record.formatBody(body))).not.toEqual(b3(Record.formatBody(genesis)))
  })
})

describe("bounds", () => {
  const withAttrs = (bytes: number) => ({ ...genesis, attrs: { k: "x".repeat(bytes - 8) } })
  const big = {
    ...withAttrs(1024),
    writer_id: '"'.repeat(128),
    actor: { cap_id: '"'.repeat(256), key_fpr: '"'.repeat(256), passport_id: '"'.repeat(256) },
    subject: { ledger_txid: '"'.repeat(512), name: "n".repeat(512) },
  }

  it("allow 1024 bytes of attrs and 4096 of a record [A-068, A-069, A-289]", () => {
    expect(Record.boundsCheck(withAttrs(1024))).toBe("ok")
    expect(Record.boundsCheck(withAttrs(1025))).toBe("attrs_size")
    const rest = 4096 - Record.formatBody({ ...big, subject: { ...big.subject, name: "n" } }).length
    const exact = { ...big, subject: { ...big.subject, name: "n".repeat(rest + 1) } }
    const over = { ...big, subject: { ...big.subject, name: "n".repeat(rest + 2) } }
    expect(Record.boundsCheck(exact)).toBe("ok")
    expect(Record.formatBody(exact).length).toBe(4096)
    expect(Record.boundsCheck(over)).toBe("record_size")
    expect(refusal(() => normalize(over)).code).toBe("record_size")
    expect(refusal(() => Record.parseBody(bytesOf(over))).code).toBe("record_size")
    expect(Record.parseBody(bytesOf(exact))).toEqual(exact)
  })

  it("count bytes of the canonical form, not characters [A-068]", () => {
    const wide = { ...genesis, attrs: { k: "\u20ac".repeat(339) } }
    expect(refusal(() => Record.parseBody(bytesOf(wide))).code).toBe("attrs_size")
    const nfd = { ...genesis, attrs: { k: "e\u0301".repeat(400) } }
    expect(normalize(nfd).body.attrs.k).toBe("\u00e9".repeat(400))
  })

  it("can be tighter [A-070]", () => {
    const limits = { attrsBytesMax: 256, recordBytesMax: 1000 }
    expect(Record.boundsCheck(withAttrs(256), limits)).toBe("ok")
    expect(Record.boundsCheck(withAttrs(257), limits)).toBe("attrs_size")
    expect(refusal(() => normalize(withAttrs(257), limits)).code).toBe("attrs_size")
    expect(refusal(() => Record.parseBody(bytesOf(withAttrs(257)), limits)).code).toBe("attrs_size")
    const tight = { attrsBytesMax: 256, recordBytesMax: 150 }
    expect(refusal(() => Record.parseBody(bytesOf(genesis), tight)).code).toBe("record_size")
  })
})

describe("the stored form", () => {
  it("is read in its one spelling only [A-017, A-024, A-029]", () => {
    const text = fromUtf8(Record.formatBody({ ...genesis, attrs: { a: 1, b: 2 } }))!
    expect(Record.parseBody(utf8(text)).attrs).toEqual({ a: 1, b: 2 })
    for (const [code, other] of [
      ["not_canonical", ` ${text}`],
      ["not_canonical", `${text}\n`],
      ["not_canonical", text.replace("{}", "{ }")],
      ["key_order", text.replace('"a":1,"b":2', '"b":2,"a":1')],
      ["key_order", text.replace('"v":1,"ts_ms":1730246400000', '"ts_ms":1730246400000,"v":1')],
      ["duplicate_key", text.replace('"v":1', '"v":1,"v":1')],
      ["not_nfc", text.replace("ingress", "e\u0301")],
      ["json", `${text}{}`],
      ["json", text.slice(0, -1)],
    ] as const) {
      expect(refusal(() => Record.parseBody(utf8(other))).code, other).toBe(code)
    }
  })
})
