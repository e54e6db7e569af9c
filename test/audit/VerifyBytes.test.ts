/** Every byte of a log changed in turn: found, and found where it is. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { finish, verifyLog } from "../../src/audit/Verify.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { parseTrust } from "../../src/signing/Trust.ts"
import {
  addChain,
  type ChainPlan,
  type Files,
  folderOf,
  frameOffsets,
  get,
  keys,
  name,
  start,
  trustFile,
} from "../vectors/mutations/Log.ts"

const root = mkdtempSync(join(tmpdir(), "strongroom-bytes-"))
afterAll(() => rmSync(root, { recursive: true }))

const engine = openJs()
const trust = parseTrust(trustFile([keys.anchor.anchor()]))
const folder = folderOf("ingress")
const segment = `${folder}/${name("seg", 1)}`
const signatures = `${folder}/${name("sig", 1)}`
const checkpoint = `${folder}/checkpoint-000001.json`

const write = (path: string, bytes: Uint8Array): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), bytes)
}

const makeLog = (more: Partial<ChainPlan>): Files => {
  rmSync(join(root, folder), { recursive: true, force: true })
  const files: Files = new Map()
  addChain(files, { stream: "ingress", segments: [3], batchEvery: 2, checkpointsAt: [3], ...more })
  for (const [path, bytes] of files) write(path, bytes)
  return files
}

const verify = () => {
  const { verdict, streams, notes } = finish(
    verifyLog(engine, {
      root,
      trust,
      integrity: false,
      require: "signed",
      expectHeads: [],
      nowMs: start + 86_400_000,
    }),
  )
  return { verdict, findings: streams.flatMap(({ findings }) => findings), notes }
}

/** Changes one bit of each byte, another bit from byte to byte, and asks `look` what it makes. */
const changeEach = (
  files: Files,
  path: string,
  look: (at: number, said: ReturnType<typeof verify>) => unknown,
): Array<unknown> => {
  const bytes = get(files, path)
  const wrong: Array<unknown> = []
  for (const at of bytes.keys()) {
    const changed = bytes.slice()
    changed[at] = changed[at]! ^ (1 << ((at * 7 + 3) % 8))
    write(path, changed)
    const found = look(at, verify())
    if (found !== undefined) wrong.push({ at, found })
  }
  write(path, bytes)
  expect(verify()).toMatchObject({ verdict: "valid", findings: [] })
  return wrong
}

/** The record that a byte of the segment belongs to; the header is about the first. */
const recordAt = (files: Files, at: number): number =>
  Math.max(1, frameOffsets(get(files, segment)).filter((offset) => offset <= at).length)

const isWithin = (files: Files, path: string, key: string, at: number, length: number): boolean => {
  const bytes = Buffer.from(get(files, path))
  for (let from = bytes.indexOf(key); from >= 0; from = bytes.indexOf(key, from + 1)) {
    const begin = from + key.length
    if (at >= begin && at < begin + length) return true
  }
  return false
}

const plans = [
  ["batch", true],
  ["batch", false],
  ["record", true],
  ["checkpoint", false],
] as const

describe("a changed byte", { timeout: 60_000 }, () => {
  it.each(plans)(
    "of a segment names the record it is in: %s, sealed %s [A-049]",
    (signing, sealLast) => {
      const files = makeLog({ signing, sealLast })
      const wrong = changeEach(files, segment, (at, { verdict, findings }) => {
        // A changed hash breaks the roots over it as well.
        const inFrames = findings.filter(({ file }) => file === name("seg", 1))
        const isNamed = inFrames[0]?.seq === recordAt(files, at)
        return verdict === "invalid" && isNamed ? undefined : { verdict, findings }
      })
      expect(wrong).toEqual([])
    },
  )

  it.each(["batch", "record"] as const)(
    "of a .sig file is found, but for whose it is: %s",
    (signing) => {
      const files = makeLog({ signing })
      const wrong = changeEach(files, signatures, (at, { verdict, findings }) => {
        // A key that nobody knows says nothing, and the checkpoint covers; a non-digit is refused.
        const isKeyId = isWithin(files, signatures, "\u0003x#b3:", at, 32)
        const isRight = verdict === "invalid" || (isKeyId && findings.length === 0)
        return isRight ? undefined : { verdict, findings }
      })
      expect(wrong).toEqual([])
    },
  )

  it("of a checkpoint is found, but for whose it is where signatures cover [A-164]", () => {
    const files = makeLog({})
    const wrong = changeEach(files, checkpoint, (at, { verdict, findings }) => {
      const isKeyId = isWithin(files, checkpoint, '"signer_key_id":"b3:', at, 32)
      const isRight = verdict === "invalid" || (isKeyId && findings.length === 0)
      return isRight ? undefined : { verdict, findings }
    })
    expect(wrong).toEqual([])
  })
})

describe("damage that nothing can be read behind", () => {
  const damaged = (at: number) => {
    const files = makeLog({ segments: [3, 3, 3], checkpointsAt: [3, 6, 9] })
    const bytes = get(files, segment).slice()
    bytes[at] = bytes[at]! ^ 0x40
    write(segment, bytes)
    return verify()
  }
  const seen = ({ findings }: ReturnType<typeof verify>) =>
    findings.map(({ kind, seq, file }) => `${kind} ${seq} ${file}`)
  const note = /^nothing behind seq \d of svc@1 \/ ingress was read$/

  it("is named alone: what is unread is not called gone", () => {
    const len = damaged(frameOffsets(get(makeLog({ segments: [3, 3, 3] }), segment))[1]! + 1)
    expect(seen(len)).toEqual([`frame 2 ${name("seg", 1)}`])
    expect(len.notes.some((line) => note.test(line))).toBe(true)
    const header = damaged(0)
    expect(seen(header)).toEqual([`frame 1 ${name("seg", 1)}`])
  })

  it("leaves the rest to be read where only a field of the frame is wrong", () => {
    const at = frameOffsets(get(makeLog({ segments: [3, 3, 3] }), segment))[1]!
    for (const field of [4, 5, 12]) {
      const said = damaged(at + field)
      expect(seen(said)).toEqual([`frame 2 ${name("seg", 1)}`])
      expect(said.notes.some((line) => note.test(line))).toBe(false)
    }
  })
})
