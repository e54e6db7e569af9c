/** The small lives of a log that the tables on the virtual disk end, and what has to hold after. */
import { existsSync } from "node:fs"
import { basename, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type FsyncPolicy, Strongroom } from "../../src/index.ts"
import { formatEnvelopes } from "../../src/signing/Envelope.ts"
import { writeFileDurably } from "../../src/sink/Durable.ts"
import { chainDirectory } from "../../src/sink/Segment.ts"
import type { Tree } from "./DiskModel.ts"
import { appendOne, live, open } from "./Life.ts"
import type { Ack } from "./Offspring.ts"
import { openOptions, type Plan, sampleDrafts, writerId } from "./Plan.ts"
import type { VirtualDisk } from "./VirtualDisk.ts"
import { Witness } from "./Witness.ts"

const drafts = sampleDrafts()
const stream = "ingress"

export const planAt = (root: string, fsync: FsyncPolicy): Plan => ({
  dir: join(root, "log"),
  streams: [stream],
  inFlight: 3,
  records: 9,
  rotateBytes: 6_000,
  fsync,
  signing: "batch",
  duties: true,
  seed: 0,
})

/** What a file is, by its place. */
export const fileKind = (path: string): string => {
  const name = basename(path).replace(/\.tmp$/, "")
  const place = path.includes("/export") ? "export " : ""
  if (path.includes("~locks")) return "lock"
  if (/\.torn-\d+$/.test(name)) return "torn tail"
  if (/^wal-\d+\.seg$/.test(name)) return `${place}segment`
  if (/^wal-\d+\.sig$/.test(name)) return `${place}signatures`
  if (/^checkpoint-\d+\.json$/.test(name)) return `${place}checkpoint`
  if (/^checkpoint-\d+\.cosig$/.test(name)) return `${place}co-signatures`
  if (/^manifest-\d+\.json$/.test(name)) return "manifest"
  if (/^manifest-\d+\.sig$/.test(name)) return "manifest signature"
  if (name === "trust.json") return "trust.json"
  if (name === "unseal.key" || /\.key\.json(\.[0-9a-f]+)?$/.test(name)) return "key"
  if (/^unseal\.key\.[0-9a-f]+$/.test(name)) return "key"
  if (name.startsWith("~case") || name.startsWith("~CASE")) return "probe"
  return `${place}folder`
}

/** Another signature over the first checkpoint, put beside it as its writer would. */
const cosign = async (plan: Plan): Promise<void> => {
  const folder = chainDirectory(join(plan.dir, "wal"), writerId, stream)
  const keyId = `b3:${"00".repeat(16)}`
  const envelopes = [{ algoId: "ed25519" as const, keyId, sig: new Uint8Array(64) }]
  await writeFileDurably(join(folder, "checkpoint-000001.cosig"), formatEnvelopes(envelopes))
}

const closing = async (room: Strongroom, work: () => Promise<void>): Promise<void> => {
  try {
    await work()
  } finally {
    await room.close()
  }
}

/** What a log does between its opening and its close. */
export type Act = (room: Strongroom, plan: Plan, witness: Witness) => Promise<void>

/** From nothing: appends, checkpoints, exports and rotations. */
const firstLife: Act = async (room, plan, witness) => {
  await live(room, witness)
  await cosign(plan)
  await appendOne(room, witness, 9)
  await room.export()
  await appendOne(room, witness, 10)
}

/** After a crash: what recovery left to do, appends, an export. */
const laterLife: Act = async (room, _plan, witness) => {
  await appendOne(room, witness, 0)
  await room.checkpoint()
  await appendOne(room, witness, 1)
  await room.export()
}

/** A life and what it begins with. */
export interface Life {
  readonly name: string
  readonly start: Tree
  readonly acks: ReadonlyArray<Ack>
  readonly act: Act
}

export const firstOf = (): Life => ({ name: "first", start: new Map(), acks: [], act: firstLife })

export const laterOf = (name: string, start: Tree, acks: ReadonlyArray<Ack>): Life => ({
  name,
  start: unfinished(start),
  acks,
  act: laterLife,
})

/** Opens, lives and closes. */
export const liveThrough = async (life: Life, plan: Plan, witness: Witness): Promise<void> => {
  const room = await open(plan)
  await closing(room, () => life.act(room, plan, witness))
}

/** What a crash left, and a file under its temporary name beside it. */
const unfinished = (tree: Tree): Tree => {
  const name = [...tree.keys()].find((path) => /\/wal\/.*\/ingress\//.test(path))
  const tmp = [`${name}.tmp`, Buffer.from("never finished")] as const
  return name === undefined ? tree : new Map([...tree, tmp])
}

/** One flipped bit in the first record: tampering. */
export const tampered = (tree: Tree): Tree => {
  const wrong = new Map(tree)
  const first = [...tree.keys()].find((path) => /\/wal\/.*\/ingress\/wal-000001\.seg$/.test(path))!
  const bytes = Uint8Array.from(tree.get(first)!)
  bytes[120]! ^= 1
  wrong.set(first, bytes)
  return wrong
}

const settledMs = 5_000

/** What a call ends with: an error, nothing, or "hangs". */
export const endOf = async (call: Promise<unknown>): Promise<unknown> =>
  Promise.race([
    call.then(
      () => undefined,
      (error: unknown) => error,
    ),
    sleep(settledMs, "hangs", { ref: false }),
  ])

/** A witness that knows in what order it was told. */
export class Testimony extends Witness {
  readonly acks: Array<Ack> = []

  constructor(acks: ReadonlyArray<Ack> = []) {
    super()
    this.add(acks)
  }

  override add(acks: ReadonlyArray<Ack>): ReadonlyArray<string> {
    this.acks.push(...acks)
    return super.add(acks)
  }
}

/** Only what an export has not reached yet may be missing there. */
const exportFaults = (plan: Plan, witness: Witness): ReadonlyArray<string> =>
  existsSync(join(plan.dir, "export"))
    ? witness
        .look(plan.dir, "export")
        .tampers.filter((text) => !text.includes(": segment_missing"))
        .map((fault) => `export: ${fault}`)
    : []

/** Opens what a crash left as its owner would, goes on, exports, and verifies it all. */
export const reopened = async (plan: Plan, witness: Witness): Promise<ReadonlyArray<string>> => {
  const before = witness.look(plan.dir)
  const wrong = [...before.tampers, ...before.lost, ...exportFaults(plan, witness)]
  const notices: Array<{ readonly event: string }> = []
  const room = await Strongroom.open(openOptions(plan, (notice) => void notices.push(notice)))
  await closing(room, async () => {
    await appendOne(room, witness, 0)
    await room.export()
    await room.append({ ...drafts[1]!, stream })
  })
  const after = witness.look(plan.dir)
  const loud = notices.filter(({ event }) => event === "frozen" || event === "trouble")
  return [
    ...wrong.map((fault) => `before recovery: ${fault}`),
    ...loud.map((notice) => JSON.stringify(notice)),
    ...[...after.tampers, ...after.lost, ...exportFaults(plan, witness)],
    ...(after.verdict === "valid" ? [] : [`${after.verdict} after recovery`]),
  ]
}

/** Puts a tree on the disk and looks at it, as `reopened` does. */
export const reopenedFrom = async (
  disk: VirtualDisk,
  tree: Tree,
  fsync: FsyncPolicy,
  witness: Witness,
): Promise<ReadonlyArray<string>> => {
  const plan = planAt(disk.load(tree), fsync)
  const wrong = await reopened(plan, witness).catch((error: unknown) => [String(error)])
  return [...wrong, ...disk.openFiles().map((file) => `still open: ${file}`)]
}
