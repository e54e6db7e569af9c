import { describe, expect, it } from "vitest"
import { equal, fromUtf8, toHex, utf8 } from "../../src/base/Bytes.ts"
import { b3, b3Text, formatHash, genesis } from "../../src/base/Hash.ts"
import { jsonFileBytesMax } from "../../src/base/Limits.ts"
import { digestOf, format, type Manifest, parse } from "../../src/checkpoint/Manifest.ts"
import { root as rootOf } from "../../src/merkle/Tree.ts"
import { parse as parseJson } from "../../src/record/Canonical.ts"
import { type Envelope, parseEnvelopes } from "../../src/signing/Envelope.ts"
import { contexts } from "../../src/signing/Message.ts"
import { verifyAnchored } from "../../src/signing/Verifier.ts"
import { firstLeaves } from "../merkle/Vectors.ts"
import { changed, refusal, respellings } from "../signing/Mutations.ts"
import { bytes, canonical, trust, wal } from "../signing/Vectors.ts"

const file = utf8(wal.manifest)
const manifest = parse(file)
const [segment] = manifest.segments
const json = parseJson(file) as Parameters<typeof changed>[0]
const parsing = (value: unknown) => refusal(parse, canonical(value))

describe("wal.json", () => {
  it("is read and written back byte for byte [A-156, A-172]", () => {
    expect(fromUtf8(format(manifest))).toBe(wal.manifest)
    expect(manifest).toEqual(JSON.parse(wal.manifest))
    expect(Object.keys(manifest).toSorted()).toEqual(Object.keys(json).toSorted())
  })

  it("names files with ranges, roots, sizes and digests that are theirs [A-157, A-158]", () => {
    const seg = bytes(wal.hex)
    expect(manifest.segments.length).toBe(1)
    expect(segment).toMatchObject({ file: wal.file, offset: 0, count: 3, range: [1, 3] })
    expect(segment!.bytes).toBe(seg.length)
    expect(segment!.digest).toBe(b3Text(seg))
    expect(segment!.root).toBe(formatHash(rootOf(firstLeaves(3))))
    const sig = bytes(wal.sig_hex)
    expect(segment!.sig).toEqual({ file: wal.sig_file, bytes: sig.length, digest: b3Text(sig) })
    expect(manifest.checkpoints[0]!.root).toBe(segment!.root)
  })

  it("is signed over the file's bytes", () => {
    const [envelope] = parseEnvelopes(bytes(wal.manifest_sig_hex)) as ReadonlyArray<Envelope>
    const verdict = (digest: Uint8Array): string =>
      verifyAnchored(trust, "checkpoint", envelope!, contexts.manifest, digest).verdict
    expect(verdict(b3(file))).toBe("valid")
    for (let at = 0; at < file.length; at += 97) {
      expect(verdict(b3(file.with(at, file[at]! ^ 1)))).toBe("invalid")
    }
  })

  it("is named by its successor through the digest of the file", () => {
    expect(manifest.prev_manifest).toBe(genesis)
    const next: Manifest = { ...manifest, prev_manifest: digestOf(file) }
    expect(parse(format(next)).prev_manifest).toBe(b3Text(file))
  })
})

describe("format", () => {
  it("does not depend on the order of members in memory [A-172]", () => {
    const reversed = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(reversed)
        : value !== null && typeof value === "object"
          ? Object.fromEntries(
              Object.entries(value)
                .toReversed()
                .map(([key, member]) => [key, reversed(member)]),
            )
          : value
    const unusual = reversed(manifest) as Manifest
    expect(Object.keys(unusual)).toEqual(Object.keys(manifest).toReversed())
    expect(equal(format(unusual), file)).toBe(true)
    expect(parse(format(unusual))).toEqual(manifest)
  })

  it("writes the example of the seeds: wal-000042.seg, 2048 records [A-135, A-159]", () => {
    const example: Manifest = {
      ...manifest,
      segments: [
        { ...segment!, file: "wal-000042.seg", count: 2048, range: [13000, 15047], sig: null },
      ],
    }
    expect(parse(format(example))).toEqual(example)
    expect(parsing(changed(json, ["segments", 0, "count"], 2047))).toBe("MEMBER_VALUE")
  })
})

describe("parse", () => {
  it("takes the canonical bytes and no other spelling", () => {
    for (const other of respellings(json)) {
      expect(refusal(parse, other), fromUtf8(other)?.slice(0, 60)).toBeDefined()
    }
  })

  it("refuses unknown and missing members at every level", () => {
    const places: ReadonlyArray<ReadonlyArray<string | number>> = [
      [],
      ["segments", 0],
      ["segments", 0, "sig"],
      ["checkpoints", 0],
    ]
    for (const place of places) {
      expect(parsing(changed(json, [...place, "more"], 1)), place.join(".")).toBe("MEMBER_UNKNOWN")
      const object = place.reduce<unknown>((at, step) => (at as never)[step], json) as object
      for (const member of Object.keys(object)) {
        const at = [...place, member]
        expect(parsing(changed(json, at, undefined)), at.join(".")).toBe("MEMBER_MISSING")
      }
    }
  })

  it("refuses every value that breaks its rule", () => {
    const wrong: ReadonlyArray<readonly [ReadonlyArray<string | number>, unknown]> = [
      [["version"], 2],
      [["log_id"], ""],
      [["stream"], ""],
      [["writer_id"], "a/b"],
      [["segments"], {}],
      [["segments", 0], null],
      [["segments", 0, "file"], "../wal-000001.seg"],
      [["segments", 0, "file"], "wal-000001.sig"],
      [["segments", 0, "file"], "wal-1.seg"],
      [["segments", 0, "file"], "wal-000000.seg"],
      [["segments", 0, "file"], "wal-0000001.seg"],
      [["segments", 0, "file"], "wal-000001.seg\n"],
      [["segments", 0, "offset"], -1],
      [["segments", 0, "count"], 0],
      [["segments", 0, "count"], 4],
      [
        ["segments", 0, "range"],
        [3, 1],
      ],
      [
        ["segments", 0, "range"],
        [0, 2],
      ],
      [["segments", 0, "root"], genesis],
      [["segments", 0, "bytes"], 32],
      [["segments", 0, "digest"], "b3:"],
      [["segments", 0, "sig"], "wal-000001.sig"],
      [["segments", 0, "sig", "file"], "wal-000002.sig"],
      [["segments", 0, "sig", "file"], "wal-000001.seg"],
      [["segments", 0, "sig", "bytes"], -1],
      [["segments", 0, "sig", "digest"], null],
      [["checkpoints"], null],
      [
        ["checkpoints", 0, "range"],
        [3, 1],
      ],
      [["certificates"], null],
      [["certificates"], ["b3:4e6130dd7396e6c780ae5e8835438300"]],
      [["prev_manifest"], "b3:1"],
      [["created_ts_ms"], -1],
    ]
    for (const [at, value] of wrong) {
      expect(parsing(changed(json, at, value)), `${at.join(".")} ${value}`).toBe("MEMBER_VALUE")
    }
    expect(parsing(changed(json, ["segments", 0, "file"], "wal-1000000.seg"))).toBe("MEMBER_VALUE")
    expect(parsing(changed(json, ["segments", 0, "sig"], null))).toBeUndefined()
    const million = { ...segment!, file: "wal-1000000.seg", sig: null }
    expect(parsing({ ...json, segments: [million] })).toBeUndefined()
  })

  it("refuses more than 64 MiB before it reads", () => {
    expect(refusal(parse, new Uint8Array(jsonFileBytesMax + 1))).toBe("DOCUMENT_SIZE")
  })

  it("needs no file, no clock and no network: the same bytes, the same value [A-172]", () => {
    for (let i = 0; i < 3; i++) expect(toHex(format(parse(file)))).toBe(toHex(file))
  })
})
