/**
 * No file can be opened any more: the writer refuses what it cannot write, in one sentence, keeps
 * what it acknowledged, and goes on once it can.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { faultsOf } from "./Life.ts"
import { Offspring } from "./Offspring.ts"
import type { Plan } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const root = mkdtempSync(join(tmpdir(), "strongroom-files-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe.skipIf(process.platform === "win32")("files exhausted (skipped on Windows)", () => {
  it.each([4_000, 12_000, 40_000])(
    "refuses in one sentence and loses nothing, segments of %i bytes [A-145]",
    async (rotateBytes) => {
      const plan: Plan = {
        dir: join(root, `log-${rotateBytes}`),
        streams: ["ingress"],
        inFlight: 4,
        records: 200,
        rotateBytes,
        fsync: "always",
        signing: "batch",
        duties: false,
        seed: 0,
        exhaustsFiles: true,
      }
      const child = new Offspring({}, 80)
      await child.heard("ready")
      child.go(plan)
      expect(await child.ended).toEqual([0, null])
      expect(child.told("exhausted", "relieved").length).toBe(2)
      const refusals = child.told("refused", "undecided")
      expect(refusals.length).toBeGreaterThan(0)
      for (const { code, message } of refusals) {
        expect(["IO", "STATE_UNKNOWN"]).toContain(code)
        expect(message).toMatch(/^[^\n]*too many open files[^\n]*$/)
      }
      const witness = new Witness()
      witness.add(child.acks)
      expect(await faultsOf(plan, witness)).toEqual([])
      const counts = `${child.acks.length} acks, ${refusals.length} refusals`
      console.log(`files exhausted: segments of ${rotateBytes} bytes, ${counts}`)
    },
  )
})
