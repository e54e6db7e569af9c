/** What is served, repeated, refused or said of records that were damaged or are sent again. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { proveRecord } from "../../src/audit/Prove.ts"
import { readRecords } from "../../src/audit/Read.ts"
import { parseSealed, type Sealed } from "../../src/audit/Replay.ts"
import { utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { mergeRecords } from "../../src/cli/Merge.ts"
import { type Draft, Rejected, Strongroom } from "../../src/index.ts"
import { formatFrame, readFrame } from "../../src/record/Frame.ts"
import { type AuditRecord, formatBody, parseBody } from "../../src/record/Record.ts"
import { engines } from "../engine/Both.ts"
import { ChainFolder } from "./Chain.ts"
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
  verify,
  writerId,
} from "./Room.ts"

cleanUp()

const name = { writerId, stream }

/** A log of records 2..count + 1, closed. */
const makeLog = async (count: number, more: Parameters<typeof openRoom>[1] = {}) => {
  const place = makePlace()
  const room = await openRoom(place, more)
  for (let i = 0; i < count; i++) await room.append(draft(i))
  await room.close()
  return place
}

const codeOfSync = (run: () => unknown): unknown => {
  try {
    run()
    return "no error"
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

/** The seqs that a reader gives before it ends, and how it ends. */
const served = (records: Iterable<AuditRecord>) => {
  const seqs: Array<number> = []
  const end = codeOfSync(() => {
    for (const record of records) {
      expect(b3Text(formatBody(record, "strict"))).toBe(record.self_hash)
      seqs.push(record.seq)
    }
  })
  return { seqs, end }
}

function* readAll(place: Place, by: typeof engine, from: number): Generator<AuditRecord> {
  for (const { record } of readRecords(by, name, filesOf(place.wal), from)) yield record
}

describe("records that are served", () => {
  it("are hashed again, and a mismatch ends the reading before it [A-051]", async () => {
    const place = await makeLog(6)
    const chain = new ChainFolder(place)
    const file = "wal-000001.seg"
    const whole = chain.read(file)
    const all = [1, 2, 3, 4, 5, 6, 7]
    expect(served(readAll(place, engine, 1))).toEqual({ seqs: all, end: "no error" })
    for (const { seq, offset, end } of chain.frames(file)) {
      const hashAt = end - 1
      const bodyAt = whole.indexOf('"reason":"o', offset) + 10
      for (const at of [bodyAt, hashAt]) {
        const bytes = Buffer.from(whole)
        // Still canonical, still 64 hex digits: nothing but the hash can tell.
        bytes[at] = at === bodyAt ? "q".charCodeAt(0) : bytes[at] === 0x30 ? 0x31 : 0x30
        chain.write(file, bytes)
        const before = all.filter((one) => one < seq)
        for (const one of engines) {
          expect(served(readAll(place, one, 1)), `${seq}`).toEqual({ seqs: before, end: "TAMPER" })
          const merged = mergeRecords(one, place.wal, [name], 1)
          expect(served(merged)).toEqual({ seqs: before, end: "TAMPER" })
          // Also for who asks for later ones of the same file, and for a receipt.
          expect(served(readAll(place, one, seq + 1))).toEqual({ seqs: [], end: "TAMPER" })
          expect(codeOfSync(() => proveRecord(one, place.wal, name, seq))).toBe("TAMPER")
        }
        expect(verify(place).verdict).toBe("invalid")
      }
    }
    chain.write(file, whole)
    expect(proveRecord(engine, place.wal, name, 7)).toMatchObject({ record: { seq: 7 } })
  })
})

describe("a record that is blanked in place", () => {
  const hide = (place: Place, seq: number, how: (body: Buffer, hash: Buffer) => void): void => {
    const chain = new ChainFolder(place)
    const bytes = chain.read("wal-000001.seg")
    const { offset, end } = chain.frames("wal-000001.seg").find((frame) => frame.seq === seq)!
    how(bytes.subarray(offset + 13, end - 71), bytes.subarray(end - 67, end))
    chain.write("wal-000001.seg", bytes)
  }

  it.each<readonly [string, (body: Buffer, hash: Buffer) => void]>([
    ["with zeros", (body) => body.fill(0)],
    ["with spaces", (body) => body.fill(0x20, body.indexOf("secret"), body.indexOf("secret") + 6)],
    ["with another value", (body) => void body.write("denied", body.indexOf("secret"))],
    [
      "with another value, hashed again",
      (body, hash) => {
        body.write("denied", body.indexOf("secret"))
        hash.write(b3Text(body))
      },
    ],
  ])("%s is found: no redaction is silent [A-219]", async (_, how) => {
    for (const seq of [2, 4, 6]) {
      const place = makePlace()
      const room = await openRoom(place)
      for (let i = 0; i < 5; i++) await room.append(draft(i, { attrs: { what: "secret" } }))
      await room.close()
      expect(verify(place).verdict).toBe("valid")
      hide(place, seq, how)
      const { verdict, streams } = verify(place)
      expect(verdict).toBe("invalid")
      const [first] = streams.find((one) => one.stream === stream)?.findings ?? []
      // A record that was hashed again shows by what covers it: the next one's prev, or a root.
      expect(first?.seq).toBeLessThanOrEqual(seq + 1)
      expect(["canon", "hash_mismatch", "prev_mismatch", "root_mismatch", "sig_invalid"]).toContain(
        first?.kind,
      )
    }
  })
})

const opId = (index: number): string => `0190a5f0-7e5a-7cc3-98c4-${String(index).padStart(12, "0")}`

describe("repeats", () => {
  it("among concurrent writers are one record each, with no gap [A-060, A-064]", async () => {
    const place = makePlace()
    const two = ["test@1", "test@2"]
    const rooms: Array<Strongroom> = []
    for (const writer of two) rooms.push(await openRoom(place, { writerId: writer }))
    const callers = 6
    const each = 25
    const call = async (room: Strongroom, caller: number) => {
      const receipts: Array<{ index: number; seq: number; hash: string }> = []
      for (let i = 0; i < each; i++) {
        // All callers send the same drafts, each from another place on, and some of their own.
        const index = (i + caller * 4) % each
        const own = draft(1000 + caller * each + i)
        const [{ seq, selfHash }] = await Promise.all([
          room.append(draft(0, { attrs: { index, op_id: opId(index) } })),
          i % 3 === 0 ? room.append(own) : undefined,
        ])
        receipts.push({ index, seq, hash: selfHash })
      }
      return receipts
    }
    const answers = await Promise.all(
      rooms.map((room) => Promise.all(Array.from({ length: callers }, (_, i) => call(room, i)))),
    )
    await Promise.all(rooms.map((room) => room.close()))
    for (const [at, writer] of two.entries()) {
      const files = new ChainFolder(place, stream, writer)
      const records = files.frames("wal-000001.seg").map(({ offset, end }) => {
        const frame = readFrame(files.read("wal-000001.seg").subarray(offset, end), 0)
        if (frame === "incomplete" || "what" in frame) throw new Error("no frame")
        return { ...parseBody(frame.body), self_hash: frame.selfHash }
      })
      const own = callers * Math.ceil(each / 3)
      expect(records.map(({ seq }) => seq)).toEqual(
        Array.from({ length: 1 + each + own }, (_, i) => i + 1),
      )
      const ids = records.flatMap(({ attrs }) => (attrs.op_id === undefined ? [] : [attrs.op_id]))
      expect(ids.toSorted()).toEqual(Array.from({ length: each }, (_, i) => opId(i)))
      for (const { index, seq, hash } of answers[at]!.flat()) {
        expect(records[seq - 1]).toMatchObject({ seq, self_hash: hash, attrs: { index } })
      }
    }
    expect(verify(place).verdict).toBe("valid")
  })

  const sealedOf = ({ self_hash, ...body }: AuditRecord): Sealed => {
    const text = Buffer.from(formatBody(body, "strict")).toString()
    return parseSealed(engine, utf8(`${text.slice(0, -1)},"self_hash":"${self_hash}"}`))
  }

  it("of finished records are no-ops with the same position and head [A-060, A-064]", async () => {
    const source = await makeLog(9)
    const records = recordsOf(source).map(sealedOf)
    const place = makePlace()
    const options = { writerId: "copy@1", engine: "js", wal: { dir: place.wal } } as const
    const trust = JSON.parse(readFileSync(join(source.dir, "trust.json"), "utf8"))
    const replay = await Strongroom.openReplay(
      { ...options, notice: () => undefined },
      trust.log_id,
    )
    expect(await replay.write(records)).toEqual({ appended: 10, known: 0 })
    const heads = replay.heads()
    const frames = new ChainFolder(place).read("wal-000001.seg")
    for (const again of [records, records.slice(3, 7), [records[9]!], records.toReversed()]) {
      expect(await replay.write(again)).toEqual({ appended: 0, known: again.length })
      expect(replay.heads()).toEqual(heads)
      await replay.flush()
      expect(new ChainFolder(place).read("wal-000001.seg").equals(frames)).toBe(true)
    }
    expect(heads).toMatchObject([{ seq: 10, selfHash: records[9]!.selfHash }])
    await replay.close()
  })
})

describe("oversize drafts at append", () => {
  const quotes = (count: number) => '"'.repeat(count)
  const large: Draft = draft(0, {
    actor: { cap_id: quotes(256), key_fpr: quotes(256), passport_id: quotes(256) },
    subject: { ledger_txid: quotes(512), name: quotes(512) },
    attrs: { k: "x".repeat(1000) },
  })

  it.each<readonly [string, Draft]>([
    ["attrs_size", draft(0, { attrs: { k: "x".repeat(1017) } })],
    ["attrs_size", draft(0, { attrs: { k: "\u20ac".repeat(339) } })],
    ["record_size", large],
    ["record_size", draft(0, { attrs: { k: "x".repeat(32 << 20) } })],
  ])("are refused with the typed error %s, and not written [A-072]", async (code, one) => {
    const place = makePlace()
    const room = await openRoom(place)
    const { seq } = await room.append(draft(1))
    const refusal = await room.append(one).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(Rejected)
    expect(refusal).toMatchObject({ code, isRetryable: false })
    expect((await room.append(draft(2))).seq).toBe(seq + 1)
    await room.close()
    expect(recordsOf(place).map(({ attrs }) => attrs.index)).toEqual([undefined, 1, 2])
  })
})

describe("every hash", () => {
  it("that a log writes is b3: and 64 lower-case hex digits [A-059]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await fill(room, 1, 20)
    await room.export()
    await room.close()
    const chain = new ChainFolder({ ...place, wal: place.export })
    const texts = chain
      .names()
      .filter((one) => one.endsWith(".json"))
      .map((one) => chain.read(one).toString())
    expect(texts.length).toBeGreaterThan(1)
    const records = recordsOf(place).map((record) => JSON.stringify(record))
    const receipt = JSON.stringify(proveRecord(engine, place.wal, name, 3))
    const digests = /"(?:root|digest|prev|prev_manifest|self_hash|config_b3)":\s*"([^"]*)"/g
    const found = [...texts, ...records, receipt].flatMap((text) =>
      [...text.matchAll(digests)].map(([, value]) => value),
    )
    expect(found.length).toBeGreaterThan(50)
    for (const value of found) expect(value).toMatch(/^b3:(0|[0-9a-f]{64})$/)
    // No other kind of hash has 64 digits there.
    const all = [...texts, ...records, receipt].join("\n")
    expect(all.match(/(?<!b3:)\b[0-9a-f]{64}\b/gi)).toBeNull()
    expect(all.match(/sha-?256|sha-?512|md5/gi)).toBeNull()
    const frame = formatFrame(1, utf8("{}"), `b3:${"0".repeat(64)}`)
    expect(readFrame(frame, 0)).toMatchObject({ selfHash: `b3:${"0".repeat(64)}` })
  })
})
