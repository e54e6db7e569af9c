/** What a log did since it was opened, in numbers. */
import type { LiveChain } from "./LiveChain.ts"

/** What was appended to a log since it was opened, and how far it got. */
export interface LogCounts {
  readonly accepted: number
  readonly durable: number
  readonly signed: number
  readonly checkpointed: number
  /** Drafts in the queues. */
  readonly waiting: number
  /** Drafts refused with BUSY. */
  readonly shed: number
  /** Steps of sinks that took longer than `deadlines.walMs` a MiB. */
  readonly walTimeouts: number
  /** How often the disk was found full. */
  readonly diskFull: number
  /** Records of which privacy changed something. */
  readonly redacted: number
  /** Drafts refused because they held a secret. */
  readonly blocked: number
}

/** The counts of a log that was closed, and what it left. */
export interface CloseReport extends Omit<LogCounts, "waiting"> {
  /** Drafts that were given up at the deadline; their callers were told CANCELED. */
  readonly left: number
}

export const nothing: LogCounts = {
  accepted: 0,
  durable: 0,
  signed: 0,
  checkpointed: 0,
  waiting: 0,
  shed: 0,
  walTimeouts: 0,
  diskFull: 0,
  redacted: 0,
  blocked: 0,
}

export const countsOf = ({ intake: { writer }, shedding, watch }: LiveChain): LogCounts => ({
  accepted: writer.progress.since("accepted"),
  durable: writer.progress.since("durable"),
  signed: writer.progress.since("signed"),
  checkpointed: writer.progress.since("checkpointed"),
  waiting: writer.waiting,
  shed: shedding.total,
  walTimeouts: watch?.late ?? 0,
  diskFull: 0,
  redacted: writer.privacyCounts.redacted,
  blocked: writer.privacyCounts.blocked,
})

export const added = (a: LogCounts, b: LogCounts): LogCounts => ({
  accepted: a.accepted + b.accepted,
  durable: a.durable + b.durable,
  signed: a.signed + b.signed,
  checkpointed: a.checkpointed + b.checkpointed,
  waiting: a.waiting + b.waiting,
  shed: a.shed + b.shed,
  walTimeouts: a.walTimeouts + b.walTimeouts,
  diskFull: a.diskFull + b.diskFull,
  redacted: a.redacted + b.redacted,
  blocked: a.blocked + b.blocked,
})
