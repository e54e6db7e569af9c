import { describe, expect, it } from "vitest"
import { canonicalCases, recordCases } from "../record/Vectors.ts"
import { expectSentence, run } from "./Program.ts"

const answers = (stdout: string): ReadonlyArray<{ [name: string]: string }> =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

describe("audit canon", () => {
  it("answers every vector, one line each, with --lines", async () => {
    const cases = canonicalCases.filter(({ text }) => !text.includes("\n"))
    expect(cases.length).toBeGreaterThan(150)
    const stdin = cases.map(({ text }) => text).join("\n")
    const { exit, stdout, stderr } = await run(["audit", "canon", "--lines"], { stdin })
    expect([exit, stderr]).toEqual([0, ""])
    const found = answers(stdout)
    expect(found.length).toBe(cases.length)
    for (const [index, { text, canonical, reject }] of cases.entries()) {
      const answer = found[index]
      expect(answer?.canonical, text).toBe(canonical)
      expect(answer?.reject === undefined, text).toBe(reject === undefined)
      if (reject !== undefined) expect(Object.keys(answer ?? {})).toEqual(["reject", "message"])
    }
  })

  it("gives exactly the canonical bytes, and exits 1 for a refusal", async () => {
    const right = await run(["audit", "canon"], { stdin: '{ "b": [1, "\\u00e9"],\n "a": null }\n' })
    expect(right).toEqual({ exit: 0, stdout: '{"a":null,"b":[1,"é"]}', stderr: "" })
    const wrong = await run(["audit", "canon"], { stdin: '{"a":1.5}' })
    expect([wrong.exit, wrong.stdout]).toEqual([1, ""])
    expectSentence(wrong.stderr)
  })
})

describe("audit hash", () => {
  it("answers every record vector with --lines", async () => {
    const stdin = recordCases.map(({ record }) => JSON.stringify(record)).join("\n")
    const { exit, stdout } = await run(["audit", "hash", "--lines"], { stdin })
    expect(exit).toBe(0)
    const found = answers(stdout)
    expect(found.length).toBe(recordCases.length)
    for (const [index, { name, self_hash, reject }] of recordCases.entries()) {
      expect(found[index]?.self_hash, name).toBe(self_hash)
      expect(found[index]?.reject === undefined, name).toBe(reject === undefined)
    }
  })

  it("normalizes, and checks a self_hash that is given", async () => {
    const { record, self_hash } = recordCases.find((one) => one.self_hash !== undefined) ?? {}
    const reversed = Object.fromEntries(Object.entries(record ?? {}).reverse())
    const right = await run(["audit", "hash"], {
      stdin: JSON.stringify({ self_hash, ...reversed }, null, 2),
    })
    expect(right).toEqual({ exit: 0, stdout: `${self_hash}\n`, stderr: "" })
    const stdin = JSON.stringify({ ...record, self_hash: `b3:${"0".repeat(64)}` })
    const wrong = await run(["audit", "hash", "--json"], { stdin })
    expect([wrong.exit, wrong.stdout]).toEqual([1, ""])
    expect(JSON.parse(wrong.stderr).error.code).toBe("self_hash")
  })
})
