/** Signatures, certificates, revocations and anchors: whose word counts, for what, and when. */
import { concat, dataView, fromHex } from "../../../src/base/Bytes.ts"
import { b3, b3Text, formatHash } from "../../../src/base/Hash.ts"
import * as Checkpoint from "../../../src/checkpoint/Checkpoint.ts"
import * as Manifest from "../../../src/checkpoint/Manifest.ts"
import { root } from "../../../src/merkle/Tree.ts"
import type { JsonObject } from "../../../src/record/Canonical.ts"
import {
  type Envelope,
  formatEnvelopes,
  formatSigEntry,
  parseSigEntry,
  type SigEntry,
} from "../../../src/signing/Envelope.ts"
import { batchDigest, contexts } from "../../../src/signing/Message.ts"
import {
  base,
  basePlan,
  byCheckpoint,
  byRecord,
  bySeal,
  certificatePath,
  certified,
  checkpoint,
  exported,
  make,
  manifest,
  revocationPath,
  revoked,
  sig,
} from "./Bases.ts"
import { bad, CaseList, good, unknown } from "./Case.ts"
import { change, remove } from "./Edits.ts"
import {
  addCertificate,
  addChain,
  addControl,
  addRevocation,
  type Chain,
  type ChainPlan,
  clone,
  entryOf,
  type Files,
  get,
  keys,
  logId,
  signCheckpoint,
  start,
  type TestKey,
  trustFile,
  writer,
} from "./Log.ts"

const list = new CaseList()
const both = trustFile([keys.anchor.anchor(), keys.second.anchor()])

const entriesOf = (bytes: Uint8Array): Array<SigEntry> => {
  const entries: Array<SigEntry> = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + dataView(bytes).getUint32(at, true)
    entries.push(parseSigEntry(bytes.subarray(at + 4, end)) as SigEntry)
    at = end
  }
  return entries
}

const withEntries = (files: Files, path: string, edit: (entries: Array<SigEntry>) => ReadonlyArray<SigEntry>): Files =>
  change(files, path, (bytes) => concat(...edit(entriesOf(bytes)).map(formatSigEntry)))

/** Segment 2's entries, as `sign` signs them. */
const bySigner = (ranges: ReadonlyArray<readonly [number, number]>, sign: (digest: Uint8Array) => ReadonlyArray<Envelope>, named: object = {}): Files =>
  withEntries(base.files, sig(2), () =>
    ranges.map(([first, last]) => {
      const hashes = base.chain.hashes.slice(first - 1, last).map((hash) => fromHex(hash.slice(3)) ?? new Uint8Array(32))
      const top = root(concat(...hashes))
      const names = { first, last, logId, root: formatHash(top), stream: "ingress", writerId: writer, ...named }
      return { first, last, root: top, envelopes: sign(batchDigest(names)) }
    }),
  )
const whole = [[7, 12]] as const
const anchored = (digest: Uint8Array) => keys.anchor.envelope(contexts.batch, digest)
const flipped = (envelope: Envelope): Envelope => ({ ...envelope, sig: envelope.sig.map((byte, index) => (index === 40 ? byte ^ 1 : byte)) })

/** The order of the group: S + L is the same point, and another encoding. */
const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n
const malleated = (envelope: Envelope): Envelope => {
  const sig_ = envelope.sig.slice()
  const hex = Buffer.from(sig_.subarray(32)).reverse().toString("hex")
  const moved = (BigInt(`0x${hex}`) + groupOrder).toString(16).padStart(64, "0")
  sig_.set(Buffer.from(moved, "hex").reverse(), 32)
  return { ...envelope, sig: sig_ }
}

list.add(
  "signatures",
  good("one batch over the whole segment", bySigner(whole, (digest) => [anchored(digest)])),
  good("signed twice, by an anchor and by a key that nobody knows", bySigner(whole, (digest) => [anchored(digest), keys.other.envelope(contexts.batch, digest)])),
  good("signed by two anchors", bySigner(whole, (digest) => [anchored(digest), keys.second.envelope(contexts.batch, digest)]), { trust: both }),
  bad("signed by two anchors, one of them wrongly", bySigner(whole, (digest) => [anchored(digest), flipped(keys.second.envelope(contexts.batch, digest))]), "sig_invalid", 7, { trust: both }),
  bad("an entry without a signature in it", bySigner(whole, () => []), "sig_missing", 7),
  bad("an entry stripped from the middle of a file", withEntries(base.files, sig(2), (entries) => entries.slice(1)), "sig_missing", 7),
  bad("the last entry of a sealed segment stripped", withEntries(base.files, sig(2), (entries) => entries.slice(0, 1)), "sig_missing", 12),
  bad("signed for another purpose", bySigner(whole, (digest) => [keys.anchor.envelope(contexts.checkpoint, digest)]), "sig_invalid", 7),
  bad("signed for another stream", bySigner(whole, (digest) => [anchored(digest)], { stream: "egress" }), "sig_invalid", 7),
  bad("signed for another log", bySigner(whole, (digest) => [anchored(digest)], { logId: "f".repeat(32) }), "sig_invalid", 7),
  bad("signed for other records", bySigner(whole, (digest) => [anchored(digest)], { first: 6 }), "sig_invalid", 7),
  bad("an anchor's id under another algorithm", bySigner(whole, (digest) => [{ ...anchored(digest), algoId: "ecdsa-p256-sha256" }]), "sig_invalid", 7),
  bad("a signature of another length", bySigner(whole, (digest) => [{ ...anchored(digest), sig: anchored(digest).sig.slice(0, 63) }]), "sig_invalid", 7),
  bad("S + L: the same equation, another encoding", bySigner(whole, (digest) => [malleated(anchored(digest))]), "sig_invalid", 7),
  {
    ...bad("entries that overlap", bySigner([[7, 11], [11, 12]], (digest) => [anchored(digest)]), "frame", 12),
    open: "FORMATS forbids it and names no kind",
  },
  {
    ...bad("an entry that spans two segments", bySigner([[7, 13]], (digest) => [anchored(digest)]), "frame", 7),
    open: "FORMATS forbids it and names no kind",
  },
  {
    ...bad("an entry of the segment before", bySigner([[1, 6]], (digest) => [anchored(digest)]), "frame", 7),
    open: "FORMATS forbids it and names no kind",
  },
  bad("envelopes out of order", change(bySigner(whole, (digest) => [anchored(digest), keys.second.envelope(contexts.batch, digest)]), sig(2), (bytes) => {
    const size = 1 + 1 + 1 + 7 + 1 + 2 + 64 + 1 + 2 + 35
    const at = bytes.length - 2 * size
    return concat(bytes.subarray(0, at), bytes.subarray(at + size), bytes.subarray(at, at + size))
  }), "frame", 7, { trust: both }),
  bad("an unsigned record before signed ones in the newest segment", withEntries(byRecord.files, sig(3), (entries) => entries.toSpliced(1, 1)), "sig_missing", 14),
  good("stronger than declared: batches where checkpoints are", (() => {
    const files = clone(byCheckpoint.files)
    for (const n of [1, 2, 3]) files.set(sig(n), get(bySeal.files, sig(n)))
    const plan: ChainPlan = { ...basePlan, signing: "batch" }
    let first = 1
    for (const [index, count] of basePlan.segments.entries()) {
      files.set(sig(index + 1), formatSigEntry(entryOf(plan, byCheckpoint.chain, first, first + count - 1, "batch", keys.anchor)))
      first += count
    }
    return files
  })()),
  bad("checkpoints only where record is declared", remove(byRecord.files, sig(1), sig(2), sig(3)), "sig_missing", 1),
)

// ---- what ConfigUpdated declares

const updated = (signing: string, more: Partial<ChainPlan>): ReturnType<typeof make> =>
  make({ ...more, kinds: { 7: { kind: "ConfigUpdated", attrs: { signing, config_b3: b3Text(new Uint8Array(1)) } } } })
const batches = updated("batch", { signing: "record" })
const weakened = (() => {
  const made = updated("batch", { signing: "record" })
  const files = clone(made.files)
  for (const [n, first, last] of [[2, 7, 12], [3, 13, 17]] as const) {
    files.set(sig(n), formatSigEntry(entryOf(made.plan, made.chain, first, last, "batch", keys.anchor)))
  }
  return files
})()

list.add(
  "signatures",
  good("ConfigUpdated from record to batch, record signatures go on", batches.files),
  good("ConfigUpdated from record to batch, batches from then on", weakened),
  bad("ConfigUpdated from batch to record, batches go on", updated("record", {}).files, "sig_missing", 8),
  bad("ConfigUpdated from record to batch, the .sig of a segment before it stripped", remove(weakened, sig(1)), "sig_missing", 1),
)

// ---- purposes of anchors

const purposes = (list_: Parameters<TestKey["anchor"]>[0]): Uint8Array => trustFile([keys.anchor.anchor(list_)])

list.add(
  "anchors",
  good("purposes record, checkpoint: enough for a log without certificates", base.files, { trust: purposes(["record", "checkpoint"]) }),
  bad("purpose vote only", base.files, "sig_invalid", 1, { trust: purposes(["vote"]) }),
  bad("purposes witness and record: checkpoints are wrong", base.files, "sig_invalid", 7, { trust: purposes(["record", "witness"]) }),
  bad("a manifest by a key without the purpose checkpoint", (() => {
    const files = clone(exported.files)
    const digest = b3(get(files, manifest(2, "json")))
    files.set(manifest(2, "sig"), formatEnvelopes([keys.second.envelope(contexts.manifest, digest)]))
    return files
  })(), "sig_invalid", 13, { trust: trustFile([keys.anchor.anchor(), keys.second.anchor(["record"])]) }),
  unknown("a manifest by a key that nobody knows", (() => {
    const files = clone(exported.files)
    const digest = b3(get(files, manifest(2, "json")))
    files.set(manifest(2, "sig"), formatEnvelopes([keys.other.envelope(contexts.manifest, digest)]))
    return files
  })(), { kind: "key_unknown", seq: 13 }),
  bad("a certificate by an anchor without the purpose certificate", certified().files, "cert_invalid", 2, { trust: purposes(["record", "checkpoint"]) }),
)

// ---- anchors in time

const cross = (thirdMs?: number): Files => {
  const made = make({ checkpointsAt: [6, 12, 17] })
  const files = remove(made.files, `${writer}/control`)
  const { sig: _sig, signer_key_id: _id, alg: _alg, ...body } = made.chain.checkpoints[2] as Checkpoint.Checkpoint
  files.set(checkpoint(3), Checkpoint.format(signCheckpoint({ ...body, ...(thirdMs === undefined ? {} : { ts_ms: thirdMs }) }, keys.second)))
  return files
}
const endMs = start + 60_000
/** The year 2100: behind every verifier's now. */
const farMs = 4_102_444_800_000
const trusted = (times: object, revokedFrom?: number): Uint8Array =>
  trustFile([keys.anchor.anchor(["root"], times), keys.second.anchor()], {
    logId,
    ...(revokedFrom === undefined ? {} : { revoked: [[keys.anchor.keyId, revokedFrom]] }),
  })

list.add(
  "anchors",
  good("revoked, a checkpoint by another key from before commits to it", cross(), { trust: trusted({}, endMs) }),
  bad("revoked, the checkpoint by another key is from after", cross(endMs + 1), "key_compromised", 1, { trust: trusted({}, endMs) }),
  bad("ended, the checkpoint by another key is from after", cross(endMs + 1), "key_expired", 1, { trust: trusted({ toTsMs: endMs }) }),
  bad("revoked from before it signed, a later checkpoint by another key", cross(), "key_compromised", 1, { trust: trusted({}, start) }),
  bad("an anchor that begins after today", bySeal.files, "key_expired", 1, { trust: trustFile([keys.anchor.anchor(["root"], { fromTsMs: farMs })]) }),
  bad("an anchor that begins after its checkpoints, signing=checkpoint", byCheckpoint.files, "key_expired", 1, { trust: trustFile([keys.anchor.anchor(["root"], { fromTsMs: endMs })]) }),
  good("an anchor that begins earlier", bySeal.files, { trust: trustFile([keys.anchor.anchor(["root"], { fromTsMs: start })]) }),
  bad("ended, signing=checkpoint", byCheckpoint.files, "key_expired", 1, { trust: trustFile([keys.anchor.anchor(["root"], { toTsMs: endMs })]) }),
  good("a key of records that has ended, checkpoints by another cover", make({ sealLast: true, checkpointsAt: [6, 12, 17], recordKey: keys.second }).files, {
    trust: trustFile([keys.anchor.anchor(), keys.second.anchor(["record"], { toTsMs: endMs })]),
  }),
  bad("a key of records that has ended, its last records have no checkpoint", make({ recordKey: keys.second }).files, "key_expired", 13, {
    trust: trustFile([keys.anchor.anchor(), keys.second.anchor(["record"], { toTsMs: endMs })]),
  }),
)

// ---- certified keys

/** A chain signed by the leaf from record 2 on; seq 2 announces it. */
const uncovered = { checkpointsAt: [6, 12] }

const announcedAt = (seq: number, more: JsonObject = {}): Files => {
  const files: Files = new Map()
  const attrs = { ...addCertificate(files, { key: keys.leaf }), ...more }
  const plan: ChainPlan = { ...basePlan, checkpointsAt: [6, 12, 17], recordKey: keys.leaf, batchEvery: 1, kinds: { [seq]: { kind: "KeyCertified", attrs } } }
  const chain = addChain(files, plan)
  anchorFirst(files, plan, chain)
  addControl(files, [chain])
  return files
}
const anchorFirst = (files: Files, plan: ChainPlan, chain: Chain): void => {
  files.set(sig(1), concat(...entriesOf(get(files, sig(1))).map((entry, index) =>
    formatSigEntry(index === 0 ? entryOf(plan, chain, 1, 1, "batch", keys.anchor) : entry))))
}

/** The leaf signs records to 12 and is revoked; `from` it is revoked, `covered` by checkpoints. */
const revokedAt = (fromTsMs: number, more: Partial<ChainPlan> = {}, issuer?: TestKey): Files => {
  const files: Files = new Map()
  const attrs = addCertificate(files, { key: keys.leaf, notAfterMs: farMs })
  const revocation = addRevocation(files, keys.leaf, fromTsMs, issuer)
  const kinds = { 2: { kind: "KeyCertified", attrs }, 14: { kind: "KeyCompromised", attrs: revocation } }
  const plan: ChainPlan = { ...basePlan, checkpointsAt: [6, 12, 17], batchEvery: 1, kinds, ...more }
  const chain = addChain(files, plan)
  const byLeaf: Files = new Map()
  addChain(byLeaf, { ...plan, recordKey: keys.leaf })
  files.set(sig(2), get(byLeaf, sig(2)))
  files.set(sig(3), get(byLeaf, sig(3)))
  addControl(files, [chain])
  return files
}

const anchorRevoked = (() => {
  const files: Files = new Map()
  const attrs = { pubkey_id: keys.second.keyId, from_ts_ms: start, revocation_b3: b3Text(new Uint8Array(1)) }
  const chain = addChain(files, { ...basePlan, kinds: { 8: { kind: "KeyCompromised", attrs } } })
  addControl(files, [chain])
  return files
})()

list.add(
  "certificates",
  good("window open today, no checkpoint over the last records", certified({ notAfterMs: farMs }, uncovered).files),
  good("window opens after the checkpoint: absent, the checkpoint covers", certified({ notBeforeMs: start + 3_000_000 }).files),
  unknown("window opens after today, no checkpoint over the last records", certified({ notBeforeMs: farMs, notAfterMs: farMs + 1 }, uncovered).files),
  good("streams by their exact name", certified({ streams: ["egress", "ingress"] }).files),
  bad("streams by a prefix without its star", certified({ streams: ["ing"] }).files, "cert_invalid", 2),
  bad("announced after its first signature", announcedAt(5), "cert_invalid", 2),
  bad("announced with another digest", announcedAt(2, { cert_b3: b3Text(new Uint8Array(1)) }), "cert_invalid", 2),
  bad("issued by another certified key", (() => {
    const made = certified({ issuer: keys.second })
    const files = clone(made.files)
    addCertificate(files, { key: keys.second })
    return files
  })(), "cert_invalid", 2),
  bad("issued by itself", certified({ issuer: keys.leaf }).files, "cert_invalid", 2),
  unknown("a checkpoint by a key whose certificate leads to no anchor, where nothing else covers", (() => {
    const made = make({ signing: "checkpoint", checkpointsAt: [6, 12, 17], checkpointKeys: [keys.anchor, keys.anchor, keys.leaf] })
    addCertificate(made.files, { key: keys.leaf, issuer: keys.other })
    return made.files
  })(), { kind: "key_unknown", seq: 13 }),
  bad("a manifest signed by the certified key", (() => {
    const files = clone(exported.files)
    addCertificate(files, { key: keys.leaf })
    const digest = b3(get(files, manifest(2, "json")))
    files.set(manifest(2, "sig"), formatEnvelopes([keys.leaf.envelope(contexts.manifest, digest)]))
    return files
  })(), "sig_invalid", 13),
  good("the certificate's file is gone where the manifest names it: a note", (() => {
    const files = clone(exported.files)
    const given = Manifest.parse(get(files, manifest(2, "json")))
    const bytes = Manifest.format({ ...given, certificates: [b3Text(new Uint8Array(1)) ] })
    files.set(manifest(2, "json"), bytes)
    files.set(manifest(2, "sig"), formatEnvelopes([keys.anchor.envelope(contexts.manifest, b3(bytes))]))
    return files
  })()),
  good("signed after it was revoked, checkpoints of the anchor cover", revokedAt(start + 13_000)),
  bad("signed after it was revoked, nothing else covers", revokedAt(start + 13_000, uncovered), "key_compromised", 13),
  good("signed before it was revoked, checkpoints say when", revokedAt(start + 40_000)),
  good("revoked in the trust file as well", revokedAt(start + 13_000), { trust: trustFile([keys.anchor.anchor()], { logId, revoked: [[keys.leaf.keyId, start + 13_000]] }) }),
  bad("revoked in the trust file only, nothing else covers", certified({ notAfterMs: farMs }, uncovered).files, "key_compromised", 13, {
    trust: trustFile([keys.anchor.anchor()], { logId, revoked: [[keys.leaf.keyId, start + 13_000]] }),
  }),
  bad("another revocation than the announced one", change(revoked, revocationPath, () => {
    const files: Files = new Map()
    addRevocation(files, keys.leaf, start + 99_000)
    return get(files, revocationPath)
  }), "cert_invalid", 14),
  unknown("certificate and revocation gone, nothing else covers", remove(revokedAt(start + 13_000, uncovered), certificatePath, revocationPath), { kind: "key_unknown", seq: 13 }),
  good("an anchor's revocation announced, the trust file has it", anchorRevoked, {
    trust: trustFile([keys.anchor.anchor(), keys.second.anchor()], { logId, revoked: [[keys.second.keyId, start]] }),
  }),
  unknown("an anchor's revocation announced, the trust file does not have it", anchorRevoked, { kind: "key_unknown", seq: 8 }, { trust: both }),
)

export const signatureCases = list.cases
