import { expect, it } from "vitest"
import { sealAll } from "../../models/ChainModel.ts"
import { concat, fromHex, fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { formatHash, parseHash } from "../../src/base/Hash.ts"
import * as Limits from "../../src/base/Limits.ts"
import { type ChainPosition, emptyChain } from "../../src/chain/Chain.ts"
import type { ChainContext, Engine, SealRequest, SealResult } from "../../src/engine/Engine.ts"
import { formatFrame } from "../../src/record/Frame.ts"
import type { AuditRecord } from "../../src/record/Record.ts"
import { rejectCode } from "../../src/record/Reject.ts"
import { formatSigEntry } from "../../src/signing/Envelope.ts"
import * as Vectors from "../record/Vectors.ts"
import {
  allFrames,
  chain,
  entriesOf,
  good,
  keep,
  positionOf,
  records,
  refusals,
  requestOf,
  seed,
  textOf,
} from "./EngineInput.ts"

export const sealingSuite = (open: () => Engine): void => {
  it("builds chain.json from its drafts [A-006, A-036, A-040, A-042, A-324]", () => {
    const engine = open()
    let state: ChainPosition = emptyChain
    const frames: Array<Uint8Array> = []
    for (const record of records) {
      const result = engine.sealBatch(requestOf([textOf(record)], { state, tsMs: record.ts_ms }))
      expect([...result.statuses]).toEqual([0])
      frames.push(result.frames.slice())
      state = result.state
      expect(formatHash(state.head)).toBe(record.self_hash)
      expect(formatHash(result.hashes)).toBe(record.self_hash)
    }
    expect(concat(...frames)).toEqual(allFrames)
    expect(state.seq).toBe(200)
  })

  it("writes what wal.json holds", () => {
    const engine = open()
    const signer = engine.openSigner(seed)
    const [first, second, third] = records as [AuditRecord, AuditRecord, AuditRecord]
    const seal = (record: AuditRecord, state: ChainPosition, mode: SealRequest["mode"]) =>
      keep(
        engine.sealBatch(requestOf([textOf(record)], { state, tsMs: record.ts_ms, mode, signer })),
      )
    const one = seal(first, emptyChain, "record")
    const two = seal(second, positionOf(first), "unsigned")
    const three = seal(third, positionOf(second), "unsigned")
    const segment = Vectors.wal.hex.slice(2 * Limits.segmentHeaderBytes)
    expect(concat(one.frames, two.frames, three.frames)).toEqual(fromHex(segment))
    const [recordEntry, batchEntry] = entriesOf(fromHex(Vectors.wal.sig_hex)!)
    expect(one.signatures).toEqual(formatSigEntry(recordEntry!))
    expect(engine.merkleRoot(concat(two.hashes, three.hashes), "leaves")).toEqual(batchEntry!.root)
  })

  it("makes of one draft what the model makes of it, as many as there are", () => {
    const parts = { kind: '"GetServed"', actor: '{"anon":true}', subject: "{}", reason: '"ok"' }
    const attrs = Array.from({ length: 300 }, (_, i) => `{"i":${i},"x":"${"y".repeat(i * 3)}"}`)
    const modelled = sealAll(
      chain.writerId,
      chain.stream,
      5,
      attrs.map((text) => ({ ...parts, attrs: text })),
    )
    const result = open().sealBatch(requestOf(attrs.map(good), { tsMs: 5 }))
    expect(result.frames).toEqual(
      concat(...modelled.map(({ seq, text, selfHash }) => formatFrame(seq, utf8(text), selfHash))),
    )
    expect(result.hashes).toEqual(concat(...modelled.map(({ selfHash }) => parseHash(selfHash)!)))
  })

  it("normalizes what a caller may write otherwise [A-025, A-030, A-031, A-077]", () => {
    const spellings = [
      ' [ "GetServed" , {"anon":true}, {} ,"ok", {"b":"\u00e9","a":1} ] ',
      '["GetServed",{"anon":true},{},"ok",{"a":1,"b":"e\u0301"}]',
      '["\\u0047etServed",{"anon":true},{},"ok",{"a":1,"b":"\\u0065\\u0301"}]',
    ]
    const engine = open()
    const sealed = spellings.map((text) => keep(engine.sealBatch(requestOf([text]))))
    for (const result of sealed) expect(result).toEqual(sealed[0])
    expect(fromUtf8(sealed[0]!.frames.subarray(13, -71))).toContain('"attrs":{"a":1,"b":"\u00e9"}')
  })
}

export const refusalSuite = (open: () => Engine): void => {
  it.each(refusals)("refuses a draft as %s: %s [A-071]", (code, text) => {
    const { statuses, frames, hashes, state } = open().sealBatch(requestOf([text]))
    expect([...statuses].map(rejectCode)).toEqual([code])
    expect([frames.length, hashes.length]).toEqual([0, 0])
    expect(state).toEqual(emptyChain)
  })

  it("leaves no trace of refused drafts among others", () => {
    const engine = open()
    const kept = ['{"i":1}', '{"i":2}', '{"i":3}'].map(good)
    const bad = refusals.map(([, text]) => text)
    const clean = keep(engine.sealBatch(requestOf(kept)))
    const all = [...bad, kept[0]!, ...bad, kept[1]!, kept[2]!, ...bad]
    const mixed = engine.sealBatch(requestOf(all))
    expect(mixed.frames).toEqual(clean.frames)
    expect(mixed.state).toEqual(clean.state)
    expect(mixed.consumed).toBe(all.length)
    expect([...mixed.statuses].map((status) => status === 0)).toEqual(
      all.map((text) => kept.includes(text)),
    )
  })

  it("keeps the bounds to the byte, and tighter ones [A-068, A-069, A-070]", () => {
    const engine = open()
    const code = (text: string, limits: Partial<ChainContext> = {}) =>
      rejectCode(
        engine.sealBatch(requestOf([text], { chain: { ...chain, ...limits } })).statuses[0]!,
      )
    const attrs = (bytes: number) => good(`{"k":"${"x".repeat(bytes - 8)}"}`)
    expect(code(attrs(1024))).toBeUndefined()
    expect(code(attrs(1025))).toBe("attrs_size")
    expect(code(attrs(300), { attrsBytesMax: 300 })).toBeUndefined()
    expect(code(attrs(301), { attrsBytesMax: 300 })).toBe("attrs_size")
    const size = engine.sealBatch(requestOf([good()])).frames.length - Limits.frameOverheadBytes
    expect(code(good(), { recordBytesMax: size })).toBeUndefined()
    expect(code(good(), { recordBytesMax: size - 1 })).toBe("record_size")
    const quotes = (bytes: number) => '\\"'.repeat(bytes)
    const big = `["GetServed",{"cap_id":"${quotes(256)}","key_fpr":"${quotes(256)}",
      "passport_id":"${quotes(256)}"},{"name":"${quotes(512)}","ledger_txid":"${quotes(512)}"},"ok",
      {"k":"${"x".repeat(1016)}"}]`.replaceAll("\n", "")
    expect(code(big)).toBe("record_size")
    expect(code(big.replace(quotes(512), "n"))).toBeUndefined()
  })

  it("seals kinds that only the runtime writes: whose draft it is, the caller knows", () => {
    const { statuses } = open().sealBatch(requestOf(['["Vote",{},{},"ok",{}]']))
    expect([...statuses]).toEqual([0])
  })

  it("stops before the frame that would be too much, and goes on from there", () => {
    const engine = open()
    const texts = Array.from({ length: 20 }, (_, i) => good(`{"i":${i}}`))
    texts.splice(5, 0, refusals[0]![1])
    const whole = keep(engine.sealBatch(requestOf(texts)))
    const limit = Math.floor(whole.frames.length / 3)
    const parts: Array<SealResult> = []
    let state: ChainPosition = emptyChain
    let done = 0
    while (done < texts.length) {
      const request = requestOf(texts.slice(done), { state, framesBytesMax: limit })
      const part = keep(engine.sealBatch(request))
      expect(part.frames.length).toBeLessThanOrEqual(limit)
      expect(part.consumed).toBeGreaterThan(0)
      expect(part.statuses.length).toBe(part.consumed)
      parts.push(part)
      state = part.state
      done += part.consumed
    }
    expect(parts.length).toBeGreaterThan(2)
    expect(concat(...parts.map(({ frames }) => frames))).toEqual(whole.frames)
    expect(concat(...parts.map(({ statuses }) => statuses))).toEqual(whole.statuses)
    const none = engine.sealBatch(requestOf(texts, { framesBytesMax: 0 }))
    expect([none.consumed, none.statuses.length, none.frames.length]).toEqual([0, 0, 0])
  })

  it("raises a time that went back to that of the last record", () => {
    const engine = open()
    const first = keep(engine.sealBatch(requestOf([good()], { tsMs: 1000 })))
    const second = engine.sealBatch(requestOf([good()], { tsMs: 999, state: first.state }))
    expect(second.state.tsMs).toBe(1000)
    expect(fromUtf8(second.frames.slice(13, -71))).toContain('"ts_ms":1000,')
  })

  it("answers an empty batch", () => {
    const signer = open().openSigner(seed)
    for (const mode of ["unsigned", "batch", "record"] as const) {
      const result = open().sealBatch(requestOf([], { mode, signer }))
      expect(result).toMatchObject({ consumed: 0, state: emptyChain })
      expect(result.signatures.length).toBe(0)
    }
  })

  it("gives hashes that outlive the next call", () => {
    const engine = open()
    const { hashes } = engine.sealBatch(requestOf([good('{"i":1}')]))
    const copy = hashes.slice()
    engine.sealBatch(requestOf([good('{"i":2}')]))
    expect(hashes).toEqual(copy)
  })
}
