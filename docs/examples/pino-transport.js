// A transport of pino: log lines that matter become records. pino runs it in a worker thread, so
// the thread that logs never waits for it. pino-main.js shows a program that uses it.
//
//     npm install strongroom pino pino-abstract-transport
import build from "pino-abstract-transport"
import { Strongroom } from "strongroom"

/** What of a line is evidence: lines with an `audit` object, and lines from a level on. */
const draftOf = (line, { stream = "app", level = 50 }) => {
  if (line.audit === undefined && line.level < level) return undefined
  const { kind = "LogLine", actor = { anon: true }, subject = {}, reason } = line.audit ?? {}
  return {
    stream,
    kind,
    actor,
    subject,
    reason: reason ?? (line.level >= 50 ? "error" : "ok"),
    // The line's own time: the record's is when it was written. Integers only, no fractions.
    attrs: { level: line.level, logged_ms: line.time, msg: String(line.msg ?? "") },
  }
}

/** Options: `wal` as of Strongroom.open, `stream`, and `level`, a number of pino (50 is error). */
export default async ({ wal, ...options }) => {
  // Each process has a transport, and each transport a chain of its own: no writerId is given.
  const room = await Strongroom.open({ wal })
  const record = async (source) => {
    for await (const line of source) {
      const draft = draftOf(line, options)
      // One after the other: a log that cannot keep up slows the transport, and sheds nothing.
      if (draft !== undefined) await append(room, draft)
    }
  }
  return build(record, { close: () => room.close() })
}

const append = async (room, draft) => {
  try {
    await room.append(draft)
  } catch (error) {
    // A line that is no record (too long, or it holds a secret) is told of and left out; what a
    // stalled disk makes the log shed (BUSY), it counts itself, in a Gap record.
    process.stderr.write(`audit: ${error.code}: ${error.message}\n`)
  }
}
