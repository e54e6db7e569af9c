/**
 * A part of a chain proven from its export alone. What is damaged here is signed again by the log's
 * own key, so that nothing but the comparison itself can tell.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { rootModel } from "../../models/TreeModel.ts"
import { type RangeReport, rangeStream } from "../../src/audit/Range.ts"
import { readRecords } from "../../src/audit/Read.ts"
import { finish } from "../../src/audit/Verify.ts"
import { toBase64, utf8 } from "../../src/base/Bytes.ts"
import { b3, b3Text, formatHash } from "../../src/base/Hash.ts"
import * as Checkpoint from "../../src/checkpoint/Checkpoint.ts"
import * as Manifest from "../../src/checkpoint/Manifest.ts"
import { openFileKey } from "../../src/custody/backend/BackendFile.ts"
import type { EngineSigner } from "../../src/engine/Engine.ts"
import { type AuditRecord, formatBody } from "../../src/record/Record.ts"
import { formatEnvelopes } from "../../src/signing/Envelope.ts"
import { contexts } from "../../src/signing/Message.ts"
import {
  cleanUp,
  engine,
  filesOf,
  fill,
  makePlace,
  openRoom,
  type Place,
  stream,
  trustOf,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const settings = { wal: { rotateBytes: 16 << 10 }, checkpointEvery: 25 }
const name = { writerId, stream }

/** Three batches, exported one by one; the WAL itself is gone afterwards. */
const exportedLog = async (): Promise<Place> => {
  const place = makePlace()
  const room = await openRoom(place, settings)
  for (const first of [1, 41, 81]) {
    await fill(room, first, first + 39)
    await room.export()
    // So that the batches fall into different milliseconds.
    await sleep(5)
  }
  await room.close()
  rmSync(place.wal, { recursive: true })
  return place
}

const exportedRecords = (place: Place, from: number, to: number): ReadonlyArray<AuditRecord> =>
  [...readRecords(engine, name, filesOf(place.export), from)]
    .map(({ record }) => record)
    .filter(({ seq }) => seq <= to)

const rangeOf = (place: Place, sinceMs: number, untilMs: number): RangeReport =>
  finish(
    rangeStream(
      engine,
      {
        root: place.export,
        trust: trustOf(place),
        integrity: false,
        require: "signed",
        expectHeads: [],
        nowMs: Date.now(),
        window: { sinceMs, untilMs },
      },
      name,
    ),
  )

const kindsOf = (report: { readonly findings: ReadonlyArray<{ kind: string; seq: number }> }) =>
  report.findings.map(({ kind, seq }) => `${kind} ${seq}`)

const openKey = ({ dir }: Place): Promise<EngineSigner> =>
  openFileKey({ dir: join(dir, "keys"), alias: "root", passphrase: undefined }, (seed) =>
    engine.openSigner(seed),
  )

/** What a full verification of the export and one of the window find after a change. */
const foundAfter = async (change: (place: Place, key: EngineSigner) => void) => {
  const place = await exportedLog()
  const records = exportedRecords(place, 82, 121)
  const key = await openKey(place)
  change(place, key)
  key.close()
  const full = verify(place, { root: place.export })
  const ranged = rangeOf(place, records[0]!.ts_ms, records.at(-1)!.ts_ms).stream
  const whole = full.streams.find((one) => one.stream === stream)!
  return { verdict: full.verdict, whole: kindsOf(whole), window: kindsOf(ranged) }
}

/** Changes the stored text of one record, and its self_hash with it where it is asked for. */
const changeRecord = (place: Place, seq: number, withHash: boolean): void => {
  const { self_hash, ...body } = exportedRecords(place, seq, seq)[0]!
  const before = Buffer.from(formatBody(body))
  const text = before.toString().replace('"kind":"GetServed"', '"kind":"GetSteved"')
  for (const { path } of filesOf(place.export).segments) {
    const bytes = readFileSync(path)
    const at = bytes.indexOf(before)
    if (at < 0) continue
    bytes.write(text, at)
    if (withHash) bytes.write(b3Text(utf8(text)), at + before.length + 4)
    writeFileSync(path, bytes)
    return
  }
  throw new Error(`no record ${self_hash}`)
}

const changeManifest = (
  place: Place,
  key: EngineSigner,
  change: (segment: Manifest.ManifestSegment) => Partial<Manifest.ManifestSegment>,
): void => {
  const { manifests, manifestSignatures } = filesOf(place.export)
  const file = manifests.at(-1)!
  const manifest = Manifest.parse(readFileSync(file.path))
  const [first, ...rest] = manifest.segments
  const bytes = Manifest.format({
    ...manifest,
    segments: [{ ...first!, ...change(first!) }, ...rest],
  })
  const sig = key.sign(contexts.manifest, b3(bytes))
  const envelopes = formatEnvelopes([{ algoId: "ed25519", keyId: key.keyId, sig }])
  writeFileSync(file.path, bytes)
  writeFileSync(manifestSignatures.get(file.number)!.path, envelopes)
}

describe("a part of an exported chain", () => {
  it("is re-derived: hashes, links, the manifest's ranges, roots [A-167]", async () => {
    const place = await exportedLog()
    const records = exportedRecords(place, 82, 121)
    expect(records.length).toBe(40)
    // By hand: every self_hash anew, every prev the one before.
    const hashes = records.map(({ self_hash: _, ...body }) => formatBody(body)).map(b3)
    expect(records.map(({ self_hash }) => self_hash)).toEqual(hashes.map((one) => formatHash(one)))
    expect(records.slice(1).map(({ prev }) => prev)).toEqual(
      records.slice(0, -1).map(({ self_hash }) => self_hash),
    )
    const rootOver = (first: number, last: number): string =>
      formatHash(rootModel(hashes.slice(first - 82, last - 81)))

    const report = rangeOf(place, records[0]!.ts_ms, records.at(-1)!.ts_ms)
    expect(report).toMatchObject({ range: [82, 121], records: 40, root: rootOver(82, 121) })
    expect([report.head, kindsOf(report.stream)]).toEqual([records.at(-1)!.self_hash, []])
    const [first, last] = [report.checkpoints[0]!, report.checkpoints.at(-1)!]
    expect([first.range[0], last.range[1]]).toEqual([82, 121])
    for (const { range, root, rebuilt } of report.checkpoints) {
      expect([root, rebuilt]).toEqual([rootOver(...range), true])
    }
    const { segments } = Manifest.parse(readFileSync(filesOf(place.export).manifests[2]!.path))
    expect([segments[0]!.range[0], segments.at(-1)!.range[1]]).toEqual([82, 121])
    for (const { range, root } of segments) expect(root).toBe(rootOver(...range))
    expect(verify(place, { root: place.export }).verdict).toBe("valid")
  })

  it("is compared: a record that is another is found by its hash [A-167]", async () => {
    const found = await foundAfter((place) => changeRecord(place, 100, false))
    expect(found.verdict).toBe("invalid")
    for (const kinds of [found.whole, found.window]) expect(kinds).toContain("hash_mismatch 100")
  })

  it("is compared: one that was hashed again, by the record after it [A-167]", async () => {
    const found = await foundAfter((place) => changeRecord(place, 100, true))
    expect(found.verdict).toBe("invalid")
    for (const kinds of [found.whole, found.window]) expect(kinds).toContain("prev_mismatch 101")
  })

  it("is compared with the checkpoint's root, however well that is signed [A-167]", async () => {
    const found = await foundAfter((place, key) => {
      const { path } = filesOf(place.export).checkpoints.at(-1)!
      const checkpoint = Checkpoint.parse(readFileSync(path))
      const other = { ...checkpoint, root: b3Text(utf8("another")) }
      const sig = key.sign(contexts.checkpoint, b3(Checkpoint.signedBytes(other)))
      writeFileSync(path, Checkpoint.format({ ...other, sig: toBase64(sig) }))
    })
    expect(found.verdict).toBe("invalid")
    for (const kinds of [found.whole, found.window]) {
      expect(kinds.some((kind) => kind.startsWith("root_mismatch "))).toBe(true)
    }
  })

  it("is compared with the manifest's ranges and roots, signed as well [A-167]", async () => {
    const shifted = await foundAfter((place, key) =>
      changeManifest(place, key, ({ range: [first, last] }) => ({ range: [first + 1, last + 1] })),
    )
    expect(shifted.verdict).toBe("invalid")
    expect(shifted.whole).toEqual(["manifest_gap 82", "manifest_gap 83", "truncated 122"])
    const rooted = await foundAfter((place, key) =>
      changeManifest(place, key, () => ({ root: b3Text(utf8("another")) })),
    )
    expect(rooted).toMatchObject({ verdict: "invalid", whole: ["root_mismatch 82"] })
  })
})
