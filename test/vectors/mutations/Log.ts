/**
 * Logs for the mutation corpus, made byte by byte with test keys and a fixed clock: a log is a map
 * from path to bytes, so a mutation is a change of the map.
 */
import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { concat, fromHex, toBase64, utf8 } from "../../../src/base/Bytes.ts"
import { b3, b3Text, formatHash, genesis } from "../../../src/base/Hash.ts"
import * as Checkpoint from "../../../src/checkpoint/Checkpoint.ts"
import * as Manifest from "../../../src/checkpoint/Manifest.ts"
import { root } from "../../../src/merkle/Tree.ts"
import type { JsonObject } from "../../../src/record/Canonical.ts"
import { formatFrame, formatHeader } from "../../../src/record/Frame.ts"
import { encodeName } from "../../../src/record/Name.ts"
import { formatBody, type RecordBody } from "../../../src/record/Record.ts"
import { keyIdOf } from "../../../src/signing/Algorithm.ts"
import { formatEnvelopes, formatSigEntry, type SigEntry } from "../../../src/signing/Envelope.ts"
import {
  formatCertificate,
  signedBytes as certificateBytes,
} from "../../../src/signing/KeyCertificate.ts"
import { batchDigest, contexts, signedMessage } from "../../../src/signing/Message.ts"
import { formatRevocation, signedBytes as revocationBytes } from "../../../src/signing/Revocation.ts"
import { formatTrust, type Purpose, type TrustKey } from "../../../src/signing/Trust.ts"

export type Files = Map<string, Uint8Array>

/** TEST keys: their seeds are public knowledge. */
export class TestKey {
  readonly publicKey: Uint8Array
  readonly keyId: string
  readonly #key: ReturnType<typeof createPrivateKey>

  constructor(seedHex: string) {
    const seed = Buffer.from(seedHex, "hex")
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed])
    this.#key = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
    const spki = createPublicKey(this.#key).export({ format: "der", type: "spki" })
    this.publicKey = new Uint8Array(spki.subarray(-32))
    this.keyId = keyIdOf(this.publicKey)
  }
  sign(context: string, digest: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, signedMessage(context, digest), this.#key))
  }
  envelope(context: string, digest: Uint8Array) {
    return { algoId: "ed25519" as const, keyId: this.keyId, sig: this.sign(context, digest) }
  }
  anchor(purposes: ReadonlyArray<Purpose> = ["root"], times: Partial<TrustKey> = {}): TrustKey {
    return { algoId: "ed25519", publicKey: this.publicKey, keyId: this.keyId, purposes, ...times }
  }
}

const published = JSON.parse(
  readFileSync(join(import.meta.dirname, "../signatures.json"), "utf8"),
) as { readonly private_key_hex: string; readonly leaf_private_key_hex: string }

export const keys = {
  anchor: new TestKey(published.private_key_hex),
  leaf: new TestKey(published.leaf_private_key_hex),
  other: new TestKey("22".repeat(32)),
  second: new TestKey("44".repeat(32)),
}

export const logId = "00112233445566778899aabbccddeeff"
export const writer = "svc@1"
export const start = 1_730_246_400_000

export const trustFile = (
  anchors: ReadonlyArray<TrustKey>,
  more: { readonly logId?: string; readonly revoked?: ReadonlyArray<[string, number]> } = { logId },
): Uint8Array =>
  formatTrust({
    ...(more.logId === undefined ? {} : { logId: more.logId }),
    keys: anchors,
    revoked: (more.revoked ?? []).map(([keyId, fromTsMs]) => ({ keyId, fromTsMs })),
  })

export interface Kinds {
  /** Extra or replacing records by seq: kind and attrs. */
  readonly [seq: number]: { readonly kind: string; readonly attrs: JsonObject }
}

export interface ChainPlan {
  readonly stream: string
  readonly writer?: string
  readonly logId?: string
  /** Records of each segment. */
  readonly segments: ReadonlyArray<number>
  readonly sealLast?: boolean
  readonly signing?: "record" | "batch" | "checkpoint"
  readonly fsync?: "always" | "on_checkpoint" | "never"
  /** Last seq of each batch entry; entries never span segments. Default: every 5 records. */
  readonly batchEvery?: number
  /** Records from this seq on get no `.sig` entry. */
  readonly unsignedFrom?: number
  readonly checkpointsAt?: ReadonlyArray<number>
  readonly checkpointKeys?: ReadonlyArray<TestKey>
  readonly recordKey?: TestKey
  readonly kinds?: Kinds
  /** Changes a body before it is hashed, for logs that are wrong from the beginning. */
  readonly alter?: (body: RecordBody) => RecordBody
  /** ms between two records; the clock begins at `start`. */
  readonly stepMs?: number
}

export interface Chain {
  readonly folder: string
  readonly bodies: ReadonlyArray<RecordBody>
  readonly hashes: ReadonlyArray<string>
  readonly checkpoints: ReadonlyArray<Checkpoint.Checkpoint>
}

const raw = (hash: string): Uint8Array => fromHex(hash.slice(3)) ?? new Uint8Array(32)

export const folderOf = (stream: string, writerId = writer): string =>
  `${encodeName(writerId)}/${encodeName(stream)}`

export const name = (kind: "seg" | "sig", n: number): string =>
  `wal-${String(n).padStart(6, "0")}.${kind}`

export const checkpointFile = (n: number): string =>
  `checkpoint-${String(n).padStart(6, "0")}.json`

const bodyOf = (plan: ChainPlan, seq: number, prev: string): RecordBody => {
  const special = plan.kinds?.[seq]
  const opened = {
    kind: "StreamOpened",
    attrs: {
      log_id: plan.logId ?? logId,
      signing: plan.signing ?? "batch",
      algs: plan.signing === "checkpoint" ? [] : ["ed25519"],
      checkpoint_algs: ["ed25519"],
      fsync: plan.fsync ?? "always",
    },
  }
  const own = special ?? (seq === 1 ? opened : undefined)
  const body: RecordBody = {
    v: 1,
    ts_ms: start + seq * (plan.stepMs ?? 1000),
    writer_id: plan.writer ?? writer,
    seq,
    stream: plan.stream,
    kind: own?.kind ?? "GetServed",
    actor: own === undefined ? { cap_id: `cap-${seq}` } : { anon: true },
    subject: own === undefined ? { name: `object ${seq}` } : {},
    reason: "ok",
    attrs: own?.attrs ?? { bytes: seq * 7, note: `record number ${seq}` },
    prev,
  }
  return plan.alter?.(body) ?? body
}

/** Signature entries of one segment's records `first` to `last`. */
const entriesOf = (plan: ChainPlan, chain: Chain, first: number, last: number): Array<SigEntry> => {
  const signing = plan.signing ?? "batch"
  const key = plan.recordKey ?? keys.anchor
  const end = Math.min(last, (plan.unsignedFrom ?? Number.POSITIVE_INFINITY) - 1)
  if (signing === "checkpoint") return []
  const every = signing === "record" ? 1 : (plan.batchEvery ?? 5)
  const entries: Array<SigEntry> = []
  for (let at = first; at <= end; at += every) {
    const to = Math.min(end, at + every - 1)
    entries.push(entryOf(plan, chain, at, to, signing, key))
  }
  return entries
}

export const entryOf = (
  plan: ChainPlan,
  chain: Pick<Chain, "hashes">,
  first: number,
  last: number,
  signing: "record" | "batch",
  key: TestKey,
): SigEntry => {
  const hashes = chain.hashes.slice(first - 1, last).map(raw)
  if (signing === "record") {
    const digest = hashes[0] ?? new Uint8Array(32)
    return { first, last, root: null, envelopes: [key.envelope(contexts.record, digest)] }
  }
  const top = root(concat(...hashes))
  const digest = batchDigest({
    first,
    last,
    logId: plan.logId ?? logId,
    root: formatHash(top),
    stream: plan.stream,
    writerId: plan.writer ?? writer,
  })
  return { first, last, root: top, envelopes: [key.envelope(contexts.batch, digest)] }
}

export const signCheckpoint = (
  body: Omit<Checkpoint.CheckpointBody, "signer_key_id" | "alg">,
  key: TestKey,
): Checkpoint.Checkpoint => {
  const whole = { ...body, signer_key_id: key.keyId, alg: "ed25519" as const }
  const sig = key.sign(contexts.checkpoint, b3(Checkpoint.signedBytes(whole)))
  return { ...whole, sig: toBase64(sig) }
}

const checkpointsOf = (plan: ChainPlan, chain: Pick<Chain, "hashes">) => {
  const checkpoints: Array<Checkpoint.Checkpoint> = []
  let first = 1
  let prev: string = genesis
  for (const [index, last] of (plan.checkpointsAt ?? []).entries()) {
    const body = {
      version: 1 as const,
      log_id: plan.logId ?? logId,
      writer_id: plan.writer ?? writer,
      stream: plan.stream,
      range: [first, last] as const,
      root: formatHash(root(concat(...chain.hashes.slice(first - 1, last).map(raw)))),
      prev,
      ts_ms: start + last * (plan.stepMs ?? 1000) + 1,
    }
    const checkpoint = signCheckpoint(body, plan.checkpointKeys?.[index] ?? keys.anchor)
    checkpoints.push(checkpoint)
    prev = Checkpoint.digestOf(checkpoint)
    first = last + 1
  }
  return checkpoints
}

/** Adds a chain to a log. */
export const addChain = (files: Files, plan: ChainPlan): Chain => {
  const folder = folderOf(plan.stream, plan.writer)
  const bodies: Array<RecordBody> = []
  const hashes: Array<string> = []
  const frames: Array<Uint8Array> = []
  const total = plan.segments.reduce((sum, count) => sum + count, 0)
  for (let seq = 1; seq <= total; seq++) {
    const body = bodyOf(plan, seq, hashes.at(-1) ?? genesis)
    const bytes = formatBody(body)
    bodies.push(body)
    hashes.push(b3Text(bytes))
    frames.push(formatFrame(body.seq, bytes, b3Text(bytes)))
  }
  const chain = { folder, bodies, hashes, checkpoints: checkpointsOf(plan, { hashes }) }
  let first = 1
  for (const [index, count] of plan.segments.entries()) {
    const isSealed = index < plan.segments.length - 1 || plan.sealLast === true
    const last = first + count - 1
    const header = formatHeader(isSealed ? count : 0)
    files.set(`${folder}/${name("seg", index + 1)}`, concat(header, ...frames.slice(first - 1, last)))
    const entries = entriesOf(plan, chain, first, last).map(formatSigEntry)
    if (entries.length > 0) files.set(`${folder}/${name("sig", index + 1)}`, concat(...entries))
    first = last + 1
  }
  for (const [index, checkpoint] of chain.checkpoints.entries()) {
    files.set(`${folder}/${checkpointFile(index + 1)}`, Checkpoint.format(checkpoint))
  }
  return chain
}

/** Adds one manifest over segments `from` to `to` of a chain that is sealed. */
export const addManifest = (
  files: Files,
  plan: ChainPlan,
  chain: Chain,
  number: number,
  [from, to]: readonly [number, number],
  prev: string,
): string => {
  const segments: Array<Manifest.ManifestSegment> = []
  let first = 1 + plan.segments.slice(0, from - 1).reduce((sum, count) => sum + count, 0)
  for (let n = from; n <= to; n++) {
    const count = plan.segments[n - 1] ?? 0
    const bytes = files.get(`${chain.folder}/${name("seg", n)}`) ?? new Uint8Array()
    const sig = files.get(`${chain.folder}/${name("sig", n)}`)
    const last = first + count - 1
    segments.push({
      file: name("seg", n),
      offset: 0,
      count,
      range: [first, last],
      root: formatHash(root(concat(...chain.hashes.slice(first - 1, last).map(raw)))),
      bytes: bytes.length,
      digest: b3Text(bytes),
      sig:
        sig === undefined
          ? null
          : { file: name("sig", n), bytes: sig.length, digest: b3Text(sig) },
    })
    first = last + 1
  }
  const [low, high] = [segments[0]?.range[0] ?? 1, segments.at(-1)?.range[1] ?? 1]
  const bytes = Manifest.format({
    version: 1,
    log_id: plan.logId ?? logId,
    stream: plan.stream,
    writer_id: plan.writer ?? writer,
    segments,
    checkpoints: chain.checkpoints.filter(({ range }) => range[1] >= low && range[1] <= high),
    certificates: [],
    prev_manifest: prev,
    created_ts_ms: start + 1_000_000 + number,
  })
  const base = `${chain.folder}/manifest-${String(number).padStart(6, "0")}`
  files.set(`${base}.json`, bytes)
  const envelope = keys.anchor.envelope(contexts.manifest, b3(bytes))
  files.set(`${base}.sig`, formatEnvelopes([envelope]))
  return b3Text(bytes)
}

/** Adds a control chain that announces chains. */
export const addControl = (files: Files, chains: ReadonlyArray<Chain>): Chain => {
  const kinds = Object.fromEntries(
    chains.map((chain, index) => {
      const { writer_id, stream } = chain.bodies[0] as RecordBody
      const attrs = { writer_id, stream, self_hash: chain.hashes[0] as string }
      return [index + 2, { kind: "ChainOpened", attrs }]
    }),
  )
  const count = chains.length + 1
  return addChain(files, { stream: "control", segments: [count], checkpointsAt: [count], kinds })
}

export interface CertificatePlan {
  readonly key: TestKey
  readonly issuer?: TestKey
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  readonly writerId?: string
  readonly logId?: string
  readonly streams?: ReadonlyArray<string>
}

/** Adds a certificate to `~keys`; the attrs of its announcement. */
export const addCertificate = (files: Files, plan: CertificatePlan): JsonObject => {
  const issuer = plan.issuer ?? keys.anchor
  const body = {
    logId: plan.logId ?? logId,
    algoId: "ed25519" as const,
    publicKey: plan.key.publicKey,
    keyId: plan.key.keyId,
    issuerKeyId: issuer.keyId,
    issuerAlgoId: "ed25519" as const,
    notBeforeMs: plan.notBeforeMs ?? start,
    notAfterMs: plan.notAfterMs ?? start + 3_600_000,
    writerId: plan.writerId ?? writer,
    streams: plan.streams ?? ["ing*"],
  }
  const sig = issuer.sign(contexts.certificate, b3(certificateBytes(body)))
  const bytes = formatCertificate({ ...body, sig })
  files.set(`~keys/${plan.key.keyId.slice(3)}.cert.json`, bytes)
  return {
    cert_b3: b3Text(bytes),
    pubkey_id: plan.key.keyId,
    issuer_key_id: issuer.keyId,
    not_after_ms: body.notAfterMs,
  }
}

/** Adds a revocation to `~keys`; the attrs of its announcement. */
export const addRevocation = (
  files: Files,
  key: TestKey,
  fromTsMs: number,
  issuer = keys.anchor,
): JsonObject => {
  const body = {
    keyId: key.keyId,
    fromTsMs,
    reason: "stolen",
    issuerKeyId: issuer.keyId,
    issuerAlgoId: "ed25519" as const,
    tsMs: fromTsMs,
  }
  const sig = issuer.sign(contexts.revocation, b3(revocationBytes(body)))
  const bytes = formatRevocation({ ...body, sig })
  files.set(`~keys/${key.keyId.slice(3)}.revoked.json`, bytes)
  return { pubkey_id: key.keyId, from_ts_ms: fromTsMs, revocation_b3: b3Text(bytes) }
}

export const clone = (files: Files): Files =>
  new Map([...files].map(([path, bytes]) => [path, bytes.slice()]))

export const get = (files: Files, path: string): Uint8Array => {
  const bytes = files.get(path)
  if (bytes === undefined) throw new Error(`no ${path} in the log`)
  return bytes
}

/** Offsets of the frames of a segment. */
export const frameOffsets = (segment: Uint8Array): Array<number> => {
  const view = new DataView(segment.buffer, segment.byteOffset, segment.length)
  const offsets: Array<number> = []
  for (let at = 32; at < segment.length; at += 84 + view.getUint32(at, true)) offsets.push(at)
  return offsets
}

export const text = (value: string): Uint8Array => utf8(value)
