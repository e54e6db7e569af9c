/** Rules of the fields that name things, as both directions and both engines keep them. */
import { describe, expect, it } from "vitest"
import { utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { emptyChain } from "../../src/chain/Chain.ts"
import { type Json, parse } from "../../src/record/Canonical.ts"
import { parseDraft } from "../../src/record/Draft.ts"
import { formatFrame } from "../../src/record/Frame.ts"
import { normalize, parseBody, type RecordBody } from "../../src/record/Record.ts"
import { type RejectCode, Rejected, rejectCode } from "../../src/record/Reject.ts"
import { chain, requestOf } from "../conformance/EngineInput.ts"
import { recordCases } from "../record/Vectors.ts"
import { engines } from "./Both.ts"

const base = {
  v: 1,
  ts_ms: 1730246400000,
  writer_id: chain.writerId,
  seq: 1,
  stream: chain.stream,
  kind: "GetServed",
  actor: {},
  subject: {},
  reason: "ok",
  attrs: {},
  prev: "b3:0",
} as const

const hash = `b3:${"0a".repeat(32)}`
const bytesOf = (value: object): Uint8Array => utf8(JSON.stringify(value))

const codeOf = (run: () => unknown): RejectCode | "taken" => {
  try {
    run()
    return "taken"
  } catch (error) {
    if (error instanceof Rejected) return error.code
    throw error
  }
}

/** What a record and a draft with these fields come to, in every way that they can come. */
const tryFields = (change: Partial<Record<keyof RecordBody, unknown>>): ReadonlySet<string> => {
  const record = { ...base, ...change }
  const bytes = bytesOf(record)
  const { stream, kind, actor, subject, reason, attrs } = record
  const draft = JSON.stringify([kind, actor, subject, reason, attrs])
  const stopOf = (engine: (typeof engines)[number]) =>
    engine.verifyBatch({ chain, state: emptyChain, frames: formatFrame(1, bytes, b3Text(bytes)) })
  return new Set(
    [
      codeOf(() => normalize(parse(bytes))),
      codeOf(() => parseBody(bytes)),
      codeOf(() => parseDraft({ stream, kind, actor, subject, reason, attrs } as Json)),
      ...engines.map((engine) => rejectCode(engine.sealBatch(requestOf([draft])).statuses[0]!)),
      ...engines.map((engine) => (stopOf(engine).stop === "end" ? "taken" : "bad")),
    ].map((said) => said ?? "taken"),
  )
}

const taken = new Set(["taken"])
const refusedAs = (code: RejectCode) => new Set([code, "bad"])

describe("prev", () => {
  const code = (prev: unknown, seq: number) => {
    const bytes = bytesOf({ ...base, prev, seq })
    return [codeOf(() => normalize(parse(bytes))), codeOf(() => parseBody(bytes))]
  }

  it("is b3:0 at seq 1 and a whole hash everywhere else [A-014, A-040]", () => {
    expect(code("b3:0", 1)).toEqual(["taken", "taken"])
    expect(code(hash, 2)).toEqual(["taken", "taken"])
    const wrong = ["", "0", "b3:", "b3:1", "b3:00", hash.slice(3), hash.slice(0, -1), `${hash}0`]
    for (const prev of [hash, ...wrong]) expect(code(prev, 1), prev).toEqual(["prev", "prev"])
    for (const prev of [
      "b3:0",
      ...wrong,
      hash.toUpperCase(),
      hash.replace("a", "A"),
      hash.replace("b3", "sha256"),
      `${hash}\n`,
    ]) {
      expect(code(prev, 2), prev).toEqual(["prev", "prev"])
    }
    for (const prev of [null, 0, [hash], { b3: "0" }]) {
      expect(code(prev, 2)).toEqual(["field_type", "field_type"])
    }
  })

  it("is held to the same by the engines [A-014]", () => {
    const stops = (prev: string, seq: number, head: number) =>
      engines.map((engine) => {
        const bytes = bytesOf({ ...base, prev, seq })
        const state = { seq: seq - 1, tsMs: 0, head: new Uint8Array(32).fill(head) }
        return engine.verifyBatch({ chain, state, frames: formatFrame(seq, bytes, b3Text(bytes)) })
          .stop
      })
    const all = (stop: string) => engines.map(() => stop)
    expect(stops("b3:0", 1, 0)).toEqual(all("end"))
    expect(stops(`b3:${"0".repeat(64)}`, 1, 0)).toEqual(all("bad"))
    expect(stops(`b3:${"00".repeat(32)}`, 2, 0)).toEqual(all("end"))
    expect(stops("b3:0", 2, 0)).toEqual(all("bad"))
    expect(stops(`b3:${"AB".repeat(32)}`, 2, 0xab)).toEqual(all("bad"))
    expect(stops(`b3:${"ab".repeat(32)}`, 2, 0xab)).toEqual(all("end"))
  })
})

describe("reason", () => {
  it("is a code of one normal form, the two of the seeds among them", () => {
    const seeds = recordCases.flatMap(({ record, self_hash }) =>
      self_hash === undefined ? [] : [record.reason],
    )
    expect(new Set(seeds)).toEqual(new Set(["ok", "audit_backpressure"]))
    for (const reason of ["ok", "audit_backpressure", "a", "a.b-c_9", `r${"x".repeat(63)}`]) {
      expect(tryFields({ reason }), reason).toEqual(taken)
    }
    const wrong = ["", "Ok", "OK", "9a", "_a", ".a", "a b", "a\n", "a/b", `r${"x".repeat(64)}`]
    for (const reason of wrong) {
      expect(tryFields({ reason }), reason).toEqual(refusedAs("reason"))
    }
    for (const reason of [null, 1, true, [], {}]) {
      expect(tryFields({ reason })).toEqual(refusedAs("field_type"))
    }
  })
})

describe("actor", () => {
  it("holds ids of a capability, a key, a passport, or nobody's; nothing else [A-080]", () => {
    const ids = { cap_id: "c1", key_fpr: "SHA256:x", passport_id: "u:abcd" }
    for (const actor of [{}, ids, { anon: true }, { anon: false, ...ids }]) {
      expect(tryFields({ actor }), JSON.stringify(actor)).toEqual(taken)
    }
    const others = ["name", "email", "user", "ip", "phone", "token", "id", "Cap_id", "policy", ""]
    for (const name of [...others, "content_id", "ledger_txid", "cap_ids"]) {
      expect(tryFields({ actor: { [name]: "x" } }), name).toEqual(refusedAs("actor"))
    }
    for (const name of Object.keys(ids)) {
      for (const value of ["", "x".repeat(257), 1, null, true, ["x"], { id: "x" }]) {
        expect(tryFields({ actor: { [name]: value } }), name).toEqual(refusedAs("actor"))
      }
    }
    for (const anon of ["true", 1, null, {}]) {
      expect(tryFields({ actor: { anon } })).toEqual(refusedAs("actor"))
    }
  })
})

describe("subject", () => {
  it("names a ledger transaction by its id, with no member for what it says [A-022]", () => {
    expect(tryFields({ subject: { ledger_txid: "tx-9", name: "acme/9" } })).toEqual(taken)
    const state = ["amount", "balance", "currency", "price", "quota", "count", "metric", "value"]
    for (const name of [...state, "ledger", "ledger_tx", "ledger_balance", "cap_id"]) {
      for (const value of ["x", 1]) {
        expect(tryFields({ subject: { [name]: value } }), name).toEqual(refusedAs("subject"))
      }
    }
    for (const value of [1, { amount: 5, id: "tx-9" }, ["tx-9"], true, null, ""]) {
      expect(tryFields({ subject: { ledger_txid: value } })).toEqual(refusedAs("subject"))
    }
  })

  it("names content by b3: and lower-case hex only [A-059]", () => {
    const digits = (count: number) => `b3:${"0123456789abcdef".repeat(5).slice(0, count)}`
    for (const count of [1, 4, 63, 64]) {
      expect(tryFields({ subject: { content_id: digits(count) } })).toEqual(taken)
    }
    for (const content_id of [
      digits(0),
      digits(65),
      digits(64).slice(3),
      digits(64).toUpperCase(),
      digits(64).replace("a", "A"),
      digits(64).replace("b3:", "sha256:"),
      digits(64).replace("b3:", "blake3:"),
      digits(64).replace("b3:", "B3:"),
      `${digits(4)} `,
      `${digits(4)}\n`,
      `ipfs://${digits(4)}`,
      "b3:xyz",
    ]) {
      expect(tryFields({ subject: { content_id } }), content_id).toEqual(refusedAs("subject"))
    }
  })
})
