/**
 * Records of many chains in one order: ts_ms, then writer_id by UTF-8 bytes, seq, stream by UTF-8
 * bytes. A view, never verified. Source: FORMATS 2, order across chains.
 */
import { type ReadRecord, readRecords } from "../audit/Read.ts"
import { compare, utf8 } from "../base/Bytes.ts"
import type { Engine } from "../engine/Engine.ts"
import type { AuditRecord } from "../record/Record.ts"
import { type ChainName, chainDirectory, listChain } from "../sink/Segment.ts"

/** Chains that are read side by side; each holds a piece of its file. */
export const mergedMax = 32

const order = (a: AuditRecord, b: AuditRecord): number =>
  a.ts_ms - b.ts_ms ||
  compare(utf8(a.writer_id), utf8(b.writer_id)) ||
  a.seq - b.seq ||
  compare(utf8(a.stream), utf8(b.stream))

interface Source {
  readonly records: Generator<ReadRecord>
  next: AuditRecord
}

const advance = (records: Generator<ReadRecord>): AuditRecord | undefined => {
  const step = records.next()
  return step.done === true ? undefined : step.value.record
}

const openChain = (engine: Engine, root: string, name: ChainName, fromSeq: number) =>
  readRecords(engine, name, listChain(chainDirectory(root, name.writerId, name.stream)), fromSeq)

/**
 * The records of chains from a seq on, merged; with more than 32 chains one chain after another.
 * Errors: AuditError TAMPER; SinkError.
 */
export function* mergeRecords(
  engine: Engine,
  root: string,
  names: ReadonlyArray<ChainName>,
  fromSeq: number,
): Generator<AuditRecord> {
  if (names.length > mergedMax) {
    for (const name of names) {
      for (const { record } of openChain(engine, root, name, fromSeq)) yield record
    }
    return
  }
  const sources: Array<Source> = []
  try {
    for (const name of names) {
      const records = openChain(engine, root, name, fromSeq)
      const next = advance(records)
      if (next !== undefined) sources.push({ records, next })
    }
    while (sources.length > 0) {
      let first = sources[0] as Source
      for (const source of sources) if (order(source.next, first.next) < 0) first = source
      yield first.next
      const next = advance(first.records)
      if (next === undefined) sources.splice(sources.indexOf(first), 1)
      else first.next = next
    }
  } finally {
    for (const { records } of sources) records.return(undefined)
  }
}
