import { concat, fromHex, utf8 } from "../../src/base/Bytes.ts"
import { parseHash } from "../../src/base/Hash.ts"
import * as Limits from "../../src/base/Limits.ts"
import { type ChainPosition, emptyChain } from "../../src/chain/Chain.ts"
import type { ChainContext, SealRequest, SealResult } from "../../src/engine/Engine.ts"
import { encodeDraft } from "../../src/record/Draft.ts"
import { formatFrame } from "../../src/record/Frame.ts"
import { type AuditRecord, formatBody } from "../../src/record/Record.ts"
import type { RejectCode } from "../../src/record/Reject.ts"
import { readSigEntry, type SigEntry } from "../../src/signing/Envelope.ts"
import * as Vectors from "../record/Vectors.ts"

export const chain: ChainContext = {
  logId: "a75e72aaf01d6331dd8c22950dfe1c76",
  writerId: "svc-gateway@inst-1",
  stream: "ingress",
  attrsBytesMax: Limits.attrsBytesMax,
  recordBytesMax: Limits.recordBytesMax,
}

export const seed = fromHex(Vectors.signatures.private_key_hex)!

/** Shape: texts as `encodeDraft` gives them. */
export const requestOf = (
  texts: ReadonlyArray<string>,
  changes: Partial<SealRequest> = {},
): SealRequest => ({
  chain,
  state: emptyChain,
  input: utf8(texts.map((text) => `${text}\n`).join("")),
  count: texts.length,
  tsMs: 1_730_246_400_000,
  mode: "unsigned",
  framesBytesMax: Number.MAX_SAFE_INTEGER,
  ...changes,
})

/** A result whose buffers outlive the next call. */
export const keep = (result: SealResult): SealResult => ({
  ...result,
  statuses: result.statuses.slice(),
  frames: result.frames.slice(),
  signatures: result.signatures.slice(),
})

export const textOf = (record: AuditRecord): string => encodeDraft(draftOf(record))
const draftOf = ({ stream, kind, actor, subject, reason, attrs }: AuditRecord) => ({
  stream,
  kind,
  actor,
  subject,
  reason,
  attrs,
})

export const positionOf = (record: AuditRecord): ChainPosition => ({
  seq: record.seq,
  tsMs: record.ts_ms,
  head: parseHash(record.self_hash)!,
})

export const { records } = Vectors.chain
export const allHashes = concat(...records.map(({ self_hash }) => parseHash(self_hash)!))
export const allFrames = concat(
  ...records.map((record) => formatFrame(record.seq, formatBody(record), record.self_hash)),
)

export const good = (attrs = "{}"): string => `["GetServed",{"anon":true},{},"ok",${attrs}]`

export const entriesOf = (signatures: Uint8Array): ReadonlyArray<SigEntry> => {
  const entries: Array<SigEntry> = []
  for (let at = 0; at < signatures.length; ) {
    const read = readSigEntry(signatures, at)
    if (typeof read === "string" || "what" in read) throw new Error("not a .sig entry")
    entries.push(read.entry)
    at = read.next
  }
  return entries
}

/** One fault each, so that every engine names the same. */
export const refusals: ReadonlyArray<readonly [RejectCode, string]> = [
  ["json", good("{")],
  ["json", '["GetServed",{"anon":true},{},"ok",{}'],
  ["float", good('{"a":2.0}')],
  ["negative_zero", good('{"a":-0}')],
  ["integer_range", good('{"a":9007199254740992}')],
  ["duplicate_key", good('{"\u00e9":1,"e\u0301":2}')],
  ["surrogate", good('{"a":"\\ud800"}')],
  ["unassigned", good('{"a":"\u0378"}')],
  ["depth", good(`${'{"a":'.repeat(16)}0${"}".repeat(16)}`)],
  ["field_type", '[1,{},{},"ok",{}]'],
  ["kind", '["getServed",{},{},"ok",{}]'],
  ["kind", `["K${"k".repeat(64)}",{},{},"ok",{}]`],
  ["field_type", '["GetServed",null,{},"ok",{}]'],
  ["actor", '["GetServed",{"email":"x"},{},"ok",{}]'],
  ["actor", '["GetServed",{"cap_id":null},{},"ok",{}]'],
  ["actor", '["GetServed",{"cap_id":""},{},"ok",{}]'],
  ["actor", `["GetServed",{"cap_id":"${"c".repeat(257)}"},{},"ok",{}]`],
  ["actor", '["GetServed",{"anon":1},{},"ok",{}]'],
  ["field_type", '["GetServed",{},[],"ok",{}]'],
  ["subject", '["GetServed",{},{"content_id":"b3:A"},"ok",{}]'],
  ["subject", `["GetServed",{},{"name":"${"n".repeat(513)}"},"ok",{}]`],
  ["field_type", '["GetServed",{},{},{},{}]'],
  ["reason", '["GetServed",{},{},"OK",{}]'],
  ["field_type", '["GetServed",{},{},"ok",[]]'],
  ["attrs_size", good(`{"k":"${"x".repeat(1017)}"}`)],
  ["attrs_size", good(`{"k":"${"\u20ac".repeat(339)}"}`)],
  ["op_id", good('{"op_id":"x"}')],
  ["op_id", good('{"op_id":1}')],
]
