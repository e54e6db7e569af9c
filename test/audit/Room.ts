/** A log in a folder of its own, for as long as a test runs. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach } from "vitest"
import { readRecords } from "../../src/audit/Read.ts"
import { finish, type LogReport, type VerifyOptions, verifyLog } from "../../src/audit/Verify.ts"
import { smallSegments } from "../../src/base/Limits.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { type Draft, type OpenOptions, Strongroom } from "../../src/index.ts"
import type { AuditRecord } from "../../src/record/Record.ts"
import { parseTrust, type Trust } from "../../src/signing/Trust.ts"
import { type ChainFiles, chainDirectory, listChain } from "../../src/sink/Segment.ts"

export const writerId = "test@1"
export const stream = "ingress"
export const engine = openJs()

export interface Place {
  readonly dir: string
  readonly wal: string
  readonly export: string
}

const opened: Array<Strongroom> = []
const made: Array<string> = []

/** Closes and removes what the tests of a file left behind. */
export const cleanUp = (): void => {
  afterEach(async () => {
    await Promise.allSettled(opened.splice(0).map((room) => room.close()))
    for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true })
  })
}

export const makePlace = (): Place => {
  const dir = mkdtempSync(join(tmpdir(), "strongroom-audit-"))
  made.push(dir)
  return { dir, wal: join(dir, "wal"), export: join(dir, "export") }
}

type Changes = Omit<Partial<OpenOptions>, "wal"> & { readonly wal?: Partial<OpenOptions["wal"]> }

export const openRoom = async (place: Place, changes: Changes = {}): Promise<Strongroom> => {
  const room = await Strongroom.open({
    writerId,
    engine: "js",
    export: { dir: place.export },
    notice: () => undefined,
    queueDepth: 8192,
    // A machine that runs many tests at once is no slow disk.
    deadlines: { enqueueMs: 60_000, walMs: 60_000 },
    ...changes,
    wal: { dir: place.wal, [smallSegments]: true, reserveBytes: 0, ...changes.wal },
  })
  opened.push(room)
  return room
}

export const draft = (index: number, more: Partial<Draft> = {}): Draft => ({
  stream,
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: { index },
  ...more,
})

/** Appends drafts first..last and waits until all are accepted. */
export const fill = (room: Strongroom, first: number, last: number) =>
  Promise.all(Array.from({ length: last - first + 1 }, (_, i) => room.append(draft(first + i))))

export const trustOf = ({ dir }: Place): Trust => parseTrust(readFileSync(join(dir, "trust.json")))

export const verify = (
  place: Place,
  changes: Partial<VerifyOptions> = {},
  by = engine,
): LogReport =>
  finish(
    verifyLog(by, {
      root: place.wal,
      trust: "trust" in changes ? changes.trust : trustOf(place),
      integrity: false,
      require: "signed",
      expectHeads: [],
      nowMs: Date.now(),
      ...changes,
    }),
  )

export const filesOf = (root: string, of = stream): ChainFiles =>
  listChain(chainDirectory(root, writerId, of))

/** The `code` with which a promise rejects. */
export const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => (error as { code?: unknown }).code,
  )

/** The records of a chain, each verified as it is read. */
export const recordsOf = ({ wal }: Place, of = stream): Array<AuditRecord> => {
  const records = readRecords(engine, { writerId, stream: of }, filesOf(wal, of), 1)
  return [...records].map(({ record }) => record)
}
