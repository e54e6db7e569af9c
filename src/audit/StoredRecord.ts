/**
 * One stored record of a chain that this process writes, from its sink.
 *
 * Source: FORMATS 4.
 */
import type { Engine } from "../engine/Engine.ts"
import { readFrame } from "../record/Frame.ts"
import { type AuditRecord, parseBody } from "../record/Record.ts"
import { type ChainName, chainDirectory, listChain } from "../sink/Segment.ts"
import type { Sink } from "../sink/Sink.ts"
import { SinkRam } from "../sink/SinkRam.ts"
import { AuditError } from "./AuditError.ts"
import { readRecords } from "./Read.ts"

/**
 * The record at a position. `walDir` is given where the sink is on disk.
 * Errors: AuditError NOT_FOUND, TAMPER; SinkError.
 */
export const readStored = (
  engine: Engine,
  walDir: string | undefined,
  sink: Sink,
  name: ChainName,
  seq: number,
): AuditRecord => {
  const { writerId, stream } = name
  if (sink instanceof SinkRam) {
    const record = readRam(sink, seq)
    if (record !== undefined) return record
  } else if (walDir !== undefined) {
    const files = listChain(chainDirectory(walDir, writerId, stream))
    for (const { record } of readRecords(engine, name, files, seq)) return record
  }
  throw AuditError.of("NOT_FOUND", `${writerId} / ${stream} has no record ${seq}`)
}

const readRam = (sink: SinkRam, seq: number): AuditRecord | undefined => {
  const bytes = sink.frames()
  for (let at = 0; at < bytes.length; ) {
    const frame = readFrame(bytes, at)
    if (frame === "incomplete" || "what" in frame) return undefined
    if (frame.seq === seq) return { ...parseBody(frame.body), self_hash: frame.selfHash }
    at = frame.next
  }
  return undefined
}
