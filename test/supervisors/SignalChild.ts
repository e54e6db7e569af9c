/**
 * A host in a process of its own: a supervised tree behind the signal handlers. How its writer
 * behaves is its first argument: `drains`, `hangs` in its finalizer, or `spins` there by promises.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { ChildSpec } from "../../supervisors/ChildSpec.ts"
import { handleSignals } from "../../supervisors/Signals.ts"
import { runTree } from "../../supervisors/Supervisor.ts"

const [habit = "drains", deadlineMs = "400"] = process.argv.slice(2)
const print = (line: string): void => void writeSync(1, `${line}\n`)
let waiting = 0
let isOpen = true

const release =
  habit === "drains"
    ? Effect.andThen(
        Effect.sleep(30),
        Effect.sync(() => {
          waiting = 0
        }),
      )
    : habit === "hangs"
      ? Effect.never
      : Effect.forever(Effect.promise(() => new Promise((done) => setImmediate(done))))

const writer: ChildSpec = {
  name: "writer",
  restart: "permanent",
  startMs: 1_000,
  // Longer than the process may take: the hard deadline is the signal handler's.
  shutdownMs: 60_000,
  start: Effect.as(
    Effect.acquireRelease(Effect.void, () => release),
    Effect.never,
  ),
}

const root = Effect.runFork(
  runTree({
    name: "root",
    policy: {
      strategy: "one_for_one",
      restartsMax: 0,
      windowMs: 1_000,
      whenExhausted: "escalate",
      backoff: { firstMs: 1, maxMs: 1, jitter: 0 },
    },
    children: [writer],
    listener: ({ event, child }) => print(`${event} ${child}`),
    random: () => 0,
  }),
)

handleSignals({
  source: process,
  stopIntake: () => {
    isOpen = false
    print(`intake stopped at ${waiting}`)
  },
  drain: () => Effect.runPromise(Fiber.interrupt(root)),
  deadlineMs: Number(deadlineMs),
  repeatMs: 50,
  reload: () => {
    print("reloaded")
    if (habit === "spins") throw new Error("the file is gone")
  },
  left: () => ({ "records waiting": waiting }),
  print,
  exit: (code) => process.exit(code),
  drainedCode: 0,
  monotonicMs: () => performance.now(),
})

setInterval(() => {
  if (isOpen) waiting += 1
}, 1)
print("ready")
