/**
 * The program that crash tests kill: it opens a log, appends, and prints an acknowledgement the
 * moment a record is durable.
 *
 * It prints `{"event":"ready"}`, waits for one line with its Plan, and then writes each line with a
 * synchronous write: a line that the parent reads was true when it was written.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { type AppendReceipt, type Draft, Strongroom } from "../../src/index.ts"
import { openOptions, type Plan, sampleDrafts, seeded } from "./Plan.ts"

const say = (line: object): void => {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at)
}

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : "defect"

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

const readPlan = (): Plan => {
  const buffer = Buffer.alloc(1 << 16)
  let used = 0
  while (!buffer.subarray(0, used).includes("\n")) {
    const got = readSync(0, buffer, used, buffer.length - used, null)
    if (got === 0) process.exit(0)
    used += got
  }
  return JSON.parse(buffer.toString("utf8", 0, used))
}

const acknowledge = ({ writerId, stream, seq, selfHash }: AppendReceipt): void =>
  say({ writer_id: writerId, stream, seq, self_hash: selfHash, level: "durable" })

/** One of several callers of a stream; ends at the first refusal. */
let isEachFsynced = false

const call = async (
  room: Strongroom,
  drafts: ReadonlyArray<Draft>,
  stream: string,
  from: number,
  step: number,
  end: number,
): Promise<void> => {
  for (let i = from; i < end; i += step) {
    const draft = drafts[i % drafts.length]!
    let accepted: AppendReceipt | undefined
    try {
      accepted = await room.append({ ...draft, stream, attrs: { ...draft.attrs, i } })
      // With always what append has answered is durable already.
      if (!isEachFsynced) await accepted.reached("durable")
    } catch (error) {
      const what = accepted === undefined ? "refused" : "undecided"
      say({ event: what, stream, code: codeOf(error), message: messageOf(error) })
      return
    }
    acknowledge(accepted)
  }
}

/** Checkpoints and exports at random moments until `signal` says that the appends are done. */
const dutiesUntil = async (
  room: Strongroom,
  random: () => number,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    await sleep(random() * 8)
    const duty = random() < 0.6 ? "checkpoint" : "export"
    try {
      await room[duty]()
      say({ event: duty })
    } catch (error) {
      say({ event: "failed", duty, code: codeOf(error), message: messageOf(error) })
      return
    }
  }
}

/** Opens files until none can be opened any more. */
const takeFiles = (): Array<number> => {
  const taken: Array<number> = []
  for (;;) {
    try {
      taken.push(openSync("/dev/null", "r"))
    } catch {
      say({ event: "exhausted", files: taken.length })
      return taken
    }
  }
}

const work = async (plan: Plan, drafts: ReadonlyArray<Draft>): Promise<void> => {
  isEachFsynced = plan.fsync === "always"
  const room = await Strongroom.open(
    openOptions(plan, (notice) => {
      if (notice.event === "warning") return
      if (notice.event !== "trouble") return say(notice)
      say({ event: "trouble", code: codeOf(notice.error), message: messageOf(notice.error) })
    }),
  )
  say({ event: "open" })
  const random = seeded(plan.seed)
  const done = new AbortController()
  const duties = plan.duties ? dutiesUntil(room, random, done.signal) : undefined
  const { streams, inFlight, records } = plan
  const once = () => Promise.all(streams.map((stream) => call(room, drafts, stream, 0, 1, 1)))
  if (plan.exhaustsFiles === true) await once()
  const taken = plan.exhaustsFiles === true ? takeFiles() : []
  const callers = streams.flatMap((stream) =>
    Array.from({ length: inFlight }, (_, i) => call(room, drafts, stream, i, inFlight, records)),
  )
  await Promise.all(callers)
  if (taken.length > 0) {
    for (const file of taken) closeSync(file)
    say({ event: "relieved" })
    await once()
  }
  done.abort()
  await duties
  await room.close()
  say({ event: "closed" })
}

const drafts = sampleDrafts()
say({ event: "ready" })
await work(readPlan(), drafts).catch((error: unknown) => {
  say({ event: "ended", code: codeOf(error), message: messageOf(error) })
})
