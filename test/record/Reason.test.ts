import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { parseDraft } from "../../src/record/Draft.ts"
import { reasons } from "../../src/record/Reason.ts"
import { Rejected } from "../../src/record/Reject.ts"

const page = readFileSync(join(import.meta.dirname, "../../docs/reference/reasons.md"), "utf8")
const draftFor = (reason: string) => ({
  stream: "s",
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason,
  attrs: {},
})

describe("reasons", () => {
  it("are published, each with what it says [A-012]", () => {
    const rows = [...page.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, word, says]) => [
      word,
      says,
    ])
    expect(Object.fromEntries(rows)).toEqual(reasons)
  })

  it("are words that a record takes, and the list is open [A-012]", () => {
    for (const reason of [...Object.keys(reasons), "my_own_word", "a".repeat(64)]) {
      expect(parseDraft(draftFor(reason)).reason).toBe(reason)
    }
    for (const reason of ["", "Ok", "has space", "9a", "a".repeat(65), "é"]) {
      expect(() => parseDraft(draftFor(reason))).toThrow(Rejected)
    }
  })
})
