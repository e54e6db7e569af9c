import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeEach, describe, expect, it } from "vitest"
import { finish, verifyLog } from "../../src/audit/Verify.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { type Draft, Strongroom } from "../../src/index.ts"
import { parseTrust } from "../../src/signing/Trust.ts"

const top = mkdtempSync(join(tmpdir(), "strongroom-rollback-"))
afterAll(() => rmSync(top, { recursive: true }))
let dir = ""
let runs = 0
beforeEach(() => {
  dir = join(top, String(++runs))
})

const open = (fsync: "always" | "on_checkpoint") =>
  Strongroom.open({
    writerId: "w",
    wal: { dir: join(dir, "wal"), fsync },
    export: { dir: join(dir, "export") },
    engine: "js",
    notice: () => undefined,
  })
const draft = (i: number): Draft => ({
  stream: "s",
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: { i },
})
const chain = (...names: ReadonlyArray<string>): string => join(dir, "wal/w/s", ...names)

describe("a log that lost its end", () => {
  it("is frozen behind its export although the last manifest cannot be read", async () => {
    const room = await open("always")
    for (let batch = 0; batch < 2; batch++) {
      await Promise.all(Array.from({ length: 5 }, (_, i) => room.append(draft(i))))
      await room.export()
    }
    await room.close()
    for (const name of ["wal-000002.seg", "wal-000002.sig", "checkpoint-000002.json"]) {
      rmSync(chain(name))
    }
    appendFileSync(join(dir, "export/w/s/manifest-000002.json"), "x")
    const again = await open("always")
    await expect(again.append(draft(9))).rejects.toMatchObject({ code: "FROZEN" })
    await again.close()
  })

  it("signs the records whose .sig entry outlived the frames behind them", async () => {
    const room = await open("on_checkpoint")
    await Promise.all(Array.from({ length: 5 }, (_, i) => room.append(draft(i))))
    await room.close()
    // What a power loss may leave without fsync: the whole entry, half of the last frame.
    rmSync(chain("checkpoint-000001.json"))
    const segment = readFileSync(chain("wal-000001.seg"))
    truncateSync(chain("wal-000001.seg"), segment.length - 100)
    const again = await open("on_checkpoint")
    await again.close()
    const report = finish(
      verifyLog(openJs(), {
        root: join(dir, "wal"),
        trust: parseTrust(readFileSync(join(dir, "trust.json"))),
        integrity: false,
        require: "signed",
        expectHeads: [],
        nowMs: Date.now(),
      }),
    )
    expect(report.verdict, JSON.stringify(report.streams)).toBe("valid")
  })
})
