/** Edits of a log's bytes; each returns a changed copy. */
import { concat } from "../../../src/base/Bytes.ts"
import { b3Text } from "../../../src/base/Hash.ts"
import { formatFrame, readFrame } from "../../../src/record/Frame.ts"
import { formatBody, parseBody, type RecordBody } from "../../../src/record/Record.ts"
import { clone, type Files, frameOffsets, get } from "./Log.ts"

export const change = (files: Files, path: string, edit: (bytes: Uint8Array<ArrayBufferLike>) => Uint8Array<ArrayBufferLike>): Files => {
  const changed = clone(files)
  changed.set(path, edit(get(changed, path)))
  return changed
}

export const flip = (files: Files, path: string, at: number, bits = 1): Files =>
  change(files, path, (bytes) => {
    const index = at < 0 ? bytes.length + at : at
    bytes[index] = (bytes[index] ?? 0) ^ bits
    return bytes
  })

export const remove = (files: Files, ...paths: ReadonlyArray<string>): Files => {
  const changed = clone(files)
  for (const path of changed.keys()) {
    if (paths.some((gone) => path === gone || path.startsWith(`${gone}/`))) changed.delete(path)
  }
  return changed
}

/** Where `needle` stands inside the frame of record `seq`, in its segment. */
export const inFrame = (files: Files, path: string, index: number, needle: string): number => {
  const bytes = get(files, path)
  const from = frameOffsets(bytes)[index] ?? 0
  return Buffer.from(bytes).indexOf(needle, from)
}

export const cut = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  concat(bytes.subarray(0, from), bytes.subarray(to))

/** A segment without its frames `from` to `to` (by index). */
export const without = (files: Files, path: string, from: number, to: number): Files =>
  change(files, path, (bytes) => {
    const offsets = [...frameOffsets(bytes), bytes.length]
    return cut(bytes, offsets[from] ?? 0, offsets[to + 1] ?? bytes.length)
  })

export const frameAt = (bytes: Uint8Array, index: number): Uint8Array => {
  const offsets = [...frameOffsets(bytes), bytes.length]
  return bytes.slice(offsets[index], offsets[index + 1])
}

export const bodyAt = (bytes: Uint8Array, index: number): RecordBody => {
  const frame = readFrame(frameAt(bytes, index), 0)
  if (frame === "incomplete" || "what" in frame) throw new Error("not a frame")
  return parseBody(frame.body)
}

/** Rewrites the records of a segment, each hash right again, links from `relinkFrom` on too. */
export const rewrite = (
  bytes: Uint8Array,
  edit: (body: RecordBody, index: number) => RecordBody,
  relinkFrom: number,
): Uint8Array => {
  const parts: Array<Uint8Array> = [bytes.slice(0, 32)]
  let prev: string | undefined
  for (const index of frameOffsets(bytes).keys()) {
    const given = bodyAt(bytes, index)
    const linked = prev !== undefined && index >= relinkFrom ? { ...given, prev } : given
    const body = formatBody(edit(linked, index))
    prev = b3Text(body)
    parts.push(formatFrame(edit(linked, index).seq, body, prev))
  }
  return concat(...parts)
}

export const editNote = (at: number) => (body: RecordBody, index: number) =>
  index === at ? { ...body, attrs: { ...body.attrs, note: "not what was written" } } : body
