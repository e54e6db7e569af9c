/**
 * The cases of the mutation corpus: a log, what was done to it, and what a verifier must say.
 *
 * Expectations come from FORMATS, not from a run. Where it leaves the kind open, `open` says why and
 * only the verdict is expected.
 */
import { concat, dataView } from "../../../src/base/Bytes.ts"
import { b3Text, formatHash, genesis } from "../../../src/base/Hash.ts"
import * as Checkpoint from "../../../src/checkpoint/Checkpoint.ts"
import { formatFrame } from "../../../src/record/Frame.ts"
import { formatBody } from "../../../src/record/Record.ts"
import { formatSigEntry } from "../../../src/signing/Envelope.ts"
import {
  ack,
  append,
  base,
  basePlan,
  byCheckpoint,
  byRecord,
  bySeal,
  certificatePath,
  certified,
  checkpoint,
  exported,
  ingress,
  make,
  manifest,
  manifestText,
  nextFrame,
  otherTail,
  revocationPath,
  revoked,
  seg,
  sig,
  unsignedTail,
} from "./Bases.ts"
import { byteCases } from "./ByteCases.ts"
import { bad, type Case, CaseList, good, unknown } from "./Case.ts"
import {
  bodyAt,
  change,
  editNote,
  flip,
  frameAt,
  inFrame,
  remove,
  rewrite,
  without,
} from "./Edits.ts"
import { historyCases } from "./HistoryCases.ts"
import {
  addChain,
  clone,
  entryOf,
  type Files,
  folderOf,
  frameOffsets,
  get,
  keys,
  logId,
  signCheckpoint,
  start,
  text,
  trustFile,
  writer,
} from "./Log.ts"
import { placeCases } from "./PlaceCases.ts"
import { signatureCases } from "./SignatureCases.ts"

const list = new CaseList()
const tail = (kind = "torn_tail") => ({ finding: { kind, seq: 18 } })

// ---- whole logs

list.add(
  "whole",
  good("batch signatures, three segments, a tail behind the last checkpoint", base.files),
  good("all sealed and checkpointed", bySeal.files),
  good("record signatures", byRecord.files),
  good("checkpoint signatures only", byCheckpoint.files),
  good("all of it under checkpoints", bySeal.files, { options: { require: "checkpointed" } }),
  unknown("only checkpoints count and the last records have none", base.files, undefined, {
    options: { require: "checkpointed" },
  }),
  unknown("no anchors", base.files, undefined, { trust: undefined as never }),
  {
    name: "no anchors, integrity asked for",
    files: base.files,
    options: { integrity: true },
    verdict: "intact",
  },
  unknown("an empty directory", new Map()),
  unknown(
    "signing=checkpoint, the last records not checkpointed yet",
    make({ signing: "checkpoint" }).files,
  ),
  good("log not pinned", base.files, { trust: trustFile([keys.anchor.anchor()], {}) }),
  good("expected heads are there", base.files, {
    options: { expectHead: [ack(base.chain, 3), ack(base.chain, 17)] },
  }),
  good("ts_ms falls: a note", make({
    alter: (body) => (body.seq === 9 ? { ...body, ts_ms: start } : body),
  }).files),
)

// ---- one flipped bit, byte class by byte class; frame index 2 of segment 2 is record 9

const flipInFrame = (name_: string, needle: string, shift: number, kind: string, bits = 1) =>
  bad(
    name_,
    flip(base.files, seg(2), inFrame(base.files, seg(2), 2, needle) + shift, bits),
    kind,
    9,
  )
const frame9 = frameOffsets(get(base.files, seg(2)))[2] ?? 0
const frame10 = frameOffsets(get(base.files, seg(2)))[3] ?? 0

list.add(
  "flip",
  bad("segment header: magic", flip(base.files, seg(2), 2), "frame", 7),
  bad("segment header: format version", flip(base.files, seg(2), 7), "frame", 7),
  bad("segment header: flags", flip(base.files, seg(2), 8), "frame", 7),
  bad("segment header: count", flip(base.files, seg(2), 10), "header_count", 7),
  bad("segment header: reserved", flip(base.files, seg(2), 20), "frame", 7),
  bad("frame: len", flip(base.files, seg(2), frame9), "frame", 9),
  bad("frame: len, high byte", flip(base.files, seg(2), frame9 + 3), "frame", 9),
  bad("frame: v", flip(base.files, seg(2), frame9 + 4), "frame", 9),
  {
    ...bad("frame: seq", flip(base.files, seg(2), frame9 + 5, 2), "frame", 9),
    open: "FORMATS does not say which of the two seqs the finding carries",
  },
  flipInFrame("body: a brace", '{"v":1', 0, "canon"),
  flipInFrame("body: a letter of a string", '"note":"record', 9, "hash_mismatch"),
  flipInFrame("body: a digit", '"bytes":63', 9, "hash_mismatch"),
  flipInFrame("body: a letter of a key", '"note"', 2, "hash_mismatch"),
  flipInFrame("body: ts_ms", '"ts_ms":1', 9, "hash_mismatch", 2),
  flipInFrame("body: a digit of prev", '"prev":"b3:', 12, "hash_mismatch"),
  flipInFrame("body: an invalid byte", '"note":"record', 9, "canon", 0x80),
  bad("frame: self_hash_len", flip(base.files, seg(2), frame10 - 71), "frame", 9),
  bad("frame: self_hash", flip(base.files, seg(2), frame10 - 1), "hash_mismatch", 9),
  {
    ...bad(".sig: length", flip(base.files, sig(2), 0), "frame", 7),
    open: "FORMATS does not say which seq a .sig that cannot be read is about",
  },
  {
    ...bad(".sig: the array head", flip(base.files, sig(2), 4), "frame", 7),
    open: "as before",
  },
  {
    ...bad(".sig: first", flip(base.files, sig(2), 5, 2), "sig_invalid", 7),
    open: "an entry over other records: overlap, root or signature, whichever is looked at first",
  },
  {
    ...bad(".sig: last", flip(base.files, sig(2), 6), "root_mismatch", 7),
    open: "as before",
  },
  bad(".sig: root", flip(base.files, sig(2), 12), "root_mismatch", 7),
  bad(
    ".sig: signature",
    flip(base.files, sig(2), Buffer.from(get(base.files, sig(2))).indexOf("ed25519") + 20),
    "sig_invalid",
    7,
  ),
  good(
    ".sig: pubkey_id, where a checkpoint covers",
    flip(base.files, sig(2), Buffer.from(get(base.files, sig(2))).indexOf("b3:") + 5),
  ),
  unknown(
    ".sig: pubkey_id, where nothing else covers",
    flip(base.files, sig(3), Buffer.from(get(base.files, sig(3))).indexOf("b3:") + 5),
    { kind: "key_unknown", seq: 13 },
  ),
)

const inCheckpoint = (needle: string, shift: number, bits = 1): Files =>
  flip(
    base.files,
    checkpoint(1),
    Buffer.from(get(base.files, checkpoint(1))).indexOf(needle) + shift,
    bits,
  )

list.add(
  "flip",
  {
    ...bad("checkpoint: a brace", flip(base.files, checkpoint(1), 0), "canon", 1),
    open: "a document that cannot be read has no seq of its own",
  },
  bad("checkpoint: root", inCheckpoint('"root":"b3:', 12), "root_mismatch", 1),
  bad("checkpoint: sig", inCheckpoint('"sig":"', 9), "sig_invalid", 1),
  bad("checkpoint: ts_ms", inCheckpoint('"ts_ms":1', 10, 2), "sig_invalid", 1),
  {
    ...bad("checkpoint: range", inCheckpoint("[1,6]", 3), "root_mismatch", 1),
    open: "the range it claims now is not the one it was made over: root, tiling or signature",
  },
  bad("checkpoint: log_id", inCheckpoint('"log_id":"0', 10), "wrong_log", 1),
  bad("checkpoint: stream", inCheckpoint('"stream":"ingress', 10), "wrong_stream", 1),
  bad(
    "checkpoint: prev of the second",
    flip(
      base.files,
      checkpoint(2),
      Buffer.from(get(base.files, checkpoint(2))).indexOf('"prev":"b3:') + 12,
    ),
    "checkpoint_gap",
    7,
  ),
  bad(
    "cosignatures: garbage",
    new Map([...base.files, [`${ingress}/checkpoint-000001.cosig`, text("garbage")]]),
    "frame",
    1,
  ),
)

// ---- edits

list.add(
  "edit",
  bad(
    "one record, hash as it was",
    change(base.files, seg(2), (bytes) => {
      const frame = frameAt(bytes, 2)
      const body = formatBody(editNote(2)(bodyAt(bytes, 2), 2))
      const stored = `b3:${Buffer.from(frame.subarray(-64)).toString("latin1")}`
      const edited = formatFrame(9, body, stored)
      return concat(bytes.subarray(0, frame9), edited, bytes.subarray(frame9 + frame.length))
    }),
    "hash_mismatch",
    9,
  ),
  bad(
    "one record, its hash made again",
    change(base.files, seg(2), (bytes) => rewrite(bytes, editNote(2), 99)),
    "prev_mismatch",
    10,
  ),
  bad(
    "one record, the rest of the segment linked again",
    change(base.files, seg(2), (bytes) => rewrite(bytes, editNote(2), 0)),
    "root_mismatch",
    7,
  ),
  bad(
    "the last record, its hash made again",
    change(base.files, seg(3), (bytes) => rewrite(bytes, editNote(4), 0)),
    "root_mismatch",
    13,
  ),
)

// ---- delete, swap, replay

const swapped = change(base.files, seg(2), (bytes) => {
  const offsets = [...frameOffsets(bytes), bytes.length]
  const frames = offsets.slice(0, -1).map((_, index) => frameAt(bytes, index))
  const order = [0, 1, 3, 2, 4, 5].map((index) => frames[index] ?? new Uint8Array())
  return concat(bytes.slice(0, 32), ...order)
})

list.add(
  "delete",
  bad("one record from the middle", without(base.files, seg(2), 2, 2), "seq_gap", 10),
  bad("two records from the middle", without(base.files, seg(2), 2, 3), "seq_gap", 11),
  bad("the last three of a sealed segment", without(base.files, seg(2), 3, 5), "header_count", 7),
  bad("two neighbours swapped", swapped, "seq_gap", 10),
  bad(
    "one record twice",
    change(base.files, seg(2), (bytes) =>
      concat(bytes.subarray(0, frame10), frameAt(bytes, 2), bytes.subarray(frame10)),
    ),
    "seq_gap",
    9,
  ),
  bad(
    "a record of another chain put in",
    change(base.files, seg(3), (bytes) => {
      const body = { ...bodyAt(bytes, 4), stream: "egress" }
      const made = formatBody(body)
      return concat(bytes.subarray(0, frameOffsets(bytes)[4]), formatFrame(17, made, b3Text(made)))
    }),
    "wrong_stream",
    17,
  ),
)

// ---- the head cut off

const headCut = (() => {
  const files = remove(base.files, seg(1), sig(1), seg(2), sig(2), seg(3), sig(3))
  files.set(seg(1), get(base.files, seg(2)))
  files.set(sig(1), get(base.files, sig(2)))
  files.set(seg(2), get(base.files, seg(3)))
  files.set(sig(2), get(base.files, sig(3)))
  return files
})()

const renumbered = change(
  remove(base.files, seg(2), sig(2), seg(3), sig(3), sig(1), checkpoint(1), checkpoint(2)),
  seg(1),
  () => {
    const parts: Array<Uint8Array> = [get(base.files, seg(3)).slice(0, 32)]
    let prev: string = genesis
    for (let index = 0; index < 5; index++) {
      const body = { ...bodyAt(get(base.files, seg(3)), index), seq: index + 1, prev }
      const bytes = formatBody(body)
      prev = b3Text(bytes)
      parts.push(formatFrame(index + 1, bytes, prev))
    }
    return concat(...parts)
  },
)

list.add(
  "head cut",
  unknown("segment 1 gone, its number left open", remove(base.files, seg(1), sig(1)), {
    kind: "segment_missing",
    seq: 1,
  }),
  bad("segment 1 gone, the others renamed", headCut, "seq_gap", 7),
  bad("records renumbered from seq 1", renumbered, "stream_opened", 1),
)

// ---- truncation and rollback

const lastGone = without(base.files, seg(3), 4, 4)
const lastGoneUnsigned = (() => {
  const files = clone(lastGone)
  files.delete(sig(3))
  return files
})()

list.add(
  "truncate",
  {
    ...bad("the last record, its signature left", lastGone, "truncated", 17),
    open: "the first record that is gone, or the first of the entry that covers it",
  },
  unknown("the last record and the signature that covers it", lastGoneUnsigned),
  bad(
    "the last record, a checkpoint beyond it",
    without(make({ checkpointsAt: [6, 12, 17] }).files, seg(3), 4, 4),
    "truncated",
    17,
  ),
  bad(
    "segment 3 and its signatures, an acknowledged record in it",
    remove(base.files, seg(3), sig(3)),
    "truncated",
    13,
    { options: { expectHead: [ack(base.chain, 15)] } },
  ),
  good("segment 3 and its signatures, nobody remembers", remove(base.files, seg(3), sig(3))),
  bad(
    "segments 2 and 3, checkpoint 2 left",
    remove(base.files, seg(2), sig(2), seg(3), sig(3)),
    "truncated",
    7,
  ),
)

// ---- forks


list.add(
  "fork",
  good("the other continuation alone", otherTail.files),
  bad("two continuations, a receipt of the first", otherTail.files, "fork", 15, {
    options: { expectHead: [ack(base.chain, 15)] },
  }),
  bad(
    "a checkpoint replaced by one over another root, validly signed",
    change(base.files, checkpoint(2), () => {
      const given = base.chain.checkpoints[1] as Checkpoint.Checkpoint
      const { sig: _sig, signer_key_id: _id, alg: _alg, ...body } = given
      return Checkpoint.format(
        signCheckpoint({ ...body, root: formatHash(new Uint8Array(32).fill(9)) }, keys.anchor),
      )
    }),
    "root_mismatch",
    7,
  ),
  bad(
    "another chain under an announced name",
    (() => {
      const files: Files = new Map()
      const other = addChain(files, {
        ...basePlan,
        alter: (body) => (body.seq === 1 ? { ...body, ts_ms: start } : body),
      })
      for (const [path, bytes] of base.files) {
        if (!path.startsWith(other.folder)) files.set(path, bytes)
      }
      return files
    })(),
    "fork",
    1,
  ),
)

// ---- signatures and keys

const resigned = make({ recordKey: keys.other, checkpointKeys: [keys.other, keys.other] })
const weaker = (() => {
  const made = make({ signing: "record" })
  const files = clone(made.files)
  let first = 1
  for (const [index, count] of made.plan.segments.entries()) {
    const entry = entryOf(made.plan, made.chain, first, first + count - 1, "batch", keys.anchor)
    files.set(sig(index + 1), formatSigEntry(entry))
    first += count
  }
  return files
})()

list.add(
  "signatures",
  unknown("all signed again with another key", resigned.files, { kind: "key_unknown", seq: 1 }),
  unknown("another trust file", base.files, { kind: "key_unknown", seq: 1 }, {
    trust: trustFile([keys.other.anchor()]),
  }),
  bad(
    "all signatures stripped",
    remove(base.files, sig(1), sig(2), sig(3), checkpoint(1), checkpoint(2)),
    "sig_missing",
    1,
  ),
  bad("all .sig files stripped, checkpoints left", remove(base.files, sig(1), sig(2), sig(3)), "sig_missing", 1),
  unknown("the last .sig stripped", remove(base.files, sig(3))),
  bad("the .sig of a sealed segment stripped", remove(base.files, sig(2)), "sig_missing", 7),
  bad("batch signatures where record is declared", weaker, "sig_missing", 1),
  bad("one record signature stripped", change(byRecord.files, sig(2), (bytes) => {
    const size = 4 + dataView(bytes).getUint32(0, true)
    return bytes.slice(size)
  }), "sig_missing", 7),
  bad("a key without the purpose checkpoint", base.files, "sig_invalid", 1, {
    trust: trustFile([keys.anchor.anchor(["record"])]),
  }),
  bad("a key without the purpose record", base.files, "sig_invalid", 1, {
    trust: trustFile([keys.anchor.anchor(["checkpoint"])]),
  }),
  bad("a checkpoint missing", remove(base.files, checkpoint(1)), "checkpoint_gap", 1),
)

// ---- names and places

const renamed = (from: string, to: string): Files =>
  new Map([...base.files].map(([path, bytes]) => [path.replace(from, to), bytes]))

list.add(
  "places",
  bad("the chain under another stream", renamed(ingress, folderOf("egress")), "wrong_stream", 1, {
    finding: { kind: "wrong_stream", seq: 1, stream: "egress" },
  }),
  bad("another log_id is trusted", base.files, "wrong_log", 1, {
    trust: trustFile([keys.anchor.anchor()], { logId: "f".repeat(32) }),
  }),
  unknown("the chain's folder deleted", remove(base.files, ingress), {
    kind: "segment_missing",
    seq: 1,
  }),
  bad("header count one less", flip(base.files, seg(2), 10, 3), "header_count", 7),
  bad("header count 0 in a sealed segment", flip(base.files, seg(2), 10, 6), "header_count", 7),
  bad("segment 2 and 3 exchanged", (() => {
    const files = clone(base.files)
    files.set(seg(2), get(base.files, seg(3)))
    files.set(seg(3), get(base.files, seg(2)))
    return files
  })(), "seq_gap", 13),
  {
    ...bad("a segment missing in the middle", remove(base.files, seg(2), sig(2)), "segment_missing", 7),
  },
  bad("StreamOpened missing", make({
    kinds: { 1: { kind: "GetServed", attrs: {} } },
  }).files, "stream_opened", 1),
  bad("StreamOpened repeated", make({
    kinds: { 8: { kind: "StreamOpened", attrs: { log_id: logId } } },
  }).files, "stream_opened", 8),
  good("a Recovered record", make({
    kinds: { 8: { kind: "Recovered", attrs: { cut_bytes: 12, file: "wal-000001.torn-1" } } },
  }).files, { finding: { kind: "recovered", seq: 8 } }),
)

// ---- the end of the newest segment


list.add(
  "tail",
  good("half a frame", append(base.files, nextFrame.slice(0, 150)), tail()),
  good("a frame's first three bytes", append(base.files, nextFrame.slice(0, 3)), tail()),
  good("zeros", append(base.files, new Uint8Array(700)), tail()),
  good("half a frame, then zeros", append(base.files, concat(nextFrame.slice(0, 100), new Uint8Array(600))), tail()),
  bad("a whole frame whose hash is wrong", append(base.files, (() => {
    const wrong = nextFrame.slice()
    wrong[wrong.length - 1] = (wrong[wrong.length - 1] ?? 0) ^ 1
    return wrong
  })()), "hash_mismatch", 18),
  unknown("a whole frame that is right and unsigned", append(base.files, nextFrame)),
  bad("len of the next frame damaged so that it runs past the end: it hides a frame",
    append(base.files, (() => {
      const wrong = nextFrame.slice()
      wrong[1] = (wrong[1] ?? 0) ^ 4
      return wrong
    })()), "frame", 18),
  bad("len of the last signed frame damaged", (() => {
    const at = frameOffsets(get(base.files, seg(3)))[4] ?? 0
    return flip(base.files, seg(3), at + 1, 4)
  })(), "frame", 17),
  bad("half a frame at the end of a sealed segment",
    change(bySeal.files, seg(3), (bytes) => concat(bytes, nextFrame.slice(0, 150))), "frame", 18),
  bad("the last signed frame cut in half",
    change(base.files, seg(3), (bytes) => bytes.slice(0, -100)), "frame", 17),
  unknown("the last unsigned frame cut in half",
    change(unsignedTail.files, seg(3), (bytes) => bytes.slice(0, -100)), { kind: "torn_tail", seq: 17 }),
  {
    ...good("half a .sig entry", change(base.files, sig(3), (bytes) => concat(bytes, bytes.slice(0, 40))), tail()),
  },
)

// ---- exports


list.add(
  "export",
  good("two manifests", exported.files),
  {
    ...bad("manifest: a brace", flip(exported.files, manifest(1, "json"), 0), "canon", 1),
    open: "a document that cannot be read has no seq of its own",
  },
  bad("manifest: a root", flip(exported.files, manifest(1, "json"), manifestText.indexOf('"root":"b3:', manifestText.indexOf('"segments"')) + 12), "root_mismatch", 1),
  bad("manifest: created_ts_ms", flip(exported.files, manifest(1, "json"), manifestText.indexOf('"created_ts_ms":1') + 18, 2), "sig_invalid", 1),
  bad("manifest: its signature", flip(exported.files, manifest(1, "sig"), 30), "sig_invalid", 1),
  bad("manifest: signature file gone", remove(exported.files, manifest(1, "sig")), "sig_missing", 1),
  bad("the first manifest gone", remove(exported.files, manifest(1, "json"), manifest(1, "sig")), "manifest_gap", 1),
  bad("an old manifest in the place of the new one", (() => {
    const files = clone(exported.files)
    files.set(manifest(2, "json"), get(exported.files, manifest(1, "json")))
    files.set(manifest(2, "sig"), get(exported.files, manifest(1, "sig")))
    return files
  })(), "manifest_gap", 1),
  bad("rolled back to the first export, a receipt of the second",
    remove(exported.files, seg(3), sig(3), checkpoint(3), manifest(2, "json"), manifest(2, "sig")),
    "truncated", 13, { options: { expectHead: [ack(exported.chain, 17)] } }),
  good("rolled back to the first export, nobody remembers",
    remove(exported.files, seg(3), sig(3), checkpoint(3), manifest(2, "json"), manifest(2, "sig"))),
  bad("a .sig file of the manifest gone", remove(exported.files, sig(2)), "sig_missing", 7),
  bad("the last segment gone, its manifest left", remove(exported.files, seg(3), sig(3)), "truncated", 13),
)

// ---- certified keys


list.add(
  "certificates",
  good("a certified key under checkpoints of the anchor", certified().files),
  good("certificate gone, checkpoints cover", remove(certified().files, certificatePath)),
  unknown(
    "certificate gone, nothing else covers",
    remove(certified({}, { checkpointsAt: [6, 12] }).files, certificatePath),
    { kind: "key_unknown", seq: 13 },
  ),
  bad("certificate: its signature", flip(certified().files, certificatePath, Buffer.from(get(certified().files, certificatePath)).indexOf('"sig":"') + 9), "cert_invalid", 2, {
    open: "the digest is not the announced one either: the record of the announcement or the first signature",
  }),
  bad("certificate for other streams", certified({ streams: ["egress"] }).files, "cert_invalid", 2),
  bad("certificate for another writer", certified({ writerId: "other@1" }).files, "cert_invalid", 2),
  bad("certificate of another log", certified({ logId: "f".repeat(32) }).files, "cert_invalid", 2),
  bad("certificate never announced", certified({}, { announce: false }).files, "cert_invalid", 2),
  unknown("issuer not trusted, nothing else covers", certified({ issuer: keys.other }, { checkpointsAt: [6, 12] }).files, { kind: "key_unknown", seq: 13 }),
  good("window over before the checkpoint: absent, the checkpoint covers", certified({ notAfterMs: start + 100 }).files),
  unknown("window over, no checkpoint over the last records", certified({}, { checkpointsAt: [6, 12] }).files),
  bad("a checkpoint signed by the certified key", certified({}, { checkpointKeys: [keys.anchor, keys.leaf, keys.anchor] }).files, "sig_invalid", 7),
  good("revoked later than it signed", revoked),
  unknown("the announced revocation gone", remove(revoked, revocationPath), { kind: "key_unknown", seq: 14 }),
  bad("the revocation damaged", flip(revoked, revocationPath, Buffer.from(get(revoked, revocationPath)).indexOf('"reason":"') + 11), "cert_invalid", 14),
)

// ---- anchors that end

const cross = make({ checkpointsAt: [6, 12, 17], checkpointKeys: [keys.anchor, keys.anchor, keys.second] })
const ended = { toTsMs: start + 60_000 }

list.add(
  "anchors",
  bad("an anchor that has ended", bySeal.files, "key_expired", 1, {
    trust: trustFile([keys.anchor.anchor(["root"], ended)]),
  }),
  bad("an anchor that was revoked", bySeal.files, "key_compromised", 1, {
    trust: trustFile([keys.anchor.anchor()], { logId, revoked: [[keys.anchor.keyId, start + 60_000]] }),
  }),
  {
    // Without the control chain, which has no such checkpoint.
    ...good("ended, a later checkpoint by another key commits to it", remove(cross.files, `${writer}/control`), {
      trust: trustFile([keys.anchor.anchor(["root"], ended), keys.second.anchor()]),
    }),
  },
  good("an anchor that ends in the future", bySeal.files, {
    trust: trustFile([keys.anchor.anchor(["root"], { toTsMs: 4_102_444_800_000 })]),
  }),
)

/** Every case, in order. */
export const allCases = (): ReadonlyArray<Case> => [
  ...list.cases,
  ...byteCases,
  ...historyCases,
  ...signatureCases,
  ...placeCases,
]
