/**
 * A host on a disk that stops answering: fsyncs of one chain, or of the export, hang (shim.c), and
 * what the rest of the log does meanwhile is told as one line of JSON.
 */
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Draft, type NamedOptions, Strongroom } from "../../src/index.ts"

const [scenario = "", dir = ""] = process.argv.slice(2)
const marker = process.env.FSYNC_HANG ?? ""
const spanMs = 400

const codes = new Map<string, number>()
const told: Array<string> = []

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : "defect"

const notice: NonNullable<NamedOptions["notice"]> = (said) => {
  if (said.event === "trouble") told.push(`${said.stream} ${codeOf(said.error)}`)
  else if (said.event !== "warning") told.push(said.event)
}

const draft = (stream: string): Draft => ({
  stream,
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: { scenario },
})

const hang = (part: string): void => writeFileSync(marker, `${part}\n`)
const relent = (): void => rmSync(marker)

/** Records of a stream that became durable in a while; a rotation may refuse some. */
const rateOf = async (room: Strongroom, stream: string): Promise<number> => {
  const end = performance.now() + spanMs
  let count = 0
  while (performance.now() < end) {
    try {
      await (await room.append(draft(stream))).reached("durable")
      count += 1
    } catch (error) {
      if (codeOf(error) !== "BUSY") throw error
      await sleep(1)
    }
  }
  return count
}

/** Offers drafts all the time; how long the slowest answer took. */
const press = async (room: Strongroom, stream: string, ms: number): Promise<number> => {
  const end = performance.now() + ms
  let slowestMs = 0
  while (performance.now() < end) {
    const begun = performance.now()
    const code = await room.append(draft(stream)).then(() => "accepted", codeOf)
    codes.set(code, (codes.get(code) ?? 0) + 1)
    slowestMs = Math.max(slowestMs, performance.now() - begun)
    await sleep(5)
  }
  return slowestMs
}

const open = (): Promise<Strongroom> =>
  Strongroom.open({
    writerId: "hang@1",
    wal: { dir: join(dir, "wal"), fsync: "always", reserveBytes: 0 },
    export: { dir: join(dir, "export") },
    deadlines: { drainMs: 1_500, exportMs: 700 },
    breaker: { failures: 3, cooldownMs: 1_000 },
    notice,
  })

const seqOf = (room: Strongroom, stream: string) =>
  room.heads().find((head) => head.stream === stream)?.checkpointedTo

const scenarios: Readonly<Record<string, (room: Strongroom) => Promise<object>>> = {
  /** One chain hangs, then goes on. */
  chain: async (room) => {
    const before = await rateOf(room, "fast")
    told.length = 0
    hang("/slow/")
    // Written, and not confirmed: its caller is told once the device counts as stalled.
    const late = room.append(draft("slow")).then(() => "durable", codeOf)
    const [slowestMs, during] = await Promise.all([
      press(room, "slow", 1_200),
      rateOf(room, "fast"),
    ])
    const exporting = await room.export().then(() => "exported", codeOf)
    await Promise.race([room.checkpoint(), sleep(600)])
    const fastCheckpointed = seqOf(room, "fast")
    const { walTimeouts, shed, waiting } = room.counts()
    // Of the hang alone: the real disk may be late too.
    const toldOfHang = [...told]
    relent()
    const lateCode = await late
    // What else was tried meanwhile ends as well.
    await sleep(100)
    const after = await rateOf(room, "slow")
    await sleep(1_200)
    const report = await room.close()
    const { left, abandoned } = report
    const pressed = Object.fromEntries(codes)
    const counts = { walTimeouts, shed, waiting, left, abandoned, late: lateCode, toldOfHang }
    return { before, during, after, slowestMs, pressed, exporting, fastCheckpointed, ...counts }
  },
  /** One chain hangs and the log is closed. */
  close: async (room) => {
    await rateOf(room, "fast")
    hang("/slow/")
    const waiter = room.append(draft("slow")).then(() => "durable", codeOf)
    await press(room, "slow", 100)
    const begun = performance.now()
    const { left, abandoned, durable, accepted } = await room.close()
    const tookMs = performance.now() - begun
    return { tookMs, left, abandoned, durable, accepted, waiter: await waiter }
  },
  /** The export directory hangs, then goes on. */
  export: async (room) => {
    const before = await rateOf(room, "fast")
    await room.append(draft("slow"))
    hang(join(dir, "export"))
    const tries: Array<string> = []
    const during = rateOf(room, "fast")
    for (let i = 0; i < 4; i++) tries.push(await room.export().then(() => "exported", codeOf))
    const state = room.exportState()
    relent()
    await sleep(1_100)
    const again = await room.export().then((all) => all.length, codeOf)
    const settled = room.exportState()
    const { abandoned } = await room.close()
    return { before, during: await during, tries, state, again, settled, abandoned }
  },
}

const room = await open()
await room.append(draft("slow")).then((receipt) => receipt.reached("durable"))
const result = await scenarios[scenario]!(room)
process.stdout.write(`${JSON.stringify({ ...result, told })}\n`)
// What hangs ends with the process only.
process.kill(process.pid, "SIGKILL")
