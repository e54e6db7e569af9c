/**
 * SIGKILL at random moments over one growing log: no acknowledged record is lost, nothing is taken
 * for tampering.
 *
 * The operating system survives, so what was written is there: this is the crash of a process. What
 * a power cut does is in PowerCut.test.ts. KILLS and SEED choose another run.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, describe, expect, it } from "vitest"
import { Strongroom } from "../../src/index.ts"
import { Offspring } from "./Offspring.ts"
import { openOptions, type Plan, seeded } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const kills = Number(process.env.KILLS ?? 200)
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const dir = mkdtempSync(join(tmpdir(), "strongroom-kill-"))

afterAll(() => rmSync(dir, { recursive: true, force: true }))

const random = seeded(seed)
const plan: Plan = {
  dir,
  streams: ["ingress", "policy"],
  inFlight: 8,
  records: 300,
  rotateBytes: 192 * 1024,
  fsync: "always",
  signing: "batch",
  duties: true,
  seed,
}

interface Counts {
  kills: number
  ends: number
  acks: number
  torn: number
  cutBytes: number
  signed: number
  recoveries: number
  checkpoints: number
  exports: number
}

const counts: Counts = {
  kills: 0,
  ends: 0,
  acks: 0,
  torn: 0,
  cutBytes: 0,
  signed: 0,
  recoveries: 0,
  checkpoints: 0,
  exports: 0,
}

const note = (recovered: ReadonlyArray<{ readonly [name: string]: unknown }>): void => {
  for (const { cutBytes, unsigned } of recovered) {
    counts.recoveries += 1
    counts.cutBytes += Number(cutBytes)
    counts.torn += Number(cutBytes) > 0 ? 1 : 0
    counts.signed += Number(unsigned)
  }
}

const witness = new Witness()

/** Opens the log as its owner would after a crash, and closes it. */
const recover = async (): Promise<void> => {
  const before = witness.look(dir).recovered
  const notices: Array<{ readonly event: string }> = []
  const room = await Strongroom.open(openOptions(plan, (notice) => void notices.push(notice)))
  await room.close()
  expect(notices.filter(({ event }) => event === "frozen" || event === "trouble")).toEqual([])
  const recovered = notices.filter(({ event }) => event === "recovered")
  note(recovered)
  const after = witness.look(dir)
  expect(after).toMatchObject({ verdict: "valid", tampers: [], lost: [], tornTails: 0 })
  expect(after.recovered - before).toBe(recovered.length)
}

const killOnce = async (child: Offspring): Promise<void> => {
  await child.heard("ready")
  // Few in flight make a run of many small groups, many fill the mailbox while the disk works.
  const inFlight = [4, 16, 96][Math.floor(random() * 3)]!
  child.go({ ...plan, inFlight, seed: Math.floor(random() * 2 ** 31) })
  const [code] = await Promise.race([child.ended, sleep(random() * 260, [null])])
  if (code === null) child.kill()
  const [exit, signal] = await child.ended
  counts[signal === "SIGKILL" ? "kills" : "ends"] += 1
  if (signal === null) expect(exit).toBe(0)
  expect(child.told("frozen", "trouble", "refused", "undecided", "failed", "ended")).toEqual([])
  expect(witness.add(child.acks)).toEqual([])
  counts.acks += child.acks.length
  counts.checkpoints += child.told("checkpoint").length
  counts.exports += child.told("export").length
  note(child.told("recovered"))
}

describe(`${kills} kills, seed ${seed}`, () => {
  it("keeps every acknowledged record and names no tampering [A-145]", async () => {
    let next = new Offspring()
    while (counts.kills < kills) {
      const child = next
      // The next one starts while this one works, and waits for its plan.
      next = new Offspring()
      await killOnce(child)
      expect(witness.look(dir)).toMatchObject({ tampers: [], lost: [] })
      // Every other time the next child recovers, and may be killed while it does.
      if (random() < 0.5) await recover()
    }
    next.kill()
    await next.ended
    await recover()
    const exported = witness.look(dir, "export")
    expect(exported.tampers.filter((text) => !text.includes("segment_missing"))).toEqual([])
    console.log(`kill: seed ${seed}, ${JSON.stringify(counts)}`)
    expect(counts.acks).toBeGreaterThan(kills)
    expect(counts.signed).toBeGreaterThan(0)
  }, 600_000)
})
