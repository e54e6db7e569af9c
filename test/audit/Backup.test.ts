/** Copies of a whole log, taken while it is written, and their way back. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { type BackupWork, backupLog, type LogPlaces } from "../../src/audit/Backup.ts"
import { restoreLog } from "../../src/audit/Restore.ts"
import type { ExpectedPosition } from "../../src/audit/Verify.ts"
import { AuditError, Strongroom } from "../../src/index.ts"
import { copyTree } from "../../src/sink/Snapshot.ts"
import { Offspring } from "../crash/Offspring.ts"
import { openOptions, type Plan } from "../crash/Plan.ts"
import { engine as fastEngine, Witness } from "../crash/Witness.ts"
import { cleanUp, codeOf, draft, engine, fill, makePlace, openRoom, type Place } from "./Room.ts"

cleanUp()

const clock = { nowMs: () => Date.now() }
const work: BackupWork = { engine, clock }

const placesOf = ({ dir, wal, export: exported }: Place): LogPlaces => ({
  walDir: wal,
  exportDir: exported,
  trustPath: join(dir, "trust.json"),
  keysDir: join(dir, "keys"),
})

const small = { wal: { rotateBytes: 4_000 } }

/** A log with exports and several segments, closed. */
const makeLog = async (): Promise<Place> => {
  const place = makePlace()
  const room = await openRoom(place, small)
  await fill(room, 1, 30)
  await room.export()
  await fill(room, 31, 40)
  await room.close()
  return place
}

/** What is in a folder and below, with sizes. */
const listing = (path: string): ReadonlyArray<string> =>
  (readdirSync(path, { recursive: true }) as Array<string>).sort()

const headsIn = (dir: string): ReadonlyArray<ExpectedPosition> =>
  readFileSync(join(dir, "heads.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .map(({ writer_id, stream, seq, self_hash }) => ({
      writerId: writer_id,
      stream,
      seq,
      selfHash: self_hash,
      file: "heads.jsonl",
    }))

/** A place with the backup and the keys of where it came from. */
const restored = async (backup: string, keysOf: Place): Promise<Place> => {
  const place = makePlace()
  await restoreLog(work, backup, placesOf(place))
  await copyTree(join(keysOf.dir, "keys"), join(place.dir, "keys"))
  return place
}

describe("a backup beside a live writer", () => {
  it("is whole, has what was acknowledged before it, and goes on [A-066] [A-586]", async () => {
    const live = makePlace()
    const plan: Plan = {
      dir: live.dir,
      streams: ["ingress", "policy"],
      inFlight: 8,
      records: 600,
      rotateBytes: 48 * 1024,
      fsync: "always",
      signing: "batch",
      duties: true,
      seed: 7,
    }
    const child = new Offspring()
    let isOver = false
    void child.ended.then(() => {
      isOver = true
    })
    await child.heard("ready")
    child.go(plan)
    await child.heard("open")
    let beside = 0
    for (let k = 1; k <= 4; k++) {
      const witness = new Witness()
      witness.add(child.acks.slice())
      const wasOver = isOver
      const to = join(makePlace().dir, "backup")
      const taken = await backupLog({ ...work, engine: fastEngine }, placesOf(live), to)
      if (!wasOver) beside += 1
      const copy = await restored(to, live)
      const seen = witness.look(copy.dir)
      expect({ ...seen, verdict: "" }).toMatchObject({ tampers: [], lost: [] })
      expect(["valid", "unknown"]).toContain(taken.verdict)
      // It goes on from the very heads that the backup names.
      const options = openOptions({ ...plan, dir: copy.dir }, () => undefined)
      const room = await Strongroom.open({ ...options, expectHeads: headsIn(to) })
      const heads = room.heads()
      for (const { stream, seq } of taken.heads) {
        expect(heads.find((head) => head.stream === stream)?.seq).toBeGreaterThanOrEqual(seq)
      }
      await (await room.append(draft(1))).reached("durable")
      await room.close()
      expect(witness.look(copy.dir)).toMatchObject({ verdict: "valid", tampers: [], lost: [] })
      await sleep(20)
    }
    // A child that hangs must not outlive the test.
    await Promise.race([child.ended, sleep(30_000)])
    child.kill()
    expect(child.told("closed").length).toBe(1)
    console.log(`backups: ${beside} of 4 beside a live writer, ${child.acks.length} acks`)
    expect(beside).toBeGreaterThan(0)
    expect(child.told("frozen", "trouble", "refused", "undecided", "failed", "ended")).toEqual([])
  }, 120_000)
})

describe("a restored older copy", () => {
  it("is a rollback beside newer heads, acknowledgements or exports [A-588]", async () => {
    const place = await makeLog()
    const older = join(place.dir, "older")
    const newer = join(place.dir, "newer")
    await backupLog(work, placesOf(place), older)
    const room = await openRoom(place, small)
    await fill(room, 41, 80)
    await room.export()
    await room.close()
    await backupLog(work, placesOf(place), newer)

    // Restoring is refused by who knows the newer heads, and leaves nothing.
    const nowhere = makePlace()
    const expectHeads = headsIn(newer)
    const refusal = restoreLog({ ...work, expectHeads }, older, placesOf(nowhere))
    await expect(refusal).rejects.toMatchObject({ _tag: "AuditError", code: "TAMPER" })
    expect(listing(nowhere.dir)).toEqual([])

    // Opening is refused by who knows them, or has the newer export.
    const copy = await restored(older, place)
    const told = await openRoom(copy, { ...small, expectHeads })
    expect(await codeOf(told.append(draft(0)))).toBe("FROZEN")
    await told.close()
    const beside = await openRoom(copy, { ...small, export: { dir: place.export } })
    expect(await codeOf(beside.append(draft(0)))).toBe("FROZEN")
    await beside.close()

    // The newer copy is none.
    const good = await restored(newer, place)
    const on = await openRoom(good, { ...small, expectHeads, export: { dir: place.export } })
    await on.append(draft(0))
    await on.close()
  })
})

describe("what a backup refuses", () => {
  it("a folder that is not empty, and leaves it as it is", async () => {
    const place = await makeLog()
    const to = join(place.dir, "backup")
    mkdirSync(to)
    writeFileSync(join(to, "mine"), "")
    expect(await codeOf(backupLog(work, placesOf(place), to))).toBe("SETTINGS")
    expect(listing(to)).toEqual(["mine"])
    const other = await makeLog()
    const good = join(place.dir, "good")
    await backupLog(work, placesOf(place), good)
    expect(await codeOf(restoreLog(work, good, placesOf(other)))).toBe("SETTINGS")
    // A key of another log beside it is no reason, its trust file is.
    const trusting = makePlace()
    cpSync(join(other.dir, "trust.json"), join(trusting.dir, "trust.json"))
    expect(await codeOf(restoreLog(work, good, placesOf(trusting)))).toBe("SETTINGS")
  })

  it("a damaged log, and a damaged backup, and leaves nothing of either", async () => {
    const place = await makeLog()
    const good = join(place.dir, "good")
    await backupLog(work, placesOf(place), good)
    const spoil = (root: string): void => {
      const path = join(root, "test@1", "ingress", "wal-000001.seg")
      const bytes = readFileSync(path)
      bytes[200]! ^= 1
      writeFileSync(path, bytes)
    }
    spoil(join(good, "wal"))
    const nowhere = makePlace()
    expect(await codeOf(restoreLog(work, good, placesOf(nowhere)))).toBe("TAMPER")
    expect(listing(nowhere.dir)).toEqual([])
    spoil(place.wal)
    const to = join(place.dir, "bad")
    expect(await codeOf(backupLog(work, placesOf(place), to))).toBe("TAMPER")
    expect(readdirSync(place.dir).filter((name) => name.startsWith("bad"))).toEqual([])
  })

  it("what is no log and no backup", async () => {
    const place = makePlace()
    expect(await codeOf(backupLog(work, placesOf(place), join(place.dir, "b")))).toBe("NOT_FOUND")
    expect(await codeOf(restoreLog(work, place.dir, placesOf(makePlace())))).toBe("NOT_FOUND")
    const log = await makeLog()
    const to = join(log.dir, "backup")
    await backupLog(work, placesOf(log), to)
    appendFileSync(join(to, "heads.jsonl"), "no head\n")
    expect(await codeOf(restoreLog(work, to, placesOf(makePlace())))).toBe("SETTINGS")
  })

  it("to go on once it is aborted", async () => {
    const place = await makeLog()
    const to = join(place.dir, "backup")
    const signal = AbortSignal.abort()
    await expect(backupLog({ ...work, signal }, placesOf(place), to)).rejects.toThrow(/abort/)
    expect(existsSync(`${to}.tmp`)).toBe(false)
  })
})

describe("what a backup takes", () => {
  it("no key unless asked, the unseal.key only by name", async () => {
    const place = await makeLog()
    const keysIn = async (keys: "all" | "none" | "sealed"): Promise<ReadonlyArray<string>> => {
      const to = join(place.dir, keys)
      await backupLog(work, placesOf(place), to, keys)
      return existsSync(join(to, "keys")) ? listing(join(to, "keys")) : []
    }
    expect(await keysIn("none")).toEqual([])
    expect(await keysIn("sealed")).toEqual(["root@1.key.json"])
    expect(await keysIn("all")).toEqual(["root@1.key.json", "unseal.key"])
    // With all of them the restored log needs nothing else.
    const copy = makePlace()
    const { hasKeys } = await restoreLog(work, join(place.dir, "all"), placesOf(copy))
    expect(hasKeys).toBe(true)
    const room = await openRoom(copy, small)
    await room.append(draft(1))
  })

  it("clears away what an interrupted one left, and takes no lock nor temporary file", async () => {
    const place = await makeLog()
    const to = join(place.dir, "backup")
    mkdirSync(`${to}.tmp`)
    writeFileSync(join(`${to}.tmp`, "half"), "")
    writeFileSync(join(place.wal, "test@1", "ingress", "checkpoint-000009.json.tmp"), "half")
    const { files } = await backupLog(work, placesOf(place), to)
    const names = listing(to)
    expect(names.filter((name) => /tmp|half|~locks/.test(name))).toEqual([])
    expect(existsSync(`${to}.tmp`)).toBe(false)
    expect(files).toBeGreaterThan(10)
  })

  it("is told by an error of the audit room", async () => {
    const place = makePlace()
    const refusal = backupLog(work, placesOf(place), join(place.dir, "b"))
    await expect(refusal).rejects.toBeInstanceOf(AuditError)
  })
})
