/**
 * A backup or a restore that a crash ends at any operation, with every outcome of it: what is under
 * its name is whole, or nothing is there. The control: on a disk whose fsync is a lie it is not.
 */
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { backupLog, type LogPlaces } from "../../src/audit/Backup.ts"
import { restoreLog } from "../../src/audit/Restore.ts"
import { mountVirtual } from "./DiskHooks.ts"
import { firstOf, liveThrough, planAt, Testimony } from "./DiskLife.ts"
import { outcomesOf, survivors, type Tree } from "./DiskModel.ts"
import { seeded } from "./Plan.ts"
import { engine } from "./Witness.ts"

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = seeded(seed)
const { disk, close } = mountVirtual()
afterAll(() => close())

const work = { engine, clock: { nowMs: () => Date.now() } }
const placesIn = (dir: string): LogPlaces => ({
  walDir: join(dir, "wal"),
  exportDir: join(dir, "export"),
  trustPath: join(dir, "trust.json"),
  keysDir: join(dir, "keys"),
})

await liveThrough(firstOf(), planAt(disk.load(new Map()), "always"), new Testimony())
const log = disk.live

/** Does it, and gives every tree that a crash could have left, and the last one. */
const trees = async (start: Tree, act: (root: string) => Promise<unknown>) => {
  const root = disk.load(start)
  const crashed: Array<Tree> = []
  disk.decide = ({ node, step }) => {
    if (node === undefined) return undefined
    for (const outcome of outcomesOf(step)) {
      crashed.push(survivors(disk.node, node, step, outcome, random))
    }
    return undefined
  }
  await act(root)
  const end = disk.live
  disk.drop()
  return { crashed, end }
}

const below = (tree: Tree, name: string): ReadonlyArray<string> =>
  [...tree.keys()].filter((path) => path.startsWith(`${name}/`))

/** Whether a tree has nothing below a name, all of it, or what is wrong with it. */
const stateOf = (tree: Tree, end: Tree, name: string): "all" | "nothing" | "part" => {
  if (below(tree, name).length === 0) return "nothing"
  const isSame = below(end, name).every((path) => {
    const [now, then] = [tree.get(path), end.get(path)]
    return now === undefined || then === undefined
      ? tree.has(path) && now === then
      : Buffer.compare(now, then) === 0
  })
  return isSame ? "all" : "part"
}

const backup = (root: string) => backupLog(work, placesIn(join(root, "log")), join(root, "copy"))
const restore = (root: string) =>
  restoreLog(work, join(root, "copy"), placesIn(join(root, "restored")))

describe(`a crash in a backup, seed ${seed}`, () => {
  it("leaves all of it or nothing [A-586]", async () => {
    const { crashed, end } = await trees(log, backup)
    const states = crashed.map((tree) => stateOf(tree, end, "copy"))
    console.log(`a backup: ${crashed.length} crashes`)
    expect(states.filter((state) => state === "part")).toEqual([])
    expect(new Set(states)).toEqual(new Set(["nothing", "all"]))
    expect(crashed.length).toBeGreaterThan(200)
  })

  it("leaves no WAL in its place before all else of a restore is there [A-588]", async () => {
    const { end: start } = await trees(log, backup)
    const { crashed, end } = await trees(start, restore)
    const wrong = crashed.filter((tree) => {
      const wal = stateOf(tree, end, "restored/wal")
      const exported = stateOf(tree, end, "restored/export")
      const hasTrust = tree.get("restored/trust.json") !== undefined
      const isAhead = wal === "all" && (exported !== "all" || !hasTrust)
      return wal === "part" || exported === "part" || isAhead
    })
    console.log(`a restore: ${crashed.length} crashes`)
    expect(wrong.length).toBe(0)
    expect(crashed.length).toBeGreaterThan(200)
  })

  it.each([/\.seg$/, /copy\.tmp\/wal$/])(
    "control: finds out a disk that lies about the fsync of %s",
    async (lie) => {
      disk.lies = (path) => lie.test(path)
      try {
        const { crashed, end } = await trees(log, backup)
        const states = crashed.map((tree) => stateOf(tree, end, "copy"))
        expect(states).toContain("part")
      } finally {
        disk.lies = () => false
      }
    },
  )
})
