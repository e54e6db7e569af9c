/** What recovery, the scrub and `audit continue` need to look at a chain of an open log. */
import { chainDirectory } from "../sink/Segment.ts"
import { KeyJudge } from "./KeyJudge.ts"
import type { AuditLogOptions, WalPlace } from "./LogOptions.ts"
import { exportedTo } from "./ManifestCheck.ts"
import type { RecoveryInput } from "./Recovery.ts"

export const recoveryInput = (
  options: AuditLogOptions,
  place: WalPlace,
  logId: string,
  writerId: string,
  stream: string,
): RecoveryInput => {
  const { engine, trust, clock, expectHeads } = options
  const exported =
    place.exportDir === undefined ? undefined : chainDirectory(place.exportDir, writerId, stream)
  const nowMs = clock.nowMs()
  return {
    engine,
    writerId,
    stream,
    logId,
    judge: new KeyJudge({ trust, keysRoot: place.dir, logId, writerId, stream, nowMs }),
    expected: expectHeads.filter((head) => head.writerId === writerId && head.stream === stream),
    exportedTo: exported === undefined ? 0 : exportedTo(exported),
  }
}
