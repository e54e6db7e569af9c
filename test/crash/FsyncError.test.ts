/**
 * One fsync of a whole process fails with EIO (shim.c, LD_PRELOAD: no privileges needed): the
 * writer stops, every caller is told, nothing is acknowledged falsely, and opening recovers.
 *
 * The kernel's caches stay right here; what a failed fsync does to data is in FaultTable.test.ts.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, describe, expect, it } from "vitest"
import { Strongroom } from "../../src/index.ts"
import { Offspring } from "./Offspring.ts"
import { isThorough, openOptions, type Plan, seeded } from "./Plan.ts"
import { buildShim } from "./Shim.ts"
import { Witness } from "./Witness.ts"

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = seeded(seed)
const shim = buildShim()
const reason = "reason" in shim ? shim.reason : undefined
const runs = isThorough ? 40 : 12
const fsyncs = 160
const patienceMs = 20_000

const root = mkdtempSync(join(tmpdir(), "strongroom-eio-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const planOf = (at: number): Plan => ({
  dir: join(root, `log-${at}`),
  streams: ["ingress", "policy"],
  inFlight: 6,
  records: 60,
  rotateBytes: 24 * 1024,
  fsync: "always",
  signing: "batch",
  duties: true,
  seed: at,
})

/** Runs a child whose `at`-th fsync fails; whether one failed, and what is wrong after it. */
const failAt = async (
  at: number,
): Promise<{ readonly stopped: boolean; readonly wrong: ReadonlyArray<string> }> => {
  const plan = planOf(at)
  const child = new Offspring({ ...shim, SHIM_UNDER: plan.dir, FSYNC_FAIL_AT: String(at) })
  await child.heard("ready")
  child.go(plan)
  const [exit] = await Promise.race([child.ended, sleep(patienceMs, ["hangs"] as const)])
  if (exit === "hangs") child.kill()
  const witness = new Witness()
  const forks = witness.add(child.acks)
  const complaints = child.told("trouble", "refused", "undecided", "failed", "ended")
  const expected = new Set(["STATE_UNKNOWN", "IO", "KEY_IO", "FROZEN", "UNAVAILABLE"])
  const strange = complaints.filter(({ code }) => !expected.has(code ?? ""))
  const room = await Strongroom.open(openOptions(plan, () => undefined))
  await room.close()
  const { verdict, tampers, lost } = witness.look(plan.dir)
  return {
    stopped: complaints.some(({ code }) => code === "STATE_UNKNOWN"),
    wrong: [
      // A caller who is never told leaves Node with a promise that cannot settle: it exits with 13.
      ...(exit === 0 ? [] : [`the child ended with ${exit}`]),
      ...forks,
      ...strange.map((said) => JSON.stringify(said)),
      ...child.told("frozen").map((said) => JSON.stringify(said)),
      ...[...tampers, ...lost],
      ...(verdict === "valid" ? [] : [verdict]),
    ],
  }
}

describe.skipIf(reason !== undefined)(`failing fsync (${reason ?? `seed ${seed}`})`, () => {
  it("stops the writer, tells every caller, and recovers [A-145]", async () => {
    let stopped = 0
    for (let run = 0; run < runs; run++) {
      const at = 1 + Math.floor(((run + random()) / runs) * fsyncs)
      const ended = await failAt(at)
      expect([at, ...ended.wrong]).toEqual([at])
      stopped += ended.stopped ? 1 : 0
    }
    console.log(`failing fsync: seed ${seed}, ${runs} runs, ${stopped} with a state unknown`)
    expect(stopped).toBeGreaterThan(0)
  }, 300_000)
})
