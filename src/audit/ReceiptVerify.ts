/**
 * The verdict on a receipt, from the receipt, the anchors and the verifier's now alone.
 *
 * - Every part that is there must be right; one that is right covers the record.
 * - A key that is unknown, or whose time cannot be told, is a finding only where nothing else
 *   covers. A signature placed outside its key's time is a finding always: the receipt itself shows
 *   the time and claims the signature all the same.
 * - A record signature alone names no log, so it alone is never `valid`.
 *
 * Does not see what only the log shows: announcements (KeyCertified), revocation files, later
 * checkpoints.
 * Source: FORMATS 6, 7 and 8.
 */
import { fromBase64 } from "../base/Bytes.ts"
import { b3, b3Text, formatHash, type HashText, parseHash } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import { type Checkpoint, signedBytes } from "../checkpoint/Checkpoint.ts"
import { foldInclusion } from "../merkle/Proof.ts"
import { formatBody } from "../record/Record.ts"
import type { AlgoId, KeyId } from "../signing/Algorithm.ts"
import type { Envelope } from "../signing/Envelope.ts"
import {
  type CertificateVerdict,
  checkCertificate,
  type KeyCertificate,
} from "../signing/KeyCertificate.ts"
import { batchDigest, contexts } from "../signing/Message.ts"
import {
  anchorStanding,
  certifiedStanding,
  checkpointStanding,
  type PlacingCheckpoint,
  placedAt,
  type Standing,
} from "../signing/Standing.ts"
import type { Trust } from "../signing/Trust.ts"
import { verifyAnchored, verifySignature } from "../signing/Verifier.ts"
import { type Finding, weightOf } from "./Finding.ts"
import type { Receipt } from "./Receipt.ts"

export type ReceiptFinding = Pick<Finding, "kind" | "seq" | "expected" | "found">

/** A signature that counts, and over what. */
export interface Cover {
  readonly by: "record" | "batch" | "checkpoint"
  readonly algo_id: AlgoId
  readonly pubkey_id: KeyId
}

export interface ReceiptReport {
  readonly verdict: "valid" | "invalid" | "unknown"
  readonly log_id: string
  readonly writer_id: string
  readonly stream: string
  readonly seq: number
  readonly self_hash: HashText
  readonly covered_by: ReadonlyArray<Cover>
  readonly findings: ReadonlyArray<ReceiptFinding>
  readonly notes: ReadonlyArray<string>
}

export interface ReceiptOptions {
  /** Without anchors nothing is valid. */
  readonly trust?: Trust | undefined
  /** Units: Unix milliseconds. */
  readonly nowMs: number
  /** `checkpointed`: only a checkpoint covers. */
  readonly require?: "signed" | "checkpointed" | undefined
}

/** Judges a receipt. Never throws for what a receipt says. */
export const verifyReceipt = (receipt: Receipt, options: ReceiptOptions): ReceiptReport =>
  new Judgement(receipt, options).report()

interface Certified {
  readonly certificate: KeyCertificate
  readonly found: CertificateVerdict
}

const noAnchors: Trust = { keys: [], revoked: [] }

class Judgement {
  readonly #receipt: Receipt
  readonly #trust: Trust
  readonly #nowMs: number
  readonly #require: "signed" | "checkpointed"
  readonly #leaf: Uint8Array
  readonly #findings: ReceiptFinding[] = []
  /** Findings only where nothing else covers. */
  readonly #doubts: ReceiptFinding[] = []
  readonly #notes: string[] = []
  readonly #covers: Cover[] = []
  readonly #placing: PlacingCheckpoint[] = []
  readonly #certified: ReadonlyArray<Certified>
  #isBound = false

  constructor(receipt: Receipt, options: ReceiptOptions) {
    const leaf = parseHash(receipt.record.self_hash)
    invariant(leaf !== undefined, "a receipt's self_hash is a hash")
    this.#receipt = receipt
    this.#trust = options.trust ?? noAnchors
    this.#nowMs = options.nowMs
    this.#require = options.require ?? "signed"
    // The claimed hash: an edited record is reported once, not again by every proof over it.
    this.#leaf = leaf
    this.#certified = this.#checkCertificates()
  }

  report(): ReceiptReport {
    const { record, logId } = this.#receipt
    this.#checkRecord()
    // Checkpoints first: they place the signatures of the other parts in time.
    this.#checkCheckpoint()
    this.#checkBatch()
    this.#checkSignatures("record", this.#receipt.signatures ?? [], this.#leaf, true)
    const verdict = this.#verdict()
    return {
      verdict,
      log_id: logId,
      writer_id: record.writer_id,
      stream: record.stream,
      seq: record.seq,
      self_hash: record.self_hash,
      covered_by: this.#covers,
      findings: this.#findings,
      notes: this.#notes,
    }
  }

  #verdict(): ReceiptReport["verdict"] {
    const isCovered =
      this.#require === "checkpointed"
        ? this.#covers.some(({ by }) => by === "checkpoint")
        : this.#covers.length > 0
    const hasAnchors = this.#trust.keys.length > 0
    if (!hasAnchors) this.#notes.push("no trust anchor was given")
    else if (this.#trust.logId === undefined) this.#notes.push("log not pinned")
    if (hasAnchors && !isCovered) this.#findings.push(...this.#doubts)
    else if (hasAnchors) this.#notes.push(...this.#doubts.map(asNote))
    if (this.#findings.some(({ kind }) => weightOf(kind) === "damning")) return "invalid"
    if (!isCovered && this.#covers.length > 0) this.#notes.push("no checkpoint covers the record")
    if (isCovered && !this.#isBound) {
      this.#notes.push("a record signature alone does not say which log the record is of")
    }
    return isCovered && this.#isBound ? "valid" : "unknown"
  }

  #find(kind: ReceiptFinding["kind"], expected: string, found: string): void {
    this.#findings.push({ kind, seq: this.#receipt.record.seq, expected, found })
  }

  #doubt(kind: ReceiptFinding["kind"], expected: string, found: string): void {
    this.#doubts.push({ kind, seq: this.#receipt.record.seq, expected, found })
  }

  #checkRecord(): void {
    const { logId, record } = this.#receipt
    const { self_hash, ...body } = record
    const hash = b3Text(formatBody(body))
    if (hash !== self_hash) this.#find("hash_mismatch", hash, self_hash)
    const pinned = this.#trust.logId
    if (pinned !== undefined && pinned !== logId) this.#find("wrong_log", pinned, logId)
    const opened = record.seq === 1 && record.kind === "StreamOpened" && record.attrs.log_id
    if (typeof opened === "string" && opened !== logId) this.#find("wrong_log", logId, opened)
    if (!this.#hasSignature()) this.#find("sig_missing", "a signature", "none")
  }

  #hasSignature(): boolean {
    const { signatures, batch, checkpoint } = this.#receipt
    return [signatures, batch?.signatures].some((list) => list?.length) || checkpoint !== undefined
  }

  #checkCertificates(): ReadonlyArray<Certified> {
    const { logId, record, certificates = [] } = this.#receipt
    const use = {
      trust: this.#trust,
      logId,
      writerId: record.writer_id,
      stream: record.stream,
      certifiedKeyIds: new Set(certificates.map(({ keyId }) => keyId)),
    }
    return certificates.map((certificate) => {
      const found = checkCertificate(certificate, use)
      if (found.verdict === "invalid") {
        const reason = `certificate of ${certificate.keyId}: ${found.reason}`
        this.#find("cert_invalid", "a certificate for this log, writer and stream", reason)
      }
      return { certificate, found }
    })
  }

  #checkCheckpoint(): void {
    const { checkpoint, cosignatures = [] } = this.#receipt
    if (checkpoint === undefined) return
    const isRight = this.#isPlaceRight(checkpoint)
    const digest = b3(signedBytes(checkpoint))
    const sig = fromBase64(checkpoint.sig)
    invariant(sig !== undefined, "a parsed checkpoint's sig is base64")
    const own = { algoId: checkpoint.alg, keyId: checkpoint.signer_key_id, sig }
    for (const envelope of [own, ...cosignatures]) {
      this.#checkCheckpointSignature(checkpoint, envelope, digest, envelope === own, isRight)
    }
  }

  #isPlaceRight(checkpoint: Checkpoint): boolean {
    const { logId, record, path = [] } = this.#receipt
    const before = this.#findings.length
    if (checkpoint.log_id !== logId) this.#find("wrong_log", logId, checkpoint.log_id)
    if (checkpoint.writer_id !== record.writer_id || checkpoint.stream !== record.stream) {
      const found = `${checkpoint.writer_id} / ${checkpoint.stream}`
      this.#find("wrong_stream", `${record.writer_id} / ${record.stream}`, found)
    }
    this.#checkPath(checkpoint.range, checkpoint.root, path)
    return this.#findings.length === before
  }

  #checkPath(
    [first, last]: readonly [number, number],
    root: HashText,
    path: ReadonlyArray<Uint8Array>,
  ): boolean {
    const { seq } = this.#receipt.record
    const folded = foldInclusion(this.#leaf, seq - first, last - first + 1, path)
    const found =
      folded === undefined ? `no path to ${seq} in ${first}..${last}` : formatHash(folded)
    if (found !== root) this.#find("root_mismatch", root, found)
    return found === root
  }

  #checkCheckpointSignature(
    checkpoint: Checkpoint,
    envelope: Envelope,
    digest: Uint8Array,
    isOwn: boolean,
    isRight: boolean,
  ): void {
    const trust = this.#trust
    const found = verifyAnchored(trust, "checkpoint", envelope, contexts.checkpoint, digest)
    if (found.verdict === "valid") {
      const standing = isOwn
        ? checkpointStanding(found.key, trust, checkpoint.ts_ms, undefined, this.#nowMs)
        : anchorStanding(found.key, trust, undefined, this.#nowMs)
      if (standing !== "good") this.#doubtStanding(envelope, standing)
      else if (isRight) {
        this.#cover("checkpoint", envelope, true)
        this.#placing.push({ tsMs: checkpoint.ts_ms, keyId: envelope.keyId })
      }
      return
    }
    const { keyId } = envelope
    const isCertified = this.#certified.some(({ certificate }) => certificate.keyId === keyId)
    const witness = verifyAnchored(trust, "witness", envelope, contexts.checkpoint, digest)
    if (found.verdict === "unknown" && isCertified) {
      const expected = "a valid signature over the checkpoint"
      this.#find("sig_invalid", expected, `${keyId}: a certified key signs no checkpoint`)
    } else if (found.verdict === "purpose" && !isOwn && witness.verdict === "valid") {
      this.#notes.push(`witnessed by ${keyId}`)
    } else this.#reject("checkpoint", envelope, found.verdict)
  }

  #checkBatch(): void {
    const { logId, record, batch } = this.#receipt
    if (batch === undefined) return
    const { first, last, root, path, signatures } = batch
    const isRight = this.#checkPath([first, last], root, path)
    const { stream, writer_id: writerId } = record
    const digest = batchDigest({ first, last, logId, root, stream, writerId })
    this.#checkSignatures("batch", signatures, digest, isRight)
  }

  #checkSignatures(
    by: "record" | "batch",
    envelopes: ReadonlyArray<Envelope>,
    digest: Uint8Array,
    isRight: boolean,
  ): void {
    for (const envelope of envelopes) {
      const found = verifyAnchored(this.#trust, "record", envelope, contexts[by], digest)
      if (found.verdict === "unknown") {
        this.#checkCertified(by, envelope, digest, isRight)
      } else if (found.verdict !== "valid") {
        this.#reject(by, envelope, found.verdict)
      } else {
        const placedMs = placedAt(envelope.keyId, this.#placing)
        const standing = anchorStanding(found.key, this.#trust, placedMs, this.#nowMs)
        if (standing === "good" && isRight) this.#cover(by, envelope, by === "batch")
        else if (standing !== "good" && placedMs !== undefined) {
          this.#findStanding(envelope, standing, placedMs)
        } else if (standing !== "good") this.#doubtStanding(envelope, standing)
      }
    }
  }

  #checkCertified(
    by: "record" | "batch",
    envelope: Envelope,
    digest: Uint8Array,
    isRight: boolean,
  ): void {
    const { keyId, algoId, sig } = envelope
    const own = this.#certified.filter(
      ({ certificate }) => certificate.keyId === keyId && certificate.algoId === algoId,
    )
    const usable = own.find(({ found }) => found.verdict === "valid")
    if (usable === undefined || usable.found.verdict !== "valid") {
      // An invalid certificate is a finding already.
      if (own.every(({ found }) => found.verdict === "unknown")) {
        this.#reject(by, envelope, "unknown")
      }
      return
    }
    const { publicKey } = usable.certificate
    const verdict = verifySignature(algoId, publicKey, contexts[by], digest, sig)
    const placedMs = placedAt(keyId, this.#placing)
    const { times } = usable.found
    const standing = certifiedStanding(times, this.#trust, [], placedMs, this.#nowMs)
    if (verdict !== "valid") this.#reject(by, envelope, verdict)
    else if (standing === "good") {
      // The certificate names the log, so even a record signature is bound to it.
      if (isRight) this.#cover(by, envelope, true)
    } else if (placedMs !== undefined) this.#findStanding(envelope, standing, placedMs)
    else if (standing === "compromised") this.#doubtStanding(envelope, standing)
    else
      this.#notes.push(`certified key ${keyId}: no checkpoint places its signature in its window`)
  }

  #cover(by: Cover["by"], envelope: Envelope, isBound: boolean): void {
    this.#covers.push({ by, algo_id: envelope.algoId, pubkey_id: envelope.keyId })
    if (isBound) this.#isBound = true
  }

  #reject(
    by: Cover["by"],
    envelope: Envelope,
    verdict: "invalid" | "unsupported" | "purpose" | "unknown",
  ): void {
    const { keyId, algoId } = envelope
    if (verdict === "unsupported") {
      this.#notes.push(`${algoId} signature of ${keyId} over the ${by}: not supported here`)
    } else if (verdict === "unknown") {
      this.#doubt("key_unknown", "a trusted key", keyId)
    } else {
      const what = verdict === "invalid" ? "a wrong signature" : "not trusted for this purpose"
      this.#find("sig_invalid", `a valid signature over the ${by}`, `${keyId}: ${what}`)
    }
  }

  #findStanding(envelope: Envelope, standing: Exclude<Standing, "good">, placedMs: number): void {
    const found = `${envelope.keyId}: ${standing} at ${placedMs}`
    this.#find(kindOf(standing), "a signature within its key's time", found)
  }

  #doubtStanding(envelope: Envelope, standing: Exclude<Standing, "good">): void {
    const found = `${envelope.keyId}: ${standing}, and no other key says when it signed`
    this.#doubt(kindOf(standing), "a signature within its key's time", found)
  }
}

const kindOf = (standing: Exclude<Standing, "good">): "key_compromised" | "key_expired" =>
  standing === "compromised" ? "key_compromised" : "key_expired"

const asNote = (doubt: ReceiptFinding): string => `${doubt.kind}: ${doubt.found}`
