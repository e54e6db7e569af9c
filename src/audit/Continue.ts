/**
 * Going on after damage: a successor chain that names the end of the damaged one.
 *
 * The damaged folder is kept as it is. The successor `<writer>+K` begins with a StreamOpened whose
 * successor_of holds the last position of the old chain that can be read, so that the old hashes
 * stay committed to by signatures made from now on. An undamaged chain is refused.
 *
 * Source: FORMATS 4 (audit continue) and 10.
 */
import { headText } from "../chain/Chain.ts"
import { isThere } from "../sink/RegularFile.ts"
import { chainDirectory, listChain } from "../sink/Segment.ts"
import { AuditError } from "./AuditError.ts"
import { AuditLog, type Notice } from "./AuditLog.ts"
import { type ChainReport, verifyChain } from "./ChainVerify.ts"
import { type Finding, weightOf } from "./Finding.ts"
import { beginChain, currentWriterId, lockChain, openChain } from "./LiveChain.ts"
import type { AuditLogOptions, WalPlace } from "./LogOptions.ts"
import { unsupervised } from "./Nursery.ts"
import { openWal } from "./OpenWal.ts"
import { recoveryInput } from "./RecoveryInput.ts"

export interface Continued {
  /** The last position of the damaged chain that can be read, and what is wrong with it. */
  readonly damaged: {
    readonly writerId: string
    readonly stream: string
    readonly seq: number
    readonly selfHash: string
    readonly finding: Finding
  }
  readonly successor: {
    readonly writerId: string
    readonly stream: string
    readonly seq: number
    readonly selfHash: string
  }
}

const isDamage = ({ kind }: Finding): boolean =>
  weightOf(kind) === "damning" || kind === "segment_missing"

/** Opens the whole log, which notes a frozen chain in the control chain, and closes it again. */
const visit = async (options: AuditLogOptions): Promise<void> => {
  const log = await AuditLog.open(options, unsupervised())
  await log.close()
}

/** What opening finds wrong with a chain, if it does. */
const openingFault = async (
  options: AuditLogOptions,
  logId: string,
  stream: string,
): Promise<Finding | undefined> => {
  const seen: Array<Notice> = []
  const notice = (event: Notice): void => {
    seen.push(event)
    options.notice(event)
  }
  try {
    await visit({ ...options, notice })
  } catch (error) {
    // The control chain itself is damaged: then only the chain in question can be opened.
    if (!(error instanceof AuditError) || error.code !== "FROZEN") throw error
    const chain = await openChain(options, logId, stream)
    if (!("intake" in chain)) return chain
    chain.scrub?.stop()
    await chain.intake.writer.close().finally(() => chain.lock?.release())
  }
  const frozen = seen.find((event) => event.event === "frozen" && event.stream === stream)
  return frozen?.event === "frozen" ? frozen.finding : undefined
}

const verifyWhole = (
  options: AuditLogOptions,
  place: WalPlace,
  logId: string,
  writerId: string,
  stream: string,
): ChainReport => {
  const files = listChain(chainDirectory(place.dir, writerId, stream))
  const input = recoveryInput(options, place, logId, writerId, stream)
  const run = verifyChain({ ...input, files, require: "signed" })
  let step = run.next()
  while (!step.done) step = run.next()
  return step.value
}

const openSuccessor = async (
  options: AuditLogOptions,
  place: WalPlace,
  logId: string,
  damaged: Continued["damaged"],
): Promise<Continued["successor"]> => {
  const { stream } = damaged
  const base = options.writerId
  const k = damaged.writerId === base ? 1 : Number(damaged.writerId.slice(base.length + 1)) + 1
  const writerId = `${base}+${k}`
  const lock = await lockChain(options, place, writerId, stream)
  try {
    const { seq, selfHash, finding } = damaged
    const predecessor = { writerId: damaged.writerId, stream, seq, selfHash, finding: finding.kind }
    const chain = await beginChain(options, logId, { writerId, stream, lock }, predecessor)
    const { writer } = chain.intake
    try {
      if (options.signer !== undefined) await writer.checkpoint()
    } finally {
      await writer.close()
    }
    return { writerId, stream, seq: writer.state.seq, selfHash: headText(writer.state) }
  } finally {
    lock.release()
  }
}

/**
 * Opens the successor of the damaged chain that `options.writerId` has for a stream.
 * Errors: AuditError NOT_FOUND without such a chain, SETTINGS where it is not damaged; SinkError
 * LOCKED while a process writes it; SignerError.
 */
export const continueChain = async (
  options: AuditLogOptions,
  stream: string,
): Promise<Continued> => {
  const place = options.sink
  if (place.kind !== "wal") throw AuditError.of("SETTINGS", "only a log on disk can be continued")
  const writerId = currentWriterId(place.dir, options.writerId, stream)
  const name = `${writerId} / ${stream}`
  if (!isThere(chainDirectory(place.dir, writerId, stream))) {
    throw AuditError.of("NOT_FOUND", `there is no chain ${name} in ${place.dir}`)
  }
  const logId = openWal(options)
  const fault = await openingFault(options, logId, stream)
  const lock = await lockChain(options, place, writerId, stream)
  let continued: Continued
  try {
    const report = verifyWhole(options, place, logId, writerId, stream)
    const finding = report.findings.find(isDamage) ?? fault
    if (finding === undefined) {
      throw AuditError.of("SETTINGS", `${name} is not damaged: there is nothing to continue`)
    }
    const { state } = report
    const position = { seq: state.seq, selfHash: headText(state) }
    const damaged = { writerId, stream, ...position, finding }
    continued = { damaged, successor: await openSuccessor(options, place, logId, damaged) }
  } finally {
    lock.release()
  }
  // Opening announces the successor in the control chain.
  await visit(options)
  return continued
}
