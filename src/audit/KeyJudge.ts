/**
 * Which keys count in one chain, and when.
 *
 * Anchors are those of the trust set. A certificate beside the log counts as far as an anchor
 * signed it, for the log, writer and streams that it names, once the chain has announced it. When a
 * signature was made is told by the checkpoints of other keys, so everything that depends on time
 * is answered `later` and placed when the whole chain was seen.
 *
 * Source: FORMATS 6 and 7.
 */
import { join } from "node:path"
import { b3Text } from "../base/Hash.ts"
import type { RecordBody } from "../record/Record.ts"
import type { KeyId } from "../signing/Algorithm.ts"
import { DocumentError } from "../signing/Document.ts"
import type { Envelope } from "../signing/Envelope.ts"
import {
  type CertificateVerdict,
  checkCertificate,
  type KeyCertificate,
  parseCertificate,
} from "../signing/KeyCertificate.ts"
import { contexts } from "../signing/Message.ts"
import { checkRevocation, parseRevocation, type Revocation } from "../signing/Revocation.ts"
import {
  anchorStanding,
  certifiedStanding,
  checkpointStanding,
  type Standing,
} from "../signing/Standing.ts"
import { allows, findKey, type Revoked, type Trust, type TrustKey } from "../signing/Trust.ts"
import { verifyAnchored } from "../signing/Verifier.ts"
import { keysDirectory, readSmallFile } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import type { TrackedCheckpoint } from "./CheckpointTrack.ts"
import { appendRun, type KeyDoubt, type Run, type SignatureState } from "./Coverage.ts"
import type { Finding, FindingKind } from "./Finding.ts"
import { certificateFiles } from "./KeyFolder.ts"
import type { RecordKey, TrackedState } from "./SignatureTrack.ts"

/** A checkpoint with the keys whose signature on it counts. */
export interface JudgedCheckpoint extends TrackedCheckpoint {
  readonly keyIds: ReadonlyArray<KeyId>
}

interface Held<A> {
  readonly document: A | undefined
  readonly digest: string
  readonly fault: string
}

const noTrust: Trust = { keys: [], revoked: [] }

export class KeyJudge {
  readonly trust: Trust
  readonly nowMs: number
  /** The log that the chain says it belongs to. */
  logId: string
  readonly #writerId: string
  readonly #stream: string
  readonly #certificates = new Map<string, Held<KeyCertificate>>()
  readonly #revocations = new Map<string, Held<Revocation>>()
  readonly #announced = new Map<string, { readonly seq: number; readonly digest: string }>()
  readonly #compromised: Array<{
    readonly seq: number
    readonly keyId: string
    readonly digest: string
  }> = []
  readonly #answers = new Map<string, CertificateVerdict>()

  constructor(options: {
    readonly trust: Trust | undefined
    /** The WAL or export directory, whose `~keys` are read. */
    readonly keysRoot: string
    readonly logId: string | undefined
    readonly writerId: string
    readonly stream: string
    readonly nowMs: number
  }) {
    this.trust = options.trust ?? noTrust
    this.nowMs = options.nowMs
    this.logId = options.logId ?? ""
    this.#writerId = options.writerId
    this.#stream = options.stream
    const directory = keysDirectory(options.keysRoot)
    for (const file of certificateFiles(directory)) {
      const keyId = `b3:${file.slice(0, 32)}`
      const path = join(directory, file)
      if (file.endsWith(".cert.json")) {
        this.#certificates.set(keyId, hold(path, parseCertificate, keyId))
      } else this.#revocations.set(keyId, hold(path, parseRevocation, keyId))
    }
  }

  /** A KeyCertified or KeyCompromised record of the chain. */
  announce({ kind, seq, attrs }: RecordBody): void {
    const keyId = String(attrs.pubkey_id)
    if (kind === "KeyCertified") {
      if (!this.#announced.has(keyId)) {
        this.#announced.set(keyId, { seq, digest: String(attrs.cert_b3) })
      }
    } else this.#compromised.push({ seq, keyId, digest: String(attrs.revocation_b3) })
  }

  /** How a signature on records from `firstSeq` on counts. */
  recordKey(envelope: Envelope, firstSeq: number): RecordKey {
    const anchor = findKey(this.trust, envelope.keyId, envelope.algoId)
    if (anchor !== undefined) return this.#anchorKey(anchor)
    if (this.#isAnchor(envelope.keyId)) {
      const expected = `a signature by the algorithm of ${envelope.keyId}`
      return { kind: "refused", finding: "sig_invalid", expected, found: envelope.algoId }
    }
    const held = this.#certificates.get(envelope.keyId)
    if (held === undefined || this.trust.keys.length === 0) return { kind: "unknown" }
    const refuse = (found: string): RecordKey => {
      const expected = `a certificate for ${envelope.keyId}`
      return { kind: "refused", finding: "cert_invalid", expected, found }
    }
    const { document } = held
    if (document === undefined) return refuse(held.fault)
    const verdict = this.#certificate(document)
    if (verdict.verdict === "unknown") return { kind: "unknown" }
    if (verdict.verdict === "invalid") return refuse(verdict.reason)
    const announced = this.#announced.get(envelope.keyId)
    if (announced === undefined || announced.seq > firstSeq) return refuse("not announced before")
    if (announced.digest !== held.digest) return refuse("not the one that was announced")
    return { kind: "later", publicKey: document.publicKey, later: envelope.keyId }
  }

  #anchorKey(anchor: TrustKey): RecordKey {
    if (!allows(anchor, "record")) {
      const expected = "a key with the purpose record"
      return { kind: "refused", finding: "sig_invalid", expected, found: anchor.keyId }
    }
    if (anchor.algoId !== "ed25519") return { kind: "unsupported" }
    const { keyId, publicKey, fromTsMs, toTsMs } = anchor
    const isTimed = fromTsMs !== undefined || toTsMs !== undefined || this.#isRevoked(keyId)
    return isTimed ? { kind: "later", publicKey, later: keyId } : { kind: "counts", publicKey }
  }

  #isRevoked(keyId: string): boolean {
    return this.trust.revoked.some((entry) => entry.keyId === keyId)
  }

  #certificate(certificate: KeyCertificate): CertificateVerdict {
    const known = this.#answers.get(certificate.keyId)
    if (known !== undefined) return known
    const answer = checkCertificate(certificate, {
      trust: this.trust,
      logId: this.logId,
      writerId: this.#writerId,
      stream: this.#stream,
      certifiedKeyIds: new Set(this.#certificates.keys()),
    })
    this.#answers.set(certificate.keyId, answer)
    return answer
  }

  #isAnchor(keyId: string): boolean {
    return this.trust.keys.some((key) => key.keyId === keyId)
  }

  /**
   * Whether a key that is no anchor by its algorithm is known all the same, so that its signature
   * on a checkpoint or manifest is wrong: a certified key signs neither, an anchor by no other.
   */
  isBarred(keyId: KeyId): boolean {
    const certificate = this.#certificates.get(keyId)?.document
    const isCertified =
      certificate !== undefined && this.#certificate(certificate).verdict !== "unknown"
    return isCertified || this.#isAnchor(keyId)
  }

  /** Standing of a signature that waited for its place in time. */
  placed(keyId: string, placedMs: number | undefined): Standing {
    const anchor = this.trust.keys.find((key) => key.keyId === keyId)
    if (anchor !== undefined) return anchorStanding(anchor, this.trust, placedMs, this.nowMs)
    const certificate = this.#certificates.get(keyId)?.document
    const verdict = certificate === undefined ? undefined : this.#certificate(certificate)
    if (verdict?.verdict !== "valid") return "expired"
    return certifiedStanding(verdict.times, this.trust, this.#revoked(), placedMs, this.nowMs)
  }

  /** Revocations that count. */
  #revoked(): Array<Revoked> {
    return [...this.#revocations.values()].flatMap(({ document }) => {
      const certificate = this.#certificates.get(document?.keyId ?? "")?.document
      if (document === undefined || certificate === undefined) return []
      const verdict = checkRevocation(document, certificate, this.trust)
      return verdict === "valid" ? [{ keyId: document.keyId, fromTsMs: document.fromTsMs }] : []
    })
  }

  /** Revocations that the chain announces and nobody can check, or that are wrong. */
  revocationFindings(): Array<Finding> {
    const findings: Array<Finding> = []
    for (const { seq, keyId, digest } of this.#compromised) {
      const file = `${keyId.slice(3)}.revoked.json`
      const find = (kind: FindingKind, expected: string, found: string) =>
        findings.push({ kind, seq, file, offset: 0, expected, found })
      if (this.#isAnchor(keyId)) {
        // Anchors are revoked in the trust file, whatever lies beside the log.
        if (!this.#isRevoked(keyId)) find("key_unknown", "a revocation in the trust file", "none")
        continue
      }
      const held = this.#revocations.get(keyId)
      if (held === undefined) find("key_unknown", `the revocation of ${keyId}`, "no file")
      else if (held.digest === "none") find("cert_invalid", "a regular file", held.fault)
      else if (held.digest !== digest) find("cert_invalid", digest, held.digest)
      else if (held.document === undefined) find("cert_invalid", "a revocation", held.fault)
    }
    return findings
  }
}

const hold = <A extends { readonly keyId: string }>(
  path: string,
  parse: (bytes: Uint8Array) => A,
  keyId: string,
): Held<A> => {
  let digest = "none"
  try {
    const bytes = readSmallFile(path)
    digest = b3Text(bytes)
    const document = parse(bytes)
    return document.keyId === keyId
      ? { document, digest, fault: "" }
      : { document: undefined, digest, fault: `is of ${document.keyId}` }
  } catch (error) {
    const instead = insteadOf(error)
    if (!(error instanceof DocumentError) && instead === undefined) throw error
    return { document: undefined, digest, fault: instead?.found ?? (error as Error).message }
  }
}

const findingOf: Record<Exclude<Standing, "good">, KeyDoubt> = {
  early: "key_expired",
  expired: "key_expired",
  compromised: "key_compromised",
}

/** Dates of counting checkpoints by key: the earliest of those behind the one at hand. */
class Later {
  readonly #earliest = new Map<KeyId, number>()

  note(keyId: KeyId, tsMs: number): void {
    const known = this.#earliest.get(keyId)
    if (known === undefined || tsMs < known) this.#earliest.set(keyId, tsMs)
  }

  /** The earliest date by another key. */
  by(keyId: KeyId): number | undefined {
    let earliest: number | undefined
    for (const [other, tsMs] of this.#earliest) {
      if (other === keyId) continue
      if (earliest === undefined || tsMs < earliest) earliest = tsMs
    }
    return earliest
  }
}

export interface JudgedCheckpoints {
  /** Those whose signature counts, in seq order. */
  readonly counting: ReadonlyArray<JudgedCheckpoint>
  /** Ranges under one whose key does not count. */
  readonly doubtful: ReadonlyArray<Run<KeyDoubt>>
  /** The same checkpoints by name, each with the reason. */
  readonly doubts: ReadonlyArray<{ readonly file: string; readonly text: string }>
}

/** Which checkpoints count. A key that has ended needs a later one by another key. */
export const judgeCheckpoints = (
  tracked: ReadonlyArray<TrackedCheckpoint>,
  judge: KeyJudge,
  report: (finding: Finding) => void,
): JudgedCheckpoints => {
  const later = new Later()
  const counting: Array<JudgedCheckpoint> = []
  const doubtful: Array<Run<KeyDoubt>> = []
  const doubts: Array<JudgedCheckpoints["doubts"][number]> = []
  if (judge.trust.keys.length === 0) return { counting, doubtful, doubts }
  for (const checkpoint of [...tracked].reverse()) {
    const find = (kind: FindingKind, expected: string, found: string): void =>
      report({ kind, seq: checkpoint.first, file: checkpoint.file, offset: 0, expected, found })
    const keyIds: Array<KeyId> = []
    let doubt: KeyDoubt | undefined
    for (const envelope of checkpoint.envelopes) {
      const answer = judgeEnvelope(checkpoint, envelope, judge, later)
      if (answer === "good") keyIds.push(envelope.keyId)
      else if (answer !== "sig_invalid") doubt ??= answer
      else find(answer, "a signature that counts", `one by ${envelope.keyId}`)
    }
    if (keyIds.length === 0 && doubt !== undefined) {
      const signers = checkpoint.envelopes.map(({ keyId }) => keyId).join(", ")
      doubts.unshift({ file: checkpoint.file, text: `${doubt}, signed by ${signers}` })
    }
    if (keyIds.length > 0) {
      for (const keyId of keyIds) later.note(keyId, checkpoint.tsMs)
      counting.unshift({ ...checkpoint, keyIds })
    } else if (doubt !== undefined) {
      doubtful.unshift({ first: checkpoint.first, last: checkpoint.last, state: doubt })
    }
  }
  return { counting, doubtful, doubts }
}

const judgeEnvelope = (
  checkpoint: TrackedCheckpoint,
  envelope: Envelope,
  judge: KeyJudge,
  later: Later,
): "good" | "sig_invalid" | KeyDoubt => {
  const { trust, nowMs } = judge
  const digest = checkpoint.signedDigest
  const found = verifyAnchored(trust, "checkpoint", envelope, contexts.checkpoint, digest)
  switch (found.verdict) {
    case "valid": {
      const committed = later.by(envelope.keyId)
      const standing = checkpointStanding(found.key, trust, checkpoint.tsMs, committed, nowMs)
      return standing === "good" ? "good" : findingOf[standing]
    }
    case "unknown":
      return judge.isBarred(envelope.keyId) ? "sig_invalid" : "key_unknown"
    case "unsupported":
      return "key_unknown"
    default:
      return "sig_invalid"
  }
}

/** Places what waited: a certified signature outside its window counts as absent. */
export const placeSignatures = (
  runs: ReadonlyArray<Run<TrackedState>>,
  judge: KeyJudge,
  checkpoints: ReadonlyArray<JudgedCheckpoint>,
): Array<Run<SignatureState>> => {
  const placed: Array<Run<SignatureState>> = []
  for (const run of runs) {
    const [strength, keyId] = split(run.state)
    if (keyId === undefined) appendRun(placed, run.first, run.last, strength)
    else placeRun(placed, run, strength, keyId, judge, checkpoints)
  }
  return placed
}

const split = (state: TrackedState): readonly [SignatureState, string | undefined] => {
  const colon = state.indexOf(":")
  return colon < 0
    ? [state as SignatureState, undefined]
    : [state.slice(0, colon) as SignatureState, state.slice(colon + 1)]
}

const placeRun = (
  placed: Array<Run<SignatureState>>,
  run: Run<TrackedState>,
  strength: SignatureState,
  keyId: string,
  judge: KeyJudge,
  checkpoints: ReadonlyArray<JudgedCheckpoint>,
): void => {
  for (let at = run.first; at <= run.last; ) {
    const cover = checkpoints.find(({ last }) => last >= at)
    const isCovered = cover !== undefined && cover.first <= at
    const end = cover === undefined ? run.last : isCovered ? cover.last : cover.first - 1
    const last = Math.min(run.last, end)
    const byOther = isCovered && cover.keyIds.some((other) => other !== keyId)
    const standing = judge.placed(keyId, byOther ? cover.tsMs : undefined)
    const isAnchor = judge.trust.keys.some((key) => key.keyId === keyId)
    const isAbsent = !isAnchor && standing !== "compromised"
    const state = standing === "good" ? strength : isAbsent ? "absent" : findingOf[standing]
    appendRun(placed, at, last, state)
    at = last + 1
  }
}
