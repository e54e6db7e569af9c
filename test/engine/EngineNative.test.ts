import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, describe, expect, it } from "vitest"
import { loadAddon } from "../../native/load.mjs"
import { emptyChain } from "../../src/chain/Chain.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import { EngineError } from "../../src/engine/EngineError.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { openNative } from "../../src/engine/EngineNative.ts"
import { chain, good, keep, requestOf, seed } from "../conformance/EngineInput.ts"

const errorOf = (call: () => unknown): EngineError => {
  try {
    call()
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
  throw new Error("nothing was thrown")
}

const folder = mkdtempSync(join(tmpdir(), "strongroom-addon-"))
afterAll(() => rmSync(folder, { recursive: true }))

describe("loading the addon", () => {
  const empty = new URL("empty/", pathToFileURL(`${folder}/`))

  it("names the file that is missing and how to build it", () => {
    const error = errorOf(() => openNative(() => loadAddon(empty)))
    expect(error.code).toBe("ENGINE_UNAVAILABLE")
    expect(error.message).toMatch(/native\/strongroom\.\w+-\w+.*\.node is not there/)
    expect(error.message).toContain("node native/build.mjs")
    expect(error.isRetryable).toBe(false)
  })

  it("tells the system's reason for a file that does not load, in one line", () => {
    const missing = errorOf(() => openNative(() => loadAddon(empty))).message
    const file = /strongroom\.\S+\.node/.exec(missing)?.[0] ?? ""
    writeFileSync(join(folder, file), "not a library")
    const error = errorOf(() => openNative(() => loadAddon(pathToFileURL(`${folder}/`))))
    expect(error.code).toBe("ENGINE_UNAVAILABLE")
    expect(error.message).toMatch(/^the addon does not load: .+/)
    expect(error.message).not.toContain("\n")
    expect(error.cause).toBeInstanceOf(Error)
  })

  it("refuses an addon with another interface", () => {
    const addon = { abi: () => "999 aws-lc" } as ReturnType<typeof loadAddon>
    const error = errorOf(() => openNative(() => addon))
    expect(error.code).toBe("ENGINE_UNAVAILABLE")
    expect(error.message).toContain("interface 999")
  })
})

const native = (): Engine => openNative()
const isBuilt = readdirSync(new URL("../../native/", import.meta.url)).some((name) =>
  name.endsWith(".node"),
)

describe.skipIf(!isBuilt)("the native engine (skipped where it is not built)", () => {
  it("says what signs", () => {
    expect(native().signing).toBe("aws-lc")
  })

  it.each([
    ["log_id", { chain: { ...chain, logId: "A75E72AAF01D6331DD8C22950DFE1C76" } }],
    ["log_id", { chain: { ...chain, logId: "short" } }],
    ["writer_id", { chain: { ...chain, writerId: "a/b" } }],
    ["stream", { chain: { ...chain, stream: "\ud800" } }],
    ["ts_ms", { tsMs: -1 }],
    ["seq", { state: { ...emptyChain, seq: 1.5 } }],
    ["head", { state: { ...emptyChain, head: new Uint8Array(31) } }],
    ["state", { state: { ...emptyChain, head: new Uint8Array(32).fill(1) } }],
    ["shape", { count: 2 }],
  ])("answers a wrong call with an error, and goes on: %s", (word, changes) => {
    const engine = native()
    const error = errorOf(() => engine.sealBatch({ ...requestOf([good()]), ...changes }))
    expect(error.code).toBe("ENGINE_FAILED")
    expect(error.message).toContain(word)
    expect(engine.sealBatch(requestOf([good()])).consumed).toBe(1)
  })

  it("signs only with a signer of its own", () => {
    const foreign = openJs().openSigner(seed)
    const request = requestOf([good()], { mode: "batch", signer: foreign })
    expect(errorOf(() => native().sealBatch(request)).code).toBe("ENGINE_FAILED")
  })

  it("needs a signer for signatures, and takes no closed one", () => {
    const engine = native()
    const signer = engine.openSigner(seed)
    const { publicKey, keyId } = signer
    const missing = requestOf([good()], { mode: "record" })
    expect(errorOf(() => engine.sealBatch(missing)).code).toBe("SIGNING_UNAVAILABLE")
    signer.close()
    const closed = requestOf([good()], { mode: "record", signer })
    expect(errorOf(() => engine.sealBatch(closed)).code).toBe("SIGNING_UNAVAILABLE")
    const error = errorOf(() => signer.sign("c", new Uint8Array(32)))
    expect([error.code, error.message]).toEqual(["SIGNING_UNAVAILABLE", "the signer is closed"])
    expect([signer.publicKey, signer.keyId]).toEqual([publicKey, keyId])
  })

  it("refuses seeds and digests of other lengths", () => {
    const engine = native()
    expect(errorOf(() => engine.openSigner(seed.subarray(1))).code).toBe("ENGINE_FAILED")
    const signer = engine.openSigner(seed)
    expect(errorOf(() => signer.sign("c", new Uint8Array(31))).code).toBe("ENGINE_FAILED")
    expect(errorOf(() => signer.sign("c".repeat(65), new Uint8Array(32))).code).toBe(
      "ENGINE_FAILED",
    )
    const none = new Uint8Array(0)
    const half = new Uint8Array(63)
    expect(
      errorOf(() => engine.verifySignatures(signer.publicKey, "c", new Uint8Array(32), half)).code,
    ).toBe("ENGINE_FAILED")
    expect(errorOf(() => engine.merkleRoot(none, "leaves")).code).toBe("ENGINE_FAILED")
    expect(errorOf(() => engine.merkleRoot(half, "nodes")).code).toBe("ENGINE_FAILED")
  })

  it("leaves what the caller owns alone when buffers are used again or grow", () => {
    const engine = native()
    const one = engine.sealBatch(requestOf([good('{"i":1}')]))
    const copy = keep(one)
    const statuses = one.statuses.slice()
    const head = one.state.head.slice()
    const verified = engine.verifyBatch({ chain, state: emptyChain, frames: copy.frames })
    const infos = verified.infos.slice()
    const many = Array.from({ length: 300 }, (_, i) => good(`{"i":${i}}`))
    const big = keep(engine.sealBatch(requestOf(many)))
    engine.verifyBatch({ chain, state: emptyChain, frames: big.frames })
    expect([one.hashes, one.statuses, one.state.head]).toEqual([copy.hashes, statuses, head])
    expect(verified.infos).toEqual(infos)
  })

  it("reads input and frames from the middle of a larger buffer", () => {
    const engine = native()
    const request = requestOf([good(), good('{"i":2}')])
    const padded = new Uint8Array(request.input.length + 11).fill(0x7b)
    padded.set(request.input, 7)
    const input = padded.subarray(7, 7 + request.input.length)
    const sealed = keep(engine.sealBatch({ ...request, input }))
    expect(sealed).toEqual(keep(engine.sealBatch(request)))
    const frames = new Uint8Array(sealed.frames.length + 9).fill(0xff)
    frames.set(sealed.frames, 3)
    const part = frames.subarray(3, 3 + sealed.frames.length)
    const result = engine.verifyBatch({ chain, state: emptyChain, frames: part })
    expect(result).toMatchObject({ count: 2, stop: "end", state: sealed.state })
  })
})
