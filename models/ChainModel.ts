/**
 * A chain the slow way: every record is built, written and hashed by itself.
 *
 * Takes canonical texts of the drafts' parts, so that it needs no canonicalizer, and answers the
 * canonical bytes and the hash of each record.
 *
 * Source: FORMATS 2 and 3.1.
 */
import { utf8 } from "../src/base/Bytes.ts"
import { b3, b3Text } from "../src/base/Hash.ts"

/** Canonical JSON texts. */
export interface DraftTexts {
  readonly kind: string
  readonly actor: string
  readonly subject: string
  readonly reason: string
  readonly attrs: string
}

export interface ModelRecord {
  readonly seq: number
  readonly text: string
  readonly selfHash: string
}

export const sealAll = (
  writerId: string,
  stream: string,
  tsMs: number,
  drafts: ReadonlyArray<DraftTexts>,
): ReadonlyArray<ModelRecord> => {
  const records: Array<ModelRecord> = []
  for (const draft of drafts) {
    const seq = records.length + 1
    const prev = seq === 1 ? "b3:0" : records[seq - 2]!.selfHash
    const text = [
      `{"v":1`,
      `"ts_ms":${tsMs}`,
      `"writer_id":${JSON.stringify(writerId)}`,
      `"seq":${seq}`,
      `"stream":${JSON.stringify(stream)}`,
      `"kind":${draft.kind}`,
      `"actor":${draft.actor}`,
      `"subject":${draft.subject}`,
      `"reason":${draft.reason}`,
      `"attrs":${draft.attrs}`,
      `"prev":"${prev}"}`,
    ].join(",")
    records.push({ seq, text, selfHash: b3Text(utf8(text)) })
  }
  return records
}

/** The bytes of a frame, field by field. */
export const frameOf = ({ seq, text, selfHash }: ModelRecord): Uint8Array => {
  const body = utf8(text)
  const integer = (value: number, size: number): Array<number> =>
    Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** index) % 256)
  const hash = [...utf8(selfHash)]
  return Uint8Array.from([
    ...integer(body.length, 4),
    1,
    ...integer(seq, 8),
    ...body,
    ...integer(hash.length, 4),
    ...hash,
  ])
}

/** MTH of RFC 9162 section 2.1.1, word for word. */
export const rootOf = (leaves: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (leaves.length === 1) return b3(Uint8Array.from([0, ...leaves[0]!]))
  let k = 1
  while (2 * k < leaves.length) k *= 2
  return b3(Uint8Array.from([1, ...rootOf(leaves.slice(0, k)), ...rootOf(leaves.slice(k))]))
}
