/**
 * The engine in JavaScript: slower than the addon, everywhere, and the same byte for byte.
 *
 * What it seals it has parsed by its own reader (record/Json), normalized and checked by the rules
 * of FORMATS 2; what it verifies has to be those bytes exactly. Buffers it answers are fresh.
 *
 * Source: FORMATS 1 to 6.
 */
import { blake3 } from "@noble/hashes/blake3.js"
import { concat, dataView, utf8 } from "../base/Bytes.ts"
import { b3, formatHash, type Hasher, hashBytes } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import { headText } from "../chain/Chain.ts"
import { nodeHash, root } from "../merkle/Tree.ts"
import { canonicalize, format, type Json, type JsonObject, parse } from "../record/Canonical.ts"
import { opIdOf } from "../record/Draft.ts"
import * as Field from "../record/Field.ts"
import { formatFrame, readFrame } from "../record/Frame.ts"
import { isReserved } from "../record/Kind.ts"
import { checkStream, checkWriterId } from "../record/Name.ts"
import { defaultPrivacy, redactAttrs } from "../record/Privacy.ts"
import * as Record from "../record/Record.ts"
import { Rejected, rejectNumber } from "../record/Reject.ts"
import { holdsSecret } from "../record/Secret.ts"
import { unpackLines } from "../record/Shape.ts"
import { keyIdOf } from "../signing/Algorithm.ts"
import { signatureBytes } from "../signing/Ed25519.ts"
import { formatSigEntry } from "../signing/Envelope.ts"
import { batchDigest, contexts, signedMessage } from "../signing/Message.ts"
import { chooseEd25519, type Ed25519 } from "./Ed25519Js.ts"
import {
  type Canonicalized,
  type ChainContext,
  type ChainState,
  type Engine,
  type EngineSigner,
  flagOpId,
  flagReservedKind,
  flagTimeFell,
  frameInfoBytes,
  type SealRequest,
  type SealResult,
  type VerifyRequest,
  type VerifyResult,
} from "./Engine.ts"
import { EngineError } from "./EngineError.ts"

const newline = 0x0a

/** The next record of a chain from one draft's text. Errors: Rejected. */
const buildBody = (
  { writerId: writer_id, stream }: ChainContext,
  state: ChainState,
  ts_ms: number,
  line: Uint8Array,
): Record.RecordBody => {
  const draft = parse(line)
  if (!Array.isArray(draft)) throw Rejected.of("field_type", "", "not an array")
  if (draft.length !== 5) {
    throw Rejected.of(draft.length < 5 ? "field_missing" : "field_unknown")
  }
  const [givenKind, givenActor, givenSubject, givenReason, givenAttrs] = draft as Array<Json>
  const kind = Field.checkKind(givenKind)
  const actor = Field.checkActor(givenActor)
  const subject = Field.checkSubject(givenSubject)
  const reason = Field.checkReason(givenReason)
  const attrs = Field.checkAttrs(givenAttrs)
  opIdOf({ attrs })
  const seq = state.seq + 1
  const prev = headText(state)
  return { v: 1, ts_ms, writer_id, seq, stream, kind, actor, subject, reason, attrs, prev }
}

interface Body {
  readonly bytes: Uint8Array
  readonly redacted: number
}

/** From kind to attrs; bytes as characters, since no pattern of a secret holds others. */
const judgedText = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
  return text.slice(text.indexOf(',"kind":'), text.lastIndexOf(',"prev":'))
}

/** The bytes of a record as privacy leaves it. Errors: Rejected. */
const formatPrivate = (given: Record.RecordBody, request: SealRequest): Body => {
  const { chain, privacy = defaultPrivacy } = request
  if (privacy === "none") return { bytes: Record.formatUnsafe(given, chain), redacted: 0 }
  const { attrs, redacted, isBlocked } = redactAttrs(given.attrs, privacy)
  if (redacted > 0 && utf8(format(given.attrs)).length > chain.attrsBytesMax) {
    throw Rejected.of("attrs_size", "attrs")
  }
  const bytes = Record.formatUnsafe(redacted > 0 ? { ...given, attrs } : given, chain)
  if (isBlocked || holdsSecret(judgedText(bytes))) throw Rejected.of("pii_blocked")
  return { bytes, redacted }
}

interface Sealed {
  readonly statuses: Uint8Array
  readonly frames: ReadonlyArray<Uint8Array>
  readonly hashes: ReadonlyArray<Uint8Array>
  readonly redacted: SealResult["redacted"]
  readonly state: ChainState
}

const sealLines = (request: SealRequest): Sealed => {
  const { chain, packed, count, framesBytesMax } = request
  const input = packed === undefined ? request.input : unpackLines(request.input, packed)
  const tsMs = Math.max(request.tsMs, request.state.tsMs)
  const statuses: Array<number> = []
  const frames: Array<Uint8Array> = []
  const hashes: Array<Uint8Array> = []
  let { state } = request
  const redacted = { records: 0, values: 0 }
  let framesBytes = 0
  let at = 0
  while (statuses.length < count) {
    const end = input.indexOf(newline, at)
    invariant(end >= 0, "the input holds a line for each draft")
    try {
      const given = buildBody(chain, state, tsMs, input.subarray(at, end))
      const body = formatPrivate(given, request)
      const hash = b3(body.bytes)
      const frame = formatFrame(state.seq + 1, body.bytes, formatHash(hash))
      if (framesBytes + frame.length > framesBytesMax) break
      framesBytes += frame.length
      frames.push(frame)
      hashes.push(hash)
      statuses.push(0)
      redacted.values += body.redacted
      if (body.redacted > 0) redacted.records += 1
      state = { seq: state.seq + 1, tsMs, head: hash }
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      statuses.push(rejectNumber(error.code))
    }
    at = end + 1
  }
  return { statuses: Uint8Array.from(statuses), frames, hashes, redacted, state }
}

const envelope = (signer: EngineSigner, sig: Uint8Array) =>
  [{ algoId: "ed25519", keyId: signer.keyId, sig }] as const

const signBatch = (
  { logId, stream, writerId }: ChainContext,
  signer: EngineSigner,
  first: number,
  hashes: ReadonlyArray<Uint8Array>,
): Uint8Array => {
  const last = first + hashes.length - 1
  const batchRoot = root(concat(...hashes))
  const digest = batchDigest({ first, last, logId, root: formatHash(batchRoot), stream, writerId })
  const envelopes = envelope(signer, signer.sign(contexts.batch, digest))
  return formatSigEntry({ first, last, root: batchRoot, envelopes })
}

const signRecord = (signer: EngineSigner, seq: number, hash: Uint8Array): Uint8Array => {
  const envelopes = envelope(signer, signer.sign(contexts.record, hash))
  return formatSigEntry({ first: seq, last: seq, root: null, envelopes })
}

const signSealed = (request: SealRequest, hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  const { chain, mode, signer, state } = request
  if (mode === "unsigned") return new Uint8Array(0)
  invariant(signer !== undefined, `mode ${mode} has a signer`)
  if (hashes.length === 0) return new Uint8Array(0)
  const first = state.seq + 1
  if (mode === "batch") return signBatch(chain, signer, first, hashes)
  return concat(...hashes.map((hash, index) => signRecord(signer, first + index, hash)))
}

const checkRequest = ({ chain, state, tsMs }: SealRequest): void => {
  checkWriterId(chain.writerId)
  checkStream(chain.stream)
  invariant(/^[0-9a-f]{32}$/.test(chain.logId), "log_id is 32 hex digits")
  invariant(state.head.length === hashBytes, "a head has 32 bytes")
  invariant(Number.isSafeInteger(tsMs) && tsMs >= 0, "ts_ms is an integer from 0")
}

const sealBatch = (request: SealRequest): SealResult => {
  checkRequest(request)
  const { statuses, frames, hashes, redacted, state } = sealLines(request)
  return {
    consumed: statuses.length,
    statuses,
    frames: concat(...frames),
    signatures: signSealed(request, hashes),
    hashes: concat(...hashes),
    redacted,
    state,
  }
}

const opIdBytes = (attrs: JsonObject): Uint8Array | undefined => {
  try {
    const id = opIdOf({ attrs })
    return id === undefined ? undefined : Buffer.from(id.replaceAll("-", ""), "hex")
  } catch (error) {
    // FORMATS 2 asks for a UUID in drafts only; a stored record may hold anything there.
    if (error instanceof Rejected) return undefined
    throw error
  }
}

const frameInfo = (offset: number, body: Record.RecordBody, tsBefore: number): Uint8Array => {
  const bytes = new Uint8Array(frameInfoBytes)
  const view = dataView(bytes)
  const opId = opIdBytes(body.attrs)
  const flags =
    (isReserved(body.kind) ? flagReservedKind : 0) |
    (body.ts_ms < tsBefore ? flagTimeFell : 0) |
    (opId === undefined ? 0 : flagOpId)
  view.setUint32(0, offset, true)
  view.setUint32(4, flags, true)
  view.setFloat64(8, body.ts_ms, true)
  if (opId !== undefined) bytes.set(opId, 16)
  return bytes
}

interface Verified {
  readonly next: number
  readonly hash: Uint8Array
  readonly info: Uint8Array
  readonly state: ChainState
}

const verifyFrame = (
  chain: ChainContext,
  state: ChainState,
  frames: Uint8Array,
  offset: number,
): Verified | "incomplete" | "bad" => {
  const frame = readFrame(frames, offset)
  if (frame === "incomplete") return "incomplete"
  if ("what" in frame) return "bad"
  let body: Record.RecordBody
  try {
    // The ceilings, not the chain's limits: what was written under wider ones stays right.
    body = Record.parseBody(frame.body)
  } catch (error) {
    if (error instanceof Rejected) return "bad"
    throw error
  }
  const { seq, ts_ms: tsMs } = body
  const isOfChain = body.writer_id === chain.writerId && body.stream === chain.stream
  const isNext = seq === frame.seq && seq === state.seq + 1 && body.prev === headText(state)
  const hash = b3(frame.body)
  if (!isOfChain || !isNext || formatHash(hash) !== frame.selfHash) return "bad"
  const info = frameInfo(offset, body, state.tsMs)
  return { next: frame.next, hash, info, state: { seq, tsMs, head: hash } }
}

const verifyBatch = ({ chain, state: start, frames }: VerifyRequest): VerifyResult => {
  const hashes: Array<Uint8Array> = []
  const infos: Array<Uint8Array> = []
  let stop: VerifyResult["stop"] = "end"
  let state = start
  let bytes = 0
  while (bytes < frames.length) {
    const verified = verifyFrame(chain, state, frames, bytes)
    if (typeof verified === "string") {
      stop = verified
      break
    }
    hashes.push(verified.hash)
    infos.push(verified.info)
    bytes = verified.next
    state = verified.state
  }
  const count = hashes.length
  return { count, bytes, stop, hashes: concat(...hashes), infos: concat(...infos), state }
}

const split = (hashes: Uint8Array): Array<Uint8Array> => {
  invariant(hashes.length % hashBytes === 0, "hashes are a multiple of 32 bytes")
  const parts: Array<Uint8Array> = []
  for (let at = 0; at < hashes.length; at += hashBytes) {
    parts.push(hashes.subarray(at, at + hashBytes))
  }
  return parts
}

const merkleRoot: Engine["merkleRoot"] = (hashes, level) => {
  if (level === "leaves") return root(hashes)
  let nodes = split(hashes)
  invariant(nodes.length > 0, "an empty tree has no root")
  while (nodes.length > 1) {
    const above: Array<Uint8Array> = []
    for (let index = 0; index < nodes.length; index += 2) {
      const right = nodes[index + 1]
      above.push(right === undefined ? nodes[index]! : nodeHash(nodes[index]!, right))
    }
    nodes = above
  }
  return nodes[0]!.slice()
}

const openHasher = (): Hasher => {
  const hash = blake3.create({})
  return {
    update: (bytes) => {
      hash.update(bytes)
    },
    digest: () => hash.digest(),
  }
}

const canonicalizeText = (text: Uint8Array): Canonicalized => {
  try {
    return { ok: true, bytes: canonicalize(text) }
  } catch (error) {
    if (error instanceof Rejected) return { ok: false, code: error.code }
    throw error
  }
}

const openSigner = (ed25519: Ed25519, seed: Uint8Array): EngineSigner => {
  invariant(seed.length === 32, "an Ed25519 seed has 32 bytes")
  let key: ReturnType<Ed25519["openKey"]> | undefined = ed25519.openKey(seed)
  const { publicKey } = key
  return {
    publicKey,
    keyId: keyIdOf(publicKey),
    sign: (context, digest) => {
      if (key === undefined) {
        throw new EngineError({ code: "SIGNING_UNAVAILABLE", message: "the signer is closed" })
      }
      return key.sign(signedMessage(context, digest))
    },
    close: () => {
      key?.wipe()
      key = undefined
    },
  }
}

const verifySignatures = (
  ed25519: Ed25519,
  [publicKey, context, digests, signatures]: Parameters<Engine["verifySignatures"]>,
): Uint8Array => {
  const count = digests.length / hashBytes
  invariant(signatures.length === count * signatureBytes, "one signature for each digest")
  const verify = ed25519.openVerifier(publicKey)
  return Uint8Array.from(split(digests), (digest, index) => {
    const at = index * signatureBytes
    const signature = signatures.subarray(at, at + signatureBytes)
    return verify(signedMessage(context, digest), signature) ? 1 : 0
  })
}

/** An engine that needs nothing but the runtime. */
export const openJs = (ed25519: Ed25519 = chooseEd25519()): Engine => ({
  name: "js",
  signing: ed25519.name,
  openSigner: (seed) => openSigner(ed25519, seed),
  sealBatch,
  verifyBatch,
  verifySignatures: (...request) => verifySignatures(ed25519, request),
  merkleRoot,
  openHasher,
  canonicalize: canonicalizeText,
})
