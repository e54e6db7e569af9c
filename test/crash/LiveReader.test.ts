/**
 * Beside a live writer: what a reader sees is a state that the log was in, and what interrupts the
 * writer's own work (a rotation, an export, the scrub) breaks nothing.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, describe, expect, it } from "vitest"
import { Strongroom } from "../../src/index.ts"
import { Offspring } from "./Offspring.ts"
import { openOptions, type Plan, sampleDrafts, seeded } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const root = mkdtempSync(join(tmpdir(), "strongroom-live-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const planOf = (name: string): Plan => ({
  dir: join(root, name),
  streams: ["ingress", "policy"],
  inFlight: 70,
  records: 1_500,
  rotateBytes: 24 * 1024,
  fsync: "always",
  signing: "batch",
  duties: true,
  seed,
})

describe(`beside a live writer (seed ${seed})`, () => {
  it("shows a reader no half record and no segment without signatures [A-146]", async () => {
    const plan = planOf("read")
    const witness = new Witness()
    const child = new Offspring()
    let isOver = false
    child.ended.then(() => {
      isOver = true
    })
    await child.heard("ready")
    child.go(plan)
    await child.heard("open")
    let looks = 0
    for (let read = 0; !isOver; looks++) {
      witness.add(child.acks.slice(read))
      read = child.acks.length
      const { tampers, lost } = witness.look(plan.dir)
      const isExported = existsSync(join(plan.dir, "export"))
      const exported = isExported ? witness.look(plan.dir, "export").tampers : []
      // What no export has reached yet is missing there.
      const wrong = exported.filter((text) => !text.includes(": segment_missing"))
      expect([...tampers, ...lost, ...wrong]).toEqual([])
      await sleep(1)
    }
    expect(child.told("frozen", "trouble", "refused", "undecided", "failed", "ended")).toEqual([])
    console.log(`live reader: seed ${seed}, ${looks} looks, ${witness.count} acks seen`)
    expect(looks).toBeGreaterThan(5)
    expect(witness.count).toBeGreaterThan(plan.records)
  }, 60_000)

  it.each([
    ["always", 1_200],
    ["on_checkpoint", 100],
    ["never", 100],
  ] as const)(
    "writes nothing into a segment that is being sealed: fsync=%s",
    async (fsync, bursts) => {
      const plan = { ...planOf(fsync), fsync, rotateBytes: 1 << 20 }
      const random = seeded(seed)
      const drafts = sampleDrafts()
      const room = await Strongroom.open(openOptions(plan, () => undefined))
      let exports = 0
      let isOver = false
      const exporting = (async () => {
        for (; !isOver; exports++) await room.export()
      })()
      let waiting = 0
      let appends = 0
      const refused: Array<unknown> = []
      const append = (i: number): void => {
        waiting += 1
        appends += 1
        room
          .append({ ...drafts[i % drafts.length]!, stream: "ingress" })
          .catch((error: unknown) => refused.push(error))
          .finally(() => {
            waiting -= 1
          })
      }
      // Bursts from outside, at moments that have nothing to do with the writer's own.
      for (let burst = 0; burst < bursts; burst++) {
        for (let i = 0; i < 64 && waiting < 1_000; i++) append(i)
        await sleep(random() * 3)
      }
      while (waiting > 0) await sleep(1)
      isOver = true
      expect(refused).toEqual([])
      await exporting
      await room.close()
      const witness = new Witness()
      expect(witness.look(plan.dir)).toMatchObject({ verdict: "valid", tampers: [] })
      expect(witness.look(plan.dir, "export").tampers).toEqual([])
      console.log(`sealing: fsync=${fsync}, ${appends} appends beside ${exports} exports`)
    },
    60_000,
  )

  it("goes on while the scrub reads segments that are sealed meanwhile", async () => {
    const plan = { ...planOf("scrub"), streams: ["ingress"] }
    const drafts = sampleDrafts()
    const frozen: Array<unknown> = []
    for (let opening = 0; opening < 6; opening++) {
      const room = await Strongroom.open(
        openOptions(plan, (notice) => {
          if (notice.event === "frozen" || notice.event === "trouble") frozen.push(notice)
        }),
      )
      for (let i = 0; i < 4; i++) {
        const calls = Array.from({ length: 30 }, (_, j) =>
          room.append({ ...drafts[j % drafts.length]!, stream: "ingress" }),
        )
        await Promise.all(calls)
        await sleep(2)
      }
      for (let waited = 0; waited < 200; waited++) {
        if (room.heads().every(({ scrubbedTo }) => scrubbedTo > opening * 120)) break
        await sleep(5)
      }
      await room.close()
    }
    expect(frozen).toEqual([])
    expect(new Witness().look(plan.dir)).toMatchObject({ verdict: "valid", records: 723 })
  }, 60_000)
})
