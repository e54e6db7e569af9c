/**
 * Putting a backup back where nothing is yet.
 *
 * Everything is staged and verified first: against the heads that the backup says it has, and those
 * that whoever restores it knows from elsewhere, so that an older copy is refused as the rollback
 * that it is. The WAL is put in place last: without it nothing opens.
 *
 * Does not protect against: an older copy where nobody kept newer heads, acknowledgements or
 * exports. Source: FORMATS 4 (rollback); LEDGER.
 */
import { join } from "node:path"
import { equal } from "../base/Bytes.ts"
import { type JsonObject, parse } from "../record/Canonical.ts"
import { Rejected } from "../record/Reject.ts"
import type { Trust } from "../signing/Trust.ts"
import { writeFileDurably } from "../sink/Durable.ts"
import { isThere } from "../sink/RegularFile.ts"
import { readSmallFile } from "../sink/Segment.ts"
import { type CopiedTree, copyTree, dropStage, openStage, settleStage } from "../sink/Snapshot.ts"
import { AuditError } from "./AuditError.ts"
import {
  added,
  type BackupWork,
  damaged,
  demandVacant,
  faultOf,
  headsFile,
  headsOf,
  type LogPlaces,
  readTrust,
  type Snapshot,
  verifyRoot,
} from "./Backup.ts"
import type { ExpectedPosition, LogReport } from "./Verify.ts"

/** Heads that a backup says it has. Errors: AuditError SETTINGS; SinkError. */
const readHeads = (path: string): ReadonlyArray<ExpectedPosition> => {
  const lines = Buffer.from(readSmallFile(path)).toString("latin1").split("\n")
  return lines.filter(Boolean).map((line, index) => {
    try {
      const value = parse(Buffer.from(line, "latin1")) as JsonObject
      const { writer_id: writerId, stream, seq, self_hash: selfHash } = value
      const isHead =
        typeof writerId === "string" &&
        typeof stream === "string" &&
        typeof seq === "number" &&
        typeof selfHash === "string"
      if (isHead) return { writerId, stream, seq, selfHash, file: headsFile }
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
    }
    throw AuditError.of("SETTINGS", `${path}:${index + 1} names no head of a chain`)
  })
}

interface Part {
  readonly name: "export" | "keys" | "wal"
  readonly part: string
  readonly to: string
}

/** The parts of a backup and where each belongs; the WAL last, since without it nothing opens. */
const partsOf = (from: string, { walDir, exportDir, keysDir }: LogPlaces): ReadonlyArray<Part> => {
  const parts = [
    ...(exportDir === undefined ? [] : [{ name: "export" as const, to: exportDir }]),
    { name: "keys" as const, to: keysDir },
    { name: "wal" as const, to: walDir },
  ]
  return parts
    .map(({ name, to }) => ({ name, part: join(from, name), to }))
    .filter(({ part }) => isThere(part))
}

const placeNames = { export: "export directory", keys: "key folder", wal: "WAL directory" }

const checkTrust = (from: string, { trustPath }: LogPlaces): Uint8Array | undefined => {
  const path = join(from, "trust.json")
  if (!isThere(path)) return undefined
  const bytes = readSmallFile(path)
  if (!isThere(trustPath)) return bytes
  if (equal(bytes, readSmallFile(trustPath, "follow"))) return undefined
  throw AuditError.of("SETTINGS", `${trustPath} is there and is not the trust file of ${from}`)
}

export interface Restored extends CopiedTree {
  readonly verdict: LogReport["verdict"]
  readonly heads: Snapshot["heads"]
  /** Whether the signing keys were in the backup; else they come from elsewhere. */
  readonly hasKeys: boolean
}

/**
 * Puts a backup where nothing is yet, verified against its own heads and `expectHeads`.
 * `trust` are the anchors to verify by, default those of the backup itself.
 * Errors: AuditError NOT_FOUND, SETTINGS where something is there already, TAMPER where it is
 * damaged or behind what is expected; SinkError; nothing is in its place then.
 */
export const restoreLog = async (
  work: BackupWork & {
    readonly trust?: Trust | undefined
    readonly expectHeads?: ReadonlyArray<ExpectedPosition>
  },
  from: string,
  places: LogPlaces,
): Promise<Restored> => {
  if (!isThere(join(from, "wal")) || !isThere(join(from, headsFile))) {
    throw AuditError.of("NOT_FOUND", `${from} is no backup: wal or ${headsFile} is missing`)
  }
  const parts = partsOf(from, places)
  for (const { name, to } of parts) demandVacant(to, placeNames[name])
  const trustBytes = checkTrust(from, places)
  const trust = work.trust ?? readTrust(join(from, "trust.json"))
  const expected = [...readHeads(join(from, headsFile)), ...(work.expectHeads ?? [])]
  try {
    let sum = { files: 0, bytes: 0 }
    let report: LogReport | undefined
    for (const { name, part, to } of parts) {
      work.signal?.throwIfAborted()
      const stage = await openStage(to)
      sum = added(sum, await copyTree(part, stage))
      if (name === "keys") continue
      const isExport = name === "export"
      report = await verifyRoot(work, stage, trust, isExport ? [] : expected)
      const fault = faultOf(report, isExport)
      if (fault !== undefined) throw damaged(`the backup in ${from}`, fault)
    }
    if (trustBytes !== undefined) await writeFileDurably(places.trustPath, trustBytes)
    for (const { to } of parts) settleStage(to)
    const hasKeys = isThere(join(from, "keys"))
    return {
      ...sum,
      verdict: report?.verdict ?? "unknown",
      heads: report === undefined ? [] : headsOf(report),
      hasKeys,
    }
  } catch (error) {
    for (const { to } of parts) await dropStage(to).catch(() => undefined)
    throw error
  }
}
