/** Why a chain takes nothing, in the words that its callers get. */
import { AuditError } from "./AuditError.ts"
import type { Finding } from "./Finding.ts"

/** What appends to a chain are told that tampering has stopped. */
export const frozen = (writerId: string, stream: string, found: Finding): AuditError =>
  AuditError.of(
    "FROZEN",
    `${writerId} / ${stream} is frozen: ${found.kind} at seq ${found.seq} (${found.file}, byte ` +
      `${found.offset}); look at it with audit verify, then go on with: ` +
      `audit continue --writer ${writerId} --stream ${stream}`,
  )

export const isFrozen = (error: unknown): boolean =>
  error instanceof AuditError && error.code === "FROZEN"

export const unavailable = (stream: string, why: string): AuditError =>
  AuditError.of("UNAVAILABLE", `${stream} cannot be written now: ${why}; try again`)

export const sentenceOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

/** Whether the step ended within `ms`; it goes on where it did not. */
export const within = async (ms: number, step: Promise<void>): Promise<boolean> => {
  if (ms === Number.POSITIVE_INFINITY) return step.then(() => true)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((done) => {
    timer = setTimeout(() => done(false), ms)
  })
  return Promise.race([step.then(() => true), late]).finally(() => clearTimeout(timer))
}
