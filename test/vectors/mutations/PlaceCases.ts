/** Files in wrong places, ends that a crash could or could not have left, exports, other questions. */
import { concat, dataView } from "../../../src/base/Bytes.ts"
import { b3, b3Text } from "../../../src/base/Hash.ts"
import * as Manifest from "../../../src/checkpoint/Manifest.ts"
import { formatFrame } from "../../../src/record/Frame.ts"
import { formatBody } from "../../../src/record/Record.ts"
import { formatEnvelopes } from "../../../src/signing/Envelope.ts"
import { contexts } from "../../../src/signing/Message.ts"
import {
  ack,
  append,
  base,
  basePlan,
  byRecord,
  certified,
  checkpoint,
  exported,
  ingress,
  make,
  manifest,
  nextFrame,
  seg,
  sig,
  unsignedTail,
} from "./Bases.ts"
import { bad, CaseList, good, unknown } from "./Case.ts"
import { bodyAt, change, editNote, flip, inFrame, remove, rewrite } from "./Edits.ts"
import {
  addChain,
  addControl,
  type Chain,
  clone,
  type Files,
  folderOf,
  get,
  keys,
  logId,
  name,
  text,
  trustFile,
  writer,
} from "./Log.ts"

const list = new CaseList()
const control = folderOf("control")
const inControl = (kind: string, seq: number) => ({ finding: { kind, seq, stream: "control" } })

const moved = (files: Files, ...pairs: ReadonlyArray<readonly [string, string]>): Files =>
  new Map(
    [...files].map(([path, bytes]) => {
      const pair = pairs.find(([from]) => path === from || path.startsWith(`${from}/`))
      return [pair === undefined ? path : path.replace(pair[0], pair[1]), bytes]
    }),
  )

/** Two chains and the control chain that announces them. */
const twoChains = (more: { readonly logId?: string; readonly hides?: boolean } = {}): Files => {
  const files: Files = new Map()
  const chains: Array<Chain> = [addChain(files, basePlan)]
  const egress = addChain(files, { ...basePlan, stream: "egress", ...(more.logId === undefined ? {} : { logId: more.logId }) })
  if (more.hides !== true) chains.push(egress)
  addControl(files, chains)
  return files
}
const successor = (() => {
  const files = clone(base.files)
  const seq = 17
  const attrs = {
    ...(base.chain.bodies[0]?.attrs ?? {}),
    successor_of: { writer_id: writer, stream: "ingress", seq, self_hash: base.chain.hashes[seq - 1] as string, finding: "frame" },
  }
  const chain = addChain(files, { ...basePlan, writer: `${writer}+1`, kinds: { 1: { kind: "StreamOpened", attrs } } })
  addControl(files, [base.chain, chain])
  return files
})()

// ---- whole logs of other shapes

list.add(
  "whole",
  good("two chains", twoChains()),
  good("a successor beside the chain it continues", successor),
  good("names with other letters", (() => {
    const files: Files = new Map()
    const chain = addChain(files, { ...basePlan, writer: "ä ö%", stream: "t/acme/ingress" })
    addControl(files, [chain])
    return files
  })()),
  good("a chain of one record", (() => {
    const files: Files = new Map()
    addControl(files, [addChain(files, { ...basePlan, segments: [1], checkpointsAt: [1] })])
    return files
  })()),
  good("an empty newest segment", (() => {
    const files = make({ segments: [6, 6], sealLast: true }).files
    files.set(seg(3), get(base.files, seg(3)).slice(0, 32))
    return files
  })()),
  good("what recovery cut off, files of nobody, a folder of ours", new Map([
    ...base.files,
    [`${ingress}/wal-000003.torn-1`, nextFrame.slice(0, 100)],
    [`${ingress}/wal-000003.sig.torn-1`, text("half")],
    [`${ingress}/notes.txt`, text("nobody's")],
    [`${ingress}/.checkpoint-000003.json.tmp`, text("{")],
    [`~objects/ab`, text("an object")],
  ])),
  good("integrity asked for with anchors: as if it were not", base.files, { options: { integrity: true } }),
  unknown("--require checkpointed, an unsigned end", unsignedTail.files, undefined, { options: { require: "checkpointed" } }),
  unknown("--require signed, an unsigned end", unsignedTail.files),
  unknown("an anchor that signed nothing here, and no other", certified().files, { kind: "key_unknown", seq: 1 }, { trust: trustFile([keys.second.anchor()]) }),
)

// ---- without anchors

const bare = (files: Files) => ({ files, options: { integrity: true } })

list.add(
  "integrity",
  { name: "all signatures stripped: only chain and roots are asked for", ...bare(remove(base.files, sig(1), sig(2), sig(3), checkpoint(1), checkpoint(2))), verdict: "intact" },
  { name: "a signature damaged", ...bare(flip(base.files, sig(2), Buffer.from(get(base.files, sig(2))).indexOf("ed25519") + 20)), verdict: "intact" },
  { name: "a certificate gone", ...bare(remove(certified().files, `~keys/${keys.leaf.keyId.slice(3)}.cert.json`)), verdict: "intact" },
  { name: "a letter of a record", ...bare(flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"note":"record') + 9)), verdict: "invalid", finding: { kind: "hash_mismatch", seq: 9 } },
  { name: "a record edited, its hash made again", ...bare(change(base.files, seg(2), (bytes) => rewrite(bytes, editNote(2), 99))), verdict: "invalid", finding: { kind: "prev_mismatch", seq: 10 } },
  { name: "the last record edited, its hash made again", ...bare(change(base.files, seg(3), (bytes) => rewrite(bytes, editNote(4), 0))), verdict: "invalid", finding: { kind: "root_mismatch", seq: 13 } },
  { name: "an acknowledged record gone", files: remove(base.files, seg(3), sig(3)), options: { integrity: true, expectHead: [ack(base.chain, 15)] }, verdict: "invalid", finding: { kind: "truncated", seq: 13 } },
  { name: "half a frame at the end", ...bare(append(base.files, nextFrame.slice(0, 150))), verdict: "intact", finding: { kind: "torn_tail", seq: 18 } },
  { name: "segment 1 gone", ...bare(remove(base.files, seg(1), sig(1))), verdict: "unknown", finding: { kind: "segment_missing", seq: 1 } },
  { name: "not asked for: all signatures stripped, and nobody to miss them", files: remove(base.files, sig(1), sig(2), sig(3), checkpoint(1), checkpoint(2)), verdict: "unknown" },
  { name: "not asked for: a letter of a record", files: flip(base.files, seg(2), inFrame(base.files, seg(2), 2, '"note":"record') + 9), verdict: "invalid", finding: { kind: "hash_mismatch", seq: 9 } },
)

// ---- places

list.add(
  "places",
  bad("the chain under another writer", moved(base.files, [ingress, folderOf("ingress", "svc@2")]), "wrong_stream", 1),
  bad("a chain of another log beside it, the log is pinned", twoChains({ logId: "f".repeat(32) }), "wrong_log", 1, {
    finding: { kind: "wrong_log", seq: 1, stream: "egress" },
  }),
  bad("a chain of another log beside it, no log is pinned", twoChains({ logId: "f".repeat(32) }), "wrong_log", 1, {
    trust: trustFile([keys.anchor.anchor()], {}),
    finding: { kind: "wrong_log", seq: 1, stream: "egress" },
  }),
  bad("a segment of another chain with the same writer", (() => {
    const files = twoChains()
    files.set(seg(2), get(files, `${folderOf("egress")}/${name("seg", 2)}`))
    return files
  })(), "wrong_stream", 7),
  bad("a .sig of another chain with the same writer", (() => {
    const files = twoChains()
    files.set(sig(2), get(files, `${folderOf("egress")}/${name("sig", 2)}`))
    return files
  })(), "root_mismatch", 7),
  bad("a checkpoint of another chain with the same writer", (() => {
    const files = twoChains()
    files.set(checkpoint(1), get(files, `${folderOf("egress")}/checkpoint-000001.json`))
    return files
  })(), "wrong_stream", 1),
  good("the control chain's folder deleted: a note", remove(base.files, control)),
  good("a chain's folder deleted where no control chain names it: a note", remove(twoChains(), control, folderOf("egress"))),
  good("a chain's folder deleted that the control chain does not name: a note", remove(twoChains({ hides: true }), folderOf("egress"))),
  unknown("one of two announced chains deleted", remove(twoChains(), folderOf("egress")), { kind: "segment_missing", seq: 1, stream: "egress" }),
  unknown("all files of an announced chain deleted, its folder left", new Map([...remove(base.files, ingress), [`${ingress}/notes.txt`, text("nobody's")]]), { kind: "segment_missing", seq: 1 }),
  bad("all records of an announced chain deleted, the first segment's header left", new Map([...remove(base.files, ingress), [seg(1), get(base.files, seg(3)).slice(0, 32)]]), "stream_opened", 1),
  bad("the control chain's announcement edited", flip(base.files, `${control}/${name("seg", 1)}`, Buffer.from(get(base.files, `${control}/${name("seg", 1)}`)).indexOf('"self_hash":"b3:') + 18), "hash_mismatch", 2, inControl("hash_mismatch", 2)),
  unknown("the newest segment under the number after the next", moved(base.files, [seg(3), seg(4)], [sig(3), sig(4)]), { kind: "segment_missing", seq: 13 }),
  bad("a hole in the numbers of checkpoints", moved(base.files, [checkpoint(2), checkpoint(3)]), "checkpoint_gap", 7),
  bad("header count one more", flip(base.files, seg(2), 10, 1), "header_count", 7),
  bad("StreamOpened without its log_id", make({ kinds: { 1: { kind: "StreamOpened", attrs: { signing: "batch", algs: ["ed25519"], fsync: "always" } } } }).files, "stream_opened", 1),
  bad("StreamOpened twice", make({ kinds: { 2: { kind: "StreamOpened", attrs: { log_id: logId, signing: "batch", algs: ["ed25519"], fsync: "always" } } } }).files, "stream_opened", 2),
)

// ---- ends of the newest segment

const lazy = make({ fsync: "on_checkpoint" })
const never = make({ fsync: "never", signing: "record" })
/** A next frame that is longer than two blocks, and where a block lies in it. */
const longFrame = (() => {
  const before = bodyAt(get(base.files, seg(3)), 4)
  const body = formatBody({ ...before, seq: 18, prev: base.chain.hashes[16] as string, attrs: { note: "n".repeat(1000) } })
  return formatFrame(18, body, b3Text(body))
})()
const block = (() => {
  const at = get(base.files, seg(3)).length
  return 512 * Math.ceil((at + 20) / 512) - at
})()
const zeroed = (bytes: Uint8Array, from: number, to: number): Uint8Array => bytes.slice().fill(0, from, to)
const damagedFrame = (() => {
  const bytes = nextFrame.slice()
  const at = Buffer.from(bytes).indexOf('"note":"record') + 9
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes
})()
const following = (() => {
  const before = bodyAt(get(base.files, seg(3)), 4)
  const body = formatBody({ ...before, seq: 19, prev: b3Text(longFrame.subarray(13, -71)) })
  return formatFrame(19, body, b3Text(body))
})()
const torn = (seq = 18) => ({ finding: { kind: "torn_tail", seq } })
const cutEnd = (files: Files, bytes: number): Files => change(files, seg(3), (given) => given.slice(0, -bytes))

list.add(
  "tail",
  good("one byte", append(base.files, nextFrame.slice(0, 1)), torn()),
  good("a frame without its last byte", append(base.files, nextFrame.slice(0, -1)), torn()),
  good("a long frame, a block of it never written", append(base.files, zeroed(longFrame, block, block + 512)), torn()),
  good("the same and a whole frame behind it", append(base.files, concat(zeroed(longFrame, block, block + 512), following)), torn()),
  good("half a frame, fsync on_checkpoint", append(lazy.files, nextFrame.slice(0, 150)), torn()),
  unknown("the last frame cut in half, its signature whole, fsync on_checkpoint", cutEnd(lazy.files, 100), { kind: "torn_tail", seq: 17 }),
  good("the last frame cut in half, its signature whole, fsync never", cutEnd(never.files, 100), { finding: { kind: "torn_tail", seq: 17 } }),
  bad("the last frame cut in half, a checkpoint over it, fsync on_checkpoint", cutEnd(make({ fsync: "on_checkpoint", checkpointsAt: [6, 12, 17] }).files, 100), "frame", 17),
  bad("a block of a long frame zero but for its last byte", append(base.files, zeroed(longFrame, block, block + 511)), "canon", 18),
  bad("a whole frame damaged, a few zeros behind it", append(base.files, concat(damagedFrame, new Uint8Array(20))), "hash_mismatch", 18),
  bad("a whole frame damaged, half a frame behind it", append(base.files, concat(damagedFrame, nextFrame.slice(0, 100))), "hash_mismatch", 18),
  bad("bytes that are no frame", append(base.files, text("nobody wrote this as a frame, and nobody cut it off ".repeat(3))), "frame", 18),
  bad("a frame of another chain cut in half is torn, a whole one is not", append(base.files, (() => {
    const body = formatBody({ ...bodyAt(get(base.files, seg(3)), 4), stream: "egress", seq: 18, prev: base.chain.hashes[16] as string })
    return formatFrame(18, body, b3Text(body))
  })()), "wrong_stream", 18),
  bad("a whole frame that hides behind zeros", append(base.files, concat(new Uint8Array(1100), nextFrame.subarray(13))), "frame", 18),
  bad("len of an unsigned frame damaged so that it runs past the end", change(unsignedTail.files, seg(3), (bytes) => {
    const copy = bytes.slice()
    const lengths = dataView(copy)
    let last = 32
    for (let next = 32; next < bytes.length; next += 84 + lengths.getUint32(next, true)) last = next
    copy[last + 1] = (copy[last + 1] ?? 0) ^ 4
    return copy
  }), "frame", 17),
  unknown("the last byte of an unsigned frame zero", change(unsignedTail.files, seg(3), (bytes) => zeroed(bytes, bytes.length - 1, bytes.length)), torn(17).finding, {
    open: "zero from some byte on: by the letter one flipped byte can be that",
  }),
  good("half a .sig entry, fsync never", change(never.files, sig(3), (bytes) => concat(bytes, bytes.slice(0, 40))), torn()),
  good("zeros behind the last .sig entry", change(base.files, sig(3), (bytes) => concat(bytes, new Uint8Array(100))), torn()),
  unknown("the last .sig entry cut in half", change(base.files, sig(3), (bytes) => bytes.slice(0, -40)), torn(13).finding),
  bad("the last .sig entry cut in half, a checkpoint over its records", change(make({ checkpointsAt: [6, 12, 17] }).files, sig(3), (bytes) => bytes.slice(0, -40)), "frame", 13),
  bad("bytes behind the last .sig entry that are none", change(base.files, sig(3), (bytes) => concat(bytes, text("nobody signs with this"))), "frame", 18),
  bad("a .sig entry cut in half in a sealed segment", change(base.files, sig(2), (bytes) => bytes.slice(0, -40)), "frame", 12),
  bad("signing=record: an entry cut out of a file's middle by half", change(byRecord.files, sig(3), (bytes) => concat(bytes.subarray(0, 40), bytes.subarray(bytes.length / 5))), "frame", 13),
)

// ---- exports

const signedAgain = (n: number, edit: (given: Manifest.Manifest) => Manifest.Manifest): Files => {
  const files = clone(exported.files)
  const bytes = Manifest.format(edit(Manifest.parse(get(files, manifest(n, "json")))))
  files.set(manifest(n, "json"), bytes)
  files.set(manifest(n, "sig"), formatEnvelopes([keys.anchor.envelope(contexts.manifest, b3(bytes))]))
  return files
}
const eachSegment = (edit: (segment: Manifest.ManifestSegment) => Manifest.ManifestSegment) =>
  (given: Manifest.Manifest): Manifest.Manifest => ({ ...given, segments: given.segments.map(edit) })

list.add(
  "export",
  bad("a segment longer than its manifest says", change(exported.files, seg(3), (bytes) => concat(bytes, nextFrame)), "hash_mismatch", 13),
  bad("a segment opened again: its count is 0", change(exported.files, seg(3), (bytes) => concat(get(base.files, seg(3)).subarray(0, 32), bytes.subarray(32))), "hash_mismatch", 13),
  bad("a .sig longer than its manifest says", change(exported.files, sig(3), (bytes) => concat(bytes, bytes)), "hash_mismatch", 13),
  good("the newest manifest gone, its files left", remove(exported.files, manifest(2, "json"), manifest(2, "sig"))),
  good("all manifests gone: a chain without an export", remove(exported.files, manifest(1, "json"), manifest(1, "sig"), manifest(2, "json"), manifest(2, "sig"))),
  bad("a segment in the middle gone", remove(exported.files, seg(2), sig(2)), "segment_missing", 7),
  bad("a checkpoint gone that the manifest holds", remove(exported.files, checkpoint(3)), "checkpoint_gap", 13, {
    open: "FORMATS does not say which kind an exported file has that is missing",
  }),
  bad("validly signed: another predecessor", signedAgain(2, (given) => ({ ...given, prev_manifest: b3Text(new Uint8Array(1)) })), "manifest_gap", 13),
  bad("validly signed: another root", signedAgain(2, eachSegment((segment) => ({ ...segment, root: b3Text(new Uint8Array(1)) }))), "root_mismatch", 13),
  bad("validly signed: another digest", signedAgain(2, eachSegment((segment) => ({ ...segment, digest: b3Text(new Uint8Array(1)) }))), "hash_mismatch", 13),
  bad("validly signed: another offset", signedAgain(2, eachSegment((segment) => ({ ...segment, offset: 1 }))), "manifest_gap", 13),
  bad("validly signed: another log", signedAgain(2, (given) => ({ ...given, log_id: "f".repeat(32) })), "wrong_log", 13),
  bad("validly signed: goes beyond the end", signedAgain(2, eachSegment((segment) => ({ ...segment, count: 6, range: [13, 18] }))), "truncated", 18, {
    open: "a manifest beyond the end, or a count and a range that do not fit the segment",
  }),
  bad("rolled back to the first export, the manifest of the second left", remove(exported.files, seg(3), sig(3), checkpoint(3)), "truncated", 13),
  bad("the first export's files under the second's manifest", (() => {
    const files = clone(exported.files)
    files.set(seg(3), get(exported.files, seg(2)))
    return files
  })(), "hash_mismatch", 13),
)

export const placeCases = list.cases
