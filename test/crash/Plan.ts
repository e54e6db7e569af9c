/** What a crash test tells its child to do, and how both open the log. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { smallSegments } from "../../src/base/Limits.ts"
import { cloudTrailDrafts } from "../../src/cli/CloudTrail.ts"
import type { Draft, FsyncPolicy, NamedOptions, Signing } from "../../src/index.ts"

export interface Plan {
  /** Holds wal, export, keys and trust.json. */
  readonly dir: string
  readonly streams: ReadonlyArray<string>
  /** Appends under way at a time, in each stream. */
  readonly inFlight: number
  /** Appends in each stream; behind them the child closes the log and ends. */
  readonly records: number
  readonly rotateBytes: number
  readonly fsync: FsyncPolicy
  readonly signing: Signing
  /** Whether checkpoints and exports go on beside the appends. */
  readonly duties: boolean
  readonly seed: number
  /** No file can be opened while the appends run; one more in each stream before and after. */
  readonly exhaustsFiles?: boolean
}

export const writerId = "crash@1"

/** CI runs all of it, and so does SLOW=1; else a sample that takes a minute. */
export const isThorough = process.env.SLOW === "1" || process.env.CI !== undefined

export const openOptions = (
  { dir, rotateBytes, fsync, signing }: Omit<Plan, "streams" | "seed">,
  notice: NonNullable<NamedOptions["notice"]>,
): NamedOptions => ({
  writerId,
  wal: { dir: join(dir, "wal"), rotateBytes, fsync, reserveBytes: 0, [smallSegments]: true },
  export: { dir: join(dir, "export") },
  signing,
  queueDepth: 8192,
  // Faults are meant to be waited out here: shedding has tests of its own.
  deadlines: { enqueueMs: 60_000, walMs: 60_000, exportMs: 60_000, drainMs: 60_000 },
  notice,
})

/** Mulberry32: numbers in [0, 1) that a seed repeats. */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const events = join(import.meta.dirname, "..", "data", "cloudtrail")

/** The sample CloudTrail events as drafts, in the order of their files. */
export const sampleDrafts = (): ReadonlyArray<Draft> =>
  readdirSync(events)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => cloudTrailDrafts(readFileSync(join(events, file)), file).drafts)
    .map(({ draft }) => draft)
