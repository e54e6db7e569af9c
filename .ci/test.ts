/** `npm test`: the set-up, then every test that can run here. Arguments go to vitest. */
import { setUp } from "./SetUp.ts"
import { runCargo, runVitest, showClosing, showSkipped } from "./Suite.ts"

const args = process.argv.slice(2)
setUp()
const outcomes = [runVitest(...args)]
// Arguments choose tests of vitest; then the Rust ones are not asked for.
if (args.length === 0) outcomes.push(await runCargo())
showSkipped(outcomes)
showClosing(outcomes)
process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1
