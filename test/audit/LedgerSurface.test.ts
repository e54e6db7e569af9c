/** What the library offers, and what none of its operations can do: the list is the contract. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { describe, expect, it } from "vitest"
import { parseSealed } from "../../src/audit/Replay.ts"
import { utf8 } from "../../src/base/Bytes.ts"
import * as Library from "../../src/index.ts"
import { type AuditRecord, formatUnsafe, seal } from "../../src/record/Record.ts"
import { ChainFolder } from "./Chain.ts"
import {
  cleanUp,
  codeOf,
  draft,
  engine,
  fill,
  makePlace,
  openRoom,
  type Place,
  recordsOf,
  stream,
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const root = join(import.meta.dirname, "../../src")

const namesOf = (value: object): ReadonlyArray<string> =>
  Object.getOwnPropertyNames(value)
    .filter((name) => !["constructor", "length", "name", "prototype"].includes(name))
    .sort()

/** What a module imports, as paths below src or as names of packages. */
const importsOf = (file: string): ReadonlyArray<string> => {
  const source = readFileSync(join(root, file), "utf8")
  const found = source.matchAll(/(?:\bfrom|\bimport|\bimport\(|new URL\()\s*"([^"]+)"/g)
  return [...found].map(([, name = ""]) =>
    name.startsWith(".") ? relative(root, join(root, dirname(file), name)) : name,
  )
}

const closureOf = (file: string): ReadonlySet<string> => {
  const seen = new Set<string>()
  const visit = (one: string): void => {
    if (seen.has(one)) return
    seen.add(one)
    if (one.endsWith(".ts")) importsOf(one).forEach(visit)
  }
  visit(file)
  return seen
}

/** Every byte that a log has on disk; who holds a lock is no history. */
const bytesOf = (place: Place): ReadonlyMap<string, Buffer> =>
  new Map(
    [place.wal, place.export]
      .filter((folder) => existsSync(folder))
      .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.parentPath.includes("~locks"))
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => [path, readFileSync(path)] as const),
  )

/** The count in the header of a segment that is not sealed yet: it is written once. */
const openCount = (path: string, bytes: Buffer): boolean =>
  path.endsWith(".seg") && bytes.length >= 14 && bytes.readUInt32LE(10) === 0

const expectOnlyGrown = (before: ReadonlyMap<string, Buffer>, place: Place, by: string): void => {
  expect(before.size).toBeGreaterThan(2)
  const after = bytesOf(place)
  for (const [path, bytes] of before) {
    const now = Buffer.from(after.get(path)?.subarray(0, bytes.length) ?? [])
    if (openCount(path, bytes) && now.length >= 14) now.fill(0, 10, 14)
    expect(now.equals(bytes), `${by}: ${path}`).toBe(true)
  }
}

const sealedOf = ({ self_hash, ...body }: AuditRecord) => {
  const text = Buffer.from(formatUnsafe(body, { attrsBytesMax: 1024, recordBytesMax: 4096 }))
  const line = `${text.toString().slice(0, -1)},"self_hash":"${self_hash}"}`
  return parseSealed(engine, utf8(line))
}

const optionsOf = (place: Place) => ({
  writerId,
  engine: "js" as const,
  wal: { dir: place.wal },
  export: { dir: place.export },
  notice: () => undefined,
})

describe("the library", () => {
  it("appends and verifies: these are all its operations [A-058]", async () => {
    const errors = ["Audit", "Document", "Engine", "KeyFile", "Signer", "Sink"].map(
      (of) => `${of}Error`,
    )
    expect(namesOf(Library)).toEqual([...errors, "AuditLog", "Rejected", "Strongroom"].sort())
    const { AuditLog, Strongroom } = Library
    expect(namesOf(AuditLog)).toEqual(["layer"])
    expect(namesOf(Strongroom)).toEqual(["continueChain", "open", "openReplay"])
    expect(namesOf(Strongroom.prototype)).toEqual([
      "append",
      "checkpoint",
      "close",
      "counts",
      "export",
      "exportState",
      "flush",
      "gate",
      "heads",
      "sayConfig",
      "subscribe",
      "tune",
    ])
    const place = makePlace()
    const room = await openRoom(place)
    expect(namesOf(room)).toEqual(["engine", "keyId", "logId", "trustPath"])
    const receipt = await room.append(draft(1))
    expect(namesOf(Object.getPrototypeOf(receipt))).toEqual([
      "reached",
      "selfHash",
      "seq",
      "stream",
      "writerId",
    ])
    expect(namesOf(receipt)).toEqual([])
    await room.close()
    const replay = await Strongroom.openReplay(optionsOf(place), undefined)
    expect(namesOf(Object.getPrototypeOf(replay))).toEqual(["close", "flush", "heads", "write"])
    await replay.close()
  })

  it("changes no byte of durable history by any of them [A-057, A-058]", async () => {
    const place = makePlace()
    const settings = { wal: { rotateBytes: 6000 }, checkpointEvery: 7 }
    let room = await openRoom(place, settings)
    await fill(room, 1, 20)
    await room.export()
    let before = bytesOf(place)
    const step = async (name: string, run: () => Promise<unknown>): Promise<void> => {
      await run()
      expectOnlyGrown(before, place, name)
      before = bytesOf(place)
    }
    await step("append", () => fill(room, 21, 40))
    await step("refused", () => codeOf(room.append(draft(0, { kind: "no kind" }))))
    await step("flush", () => room.flush())
    await step("checkpoint", () => room.checkpoint())
    await step("export", () => room.export())
    await step("another stream", () => room.append(draft(1, { stream: "other" })))
    await step("heads", async () => room.heads())
    await step("close", () => room.close())
    await step("open", async () => {
      room = await openRoom(place, { ...settings, signing: "record" })
    })
    await step("append again", () => fill(room, 41, 45))
    await step("close again", () => room.close())
    await step("replay", async () => {
      const replay = await Library.Strongroom.openReplay(optionsOf(place), undefined)
      const known = recordsOf(place).map(sealedOf)
      const { appended, known: count } = await replay.write(known)
      expect([appended, count]).toEqual([0, known.length])
      await replay.close()
    })
    await step("continueChain refused", () =>
      codeOf(Library.Strongroom.continueChain(optionsOf(place), stream)),
    )
    expect(verify(place).verdict).toBe("valid")

    const chain = new ChainFolder(place)
    const segment = chain.read("wal-000002.seg")
    segment[200]! ^= 1
    chain.write("wal-000002.seg", segment)
    before = bytesOf(place)
    await step("continueChain", async () => {
      const { successor } = await Library.Strongroom.continueChain(optionsOf(place), stream)
      expect(successor.writerId).toBe(`${writerId}+1`)
    })
  })

  it("corrects by a new record that names the first, which stays as it is [A-023]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    const wrong = await room.append(draft(1, { reason: "wrong_reason" }))
    await room.close()
    const before = bytesOf(place)
    const original = recordsOf(place)[wrong.seq - 1]!

    // The same position with other content is tampering, however well it is sealed.
    const { self_hash: _, ...body } = original
    const edited = seal({ ...body, reason: "right_reason" })
    const replay = await Library.Strongroom.openReplay(optionsOf(place), undefined)
    const answer = await replay.write([sealedOf(edited)])
    expect(answer).toMatchObject({ appended: 0, refused: { error: { code: "TAMPER" } } })
    await replay.close()
    expectOnlyGrown(before, place, "edit")

    const again = await openRoom(place)
    const { seq, selfHash } = wrong
    const corrects = { writer_id: writerId, stream, seq, self_hash: selfHash }
    await again.append(draft(2, { reason: "right_reason", attrs: { corrects } }))
    await again.close()
    expectOnlyGrown(before, place, "correction")
    const [first, correction] = recordsOf(place).slice(1)
    expect(first).toEqual(original)
    expect(correction?.attrs.corrects).toEqual({
      writer_id: writerId,
      stream,
      seq: first?.seq,
      self_hash: first?.self_hash,
    })
    expect(verify(place).verdict).toBe("valid")
  })
})

describe("a snapshot of the heads", () => {
  /** Appends in an order; the heads without what differs from log to log. */
  const headsAfter = async (order: ReadonlyArray<string>) => {
    const room = await openRoom(makePlace(), { sink: "ram" })
    for (const one of ["a", "b", "c"]) await room.append(draft(0, { stream: one }))
    for (const one of order) await room.append(draft(0, { stream: one }))
    await room.flush()
    return room.heads().map(({ selfHash, ...head }) => ({ ...head, hash: typeof selfHash }))
  }

  it("says nothing of an order beyond writer, stream and seq [A-045]", async () => {
    const one = await headsAfter(["a", "a", "b", "c", "c"])
    for (const order of [
      ["c", "c", "b", "a", "a"],
      ["a", "c", "b", "c", "a"],
    ]) {
      expect(await headsAfter(order)).toEqual(one)
    }
    // No clock and no counter that chains share: each number is one of its own chain's.
    expect(one.find((head) => head.stream === "c")).toEqual({
      writerId,
      stream: "c",
      seq: 4,
      checkpointedTo: 0,
      scrubbedTo: 4,
      hash: "string",
    })
  })
})

describe("the library and its host", () => {
  const closure = closureOf("index.ts")

  it("speaks no wire protocol: what it loads opens no connection [A-079, A-081]", async () => {
    expect(closure.size).toBeGreaterThan(50)
    expect(closure).toContain("audit/Writer.ts")
    const network = /^(node:)?(net|http|https|http2|tls|dgram|dns|cluster|inspector)(\/|$)/
    expect([...closure].filter((name) => network.test(name))).toEqual([])
    expect([...closure].filter((name) => name.startsWith("cli/"))).toEqual([])
    for (const name of closure) {
      if (!name.endsWith(".ts") || name.startsWith("..")) continue
      const source = readFileSync(join(root, name), "utf8")
      expect(/\bfetch\(|WebSocket|getBuiltinModule|createRequire/.test(source), name).toBe(false)
    }
    const before = process.getActiveResourcesInfo()
    const room = await openRoom(makePlace())
    await room.append(draft(1))
    const sockets = (all: ReadonlyArray<string>) =>
      all.filter((name) => /TCP|UDP|Pipe|Server|TLS|HTTP/i.test(name)).length
    expect(sockets(process.getActiveResourcesInfo())).toBe(sockets(before))
  })

  it("takes no credential: who may append is settled before the call [A-079]", async () => {
    const room = await openRoom(makePlace())
    await room.append(draft(0))
    expect(room.append.length).toBe(1)
    for (const name of ["token", "authorization", "capability", "macaroon", "principal", "quota"]) {
      const with_ = { ...draft(1), [name]: "x" }
      expect(await codeOf(room.append(with_)), name).toBe("field_unknown")
    }
    expect(room.heads().find((head) => head.stream === stream)?.seq).toBe(2)
  })

  it("keeps keys and signing code out of its core: both are handed to it", () => {
    const core = ["base", "record", "chain", "merkle", "checkpoint", "ingress", "sink", "audit"]
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
      (name) => name.endsWith(".ts") && core.includes(name.split("/")[0] ?? ""),
    )
    expect(files.length).toBeGreaterThan(50)
    const crypto = /^(node:crypto|crypto|@noble\/curves.*|custody\/.*)$/
    const engines = /^engine\/(EngineJs|EngineNative|Ed25519Js|Select)\.ts$/
    // Verifying takes the strings of a command line to another thread, and an engine by its name.
    const allowed = ["audit/VerifyParallel.ts engine/Select.ts"]
    const found = files.flatMap((file) =>
      importsOf(file)
        .filter((name) => crypto.test(name) || engines.test(name))
        .map((name) => `${file} ${name}`),
    )
    expect(found.filter((one) => !allowed.includes(one))).toEqual([])
    // What is written of a signer: its id, its algorithm and the signature.
    const place = makePlace()
    return openRoom(place).then(async (room) => {
      await room.append(draft(1))
      await room.close()
      const checkpoint = new ChainFolder(place).read("checkpoint-000001.json").toString()
      const { signer_key_id, alg } = JSON.parse(checkpoint)
      expect([signer_key_id, alg]).toEqual([room.keyId, "ed25519"])
      const names = Object.keys(JSON.parse(checkpoint))
      expect(names.filter((name) => /key|seed|secret|private/.test(name))).toEqual([
        "signer_key_id",
      ])
    })
  })
})
