/** One changed byte, in every class of bytes that Cases.ts does not touch. */
import { concat, dataView } from "../../../src/base/Bytes.ts"
import { b3, genesis } from "../../../src/base/Hash.ts"
import * as Checkpoint from "../../../src/checkpoint/Checkpoint.ts"
import { formatEnvelopes } from "../../../src/signing/Envelope.ts"
import { contexts } from "../../../src/signing/Message.ts"
import {
  base,
  byCheckpoint,
  byRecord,
  bySeal,
  certificatePath,
  certified,
  checkpoint,
  exported,
  ingress,
  manifest,
  revocationPath,
  revoked,
  seg,
  sig,
} from "./Bases.ts"
import { bad, CaseList, good, unknown } from "./Case.ts"
import { flip, inFrame } from "./Edits.ts"
import { type Files, folderOf, frameOffsets, get, keys, name, trustFile } from "./Log.ts"

const list = new CaseList()

const flipText = (files: Files, path: string, needle: string, shift: number, bits = 1): Files => {
  const at = Buffer.from(get(files, path)).indexOf(needle)
  if (at < 0) throw new Error(`no ${needle} in ${path}`)
  return flip(files, path, at + shift, bits)
}

// ---- segments: the first record, the last record, the other ways to sign

const last = frameOffsets(get(base.files, seg(3)))[4] ?? 0
const first = 32

list.add(
  "flip",
  bad("first segment's header: magic", flip(base.files, seg(1), 0), "frame", 1),
  bad("newest segment's header: count of an open one", flip(base.files, seg(3), 10), "header_count", 13),
  bad("newest segment's header: high byte of count", flip(base.files, seg(3), 13), "header_count", 13),
  bad("first frame: len", flip(base.files, seg(1), first), "frame", 1),
  bad("first frame: a letter of its log_id", flipText(base.files, seg(1), '"log_id":"', 10), "hash_mismatch", 1),
  bad("first frame: self_hash", flip(base.files, seg(1), (frameOffsets(get(base.files, seg(1)))[1] ?? 0) - 1), "hash_mismatch", 1),
  bad("last frame: a letter of a string", flip(base.files, seg(3), inFrame(base.files, seg(3), 4, '"note":"record') + 9), "hash_mismatch", 17),
  bad("last frame: a brace", flip(base.files, seg(3), inFrame(base.files, seg(3), 4, '{"v":1')), "canon", 17),
  bad("last frame: v", flip(base.files, seg(3), last + 4), "frame", 17),
  bad("last frame: self_hash_len", flip(base.files, seg(3), get(base.files, seg(3)).length - 71), "frame", 17),
  bad("last frame: the last byte", flip(base.files, seg(3), -1), "hash_mismatch", 17),
  bad("last frame: self_hash is no hash any more", flip(base.files, seg(3), -1, 0x80), "hash_mismatch", 17),
  bad("frame: self_hash is no hash any more", flip(base.files, seg(2), (frameOffsets(get(base.files, seg(2)))[3] ?? 0) - 1, 0x40), "hash_mismatch", 9),
  bad("frame: prefix of self_hash", flip(base.files, seg(2), (frameOffsets(get(base.files, seg(2)))[3] ?? 0) - 67), "hash_mismatch", 9),
  bad("frame: seq of the body, which then is the next record's", flip(base.files, seg(1), inFrame(base.files, seg(1), 1, '"seq":2') + 6), "frame", 2),
  {
    ...bad("frame: highest byte of seq", flip(base.files, seg(2), (frameOffsets(get(base.files, seg(2)))[2] ?? 0) + 12, 0x80), "frame", 9),
    open: "FORMATS does not say which of the two seqs the finding carries",
  },
  bad("body: a letter of writer_id", flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"writer_id":"') + 13), "hash_mismatch", 9),
  bad("body: a letter of stream", flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"stream":"') + 10), "hash_mismatch", 9),
  bad("body: kind", flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"kind":"') + 9), "hash_mismatch", 9),
  bad("body: kind begins with no capital any more", flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"kind":"') + 8, 0x20), "canon", 9),
  bad("body: a comma", flip(base.files, seg(2), inFrame(base.files, seg(2), 2, ',"seq"')), "canon", 9),
  bad("body: a key's quote", flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"attrs"')), "canon", 9),
  bad("body: prefix of prev", flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"prev":"b3:') + 8), "canon", 9),
  bad("signing=record: a letter of a string", flip(byRecord.files, seg(2), inFrame(byRecord.files, seg(2), 2, '"note":"record') + 9), "hash_mismatch", 9),
  bad("signing=checkpoint: a letter of a string", flip(byCheckpoint.files, seg(2), inFrame(byCheckpoint.files, seg(2), 2, '"note":"record') + 9), "hash_mismatch", 9),
  bad("control chain: a letter of a string", flipText(base.files, `${folderOf("control")}/${name("seg", 1)}`, '"stream":"ingress', 10), "hash_mismatch", 2, {
    finding: { kind: "hash_mismatch", seq: 2, stream: "control" },
  }),
)

// ---- .sig

const entryAt = (files: Files, path: string, index: number): number => {
  const bytes = get(files, path)
  let at = 0
  for (let i = 0; i < index; i++) at += 4 + dataView(bytes).getUint32(at, true)
  return at
}

list.add(
  "flip",
  {
    ...bad(".sig: a letter of algo_id", flipText(base.files, sig(2), "ed25519", 2), "frame", 7),
    open: "an algorithm that is none: bytes that cannot be read, or a signature that cannot be right",
  },
  bad(".sig: length, so that it runs past the end of a sealed segment's file", flip(base.files, sig(2), 3), "frame", 7),
  bad(".sig: length of the last entry, so that it runs past the end: it hides an entry", flip(base.files, sig(3), 1), "frame", 13),
  bad(".sig: length of the last entry, beyond what an entry can be", flip(base.files, sig(3), 3), "frame", 13),
  bad(".sig: length of the second entry", flip(base.files, sig(2), entryAt(base.files, sig(2), 1)), "frame", 12),
  bad(".sig: length of the last entry, a checkpoint over its records", flip(byRecord.files, sig(3), entryAt(byRecord.files, sig(3), 4) + 1), "frame", 17),
  bad(".sig: signature of a record", flipText(byRecord.files, sig(2), "ed25519", 20), "sig_invalid", 7),
  bad(".sig: root is null, the range is not one record", flip(base.files, sig(2), 7, 0x58 ^ 0xf6), "frame", 7),
)

// ---- checkpoints and cosignatures

const cosign = (files: Files, n: number, by: ReadonlyArray<"anchor" | "second" | "other">): Files => {
  const digest = b3(Checkpoint.signedBytes(Checkpoint.parse(get(files, checkpoint(n)))))
  const envelopes = by.map((key) => keys[key].envelope(contexts.checkpoint, digest))
  return new Map([...files, [`${ingress}/checkpoint-00000${n}.cosig`, formatEnvelopes(envelopes)]])
}
const twoAnchors = trustFile([keys.anchor.anchor(), keys.second.anchor()])
const cosigned = cosign(base.files, 1, ["second"])
const cosig = `${ingress}/checkpoint-000001.cosig`

list.add(
  "flip",
  bad("checkpoint: writer_id", flipText(base.files, checkpoint(1), '"writer_id":"', 13), "wrong_stream", 1),
  {
    ...bad("checkpoint: version", flipText(base.files, checkpoint(1), '"version":1', 10), "canon", 1),
    open: "a document that cannot be read has no seq of its own",
  },
  {
    ...bad("checkpoint: alg", flipText(base.files, checkpoint(1), '"alg":"', 8), "canon", 1),
    open: "an algorithm that is none: a member that is refused, or a signature that cannot be right",
  },
  bad("checkpoint: signer_key_id, and the next commits to it", flipText(base.files, checkpoint(1), '"signer_key_id":"b3:', 21), "checkpoint_gap", 7),
  good("checkpoint: signer_key_id of the last, where signatures cover", flipText(base.files, checkpoint(2), '"signer_key_id":"b3:', 21)),
  unknown("checkpoint: signer_key_id of the last, where nothing else covers", flipText(byCheckpoint.files, checkpoint(3), '"signer_key_id":"b3:', 21), {
    kind: "key_unknown",
    seq: 13,
  }),
  bad("checkpoint: sig of the last", flipText(bySeal.files, checkpoint(3), '"sig":"', 9), "sig_invalid", 13),
  bad("checkpoint: root where nothing else covers", flipText(byCheckpoint.files, checkpoint(2), '"root":"b3:', 12), "root_mismatch", 7),
  {
    ...bad("checkpoint: prev of the first", flipText(base.files, checkpoint(1), `"prev":"${genesis}"`, 11), "canon", 1),
    open: "b3:1 is no hash at all: a member that is refused, or a first one that names a predecessor",
  },
  bad("checkpoint: log_id of the control chain's", flipText(base.files, `${folderOf("control")}/checkpoint-000001.json`, '"log_id":"', 10), "wrong_log", 1, {
    finding: { kind: "wrong_log", seq: 1, stream: "control" },
  }),
  good("cosignature by another anchor", cosigned, { trust: twoAnchors }),
  good("cosignature by a key that nobody knows", cosign(base.files, 1, ["other"])),
  bad("cosignature: its signature", flipText(cosigned, cosig, "ed25519", 20), "sig_invalid", 1, { trust: twoAnchors }),
  bad("cosignature: its array head", flip(cosigned, cosig, 0), "frame", 1, { trust: twoAnchors }),
  bad("cosignature: bytes behind it", new Map([...cosigned, [cosig, concat(get(cosigned, cosig), new Uint8Array(1))]]), "frame", 1, { trust: twoAnchors }),
  bad("cosignature of another checkpoint", new Map([...base.files, [cosig, get(cosign(base.files, 2, ["second"]), `${ingress}/checkpoint-000002.cosig`)]]), "sig_invalid", 1, { trust: twoAnchors }),
)

// ---- manifests

const inManifest = (needle: string, shift: number, bits = 1, n = 1): Files =>
  flipText(exported.files, manifest(n, "json"), needle, shift, bits)
/** Behind the checkpoints, which have members of the same names. */
const behindCheckpoints = (needle: string, shift: number, bits = 1): Files => {
  const path = manifest(1, "json")
  const bytes = Buffer.from(get(exported.files, path))
  const at = bytes.indexOf(needle, bytes.indexOf('],"created_ts_ms"'))
  return flip(exported.files, path, at + shift, bits)
}

list.add(
  "flip",
  bad("manifest: log_id", behindCheckpoints('"log_id":"', 10), "wrong_log", 1),
  bad("manifest: stream", behindCheckpoints('"stream":"', 10), "wrong_stream", 1),
  bad("manifest: writer_id", behindCheckpoints('"writer_id":"', 13), "wrong_stream", 1),
  bad("manifest: digest of a segment", inManifest('"digest":"b3:', 14), "hash_mismatch", 1),
  bad("manifest: digest of a .sig", inManifest('"sig":{"bytes":', 32), "hash_mismatch", 1),
  bad("manifest: bytes of a segment", inManifest('"bytes":', 9, 2), "sig_invalid", 1),
  bad("manifest: offset", inManifest('"offset":0', 9), "sig_invalid", 1),
  {
    ...bad("manifest: count", inManifest('"count":6', 8), "manifest_gap", 1),
    open: "a count that does not fit its range: a member that is refused, or a gap",
  },
  bad("manifest: prev_manifest of the second", inManifest('"prev_manifest":"b3:', 21, 1, 2), "manifest_gap", 13),
  bad("manifest: sig of a checkpoint in it", inManifest('"sig":"', 9), "sig_invalid", 1),
  bad("manifest: ts_ms of a checkpoint in it", inManifest('"ts_ms":1', 12, 2), "fork", 1),
  bad("manifest: a letter of algo_id in its signatures", flipText(exported.files, manifest(2, "sig"), "ed25519", 20), "sig_invalid", 13),
  bad("manifest: array head of its signatures", flip(exported.files, manifest(2, "sig"), 0), "frame", 13),
  {
    ...unknown("manifest: pubkey_id of its signature", flipText(exported.files, manifest(1, "sig"), "b3:", 5), { kind: "key_unknown", seq: 1 }),
  },
)

// ---- certificates and revocations; record 2 is the first that the certified key signs

const inCertificate = (needle: string, shift: number, bits = 1): Files =>
  flipText(certified().files, certificatePath, needle, shift, bits)
const inRevocation = (needle: string, shift: number, bits = 1): Files =>
  flipText(revoked, revocationPath, needle, shift, bits)

list.add(
  "flip",
  bad("certificate: not_after_ms", inCertificate('"not_after_ms":', 17, 2), "cert_invalid", 2),
  bad("certificate: not_before_ms", inCertificate('"not_before_ms":', 18, 2), "cert_invalid", 2),
  bad("certificate: writer_id", inCertificate('"writer_id":"', 13), "cert_invalid", 2),
  bad("certificate: streams", inCertificate('"streams":["', 12), "cert_invalid", 2),
  bad("certificate: public_key", inCertificate('"public_key":"', 16), "cert_invalid", 2),
  bad("certificate: a brace", flip(certified().files, certificatePath, 0), "cert_invalid", 2),
  good("certificate: issuer_key_id: as if there were none, the checkpoints cover", inCertificate('"issuer_key_id":"b3:', 21)),
  bad("revocation: pubkey_id", inRevocation('"pubkey_id":"b3:', 17), "cert_invalid", 14),
  bad("revocation: from_ts_ms", inRevocation('"from_ts_ms":', 15, 2), "cert_invalid", 14),
  bad("revocation: sig", inRevocation('"sig":"', 9), "cert_invalid", 14),
  bad("revocation: issuer_key_id", inRevocation('"issuer_key_id":"b3:', 21), "cert_invalid", 14),
)

export const byteCases = list.cases
