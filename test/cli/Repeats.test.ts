import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { AppendReceipt } from "../../src/audit/Progress.ts"
import { opIdWindow } from "../../src/base/Limits.ts"
import { Repeats } from "../../src/cli/Repeats.ts"
import type { Draft } from "../../src/record/Draft.ts"
import { draft, drafts, folder, run } from "./Program.ts"

const withOpId = (i: number): string =>
  draft(i, { attrs: { op_id: `0192d3a4-5b6c-7d8e-9f00-${String(i).padStart(12, "0")}` } })

describe("an op_id that was used before", () => {
  it("is counted apart from what is new, in one import and in the next", async () => {
    const cwd = folder()
    writeFileSync(join(cwd, "op.jsonl"), [1, 2, 2, 3].map((i) => `${withOpId(i)}\n`).join(""))
    writeFileSync(join(cwd, "plain.jsonl"), drafts(6))
    const args = ["audit", "import", "--format", "jsonl", "--writer", "w"]
    const first = await run([...args, "op.jsonl", "plain.jsonl"], { cwd })
    expect(first.exit, first.stderr).toBe(0)
    expect(first.stdout).toMatch(
      /^9 records imported from 2 files in .*, 1 draft repeats an op_id that is in the log already/,
    )
    const again = await run([...args, "op.jsonl", "plain.jsonl", "--json"], { cwd })
    const { records, repeated, refused, files, heads } = JSON.parse(again.stdout)
    expect({ records, repeated, refused, files }).toEqual({
      records: 6,
      repeated: 4,
      refused: 0,
      files: [
        { file: "op.jsonl", records: 0, refused: 0, repeated: 4 },
        { file: "plain.jsonl", records: 6, refused: 0, repeated: 0 },
      ],
    })
    const ingress = heads.find(({ stream }: { stream: string }) => stream === "ingress")
    expect(ingress.seq).toBe(1 + 9 + 6)
  })
})

describe("Repeats", () => {
  const opDraft = { attrs: { op_id: "x" } } as unknown as Draft
  const receipt = (stream: string, seq: number) => ({ stream, seq }) as AppendReceipt

  it("knows heads, what came since, and nothing without an op_id", () => {
    const repeats = new Repeats([{ stream: "a", seq: 9 }])
    expect(repeats.isRepeat(opDraft, receipt("a", 9))).toBe(true)
    expect(repeats.isRepeat(opDraft, receipt("b", 2))).toBe(false)
    expect(repeats.isRepeat(opDraft, receipt("b", 2))).toBe(true)
    // Receipts of one chain may be told out of order.
    expect(repeats.isRepeat(opDraft, receipt("a", 11))).toBe(false)
    expect(repeats.isRepeat(opDraft, receipt("a", 10))).toBe(false)
    const plain = { attrs: {} } as unknown as Draft
    expect(repeats.isRepeat(plain, receipt("a", 3))).toBe(false)
  })

  it("remembers as many as the log does", () => {
    const repeats = new Repeats([])
    const seqs = Array.from({ length: 3 * opIdWindow }, (_, i) => i + 1)
    expect(seqs.some((seq) => repeats.isRepeat(opDraft, receipt("a", seq)))).toBe(false)
    expect(repeats.isRepeat(opDraft, receipt("a", 2 * opIdWindow + 1))).toBe(true)
  })
})
