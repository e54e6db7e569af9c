/**
 * Kinds that only the runtime writes.
 *
 * Source: FORMATS 10.
 */

/** In the order of FORMATS 10. */
export const reservedKinds = [
  "StreamOpened",
  "ChainOpened",
  "Recovered",
  "ConfigUpdated",
  "Gap",
  "KeyCertified",
  "KeyRotationStarted",
  "KeyRotationCompleted",
  "KeyCompromised",
  "Frozen",
  "Unfrozen",
  "Tombstone",
  "Vote",
  "Proposal",
  "Executed",
  "Dispute",
  "HoldPlaced",
  "HoldReleased",
  "IncidentStarted",
  "IncidentEnded",
] as const

const reserved: ReadonlySet<string> = new Set(reservedKinds)

/** Whether a caller's draft of this kind is refused unless it comes through the owning API. */
export const isReserved = (kind: string): boolean => reserved.has(kind)
