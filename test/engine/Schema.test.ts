/** What the schema of major 1 is, and what readers make of another version. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { emptyChain } from "../../src/chain/Chain.ts"
import { verifyRecord } from "../../src/chain/Link.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import { type Json, parse } from "../../src/record/Canonical.ts"
import { formatFrame, readFrame } from "../../src/record/Frame.ts"
import {
  type AuditRecord,
  formatBody,
  normalize,
  parseBody,
  seal,
} from "../../src/record/Record.ts"
import { type RejectCode, Rejected, rejectCode } from "../../src/record/Reject.ts"
import { chain, good, records, requestOf } from "../conformance/EngineInput.ts"
import { body, json, key, mutate, runs, text } from "../record/Arbitrary.ts"
import * as Vectors from "../record/Vectors.ts"
import { engines } from "./Both.ts"

/** Changed where a chain begins, so that only the change is wrong. */
const genesis = {
  ...parseBody(formatBody(records[0]!)),
  kind: "GetServed",
  attrs: { a: 1 },
}
const genesisText = fromUtf8(formatBody(genesis))!

const codeOf = (run: () => unknown): RejectCode | "taken" => {
  try {
    run()
    return "taken"
  } catch (error) {
    if (error instanceof Rejected) return error.code
    throw error
  }
}

/** Everything that reads a record: a text as it is stored, with the hash that it has. */
const readAll = (bytes: Uint8Array) => ({
  ingress: codeOf(() => normalize(parse(bytes))),
  stored: codeOf(() => parseBody(bytes)),
  engines: engines.map((engine) => stopOf(engine, bytes)),
})

const stopOf = (engine: Engine, bytes: Uint8Array): string =>
  engine.verifyBatch({
    chain,
    state: emptyChain,
    frames: formatFrame(1, bytes, b3Text(bytes)),
  }).stop

const taken = { ingress: "taken", stored: "taken", engines: engines.map(() => "end") }
const refused = (code: RejectCode) => ({
  ingress: code,
  stored: code,
  engines: engines.map(() => "bad"),
})

describe("v", () => {
  const other = (v: string) => utf8(genesisText.replace('"v":1,', `"v":${v},`))

  it("is the integer 1 for every reader [A-003]", () => {
    expect(readAll(utf8(genesisText))).toEqual(taken)
    for (const v of ["0", "2", "3", "255", "256", "65535", "65536", "-1", '"1"', "null", "true"]) {
      expect(readAll(other(v)), v).toEqual(refused("version"))
    }
    for (const v of ["1.0", "1e0"]) expect(readAll(other(v)), v).toEqual(refused("float"))
    expect(readAll(utf8(genesisText.replace('"v":1,', "")))).toEqual(refused("field_missing"))
  })

  it("is 1 in the vectors and in all that is written, frame and record [A-003]", () => {
    for (const { v } of records) expect(v).toBe(1)
    for (const { record, self_hash } of Vectors.recordCases) {
      if (self_hash !== undefined) expect(record.v).toBe(1)
    }
    for (const engine of engines) {
      const { frames } = engine.sealBatch(requestOf([good()]))
      expect(frames[4]).toBe(1)
      expect(fromUtf8(frames.subarray(13, 20))).toBe('{"v":1,')
    }
    for (const v of [0, 2, 65535]) {
      const record = { ...genesis, v } as unknown as AuditRecord
      expect(codeOf(() => formatBody(record))).toBe("version")
      expect(codeOf(() => seal(record))).toBe("version")
      expect(verifyRecord(record)).toMatchObject({ kind: "canon", code: "version" })
      const frame = formatFrame(1, utf8(genesisText), b3Text(utf8(genesisText)))
      frame[4] = v & 0xff
      expect(readFrame(frame, 0)).toMatchObject({ what: "v" })
    }
  })
})

describe("structure", () => {
  const names = Object.keys(genesis)

  it("of major 1 is these eleven fields and no other, at any place [A-018]", () => {
    expect(names.join()).toBe("v,ts_ms,writer_id,seq,stream,kind,actor,subject,reason,attrs,prev")
    for (const name of ["severity", "region", "v2", "sig", "actor2"]) {
      for (const field of names) {
        const at = genesisText.indexOf(`"${field}":`)
        const added = `${genesisText.slice(0, at)}"${name}":1,${genesisText.slice(at)}`
        expect(readAll(utf8(added)), added).toEqual(refused("field_unknown"))
      }
      const last = `${genesisText.slice(0, -1)},"${name}":1}`
      expect(readAll(utf8(last)), last).toEqual(refused("field_unknown"))
      // Another major is no way around it either: this reader knows one.
      expect(readAll(utf8(last.replace('"v":1,', '"v":2,'))).engines).toEqual(
        engines.map(() => "bad"),
      )
    }
    for (const field of names) {
      const rest = Object.fromEntries(Object.entries(genesis).filter(([name]) => name !== field))
      expect(readAll(utf8(JSON.stringify(rest))), field).toEqual(refused("field_missing"))
    }
  })

  it("leaves additions to attrs, which take any member and give it back [A-018]", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          key.map((name) => name.normalize("NFC")),
          json,
        ),
        (more) => {
          const given = { ...genesis, attrs: more as { [name: string]: Json } }
          let bytes: Uint8Array
          try {
            bytes = formatBody(given)
          } catch (error) {
            if (!(error instanceof Rejected)) throw error
            // Beyond its size, or two keys below that NFC makes one.
            expect(["attrs_size", "record_size", "duplicate_key"]).toContain(error.code)
            return
          }
          expect(readAll(bytes)).toEqual(taken)
          expect(formatBody(parseBody(bytes))).toEqual(bytes)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe("records of other versions", () => {
  const kinds = ["Future9", "CapIssued", "X"]

  it("of a later minor are read: new kinds, reasons and attrs [A-009, A-019]", () => {
    const reasons = ["quota.soft_limit", "a", "policy-2"]
    for (const kind of kinds) {
      for (const reason of reasons) {
        const attrs = { schema_minor: 7, nested: { list: [1, null, { deep: true }] } }
        const bytes = formatBody({ ...genesis, kind, reason, attrs })
        expect(readAll(bytes)).toEqual(taken)
        expect(parseBody(bytes)).toMatchObject({ kind, reason, attrs })
        const draft = JSON.stringify([kind, { anon: true }, {}, reason, attrs])
        for (const engine of engines) {
          expect([...engine.sealBatch(requestOf([draft])).statuses].map(rejectCode)).toEqual([
            undefined,
          ])
        }
      }
    }
  })

  it("of another major are refused by every reader and stop none [A-019, A-035]", () => {
    const majors = fc.oneof(
      fc.integer({ min: 2, max: 2 ** 53 - 1 }).map(String),
      fc.constantFrom("0", "-1", "65536", "1.5", '"2"', "null", "[]", "{}", "1e9"),
    )
    const members = fc.dictionary(fc.oneof(text, fc.constantFrom("sig", "tenant")), json, {
      maxKeys: 4,
    })
    fc.assert(
      fc.property(body, majors, members, fc.boolean(), (given, v, more, drops) => {
        const { kind, ...rest } = given
        const fields = drops ? rest : { ...rest, kind }
        const own = JSON.stringify({ ...more, ...fields, v: 0 }).replace(/"v":0/, `"v":${v}`)
        const bytes = utf8(own)
        if (bytes.length > 4096) return
        const said = readAll(bytes)
        expect(said.ingress).not.toBe("taken")
        expect(said.stored).not.toBe("taken")
        expect(said.engines).toEqual(engines.map(() => "bad"))
      }),
      runs,
    )
  })

  it("that were damaged on top of it never crash a reader [A-019, A-035]", () => {
    const damaged = fc
      .constantFrom("1", "2", "70000")
      .map((v) => utf8(genesisText.replace('"v":1,', `"v":${v},`)))
      .chain(mutate)
    fc.assert(
      fc.property(damaged, (bytes) => {
        const { stored, engines: stops } = readAll(bytes)
        // Where the stored form is refused the engines refuse as well; nothing else is thrown.
        if (stored !== "taken") expect(stops).toEqual(engines.map(() => "bad"))
      }),
      { numRuns: 2000 },
    )
  })
})
