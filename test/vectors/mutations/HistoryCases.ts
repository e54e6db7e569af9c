/** Histories that were changed: records edited, deleted, repeated, cut off, or told another way. */
import { concat } from "../../../src/base/Bytes.ts"
import { b3Text, genesis } from "../../../src/base/Hash.ts"
import * as Checkpoint from "../../../src/checkpoint/Checkpoint.ts"
import { formatFrame, formatHeader } from "../../../src/record/Frame.ts"
import { formatBody, type RecordBody } from "../../../src/record/Record.ts"
import {
  ack,
  base,
  basePlan,
  byCheckpoint,
  byRecord,
  bySeal,
  checkpoint,
  exported,
  ingress,
  make,
  manifest,
  otherTail,
  seg,
  sig,
} from "./Bases.ts"
import { bad, CaseList, good, unknown } from "./Case.ts"
import { bodyAt, change, editNote, frameAt, remove, rewrite, without } from "./Edits.ts"
import {
  addChain,
  addManifest,
  type ChainPlan,
  clone,
  type Files,
  frameOffsets,
  get,
  keys,
  signCheckpoint,
  trustFile,
} from "./Log.ts"

const list = new CaseList()

/** The bodies of all segments, in order. */
const bodiesOf = (files: Files): Array<RecordBody> =>
  [1, 2, 3].flatMap((n) => {
    const bytes = files.get(seg(n)) ?? new Uint8Array()
    return frameOffsets(bytes).map((_, index) => bodyAt(bytes, index))
  })

/** The log with these records, numbered and linked from seq 1, in segments of these counts. */
const retold = (files: Files, bodies: ReadonlyArray<RecordBody>, counts: ReadonlyArray<number>): Files => {
  const changed = clone(files)
  let prev: string = genesis
  const frames = bodies.map((given, index) => {
    const body = formatBody({ ...given, seq: index + 1, prev })
    prev = b3Text(body)
    return formatFrame(index + 1, body, prev)
  })
  let from = 0
  for (const [index, count] of counts.entries()) {
    const header = formatHeader(index < counts.length - 1 ? count : 0)
    changed.set(seg(index + 1), concat(header, ...frames.slice(from, from + count)))
    from += count
  }
  return changed
}

const withCount = (files: Files, path: string, count: number): Files =>
  change(files, path, (bytes) => concat(formatHeader(count), bytes.subarray(32)))

const truth = bodiesOf(base.files)
const allEdited = truth.map((body) => editNote(8)(body, body.seq - 1))

// ---- edits

list.add(
  "edit",
  bad("one record, every hash behind it made again", retold(base.files, allEdited, [6, 6, 5]), "root_mismatch", 7),
  bad("the same, the .sig files stripped", remove(retold(base.files, allEdited, [6, 6, 5]), sig(1), sig(2), sig(3)), "root_mismatch", 7),
  bad("signing=record: one record, its hash made again", change(byRecord.files, seg(2), (bytes) => rewrite(bytes, editNote(2), 99)), "sig_invalid", 9),
  bad("signing=record: one record, every hash behind it made again", retold(byRecord.files, bodiesOf(byRecord.files).map((body) => editNote(14)(body, body.seq - 1)), [6, 6, 5]), "sig_invalid", 15),
  bad("signing=checkpoint: one record, every hash behind it made again", retold(byCheckpoint.files, bodiesOf(byCheckpoint.files).map((body) => editNote(8)(body, body.seq - 1)), [6, 6, 5]), "root_mismatch", 7),
  bad("the time of a record, its hash made again", change(base.files, seg(2), (bytes) => rewrite(bytes, (body, index) => (index === 2 ? { ...body, ts_ms: body.ts_ms + 1 } : body), 99)), "prev_mismatch", 10),
  bad("the first record, every hash behind it made again", retold(base.files, truth.map((body) => (body.seq === 1 ? { ...body, ts_ms: body.ts_ms - 1 } : body)), [6, 6, 5]), "root_mismatch", 1),
)

// ---- deleted

list.add(
  "delete",
  bad("four records from the middle", without(base.files, seg(2), 1, 4), "seq_gap", 12),
  bad("one record, the header's count made right", withCount(without(base.files, seg(2), 2, 2), seg(2), 5), "seq_gap", 10),
  bad("a sealed segment's last record and the next one's first, the count made right", withCount(without(without(base.files, seg(2), 5, 5), seg(3), 0, 0), seg(2), 5), "seq_gap", 14),
  bad("the first record", without(base.files, seg(1), 0, 0), "seq_gap", 2),
  bad("the first record of a segment", without(base.files, seg(3), 0, 0), "seq_gap", 14),
  bad("one record, all behind it numbered and linked again", retold(base.files, truth.toSpliced(8, 1), [6, 5, 5]), "root_mismatch", 7),
  bad("two records, all behind them numbered and linked again", retold(base.files, truth.toSpliced(8, 2), [6, 4, 5]), "root_mismatch", 7),
  bad("the same without .sig files and checkpoints", remove(retold(base.files, truth.toSpliced(8, 2), [6, 4, 5]), sig(1), sig(2), sig(3), checkpoint(1), checkpoint(2)), "sig_missing", 1),
  bad("all records of a sealed segment, its header left", change(base.files, seg(2), (bytes) => bytes.slice(0, 32)), "header_count", 7),
  bad("signing=record: one record and its signature", (() => {
    const files = without(byRecord.files, seg(3), 1, 1)
    return change(files, sig(3), (bytes) => {
      const size = bytes.length / 5
      return concat(bytes.subarray(0, size), bytes.subarray(2 * size))
    })
  })(), "seq_gap", 15),
)

// ---- repeated and moved

const inserted = (files: Files, path: string, index: number, frame: Uint8Array): Files =>
  change(files, path, (bytes) => {
    const at = [...frameOffsets(bytes), bytes.length][index] ?? 0
    return concat(bytes.subarray(0, at), frame, bytes.subarray(at))
  })

const twice = (files: Files, from: number, to: number): Files => {
  const changed = clone(files)
  changed.set(seg(to), get(files, seg(from)))
  changed.set(sig(to), get(files, sig(from)))
  return changed
}

list.add(
  "replay",
  bad("a record at the end of the newest segment", inserted(base.files, seg(3), 5, frameAt(get(base.files, seg(2)), 2)), "seq_gap", 9),
  bad("a record twice, all behind it numbered and linked again", retold(base.files, truth.toSpliced(8, 0, truth[8] as RecordBody), [6, 7, 5]), "root_mismatch", 7),
  bad("segment 2 once more as segment 4", twice(withCount(base.files, seg(3), 5), 2, 4), "seq_gap", 7),
  bad("segment 2 in the place of segment 3", twice(base.files, 2, 3), "seq_gap", 7),
  bad("the first checkpoint in the place of the second", change(base.files, checkpoint(2), () => get(base.files, checkpoint(1))), "checkpoint_gap", 1),
  {
    ...bad("two checkpoints exchanged", (() => {
      const files = clone(base.files)
      files.set(checkpoint(1), get(base.files, checkpoint(2)))
      files.set(checkpoint(2), get(base.files, checkpoint(1)))
      return files
    })(), "checkpoint_gap", 1),
  },
  {
    ...bad("two .sig files exchanged", (() => {
      const files = clone(base.files)
      files.set(sig(1), get(base.files, sig(2)))
      files.set(sig(2), get(base.files, sig(1)))
      return files
    })(), "frame", 1),
    open: "entries of another segment: not of this file, or signatures that are missing",
  },
  bad("two records of a segment exchanged, numbered and linked again", retold(base.files, truth.map((body) => (body.seq === 9 ? truth[9] : body.seq === 10 ? truth[8] : body) as RecordBody), [6, 6, 5]), "root_mismatch", 7),
)

// ---- cut off

const recordEntry = get(byRecord.files, sig(3)).length / 5
/** signing=record without its last `n` records and their signatures. */
const shorter = (n: number): Files =>
  change(without(byRecord.files, seg(3), 5 - n, 4), sig(3), (bytes) => bytes.slice(0, bytes.length - n * recordEntry))
const sealedShorter = (() => {
  const made = make({ signing: "record", sealLast: true, checkpointsAt: [6, 12, 17] })
  const files = withCount(without(made.files, seg(3), 3, 4), seg(3), 3)
  return change(files, sig(3), (bytes) => bytes.slice(0, 3 * recordEntry))
})()

list.add(
  "truncate",
  good("one record and its signature, nobody remembers", shorter(1)),
  good("three records and their signatures, nobody remembers", shorter(3)),
  bad("one record and its signature, an acknowledgement of it", shorter(1), "truncated", 17, { options: { expectHead: [ack(byRecord.chain, 17)] } }),
  bad("three records and their signatures, an acknowledgement of one", shorter(3), "truncated", 15, { options: { expectHead: [ack(byRecord.chain, 16)] } }),
  good("three records and their signatures, an acknowledgement of an earlier one", shorter(3), { options: { expectHead: [ack(byRecord.chain, 14)] } }),
  bad("a sealed end, its count made right, a checkpoint beyond it", sealedShorter, "truncated", 16),
  good("the same with that checkpoint gone", remove(sealedShorter, checkpoint(3))),
  bad("the same, an acknowledgement", remove(sealedShorter, checkpoint(3)), "truncated", 16, { options: { expectHead: [ack(byRecord.chain, 17)] } }),
  unknown("the newest segment, its signatures left", remove(base.files, seg(3)), { kind: "segment_missing", seq: 13 }),
  bad("the newest segment's records, header and signatures left", change(base.files, seg(3), (bytes) => bytes.slice(0, 32)), "truncated", 13),
  good("the newest segment's records and signatures, its header left", change(remove(base.files, sig(3)), seg(3), (bytes) => bytes.slice(0, 32))),
  bad("the newest segment, in the middle of its header", change(base.files, seg(3), (bytes) => bytes.slice(0, 20)), "frame", 13),
  bad("everything behind the first segment, an acknowledgement", remove(base.files, seg(2), sig(2), seg(3), sig(3), checkpoint(2)), "truncated", 7, { options: { expectHead: [ack(base.chain, 17)] } }),
  good("everything behind the first segment, nobody remembers", remove(base.files, seg(2), sig(2), seg(3), sig(3), checkpoint(2))),
  bad("the chain's folder, an acknowledgement", remove(base.files, ingress), "truncated", 1, { options: { expectHead: [ack(base.chain, 3)] } }),
  bad("all chains but one, an acknowledgement", new Map([...addedEgress()].filter(([path]) => path.includes("egress"))), "truncated", 1, { options: { expectHead: [ack(base.chain, 3)] } }),
  bad("signing=checkpoint: records behind an older checkpoint", without(byCheckpoint.files, seg(3), 2, 4), "truncated", 15),
  unknown("signing=checkpoint: the last checkpoint", remove(byCheckpoint.files, checkpoint(3))),
)

function addedEgress(): Files {
  const files = clone(base.files)
  addChain(files, { ...basePlan, stream: "egress" })
  return files
}

// ---- another history

const again = (n: number, more: Partial<Checkpoint.CheckpointBody>, key = keys.anchor): Uint8Array => {
  const { sig: _sig, signer_key_id: _id, alg: _alg, ...body } = bySeal.chain.checkpoints[n - 1] as Checkpoint.Checkpoint
  return Checkpoint.format(signCheckpoint({ ...body, ...more }, key))
}
const both = trustFile([keys.anchor.anchor(), keys.second.anchor()])
const forkPlan: ChainPlan = { ...basePlan, sealLast: true, checkpointsAt: [6, 12, 17] }
const forkedExport = (() => {
  const files = clone(exported.files)
  const other: Files = new Map()
  const chain = addChain(other, { ...forkPlan, alter: (body) => (body.seq === 15 ? { ...body, reason: "other" } : body) })
  for (const path of [seg(3), sig(3), checkpoint(3)]) files.set(path, get(other, path))
  return { files, chain }
})()
const oldManifestForked = (() => {
  const files = clone(forkedExport.files)
  addManifest(files, forkPlan, forkedExport.chain, 2, [3, 3], b3Text(get(exported.files, manifest(1, "json"))))
  return files
})()

list.add(
  "fork",
  bad("two continuations, an acknowledgement of the first before they part", otherTail.files, "fork", 15, {
    options: { expectHead: [ack(base.chain, 14), ack(base.chain, 16), ack(base.chain, 15)] },
  }),
  good("two continuations, an acknowledgement from before they part", otherTail.files, { options: { expectHead: [ack(base.chain, 14)] } }),
  good("the last checkpoint signed again by another anchor", change(base.files, checkpoint(2), () => again(2, {}, keys.second)), { trust: both }),
  bad("the first checkpoint signed again with another time: the next does not commit to it", change(base.files, checkpoint(1), () => again(1, { ts_ms: 1 })), "checkpoint_gap", 7),
  {
    ...bad("two checkpoints over one range", new Map([...base.files, [checkpoint(3), again(2, { ts_ms: 1 })]]), "checkpoint_gap", 7),
    open: "ranges that overlap, or two words about one range",
  },
  bad("ranges that leave a hole", change(bySeal.files, checkpoint(3), () => again(3, { range: [14, 17] })), "checkpoint_gap", 13),
  bad("an export whose last segment was told another way, its manifest left", forkedExport.files, "hash_mismatch", 13),
  good("an export told another way with everything signed again", oldManifestForked),
  bad("the same, a receipt of the first telling", oldManifestForked, "fork", 17, { options: { expectHead: [ack(exported.chain, 17)] } }),
)

export const historyCases = list.cases
