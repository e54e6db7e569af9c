// The log as a service of Effect: a layer opens it, and closes it however the program ends.
//
//     npm install strongroom effect
//     AUDIT_DIR=./audit/wal node effect.js
import * as Effect from "effect/Effect"
import { AuditLog } from "strongroom"

const pay = (order, amountCents) => ({
  stream: "payments",
  kind: "PaymentMade",
  actor: { cap_id: "cap-7" },
  subject: { name: order },
  reason: "ok",
  attrs: { amount_cents: amountCents },
})

const program = Effect.gen(function* () {
  const log = yield* AuditLog
  // The payment is made only behind its durable record.
  const seq = yield* log.gate(pay("order-1", 4_200), "durable", (receipt) =>
    Effect.as(Effect.log("paid"), receipt.seq),
  )
  // Failures are typed: here a draft that breaks a rule (numbers are integers), told by its code.
  const refused = yield* log.append(pay("order-2", 42.5)).pipe(
    Effect.map(() => "nothing"),
    Effect.catchTag("Rejected", ({ code, message }) => Effect.succeed(`${code}: ${message}`)),
  )
  console.log(JSON.stringify({ seq, refused }))
  // In place of a server: the log itself keeps no program alive.
  if (process.env.SERVE !== undefined) yield* Effect.forever(Effect.sleep("1 minute"))
})

const layer = AuditLog.layer({ wal: { dir: process.env.AUDIT_DIR ?? "./audit/wal" } })

// A signal interrupts the program, the scope ends, and the log is drained and closed.
const stopping = new AbortController()
process.on("SIGTERM", () => stopping.abort())
const run = Effect.runPromise(Effect.provide(program, layer), { signal: stopping.signal })
await run.catch((error) => {
  if (!stopping.signal.aborted) throw error
  console.log("interrupted, closed")
})
