/**
 * The crash table: one small life of a log, ended at every single write, fsync, rename and creation
 * in turn, on a file system that forgets what was not fsynced (forgetful.py).
 *
 * A row is {where it ended, what survived}; after each the log is opened again, and must be valid,
 * with every acknowledged record. The second table ends the recovery itself the same way, after a
 * process was killed whose writes nobody had fsynced.
 */
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type FsyncPolicy, Strongroom } from "../../src/index.ts"
import { type Forgetting, Mount, whyNot } from "./Mount.ts"
import { openOptions, type Plan, sampleDrafts } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const reason = whyNot()
const drafts = sampleDrafts()

let mount: Mount
let logs = 0

beforeAll(async () => {
  if (reason === undefined) mount = await Mount.open()
})
afterAll(async () => {
  if (reason === undefined) await mount.close()
})

/** A log by its name: its path is another after each end. */
const planOf = (log: string, fsync: FsyncPolicy): Plan => ({
  dir: join(mount.root, log),
  streams: ["ingress"],
  inFlight: 3,
  records: 6,
  rotateBytes: 6_000,
  fsync,
  signing: "batch",
  duties: true,
  seed: 0,
})

const appendOne = async (room: Strongroom, witness: Witness, i: number): Promise<void> => {
  const receipt = await room.append({ ...drafts[i % drafts.length]!, stream: "ingress" })
  await receipt.reached("durable")
  const { writerId: writer_id, stream, seq, selfHash: self_hash } = receipt
  witness.add([{ writer_id, stream, seq, self_hash, level: "durable" }])
}

/** Three groups with a checkpoint, an export and some rotations between; errors end it. */
const live = async (plan: Plan, witness: Witness): Promise<void> => {
  const room = await Strongroom.open(openOptions(plan, () => undefined))
  const append = async (from: number): Promise<void> => {
    await Promise.all([0, 1, 2].map((i) => appendOne(room, witness, from + i)))
  }
  try {
    await append(0)
    await room.checkpoint()
    await append(3)
    await room.export()
    await append(6)
  } finally {
    await room.close()
  }
}

/** The next process: one durable record, then the power is cut. */
const again = async (plan: Plan, witness: Witness): Promise<void> => {
  const room = await Strongroom.open(openOptions(plan, () => undefined))
  await appendOne(room, witness, 0)
  mount.cut()
  await room.close().catch(() => undefined)
}

/** Whether the armed end came before the work was done. */
const ended = async (work: () => Promise<unknown>): Promise<boolean> => {
  await work().catch(() => undefined)
  const { off } = mount.counters
  mount.on()
  return off
}

/** What is wrong with the log now, and after it was opened and closed. */
const faults = async (plan: Plan, witness: Witness): Promise<ReadonlyArray<string>> => {
  const before = witness.look(plan.dir)
  const notices: Array<{ readonly event: string }> = []
  const room = await Strongroom.open(openOptions(plan, (notice) => void notices.push(notice)))
  await room.append({ ...drafts[0]!, stream: "ingress" })
  await room.close()
  const after = witness.look(plan.dir)
  return [
    ...[...before.tampers, ...before.lost].map((fault) => `found: ${fault}`),
    ...notices
      .filter(({ event }) => event === "frozen" || event === "trouble")
      .map((notice) => JSON.stringify(notice)),
    ...[...after.tampers, ...after.lost].map((fault) => `after recovery: ${fault}`),
    ...(after.verdict === "valid" ? [] : [`${after.verdict} after recovery`]),
  ]
}

const faultsOr = (plan: Plan, witness: Witness): Promise<ReadonlyArray<string>> =>
  faults(plan, witness).catch((error: unknown) => [String(error)])

describe.skipIf(reason !== undefined)(`crash table (${reason ?? "FUSE"})`, () => {
  const policies = ["always", "on_checkpoint", "never"] as const
  const modes: ReadonlyArray<Forgetting> = ["forget", "prefix", "scatter", "kill"]

  it.each(policies.flatMap((fsync) => modes.map((mode) => [fsync, mode] as const)))(
    "fsync=%s, %s: every row recovers [A-145, A-066]",
    async (fsync, mode) => {
      const wrong: Array<string> = []
      let rows = 0
      for (let after = 1, isEnded = true; isEnded; after++) {
        const log = `log-${logs++}`
        const witness = new Witness()
        mount.arm(mode, after, after)
        isEnded = await ended(() => live(planOf(log, fsync), witness))
        mount.arm("forget", 0, 0)
        for (const fault of await faultsOr(planOf(log, fsync), witness))
          wrong.push(`row ${after}: ${fault}`)
        rows += 1
      }
      console.log(`crash table: fsync=${fsync}, ${mode}: ${rows} rows`)
      expect(wrong.slice(0, 10)).toEqual([])
      expect(rows).toBeGreaterThan(100)
    },
    120_000,
  )

  it.each(["always", "on_checkpoint"] as const)(
    "fsync=%s: what a killed process left is durable once the next one goes on",
    async (fsync) => {
      const wrong: Array<string> = []
      let rows = 0
      for (let after = 1, isEnded = true; isEnded; after++) {
        const log = `log-${logs++}`
        const witness = new Witness()
        mount.arm("kill", after, after)
        isEnded = await ended(() => live(planOf(log, fsync), witness))
        mount.arm("forget", 0, 0)
        await again(planOf(log, fsync), witness).catch((error: unknown) => {
          wrong.push(`row ${after}: next process: ${error}`)
        })
        mount.on()
        for (const fault of await faultsOr(planOf(log, fsync), witness)) {
          wrong.push(`row ${after}: ${fault}`)
        }
        rows += 1
      }
      console.log(`crash table: fsync=${fsync}, kill and power cut: ${rows} rows`)
      expect(wrong.slice(0, 10)).toEqual([])
      expect(rows).toBeGreaterThan(100)
    },
    120_000,
  )
})
