import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  appendRun,
  type CoverageInput,
  judgeCoverage,
  type Run,
  type SignatureState,
} from "../../src/audit/Coverage.ts"
import { type Signing, signings } from "../../src/audit/Declaration.ts"

const letters: Readonly<Record<string, SignatureState>> = {
  r: "record",
  b: "batch",
  ".": "none",
  a: "absent",
  x: "excused",
  u: "key_unknown",
  e: "key_expired",
  c: "key_compromised",
}

/** `bb..` is two records under batch signatures and two under none. */
const runs = (text: string): Array<Run<SignatureState>> => {
  const all: Array<Run<SignatureState>> = []
  for (const [i, letter] of [...text].entries()) appendRun(all, i + 1, i + 1, letters[letter]!)
  return all
}

type Given = Partial<Omit<CoverageInput, "signatures" | "declared">> & {
  readonly declared?: Signing | CoverageInput["declared"]
}

const judge = (signatures: string, { declared = "batch", ...given }: Given = {}) => {
  const judged = judgeCoverage({
    signatures: runs(signatures),
    checkpoints: [],
    doubtful: [],
    openFrom: 1,
    headSeq: signatures.length,
    require: "signed",
    ...given,
    declared: typeof declared === "string" ? [{ first: 1, signing: declared }] : declared,
  })
  const gaps = judged.gaps.map(({ kind, first, last }) => `${kind} ${first}-${last}`)
  return [judged.provenTo, judged.signed, ...gaps]
}

const sealed = { openFrom: 100 }

describe("judgeCoverage", () => {
  it.each<[string, string, Given, ReadonlyArray<number | string>]>([
    ["all signed", "bbbb", {}, [4, 4]],
    ["no record", "", {}, [0, 0]],
    ["stronger than declared is fine", "rbrb", {}, [4, 4]],
    [
      "all under a checkpoint, as declared",
      "....",
      { declared: "checkpoint", checkpoints: [[1, 4]] },
      [4, 0],
    ],
    ["an unsigned tail of the newest segment is not known yet", "bb..", {}, [2, 2]],
    ["nothing signed in the newest segment is not known yet", "....", {}, [0, 0]],
    ["an unsigned tail of a sealed segment", "bb..", sealed, [2, 2, "sig_missing 3-4"]],
    ["one that ends in the newest segment", "b...", { openFrom: 3 }, [1, 1, "sig_missing 2-2"]],
    ["an uncovered record before a covered one", "b.b.", {}, [1, 2, "sig_missing 2-2"]],
    [
      "the same before a checkpointed one",
      "b...",
      { checkpoints: [[3, 4]], declared: "checkpoint" },
      [1, 1, "sig_missing 2-2"],
    ],
    [
      "a checkpoint chain's tail, sealed, waits for its checkpoint",
      "....",
      { ...sealed, declared: "checkpoint", checkpoints: [[1, 2]] },
      [2, 0],
    ],
    ["batch where record is declared", "rbbr", { declared: "record" }, [4, 4, "sig_missing 2-3"]],
    [
      "a checkpoint where batch is declared",
      "b..b",
      { checkpoints: [[1, 4]] },
      [4, 2, "sig_missing 2-3"],
    ],
    [
      "what the last ConfigUpdated declares",
      "bbbb",
      {
        declared: [
          { first: 1, signing: "batch" },
          { first: 3, signing: "record" },
        ],
      },
      [4, 4, "sig_missing 3-4"],
    ],
    [
      "the same the other way",
      "rr..",
      {
        declared: [
          { first: 1, signing: "record" },
          { first: 3, signing: "checkpoint" },
        ],
        checkpoints: [[3, 4]],
      },
      [4, 2],
    ],
    ["damage that is reported elsewhere is not reported twice", "bxxb", {}, [1, 2]],
    [
      "a signature that cannot be placed, under a checkpoint",
      "baab",
      { checkpoints: [[1, 4]] },
      [4, 2],
    ],
    ["the same with nothing over it, before a covered one", "baab", {}, [1, 2, "sig_missing 2-3"]],
    ["an unknown key", "bbuu", {}, [2, 2, "key_unknown 3-4"]],
    ["an unknown key under a checkpoint that counts", "bbuu", { checkpoints: [[1, 4]] }, [4, 2]],
    ["an expired key", "beeb", {}, [1, 2, "key_expired 2-3"]],
    ["a compromised key", "bbcc", sealed, [2, 2, "key_compromised 3-4"]],
    [
      "none, under a checkpoint whose key does not count",
      "....",
      { declared: "checkpoint", doubtful: [{ first: 1, last: 4, state: "key_unknown" }] },
      [0, 0, "key_unknown 1-4"],
    ],
    [
      "checkpoints demanded: signatures do not cover",
      "bbbb",
      { require: "checkpointed", checkpoints: [[1, 2]] },
      [2, 4],
    ],
    [
      "checkpoints demanded: a hole between two",
      "bbbb",
      {
        require: "checkpointed",
        checkpoints: [
          [1, 1],
          [3, 4],
        ],
      },
      [1, 4, "sig_missing 2-2"],
    ],
    [
      "a chain that declares nothing is held to checkpoints",
      "..",
      { ...sealed, declared: [] },
      [0, 0],
    ],
  ])("%s", (_title, signatures, given, expected) => {
    expect(judge(signatures, given)).toEqual(expected)
  })

  it("proves no record beyond the first that nothing covers, and never more than there are", () => {
    const states = fc.string({ unit: fc.constantFrom(...Object.keys(letters)), maxLength: 20 })
    const given = fc.record({
      declared: fc.constantFrom(...signings),
      openFrom: fc.integer({ min: 1, max: 25 }),
      from: fc.integer({ min: 1, max: 20 }),
      length: fc.integer({ min: 0, max: 20 }),
    })
    const property = fc.property(states, given, (signatures, { from, length, ...more }) => {
      const to = Math.min(from + length, signatures.length)
      const checkpoints = to < from ? [] : [[from, to] as const]
      const [provenTo, signed] = judge(signatures, { ...more, checkpoints })
      const covered = [...signatures].map(
        (letter, i) => "rb".includes(letter) || (i + 1 >= from && i + 1 <= to),
      )
      const first = covered.indexOf(false)
      expect(provenTo).toBe(first === -1 ? signatures.length : first)
      expect(signed).toBe([...signatures].filter((letter) => "rb".includes(letter)).length)
    })
    fc.assert(property, { numRuns: 300 })
  })

  it("says what it expected and what it found", () => {
    const { gaps } = judgeCoverage({
      signatures: runs("b."),
      checkpoints: [[1, 2]],
      doubtful: [],
      declared: [{ first: 1, signing: "batch" }],
      openFrom: 9,
      headSeq: 2,
      require: "signed",
    })
    expect(gaps).toMatchObject([{ expected: "a batch signature", found: "a checkpoint signature" }])
  })
})

describe("appendRun", () => {
  it("joins equal neighbours and leaves out what is empty", () => {
    const all: Array<Run<string>> = []
    appendRun(all, 1, 3, "a")
    appendRun(all, 4, 3, "b")
    appendRun(all, 4, 4, "a")
    appendRun(all, 5, 6, "b")
    appendRun(all, 8, 9, "b")
    expect(all).toEqual([
      { first: 1, last: 4, state: "a" },
      { first: 5, last: 6, state: "b" },
      { first: 8, last: 9, state: "b" },
    ])
  })
})
