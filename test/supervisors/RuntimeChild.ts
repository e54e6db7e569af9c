/** A host as docs/concepts/supervision.md has it: appends, and leaves signals to the runtime. */
import { argv, stdout } from "node:process"
import { Runtime } from "../../supervisors/Runtime.ts"

const runtime = await Runtime.start({ flags: [], env: {}, file: argv[2] ?? "" })
runtime.handleSignals()
let acked = 0
let shutdown = false
const events = runtime.room.subscribe("kernel.shutdown")
void (async () => {
  for await (const _event of events) shutdown = true
})()
process.on("exit", () => stdout.write(`${JSON.stringify({ acked, shutdown })}\n`))
const draft = {
  stream: "ingress",
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: {},
}
for (;;) {
  try {
    await runtime.append(draft)
    acked += 1
  } catch {
    await new Promise((done) => setTimeout(done, 5))
  }
  if (acked === 100) stdout.write("appending\n")
  await new Promise((done) => setImmediate(done))
}
