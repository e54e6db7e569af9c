/**
 * SIGKILL over one growing log, at random moments and in the middle of random writes: no
 * acknowledged record is lost, nothing is taken for tampering.
 *
 * The operating system survives, so what was written is there: this is the crash of a process; what
 * a power cut does is in PowerCut.test.ts. Every other child carries the shim (shim.c), which kills
 * it half-way through a write: no signal from outside hits that moment.
 *
 * CI, or SLOW=1, runs 200 kills, else 60; KILLS and SEED choose.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, describe, expect, it } from "vitest"
import { Strongroom } from "../../src/index.ts"
import { Offspring, type Said } from "./Offspring.ts"
import { isThorough, openOptions, type Plan, seeded } from "./Plan.ts"
import { buildShim } from "./Shim.ts"
import { Witness } from "./Witness.ts"

const kills = Number(process.env.KILLS ?? (isThorough ? 200 : 60))
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const dir = mkdtempSync(join(tmpdir(), "strongroom-kill-"))
const shim = buildShim()

afterAll(() => rmSync(dir, { recursive: true, force: true }))

const random = seeded(seed)
const below = (end: number): number => Math.floor(random() * end)
const plan: Plan = {
  dir,
  streams: ["ingress", "policy"],
  inFlight: 8,
  records: 120,
  rotateBytes: 96 * 1024,
  fsync: "always",
  signing: "batch",
  duties: true,
  seed,
}

const counts = {
  kills: 0,
  inWrites: 0,
  ends: 0,
  acks: 0,
  records: 0,
  torn: 0,
  cutBytes: 0,
  signed: 0,
  recoveries: 0,
  checkpoints: 0,
  exports: 0,
}

const note = (recovered: ReadonlyArray<Said>): void => {
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
  const before = witness.look(dir)
  expect(before).toMatchObject({ tampers: [], lost: [] })
  const notices: Array<Said> = []
  const tell = (notice: { readonly event: string }): void => void notices.push({ ...notice })
  const room = await Strongroom.open(openOptions(plan, tell))
  await room.close()
  expect(notices.filter(({ event }) => event === "frozen" || event === "trouble")).toEqual([])
  const recovered = notices.filter(({ event }) => event === "recovered")
  note(recovered)
  const after = witness.look(dir)
  expect(after).toMatchObject({ verdict: "valid", tampers: [], lost: [], tornTails: 0 })
  // Each says so in its chain.
  expect(after.recovered - before.recovered).toBe(recovered.length)
  counts.records = after.records
}

/** A child, and whether the shim will kill it. */
const raise = (): { readonly child: Offspring; readonly isShimmed: boolean } => {
  const isShimmed = "LD_PRELOAD" in shim && random() < 0.5
  const at = { SHIM_UNDER: dir, WRITE_KILL_AT: String(1 + below(40)) }
  return { child: new Offspring(isShimmed ? { ...shim, ...at } : {}), isShimmed }
}

const killOnce = async ({ child, isShimmed }: ReturnType<typeof raise>): Promise<void> => {
  await child.heard("ready")
  // Few in flight make many small groups, many fill the mailbox while the disk works.
  child.go({ ...plan, inFlight: [2, 8, 70][below(3)]!, seed: below(2 ** 31) })
  if (!isShimmed) {
    // Some while they open and recover, most while they write.
    if (random() < 0.8) await child.heard("open")
    await Promise.race([child.ended, sleep(below(40))])
    child.kill()
  }
  const [exit, signal] = await child.ended
  if (signal === null) expect(exit).toBe(0)
  counts[signal === "SIGKILL" ? "kills" : "ends"] += 1
  counts.inWrites += isShimmed && signal === "SIGKILL" ? 1 : 0
  expect(child.told("frozen", "trouble", "refused", "undecided", "failed", "ended")).toEqual([])
  expect(witness.add(child.acks)).toEqual([])
  counts.acks += child.acks.length
  counts.checkpoints += child.told("checkpoint").length
  counts.exports += child.told("export").length
  note(child.told("recovered"))
}

describe(`${kills} kills, seed ${seed}`, () => {
  it("keeps every acknowledged record and names no tampering [A-145]", async () => {
    let next = raise()
    while (counts.kills < kills) {
      const child = next
      // The next one starts while this one works, and waits for its plan.
      next = raise()
      await killOnce(child)
      // Else the next child recovers, and may be killed while it does.
      if (random() < 0.5) await recover()
      else expect(witness.look(dir)).toMatchObject({ tampers: [], lost: [] })
    }
    next.child.kill()
    await next.child.ended
    await recover()
    // A chain that no export has reached yet is missing there, and nothing else is.
    const exported = witness.look(dir, "export")
    expect(exported.tampers.filter((text) => !text.includes(": segment_missing"))).toEqual([])
    const without = "reason" in shim ? `, no kills in writes: ${shim.reason}` : ""
    console.log(`kill: seed ${seed}, ${JSON.stringify(counts)}${without}`)
    expect(counts.acks).toBeGreaterThan(kills)
    // Had recovery never had anything to do, this would have tested nothing.
    expect(counts.signed).toBeGreaterThan(0)
    if (!("reason" in shim)) expect(counts.torn).toBeGreaterThan(0)
  }, 600_000)
})
