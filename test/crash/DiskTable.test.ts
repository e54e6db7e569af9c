/**
 * The crash table on a virtual disk (VirtualDisk.ts), which needs no privileges: every change and
 * fsync of every kind of file that a log has, x {persisted, lost, torn, scattered}, as the moment
 * of a crash; and each of them as an operation that fails, done or not or by half, in a process
 * that survives: {goes on, stops, does not open}. After each the log is opened again and must hold
 * every acknowledged record, be valid, go on, and export what verifies.
 *
 * One row of each cell is run, SEED chooses which; CRASH_FULL=1 runs them all, and CRASH_WRITE=1
 * writes docs/reference/crash-table.md. The controls are the proof that this can fail. The same on
 * a real kernel is CrashTable.test.ts.
 */
import { writeFileSync } from "node:fs"
import { afterAll, describe, expect, it } from "vitest"
import { mountVirtual } from "./DiskHooks.ts"
import type { Outcome } from "./DiskModel.ts"
import {
  type Cell,
  type Crash,
  crashRow,
  type Failing,
  failingRow,
  failuresOf,
  recordAll,
  type Taken,
} from "./DiskRows.ts"
import { seeded } from "./Plan.ts"

const isFull = process.env.CRASH_FULL === "1"
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = seeded(seed)
const policies = ["always", "on_checkpoint"] as const
const patienceMs = isFull ? 3_600_000 : 240_000

const { disk, close } = mountVirtual()
const crashes: Array<Crash> = []
for (const fsync of policies) crashes.push(...(await recordAll(disk, fsync, random)))
const failures = failuresOf(crashes)

/** What the rows of one cell were. */
interface Tally {
  readonly crashed: Map<Outcome, number>
  readonly ended: Map<Taken["then"], number>
}

const tallies = new Map<string, Tally>()
const tallyOf = ({ kind, operation }: Cell): Tally => {
  const key = `${kind} | ${operation}`
  const tally = tallies.get(key) ?? { crashed: new Map(), ended: new Map() }
  tallies.set(key, tally)
  return tally
}
const bump = <K>(counts: Map<K, number>, key: K): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

/** All rows, or one of each key. */
const sampled = <Row>(rows: ReadonlyArray<Row>, keyOf: (row: Row) => string): Array<Row> => {
  if (isFull) return [...rows]
  const groups = Map.groupBy(rows, keyOf)
  return [...groups.values()].map((group) => group[Math.floor(random() * group.length)]!)
}

const outcomes: ReadonlyArray<Outcome> = ["persisted", "lost", "torn", "scattered"]
const ends: ReadonlyArray<Taken["then"]> = ["goes on", "stops", "does not open"]

const matrix = (): ReadonlyArray<string> => [
  `| file | operation | ${[...outcomes, ...ends].join(" | ")} |`,
  `| --- | --- |${" ---: |".repeat(outcomes.length + ends.length)}`,
  ...[...tallies]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([cell, { crashed, ended }]) => {
      const counts = [...outcomes.map((of) => crashed.get(of)), ...ends.map((of) => ended.get(of))]
      return `| ${cell} | ${counts.map((count) => count ?? "-").join(" | ")} |`
    }),
]

const document = (): string =>
  [
    "# Crash table",
    "",
    "Made by `CRASH_FULL=1 CRASH_WRITE=1 vitest run test/crash/DiskTable.test.ts`; every row",
    "ended in a log that opened with each acknowledged record, valid, went on and exported what",
    "verifies.",
    "",
    "- Crashes: *persisted*, the process dies just behind the operation; *lost*, the power fails",
    "  just before it and takes all that was not fsynced; *torn*, a write by half, an fsync by a",
    "  part, any other change alone, before what came earlier; *scattered*, 512-byte blocks in any",
    "  order.",
    "- Failures (EIO; done, not done, or by half): the log *goes on*; *stops* until it is opened",
    "  again, because what the disk holds is unknown; or *does not open* until the fault is gone.",
    "- Two lives with each fsync policy, the second begun by a recovery. Cells: numbers of rows.",
    "",
    ...matrix(),
    "",
  ].join("\n")

afterAll(() => {
  close()
  console.log(matrix().join("\n"))
  if (process.env.CRASH_WRITE !== "1" || !isFull) return
  writeFileSync(new URL("../../docs/reference/crash-table.md", import.meta.url), document())
})

const nameOf = (row: Cell & Pick<Crash, "fsync" | "life">): string =>
  `${row.life.name}, fsync=${row.fsync}: ${row.operation} of ${row.kind}`

/** Where an operation may stop a log that is open, or keep it from opening. */
const allowed = ({ kind }: Cell): ReadonlyArray<Taken["then"]> => {
  if (/^(export|manifest|checkpoint|co-sig)/.test(kind)) return ["goes on"]
  return /^(folder|lock|segment|signatures)$/.test(kind) ? ends : ["goes on", "does not open"]
}

const runCrashes = async (rows: ReadonlyArray<Crash>): Promise<Array<string>> => {
  const wrong: Array<string> = []
  for (const row of rows) {
    const faults = await crashRow(disk, row)
    bump(tallyOf(row).crashed, row.outcome)
    wrong.push(...faults.map((fault) => `${nameOf(row)} ${row.outcome} (${row.path}): ${fault}`))
  }
  return wrong
}

const runFailures = async (rows: ReadonlyArray<Failing>): Promise<Array<string>> => {
  const wrong: Array<string> = []
  for (const row of rows) {
    const taken = await failingRow(
      disk,
      row,
      isFull || random() < 0.2 ? ["cut", "closed"] : ["cut"],
    )
    bump(tallyOf(row).ended, taken.then)
    const name = `${nameOf(row)} ${row.nth} fails ${row.effect}`
    if (!taken.isHit) wrong.push(`${name}: never came`)
    if (!allowed(row).includes(taken.then)) wrong.push(`${name}: ${taken.then}`)
    wrong.push(...taken.wrong.map((fault) => `${name}: ${fault}`))
  }
  return wrong
}

describe(`crash table on a virtual disk, seed ${seed}`, () => {
  it(
    "loses nothing and names no tampering wherever it ends [A-145] [A-501]",
    async () => {
      const rows = sampled(crashes, (row) => [row.kind, row.operation, row.outcome].join())
      const wrong = await runCrashes(rows)
      console.log(`crash table, virtual: seed ${seed}, ${rows.length} of ${crashes.length} rows`)
      expect(wrong.slice(0, 10)).toEqual([])
      expect(rows.length).toBeGreaterThan(180)
    },
    patienceMs,
  )

  it(
    "tells whoever waits, stops or goes on, and recovers whatever fails [A-145] [A-501]",
    async () => {
      const rows = sampled(failures, (row) => [row.kind, row.operation, row.effect].join())
      const wrong = await runFailures(rows)
      console.log(`fault table, virtual: seed ${seed}, ${rows.length} of ${failures.length} rows`)
      expect(wrong.slice(0, 10)).toEqual([])
      expect(rows.length).toBeGreaterThan(120)
    },
    patienceMs,
  )

  it.each([
    ["segments", /\/wal-\d+\.seg$/, /rollback|truncated|: \d+$/],
    ["signatures", /\/wal-\d+\.sig$/, /sig_missing/],
    ["folders", /\/[^.]*$/, /: \d+$|segment_missing|KeyFileError/],
    ["new files", /\.tmp$/, /./],
  ] as const)(
    "control: finds out a disk that lies about the fsync of %s",
    async (_, lie, fault) => {
      disk.lies = (path) => lie.test(path)
      try {
        const lied = await recordAll(disk, "always", random)
        const lost = lied.filter(({ outcome }) => outcome === "lost")
        const rows = lost.filter((_row, index) => index % 25 === 0)
        disk.lies = () => false
        const wrong: Array<string> = []
        for (const row of rows) wrong.push(...(await crashRow(disk, row)))
        console.log(`control, virtual: ${rows.length} rows; ${wrong[0]}`)
        expect(wrong.filter((text) => fault.test(text)).length).toBeGreaterThan(0)
      } finally {
        disk.lies = () => false
      }
    },
    patienceMs,
  )
})
