/** One small life of a log on the forgetful file system, for tables that end it at every step. */
import { join } from "node:path"
import { type FsyncPolicy, Strongroom } from "../../src/index.ts"
import type { Mount } from "./Mount.ts"
import { openOptions, type Plan, sampleDrafts } from "./Plan.ts"
import type { Witness } from "./Witness.ts"

const drafts = sampleDrafts()

/** A log by its name: its path is another after each power cut. */
export const planOf = (mount: Mount, log: string, fsync: FsyncPolicy): Plan => ({
  dir: join(mount.root, log),
  streams: ["ingress"],
  inFlight: 3,
  records: 9,
  rotateBytes: 6_000,
  fsync,
  signing: "batch",
  duties: true,
  seed: 0,
})

export const open = (plan: Plan): Promise<Strongroom> =>
  Strongroom.open(openOptions(plan, () => undefined))

/** Appends one record and tells the witness once it is durable. */
export const appendOne = async (room: Strongroom, witness: Witness, i: number): Promise<void> => {
  const receipt = await room.append({ ...drafts[i % drafts.length]!, stream: "ingress" })
  await receipt.reached("durable")
  const { writerId: writer_id, stream, seq, selfHash: self_hash } = receipt
  witness.add([{ writer_id, stream, seq, self_hash, level: "durable" }])
}

/** Three groups with a checkpoint, an export and some rotations between; an error ends it. */
export const live = async (room: Strongroom, witness: Witness): Promise<void> => {
  const append = async (from: number): Promise<void> => {
    await Promise.all([0, 1, 2].map((i) => appendOne(room, witness, from + i)))
  }
  await append(0)
  await room.checkpoint()
  await append(3)
  await room.export()
  await append(6)
}

/** What is wrong with the log now, and after it was opened and closed. */
export const faultsOf = async (plan: Plan, witness: Witness): Promise<ReadonlyArray<string>> => {
  const before = witness.look(plan.dir)
  const notices: Array<{ readonly event: string }> = []
  const room = await Strongroom.open(openOptions(plan, (notice) => void notices.push(notice)))
  try {
    await room.append({ ...drafts[0]!, stream: "ingress" })
  } finally {
    await room.close()
  }
  const after = witness.look(plan.dir)
  const loud = notices.filter(({ event }) => event === "frozen" || event === "trouble")
  return [
    ...[...before.tampers, ...before.lost].map((fault) => `before recovery: ${fault}`),
    ...loud.map((notice) => JSON.stringify(notice)),
    ...[...after.tampers, ...after.lost].map((fault) => `after recovery: ${fault}`),
    ...(after.verdict === "valid" ? [] : [`${after.verdict} after recovery`]),
  ]
}
