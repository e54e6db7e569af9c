/** Native engine, JS engine and models, over the same random bytes: one answer. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { canonicalizeModel } from "../../models/CanonicalModel.ts"
import { frameOf, sealAll } from "../../models/ChainModel.ts"
import { concat, fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { b3Text, parseHash } from "../../src/base/Hash.ts"
import { attrsBytesMax, recordBytesMax } from "../../src/base/Limits.ts"
import { emptyChain } from "../../src/chain/Chain.ts"
import type { Engine } from "../../src/engine/Engine.ts"
import { EngineError } from "../../src/engine/EngineError.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { openNative } from "../../src/engine/EngineNative.ts"
import { type Draft, encodeDraft } from "../../src/record/Draft.ts"
import { formatFrame } from "../../src/record/Frame.ts"
import { formatBody } from "../../src/record/Record.ts"
import { chain, keep, refusals, requestOf, seed } from "../conformance/EngineInput.ts"
import { body, draft, jsonText, mutate, runs } from "../record/Arbitrary.ts"
import { unassigned } from "../record/Vectors.ts"

const tryNative = (): Engine | EngineError => {
  try {
    return openNative()
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
}

const js = openJs()
const native = tryNative()
const engines = native instanceof EngineError ? [js] : [js, native]
const [first, ...others] = engines as [Engine, ...Array<Engine>]

if (native instanceof EngineError) {
  it.skip(`native = JS: skipped, ${native.message}`, () => {})
}

const model = (text: string): string | undefined => canonicalizeModel(utf8(text), unassigned)

/** Canonical parts of a draft; `undefined` where an engine has to refuse it. */
const modelParts = (given: Draft) => {
  const [kind, actor, subject, reason, attrs] = [
    model(JSON.stringify(given.kind)),
    model(JSON.stringify(given.actor)),
    model(JSON.stringify(given.subject)),
    model(JSON.stringify(given.reason)),
    model(JSON.stringify(given.attrs)),
  ] as [string, string, string, string, string | undefined]
  if (attrs === undefined || utf8(attrs).length > attrsBytesMax) return undefined
  return { kind, actor, subject, reason, attrs }
}

describe("engines and models", () => {
  it("canonicalize alike, and refuse with the same code [A-032, A-035, A-519]", () => {
    const bytes = fc.oneof(
      jsonText.map(utf8),
      jsonText.chain((text) => mutate(utf8(text))),
      fc.uint8Array({ maxLength: 40 }),
    )
    fc.assert(
      fc.property(bytes, (text) => {
        const one = first.canonicalize(text)
        expect(one.ok ? fromUtf8(one.bytes) : undefined).toBe(canonicalizeModel(text, unassigned))
        for (const other of others) expect(other.canonicalize(text)).toEqual(one)
      }),
      { numRuns: 2 * runs.numRuns },
    )
  })

  it("seal the same frames from any drafts [A-032, A-036]", () => {
    fc.assert(
      fc.property(fc.array(draft, { minLength: 1, maxLength: 4 }), (drafts) => {
        const texts = drafts.map(encodeDraft)
        const parts = drafts.map(modelParts)
        const modelled = sealAll(
          chain.writerId,
          chain.stream,
          1_730_246_400_000,
          parts.filter((part) => part !== undefined),
        )
        for (const engine of engines) {
          const sealed = engine.sealBatch(requestOf(texts))
          expect([...sealed.statuses].map((status) => status === 0)).toEqual(
            parts.map((part) => part !== undefined),
          )
          expect(sealed.frames).toEqual(concat(...modelled.map(frameOf)))
          expect(sealed.hashes).toEqual(
            concat(...modelled.map(({ selfHash }) => parseHash(selfHash)!)),
          )
        }
      }),
      runs,
    )
  })
})

const noNewline = (bytes: Uint8Array): Uint8Array => bytes.map((b) => (b === 0x0a ? 0x20 : b))

const anyText = fc.oneof(
  draft.map((given) => utf8(encodeDraft(given))),
  draft.chain((given) => mutate(utf8(encodeDraft(given)))),
  jsonText.map(utf8),
  fc.constantFrom(...refusals.map(([, text]) => utf8(text))),
)

describe.skipIf(others.length === 0)("native = JS", () => {
  it("seals, refuses and signs alike [A-032, A-034]", () => {
    const signers = engines.map((engine) => engine.openSigner(seed))
    fc.assert(
      fc.property(
        fc.array(anyText.map(noNewline), { maxLength: 8 }),
        fc.constantFrom("unsigned" as const, "batch" as const, "record" as const),
        fc.nat(6000),
        (texts, mode, framesBytesMax) => {
          const [one, ...rest] = engines.map((engine, index) => {
            const input = concat(...texts.flatMap((text) => [text, Uint8Array.of(0x0a)]))
            const changes = { input, count: texts.length, mode, framesBytesMax }
            return keep(engine.sealBatch({ ...requestOf([]), ...changes, signer: signers[index] }))
          })
          for (const other of rest) expect(other).toEqual(one)
        },
      ),
      runs,
    )
  })

  it("reads frames alike, right ones and damaged ones [A-049, A-520]", () => {
    const frames = fc
      .array(draft.map(encodeDraft), { minLength: 1, maxLength: 5 })
      .map((texts) => js.sealBatch(requestOf(texts)).frames)
      .chain((bytes) => fc.oneof(fc.constant(bytes), mutate(bytes)))
    fc.assert(
      fc.property(frames, (bytes) => {
        const request = { chain, state: emptyChain, frames: bytes }
        const [one, ...rest] = engines.map((engine) => engine.verifyBatch(request))
        for (const other of rest) expect(other).toEqual(one)
      }),
      runs,
    )
  })

  it("reads bodies alike that were damaged before they were hashed [A-035, A-520]", () => {
    const bodies = body
      .map((given) => ({ ...given, seq: 1, prev: "b3:0" }))
      .filter((given) => model(JSON.stringify(given.attrs)) !== undefined)
      .map((given) => formatBody(given))
      .chain((bytes) => fc.oneof(fc.constant(bytes), mutate(bytes)))
      .filter((bytes) => bytes.length <= recordBytesMax)
    fc.assert(
      fc.property(bodies, (bytes) => {
        const frames = formatFrame(1, bytes, b3Text(bytes))
        const request = { chain, state: emptyChain, frames }
        const [one, ...rest] = engines.map((engine) => engine.verifyBatch(request))
        for (const other of rest) expect(other).toEqual(one)
      }),
      runs,
    )
  })

  it("checks signatures alike [A-514]", () => {
    const signer = js.openSigner(seed)
    const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(digest, fc.nat(95), fc.integer({ min: 0, max: 255 }), (bytes, at, x) => {
        const signed = concat(signer.sign("c", bytes), signer.publicKey)
        const damaged = signed.slice()
        damaged[at]! ^= x
        const answers = engines.map((engine) =>
          engine.verifySignatures(damaged.slice(64), "c", bytes, damaged.slice(0, 64)),
        )
        for (const answer of answers) expect([...answer]).toEqual([x === 0 ? 1 : 0])
      }),
      { numRuns: 64 },
    )
  })
})
