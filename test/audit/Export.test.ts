import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { rootModel } from "../../models/TreeModel.ts"
import { readRecords } from "../../src/audit/Read.ts"
import { b3, b3Text, formatHash } from "../../src/base/Hash.ts"
import * as Checkpoint from "../../src/checkpoint/Checkpoint.ts"
import * as Manifest from "../../src/checkpoint/Manifest.ts"
import type { Strongroom } from "../../src/index.ts"
import { type AuditRecord, formatBody } from "../../src/record/Record.ts"
import {
  cleanUp,
  draft,
  engine,
  filesOf,
  fill,
  makePlace,
  openRoom,
  type Place,
  recordsOf,
  stream,
  trustOf,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const settings = { wal: { rotateBytes: 16 << 10 } }

const exportedNow = async (room: Strongroom, of = stream) =>
  (await room.export()).find((exported) => exported.stream === of)

const verifyExport = (place: Place) => verify(place, { root: place.export })

/** All files below a folder with their bytes. */
const contents = (root: string): ReadonlyMap<string, Buffer> =>
  new Map(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path, readFileSync(path)]),
  )

const manifestsOf = (place: Place): ReadonlyArray<Manifest.Manifest> =>
  filesOf(place.export).manifests.map(({ path }) => Manifest.parse(readFileSync(path)))

/** The root over records by the model, their hashes made anew. */
const modelRoot = (records: ReadonlyArray<AuditRecord>): string =>
  formatHash(rootModel(records.map(({ self_hash: _, ...body }) => b3(formatBody(body)))))

describe("exportChain", () => {
  it("chains its batches by prev_manifest and never changes what it exported [A-160]", async () => {
    const place = makePlace()
    const room = await openRoom(place, settings)
    await fill(room, 1, 60)
    expect(await exportedNow(room)).toMatchObject({ range: [1, 61], records: 61 })
    const first = contents(place.export)
    await fill(room, 61, 100)
    expect(await exportedNow(room)).toMatchObject({ range: [62, 101], records: 40 })
    await fill(room, 101, 101)
    expect(await exportedNow(room)).toMatchObject({ range: [102, 102], segments: 1 })
    await room.close()
    const now = contents(place.export)
    for (const [path, bytes] of first) expect(now.get(path)?.equals(bytes), path).toBe(true)
    const manifests = manifestsOf(place)
    expect(manifests.map(({ prev_manifest }) => prev_manifest)).toEqual([
      "b3:0",
      ...filesOf(place.export)
        .manifests.slice(0, 2)
        .map(({ path }) => b3Text(readFileSync(path))),
    ])
    const segments = manifests.flatMap((manifest) => manifest.segments)
    expect(segments.map(({ file }) => file)).toEqual(
      filesOf(place.wal)
        .segments.slice(0, segments.length)
        .map(({ file }) => file),
    )
    expect(verifyExport(place).verdict).toBe("valid")
  })

  it("writes nothing when nothing is new", async () => {
    const place = makePlace()
    const room = await openRoom(place, settings)
    await fill(room, 1, 10)
    await room.export()
    const before = contents(place.export)
    expect(await exportedNow(room)).toMatchObject({ manifest: undefined, segments: 0, records: 0 })
    expect([...contents(place.export).keys()]).toEqual([...before.keys()])
  })

  it("exports the roots that the records in memory have [A-153, A-166]", async () => {
    const place = makePlace()
    const room = await openRoom(place, { ...settings, checkpointEvery: 10 })
    const receipts = []
    for (let i = 1; i <= 35; i++) {
      const receipt = await room.append(draft(i))
      if (receipt.seq % 10 === 0) await receipt.reached("checkpointed")
      receipts.push(receipt)
    }
    await room.export()
    await room.close()
    const records = recordsOf(place)
    expect(records.slice(1).map(({ self_hash }) => self_hash)).toEqual(
      receipts.map(({ selfHash }) => selfHash),
    )
    const part = ([first, last]: readonly [number, number]) =>
      modelRoot(records.slice(first - 1, last))
    const checkpoints = filesOf(place.export).checkpoints.map(({ path }) =>
      Checkpoint.parse(readFileSync(path)),
    )
    expect(checkpoints.length).toBeGreaterThan(2)
    let next = 1
    for (const { range, root, alg, signer_key_id } of checkpoints) {
      expect(range[0]).toBe(next)
      expect(root).toBe(part(range))
      expect([alg, signer_key_id]).toEqual(["ed25519", room.keyId])
      next = range[1] + 1
    }
    expect(next).toBe(37)
    for (const { segments } of manifestsOf(place)) {
      for (const segment of segments) {
        expect(segment.root).toBe(part(segment.range as readonly [number, number]))
      }
    }
    expect(verify(place, { require: "checkpointed" }).verdict).toBe("valid")
  })

  it("can be verified alone, without the log it came from [A-139]", async () => {
    const place = makePlace()
    const room = await openRoom(place, settings)
    await fill(room, 1, 80)
    await room.export()
    await room.close()
    const records = recordsOf(place)
    const trust = trustOf(place)
    rmSync(place.wal, { recursive: true })
    const report = verifyExport(place)
    expect(report).toMatchObject({ verdict: "valid", records: 83 })
    expect(report.notes.join()).not.toContain("no chain is missing")
    const elsewhere = makePlace()
    cpSync(place.export, elsewhere.export, { recursive: true })
    expect(verify(elsewhere, { root: elsewhere.export, trust }).verdict).toBe("valid")
    const files = filesOf(elsewhere.export)
    const read = [...readRecords(engine, { writerId, stream }, files, 1)]
    expect(read.map(({ record }) => record)).toEqual(records)
  })

  it("completes a batch that was interrupted before its manifest", async () => {
    const place = makePlace()
    const room = await openRoom(place, settings)
    await fill(room, 1, 40)
    await room.export()
    await fill(room, 41, 80)
    const whole = await exportedNow(room)
    const { manifests, manifestSignatures, checkpoints } = filesOf(place.export)
    rmSync(manifests[1]!.path)
    rmSync(manifestSignatures.get(2)!.path)
    rmSync(checkpoints[1]!.path)
    expect(await exportedNow(room)).toEqual(whole)
    expect(verifyExport(place).verdict).toBe("valid")
    // Interrupted again, this time with more behind it and another process after it.
    rmSync(manifests[1]!.path)
    await fill(room, 81, 90)
    await room.close()
    const again = await openRoom(place, settings)
    expect(await exportedNow(again)).toMatchObject({ range: [42, 91], records: 50 })
    expect(manifestsOf(place).length).toBe(2)
    expect(verifyExport(place)).toMatchObject({ verdict: "valid" })
  })

  it("holds together across exports: a hole is a manifest_gap [A-161]", async () => {
    const place = makePlace()
    const room = await openRoom(place, settings)
    for (let i = 0; i < 3; i++) {
      await fill(room, i * 10, i * 10 + 9)
      await room.export()
    }
    await room.close()
    expect(verifyExport(place).verdict).toBe("valid")
    const { manifests, manifestSignatures } = filesOf(place.export)
    rmSync(manifests[1]!.path)
    rmSync(manifestSignatures.get(2)!.path)
    const report = verifyExport(place)
    expect(report.verdict).toBe("invalid")
    const kinds = report.streams.flatMap(({ findings }) => findings.map(({ kind }) => kind))
    expect(new Set(kinds)).toEqual(new Set(["manifest_gap"]))
  })

  it("does not export what does not verify", async () => {
    const place = makePlace()
    const room = await openRoom(place, settings)
    await fill(room, 1, 60)
    const [segment] = filesOf(place.wal).segments
    const bytes = readFileSync(segment!.path)
    bytes[500]! ^= 1
    writeFileSync(segment!.path, bytes)
    await expect(room.export()).rejects.toMatchObject({ code: "TAMPER" })
    expect(filesOf(place.export).manifests).toEqual([])
  })

  it("goes on with the writer at work, by either engine", async () => {
    const place = makePlace()
    const room = await openRoom(place, { ...settings, engine: "native", checkpointEvery: 7 })
    await fill(room, 1, 10)
    for (let i = 1; i <= 4; i++) {
      await Promise.all([room.export(), fill(room, i * 100, i * 100 + 49)])
    }
    await room.export()
    await room.close()
    expect(verifyExport(place)).toMatchObject({ verdict: "valid" })
    expect(manifestsOf(place).at(-1)?.segments.at(-1)?.range[1]).toBe(211)
  })
})
