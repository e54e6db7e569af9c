/** What an export says of its own files, and what a verifier says when they no longer agree. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { exportChain } from "../../src/audit/Export.ts"
import { b3, b3Text } from "../../src/base/Hash.ts"
import * as Manifest from "../../src/checkpoint/Manifest.ts"
import { openFileKey } from "../../src/custody/backend/BackendFile.ts"
import type { EngineSigner } from "../../src/engine/Engine.ts"
import { type Envelope, formatEnvelopes, parseEnvelopes } from "../../src/signing/Envelope.ts"
import { contexts } from "../../src/signing/Message.ts"
import type { Trust } from "../../src/signing/Trust.ts"
import { keysDirectory } from "../../src/sink/Segment.ts"
import { canonical, stranger, type TestKey, vectors } from "../signing/Vectors.ts"
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

const settings = { wal: { rotateBytes: 16 << 10 } }

/** `batches` exports of 40 records under 4 checkpoints each. */
const exportedLog = async (batches: number, place = makePlace()): Promise<Place> => {
  const room = await openRoom(place, settings)
  for (let batch = 0; batch < batches; batch++) {
    for (const first of [1, 11, 21, 31]) {
      await fill(room, batch * 40 + first, batch * 40 + first + 9)
      await room.checkpoint()
    }
    await room.export()
  }
  await room.close()
  return place
}

const openKey = ({ dir }: Place): Promise<EngineSigner> =>
  openFileKey({ dir: join(dir, "keys"), alias: "root", passphrase: undefined }, (seed) =>
    engine.openSigner(seed),
  )

const manifestsOf = (place: Place): ReadonlyArray<Manifest.Manifest> =>
  filesOf(place.export).manifests.map(({ path }) => Manifest.parse(readFileSync(path)))

const foundIn = (place: Place, trust: Trust = trustOf(place)) => {
  const { verdict, streams } = verify(place, { root: place.export, trust })
  const findings = streams.find((one) => one.stream === stream)?.findings ?? []
  return [verdict, ...findings.map(({ kind, seq, file }) => `${kind} ${seq} ${file}`)]
}

describe("a manifest", () => {
  it("names each checkpoint once, in the batch that holds its last record", async () => {
    const place = await exportedLog(3)
    const manifests = manifestsOf(place)
    const named = manifests.flatMap(({ checkpoints }) => checkpoints)
    const files = filesOf(place.export).checkpoints.map(({ path }) => readFileSync(path, "utf8"))
    expect(named.length).toBe(12)
    expect(named).toEqual(files.map((text) => JSON.parse(text)))
    for (const { segments, checkpoints } of manifests) {
      const [first, last] = [segments[0]!.range[0], segments.at(-1)!.range[1]]
      for (const { range } of checkpoints) {
        expect(range[1]).toBeGreaterThanOrEqual(first)
        expect(range[1]).toBeLessThanOrEqual(last)
      }
      // The batch was checkpointed before it was exported.
      expect(checkpoints.at(-1)?.range[1]).toBe(last)
    }
  })

  it("leaves a checkpoint over records that are not exported yet to the next one", async () => {
    const place = makePlace()
    const room = await openRoom(place, settings)
    for (const first of [1, 31, 61, 91]) {
      await fill(room, first, first + 29)
      await room.checkpoint()
    }
    const key = await openKey(place)
    const signer = {
      algoId: "ed25519" as const,
      keyId: key.keyId,
      publicKey: key.publicKey,
      sign: async (context: string, digest: Uint8Array) => key.sign(context, digest),
    }
    const options = { engine, clock: { nowMs: () => 0 }, signer, logId: room.logId }
    const directories = { walDir: place.wal, exportDir: place.export }
    // Without the rotation that goes before: the last checkpoint ends in the open segment.
    const exported = await exportChain({ ...options, ...directories }, { writerId, stream })
    key.close()
    const last = exported.range?.[1] ?? 0
    expect(last).toBeLessThan(121)
    expect(last).toBeGreaterThan(0)
    const [{ checkpoints } = { checkpoints: [] }] = manifestsOf(place)
    expect(checkpoints.map(({ range }) => range[1])).toEqual(
      [31, 61, 91, 121].filter((end) => end <= last),
    )
    await room.export()
    await room.close()
    expect(foundIn(place)).toEqual(["valid"])
    const named = manifestsOf(place).flatMap((manifest) => manifest.checkpoints)
    expect(named.map(({ range }) => range[1])).toEqual([31, 61, 91, 121])
  })

  it("remembers a checkpoint whose file is gone, the last one too", async () => {
    const place = await exportedLog(2)
    const { path } = filesOf(place.export).checkpoints.at(-1)!
    const [first] = (JSON.parse(readFileSync(path, "utf8")) as { range: [number, number] }).range
    rmSync(path)
    expect(foundIn(place)).toContain(`checkpoint_gap ${first} manifest-000002.json`)
    expect(foundIn(place)[0]).toBe("invalid")
  })

  it("names the certificates that lie beside the log, which are copied", async () => {
    const place = makePlace()
    const name = "0123456789abcdef0123456789abcdef"
    const bytes = canonical(vectors.certificate)
    mkdirSync(keysDirectory(place.wal), { recursive: true, mode: 0o700 })
    writeFileSync(join(keysDirectory(place.wal), `${name}.cert.json`), bytes, { mode: 0o600 })
    await exportedLog(1, place)
    expect(manifestsOf(place)[0]?.certificates).toEqual([b3Text(bytes)])
    const copy = readFileSync(join(keysDirectory(place.export), `${name}.cert.json`))
    expect(copy.equals(bytes)).toBe(true)
  })
})

describe("the signatures of a manifest", () => {
  const sign = (key: Pick<TestKey, "keyId" | "sign">, bytes: Uint8Array): Envelope => ({
    algoId: "ed25519",
    keyId: key.keyId,
    sig: key.sign(contexts.manifest, b3(bytes)),
  })
  const both = (place: Place): Trust => {
    const trust = trustOf(place)
    const { publicKey, keyId } = stranger
    const other = { algoId: "ed25519", publicKey, keyId, purposes: ["checkpoint"] } as const
    return { ...trust, keys: [...trust.keys, other] }
  }

  it("are the host's, over the bytes of the file; another key may join it", async () => {
    const place = await exportedLog(1)
    const { manifests, manifestSignatures } = filesOf(place.export)
    const bytes = readFileSync(manifests[0]!.path)
    const path = manifestSignatures.get(1)!.path
    const own = parseEnvelopes(new Uint8Array(readFileSync(path))) as ReadonlyArray<Envelope>
    const key = await openKey(place)
    expect(own).toEqual([sign(key, bytes)])
    key.close()
    const put = (...envelopes: ReadonlyArray<Envelope>): void =>
      writeFileSync(
        path,
        formatEnvelopes([...envelopes].sort((a, b) => (a.keyId < b.keyId ? -1 : 1))),
      )
    const joined = [...own, sign(stranger, bytes)]
    put(...joined)
    expect(foundIn(place)).toEqual(["valid"])
    expect(foundIn(place, both(place))).toEqual(["valid"])
    put(sign(stranger, bytes))
    expect(foundIn(place)).toEqual(["unknown", "key_unknown 1 manifest-000001.sig"])
    expect(foundIn(place, both(place))).toEqual(["valid"])
    // One that is wrong is a finding beside one that is right.
    put(...own, sign(stranger, Buffer.from("other bytes")))
    expect(foundIn(place, both(place))).toEqual(["invalid", "sig_invalid 1 manifest-000001.sig"])
  })
})
