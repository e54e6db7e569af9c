/** The WAL directory before any chain is opened. Source: FORMATS 4. */
import { checkCaseSensitive, checkPrivate, makeDirectory } from "../sink/Durable.ts"
import { chainDirectory, listChain, listChains } from "../sink/Segment.ts"
import { openedLogId } from "./ChainVerify.ts"
import type { AuditLogOptions } from "./LogOptions.ts"

/** Makes the WAL directory and gives its log: what a chain there says, else a new one. */
export const openWal = ({ sink, newLogId }: AuditLogOptions): string => {
  if (sink.kind === "ram") return newLogId()
  makeDirectory(sink.dir)
  checkPrivate(sink.dir)
  checkCaseSensitive(sink.dir)
  return findLogId(sink.dir) ?? newLogId()
}

/** The log that the chains below a WAL directory belong to, by the first that says so. */
const findLogId = (walDir: string): string | undefined => {
  for (const { writerId, stream } of listChains(walDir)) {
    const logId = openedLogId(listChain(chainDirectory(walDir, writerId, stream)))
    if (logId !== undefined) return logId
  }
  return undefined
}
