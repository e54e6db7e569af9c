/** Privacy in the engines: what it counts, what it leaves alone, what it costs real events. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { fromUtf8, utf8 } from "../../src/base/Bytes.ts"
import { emptyChain } from "../../src/chain/Chain.ts"
import { cloudTrailDrafts } from "../../src/cli/CloudTrail.ts"
import { encodeDraft } from "../../src/record/Draft.ts"
import { rejectNumber } from "../../src/record/Reject.ts"
import { chain, good, requestOf } from "../conformance/EngineInput.ts"
import { engines } from "./Both.ts"

const address = good('{"client_ip":"203.0.113.7","n":["203.0.113.8"]}')
const secret = good('{"token":"hunter2"}')

describe.each(engines.map((engine) => [engine.name, engine] as const))("%s", (_, engine) => {
  it("drops addresses and refuses secrets where nothing else is said [A-206, A-207]", () => {
    const { frames, statuses, redacted } = engine.sealBatch(requestOf([good(), address, secret]))
    expect([...statuses]).toEqual([0, 0, rejectNumber("pii_blocked")])
    expect(redacted).toEqual({ records: 1, values: 2 })
    expect(fromUtf8(frames.slice().filter((byte) => byte >= 0x20 && byte < 0x7f))).not.toMatch(
      /203|hunter2/,
    )
  })

  it("counts what was sealed, not what had no room [A-212]", () => {
    const one = engine.sealBatch(requestOf([address])).frames.length
    const request = requestOf([address, address, address], { framesBytesMax: 2 * one + 200 })
    const { consumed, redacted } = engine.sealBatch(request)
    expect([consumed, redacted]).toEqual([2, { records: 2, values: 4 }])
  })

  it("leaves stored records as they are, whatever they hold [A-219]", () => {
    const texts = [address, secret]
    const sealed = engine.sealBatch(requestOf(texts, { privacy: "none" }))
    expect([...sealed.statuses]).toEqual([0, 0])
    const frames = sealed.frames.slice()
    const verified = engine.verifyBatch({ chain, state: emptyChain, frames })
    expect([verified.count, verified.stop]).toEqual([2, "end"])
    const text = utf8('{"client_ip":"203.0.113.7","token":"hunter2"}')
    expect(engine.canonicalize(text)).toEqual({ ok: true, bytes: text })
  })

  it("refuses none of the real events that the import maps", () => {
    const dir = join(import.meta.dirname, "..", "data", "cloudtrail")
    const texts = readdirSync(dir)
      .filter((file) => file.endsWith(".json"))
      .flatMap((file) => cloudTrailDrafts(readFileSync(join(dir, file)), file).drafts)
      .map(({ draft }) => encodeDraft(draft))
    expect(texts.length).toBeGreaterThan(50)
    const { statuses, redacted } = engine.sealBatch(requestOf(texts))
    expect([...statuses].filter((status) => status !== 0)).toEqual([])
    expect(redacted.records).toBeLessThanOrEqual(1)
  })
})
