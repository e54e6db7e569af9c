import { expect, it } from "vitest"
import { concat, dataView, fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { type ChainPosition, emptyChain } from "../../src/chain/Chain.ts"
import {
  type Engine,
  flagOpId,
  flagReservedKind,
  flagTimeFell,
  frameInfoBytes,
} from "../../src/engine/Engine.ts"
import { formatFrame } from "../../src/record/Frame.ts"
import { formatBody } from "../../src/record/Record.ts"
import {
  allFrames,
  allHashes,
  chain,
  good,
  keep,
  positionOf,
  records,
  requestOf,
} from "./EngineInput.ts"

const infoAt = (infos: Uint8Array, index: number) => {
  const view = dataView(infos)
  const at = index * frameInfoBytes
  return {
    offset: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    tsMs: view.getFloat64(at + 8, true),
    opId: Buffer.from(infos.slice(at + 16, at + 32)).toString("hex"),
  }
}

export const verifyingSuite = (open: () => Engine): void => {
  const verifyAll = (engine: Engine, frames: Uint8Array, state: ChainPosition = emptyChain) =>
    engine.verifyBatch({ chain, state, frames })

  it("takes chain.json, in one piece and in many [A-039]", () => {
    const engine = open()
    const whole = verifyAll(engine, allFrames)
    expect(whole).toMatchObject({ count: 200, bytes: allFrames.length, stop: "end" })
    expect(whole.hashes).toEqual(allHashes)
    expect(whole.state).toEqual(positionOf(records[199]!))
    let state: ChainPosition = emptyChain
    let at = 0
    const hashes: Array<Uint8Array> = []
    while (at < allFrames.length) {
      const part = verifyAll(engine, allFrames.subarray(at, at + 3001), state)
      expect(part.count).toBeGreaterThan(0)
      hashes.push(part.hashes)
      state = part.state
      at += part.bytes
    }
    expect(concat(...hashes)).toEqual(allHashes)
    expect(verifyAll(engine, new Uint8Array(0))).toMatchObject({ count: 0, bytes: 0, stop: "end" })
  })

  it("is incomplete wherever the last frame is cut", () => {
    const engine = open()
    const frames = open()
      .sealBatch(requestOf([good(), good()]))
      .frames.slice()
    const half = verifyAll(engine, frames.subarray(0, frames.length - 1)).bytes
    expect(half).toBeGreaterThan(frames.length / 3)
    for (let length = half + 1; length < frames.length; length++) {
      const result = verifyAll(engine, frames.subarray(0, length))
      expect(result).toMatchObject({ count: 1, bytes: half, stop: "incomplete" })
    }
  })

  it("finds one flipped bit in any byte of a segment [A-049, A-513]", () => {
    const engine = open()
    const frames = allFrames.slice(0, 1500)
    const before = verifyAll(engine, frames).count
    expect(before).toBeGreaterThan(2)
    const end = verifyAll(engine, frames).bytes
    for (let at = 0; at < end; at++) {
      const bit = 1 << (at % 8)
      frames[at]! ^= bit
      const result = verifyAll(engine, frames)
      frames[at]! ^= bit
      if (result.count >= before || result.stop === "end") throw new Error(`byte ${at} went unseen`)
      expect(result.bytes).toBeLessThanOrEqual(at)
    }
  })

  it("refuses frames that do not go on from the state [A-039, A-049]", () => {
    const engine = open()
    const state = positionOf(records[0]!)
    const rest = allFrames.subarray(verifyAll(engine, allFrames.subarray(0, 400)).bytes)
    expect(verifyAll(engine, rest, state)).toMatchObject({ count: 199, stop: "end" })
    for (const wrong of [
      emptyChain,
      { ...state, seq: 2 },
      { ...state, head: new Uint8Array(32) },
      positionOf(records[1]!),
    ]) {
      expect(verifyAll(engine, rest, wrong)).toMatchObject({ count: 0, bytes: 0, stop: "bad" })
    }
    for (const other of [{ writerId: "other" }, { stream: "policy" }]) {
      const result = engine.verifyBatch({ chain: { ...chain, ...other }, state, frames: rest })
      expect(result).toMatchObject({ count: 0, stop: "bad" })
    }
  })

  it("refuses a body that is not in canonical form, however well it hashes [A-024, A-029]", () => {
    const engine = open()
    const text = fromUtf8(formatBody({ ...records[0]!, attrs: { a: 1, b: 2 } }))!
    const stopOf = (body: string) =>
      verifyAll(engine, formatFrame(1, utf8(body), b3Text(utf8(body)))).stop
    expect(stopOf(text)).toBe("end")
    for (const [from, to] of [
      ['"v":1,', '"v":1, '],
      ['"v":1,', '"v":2,'],
      ['"a":1,"b":2', '"b":2,"a":1'],
      ['"a":1', '"a":1.0'],
      ['"a":1', '"a":"e\u0301"'],
      ['"a":1', '"a":"\u0378"'],
      ['"a":1', '"a":"\\u0041"'],
      ['"a":1', '"a":1,"a":1'],
      ['"kind":"StreamOpened"', '"kind":"streamOpened"'],
      ['"anon":true', '"anon":null'],
      ['"subject":{}', '"subject":{"x":"y"}'],
      ['"reason":"ok"', '"reason":""'],
      ['"prev":"b3:0"', `"prev":"b3:${"0".repeat(64)}"`],
      ['"prev":"b3:0"}', '"prev":"b3:0","x":1}'],
      ['"b":2', `"b":"${"x".repeat(1024)}"`],
      ['"seq":1', '"seq":2'],
    ] as const) {
      expect(text).toContain(from)
      expect(stopOf(text.replace(from, to)), to).toBe("bad")
    }
  })

  it("tells of each frame what the writer has to remember", () => {
    const engine = open()
    const id = "0B6E7A52-1f2e-4c3d-9A8B-0123456789ab"
    const texts = [good(), `["Gap",{},{},"ok",{}]`, good(`{"op_id":"${id}"}`)]
    const sealed = keep(engine.sealBatch(requestOf(texts, { tsMs: 500 })))
    const last = engine.sealBatch(requestOf([good()], { tsMs: 700, state: sealed.state }))
    const { infos } = verifyAll(engine, concat(sealed.frames, last.frames))
    const none = "0".repeat(32)
    expect(infos.length).toBe(4 * frameInfoBytes)
    const first = infoAt(infos, 0)
    expect(first).toEqual({ offset: 0, flags: 0, tsMs: 500, opId: none })
    expect(infoAt(infos, 1)).toMatchObject({ flags: flagReservedKind, opId: none })
    const opId = id.replaceAll("-", "").toLowerCase()
    expect(infoAt(infos, 2)).toMatchObject({ flags: flagOpId, opId })
    expect(infoAt(infos, 3)).toMatchObject({ offset: sealed.frames.length, flags: 0, tsMs: 700 })
    const late = verifyAll(engine, last.frames.slice(), { ...sealed.state, tsMs: 701 })
    expect(infoAt(late.infos, 0).flags).toBe(flagTimeFell)
  })

  it("takes what was written under wider limits than today's", () => {
    const engine = open()
    const { frames } = keep(engine.sealBatch(requestOf([good(`{"k":"${"x".repeat(900)}"}`)])))
    const tight = { ...chain, attrsBytesMax: 256, recordBytesMax: 768 }
    const result = engine.verifyBatch({ chain: tight, state: emptyChain, frames })
    expect(result).toMatchObject({ count: 1, stop: "end" })
  })

  it("takes any attrs.op_id that is stored, and remembers UUIDs only", () => {
    const engine = open()
    const body = formatBody({ ...records[0]!, attrs: { op_id: "not one" } })
    const result = verifyAll(engine, formatFrame(1, body, b3Text(body)))
    expect(result.stop).toBe("end")
    expect(infoAt(result.infos, 0)).toMatchObject({ flags: flagReservedKind, opId: "0".repeat(32) })
  })
}
