import { describe, expect, it } from "vitest"
import { exemptions } from "./Exempt.ts"
import { show } from "./Source.ts"
import { allFindings, applyExemptions } from "./Tidy.ts"

const rules: Readonly<Record<string, string>> = {
  rooms: "a file imports from its own room and from lower floors only",
  "native-door": "one file loads the addon",
  packages: "the program imports runtime dependencies only",
  cycles: "no imports go in a circle",
  "dead-files": "every file is imported",
  "dead-exports": "every export is imported",
  "file-size": "files stay within their length",
  "function-size": "functions stay within their length",
  "export-count": "modules give out few names",
  columns: "lines stay within 100 columns",
  names: "files and folders follow the naming scheme",
  clock: "time comes from the Clock port",
  "math-random": "nothing draws from Math.random",
  random: "pure rooms draw no random numbers",
  "json-parse": "the program never parses with JSON.parse",
  "json-stringify": "canonical bytes come from Canonical",
  console: "only cli and supervisors write to the console",
  process: "pure rooms do not touch the process",
  buffer: "pure rooms work on Uint8Array",
  pure: "pure rooms import nothing that does I/O",
  any: "nothing is typed any",
  unsafe: "unsafe Rust stands in two places",
  unfinished: "no unfinished work is marked",
  silenced: "no checker is silenced without its rule and reason",
  workplace: "nothing names the machine it was written on",
  beside: "the specification beside a checkout has one reader",
  provenance: "test data says where it comes from",
}

const { left, unused } = applyExemptions(allFindings())

describe("the tree is tidy", () => {
  it.each(Object.entries(rules))("%s: %s", (rule) => {
    expect(show(left.filter((finding) => finding.rule === rule))).toEqual([])
  })

  it("knows every rule by name", () => {
    const named = new Set(Object.keys(rules))
    expect(left.filter(({ rule }) => !named.has(rule))).toEqual([])
    expect(exemptions.filter(({ rule }) => !named.has(rule))).toEqual([])
  })

  it("keeps no exemption that nothing needs", () => {
    expect(unused).toEqual([])
  })

  it("gives every exemption its reason", () => {
    expect(exemptions.filter(({ reason }) => reason.length < 20)).toEqual([])
  })
})
