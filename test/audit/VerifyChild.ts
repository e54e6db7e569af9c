/**
 * The program that verifies in a process of its own: `VerifyChild.ts <walDir> <trust> <rounds>`.
 * Prints one line, what it saw.
 */
import { readFileSync } from "node:fs"
import { finish, verifyLog } from "../../src/audit/Verify.ts"
import { selectEngine } from "../../src/engine/Select.ts"
import { parseTrust } from "../../src/signing/Trust.ts"

const [root = "", trustPath = "", rounds = "1"] = process.argv.slice(2)
const engine = selectEngine("auto", () => undefined)
const trust = parseTrust(readFileSync(trustPath))
const verdicts = new Set<string>()
const findings = new Set<string>()
const records: Array<number> = []
for (let round = 0; round < Number(rounds); round++) {
  const report = finish(
    verifyLog(engine, {
      root,
      trust,
      integrity: false,
      require: "signed",
      expectHeads: [],
      nowMs: Date.now(),
    }),
  )
  verdicts.add(report.verdict)
  for (const stream of report.streams) {
    for (const { kind, seq, file } of stream.findings) findings.add(`${kind} ${seq} ${file}`)
  }
  records.push(report.records)
}
const maxRssBytes = process.resourceUsage().maxRSS * 1024
const seen = { verdicts: [...verdicts], findings: [...findings], records, maxRssBytes }
process.stdout.write(`${JSON.stringify(seen)}\n`)
