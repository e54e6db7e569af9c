/**
 * Opening after a crash: a log with many records in old segments, its writer killed, warm page
 * cache, the op_id window rebuilt. BENCH_RECORDS sets the number (10,000,000 for the committed
 * result, some 11 GB of disk; 200,000 by default).
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { invariant } from "../src/base/Invariant.ts"
import { type Draft, Strongroom } from "../src/index.ts"
import { calibrate, engines, payload, publish, race, say, summarize } from "./Harness.ts"

const records = Number(process.env.BENCH_RECORDS ?? 200_000)
const open = (dir: string, notice: (event: string) => void) =>
  Strongroom.open({
    writerId: "svc-bench@host-1",
    wal: { dir: join(dir, "wal"), fsync: "on_checkpoint" },
    queueDepth: 16_384,
    notice: ({ event }) => notice(event),
  })

const uuid = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`

/** The id takes the place of the longest member, so that attrs stay within their bound. */
const withOpId = ({ attrs }: Draft, n: number): Draft["attrs"] => {
  const { request: _request, ...rest } = attrs
  return { ...rest, op_id: uuid(n) }
}

/** Appends and dies without closing anything. */
const appendAndDie = async (dir: string, count: number, from: number): Promise<void> => {
  const room = await open(dir, () => undefined)
  const drafts = payload(4096)
  for (let at = 0; at < count; ) {
    const group = Math.min(8_192, count - at)
    await Promise.all(
      Array.from({ length: group }, (_, i) => {
        const draft = drafts[(at + i) % drafts.length]!
        const attrs = withOpId(draft, from + at + i)
        return room.append({ ...draft, attrs })
      }),
    )
    at += group
    if (at % 819_200 < 8_192) say(`  ${at.toLocaleString("en")} records`)
  }
  process.kill(process.pid, "SIGKILL")
}

const child = process.argv.indexOf("--child")
if (child > 0) {
  const [dir, count, from] = process.argv.slice(child + 1)
  await appendAndDie(dir as string, Number(count), Number(from))
}

const dir = mkdtempSync(join(process.env.BENCH_DIR ?? process.cwd(), ".bench-open-"))
const die = (count: number, from: number): void => {
  const args = [import.meta.filename, "--child", dir, `${count}`, `${from}`]
  const { signal } = spawnSync(process.execPath, args, { stdio: "inherit" })
  invariant(signal === "SIGKILL", "the writer was killed")
}

try {
  const engine = engines()[0]!
  const count = records.toLocaleString("en")
  say(`writing ${count} records with op_id, then SIGKILL; engine ${engine.name}`)
  die(records, 0)
  const chain = join(dir, "wal", "svc-bench@host-1", "bench")
  const bytes = readdirSync(chain).reduce((sum, file) => sum + statSync(join(chain, file)).size, 0)
  const gigabytes = (bytes / 1e9).toFixed(2)
  const times: Array<number> = []
  for (let i = 0; i < 7; i++) {
    const begun = performance.now()
    const room = await open(dir, () => undefined)
    times.push(performance.now() - begun)
    const head = room.heads().find(({ stream }) => stream === "bench")
    invariant((head?.seq ?? 0) > records, "every record is there")
    // A repeat of one of the last op_ids is recognised: the window is there.
    const draft = payload(4096)[((records - 1) % 8_192) % 4_096]!
    const attrs = withOpId(draft, records - 1)
    if (i === 0) {
      const repeat = await room.append({ ...draft, attrs })
      invariant(repeat.seq <= records + 1, "a repeat gets the first receipt")
    }
    await room.close()
    die(2_000, records + i * 2_000)
  }
  const calibration = calibrate(engine)
  const rates = (await race([calibration], 5)).get(calibration.name) ?? []
  publish("open", [
    summarize("open", calibration.name, "a second", rates),
    summarize(
      "open",
      `open after SIGKILL, ${count} records, ${gigabytes} GB, op_id window rebuilt`,
      "ms",
      times,
    ),
  ])
} finally {
  rmSync(dir, { recursive: true, force: true })
}
