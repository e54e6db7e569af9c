/**
 * Runs what a command loads, as a promise under Effect: an interruption aborts it and waits until
 * it has put everything in order.
 */
import * as Effect from "effect/Effect"
import * as Globals from "./Globals.ts"
import type { Host } from "./Host.ts"
import type { Context } from "./Opening.ts"
import { BrokenPipe, Output } from "./Output.ts"
import { resolveSettings } from "./Settings.ts"

type Run<I> = (input: I, context: Context) => Promise<number>

type Configure = typeof resolveSettings

const promised = (
  output: Output,
  start: (signal: AbortSignal) => Promise<number>,
): Effect.Effect<number, unknown> =>
  Effect.callback<number, unknown>((resume) => {
    const abort = new AbortController()
    const signal = AbortSignal.any([abort.signal, output.broken.signal])
    const settled = start(signal).then(
      (exit) => resume(Effect.succeed(exit)),
      (error: unknown) => {
        // A command that has more to say of where it stopped says it and ends by itself.
        if (abort.signal.aborted) output.note("stopped by a signal")
        // Whoever closed our stdout does not want to hear of it.
        if (output.broken.signal.reason instanceof BrokenPipe) resume(Effect.succeed(0))
        else resume(Effect.fail(error))
      },
    )
    return Effect.promise(() => {
      abort.abort()
      return settled
    })
  })

/** Carries out commands; `outcome` gets the exit code of the one that ran. */
export const executor =
  (host: Host, outcome: (exit: number) => void) =>
  <I>(input: I, load: () => Promise<Run<I>>, configure: Configure = resolveSettings) =>
    Effect.gen(function* () {
      const flags = yield* Globals.read
      const output = new Output(flags.json)
      const exit = yield* promised(output, async (signal) => {
        const settings = await configure(flags, process.env)
        const run = await load()
        return run(input, { host, settings, output, signal })
      })
      outcome(exit)
    })

export type Execute = ReturnType<typeof executor>
