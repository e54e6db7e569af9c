/** `npm run conformance`: runs the tests, counts the ledger rows they prove, writes the page. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setUp } from "../../.ci/SetUp.ts"
import { root, runCargo, runVitest, showClosing, showSkipped } from "../../.ci/Suite.ts"
import { judge, parseAnswers } from "./Claims.ts"
import { readLedger } from "./Ledger.ts"
import { countGroups, formatPage, formatTable } from "./Page.ts"

const usage = [
  "npm run conformance",
  "",
  "Runs every test, prints for each group of the ledger the rows that a passing test proves, and",
  "writes docs/reference/conformance.md. It takes no arguments and some minutes.",
].join("\n")

const given = process.argv.slice(2)
if (given.length > 0) {
  const isHelp = given.every((word) => word === "--help" || word === "-h")
  if (isHelp) console.log(usage)
  else
    console.error(
      `unknown argument "${given.find((word) => !/^(--help|-h)$/.test(word))}"\n\n${usage}`,
    )
  process.exit(isHelp ? 0 : 1)
}

const page = join(root, "docs", "reference", "conformance.md")

process.chdir(root)
setUp()
// The drift tests compare the page that this run is about to write.
const outcomes = [runVitest("--exclude=test/tidy/Drift.test.ts"), await runCargo()]
const groups = readLedger()
const claims = judge(
  groups,
  outcomes.flatMap(({ tests }) => tests),
)
const text = readFileSync(join(import.meta.dirname, "answers.md"), "utf8")
const answers = parseAnswers(groups, text)
const faults = [...claims.faults, ...answers.faults]

showSkipped(outcomes)
console.log("\nledger rows proven by a passing test / rows\n")
console.log(formatTable(countGroups(groups, claims, answers)))
for (const fault of faults) console.log(`wrong: ${fault}`)
if (faults.length === 0) {
  writeFileSync(page, formatPage(groups, claims, answers))
  console.log("\nwritten: docs/reference/conformance.md")
}
showClosing(outcomes)
process.exitCode = faults.length === 0 && outcomes.every(({ ok }) => ok) ? 0 : 1
