/**
 * What a supervisor does about a child that ended, as a pure decision.
 *
 * - A typed failure, a defect and a failed start are crashes alike; interruption is none.
 * - A permanent child always comes back, a transient one after a crash, a temporary one never. A
 *   temporary child that leaves a state unknown escalates: nobody else would recover it.
 * - At most `restartsMax` restarts within any window of `windowMs`; the next one is for the parent.
 * - What may still be running is never started a second time.
 *
 * Source: the restart strategies and intensity of Erlang/OTP's supervisor, with backoff.
 */
import { invariant } from "../src/base/Invariant.ts"

export type Restart = "permanent" | "transient" | "temporary"

export interface Policy {
  /** `rest_for_one`: the children started after the failed one need it, and restart with it. */
  readonly strategy: "one_for_one" | "rest_for_one"
  readonly restartsMax: number
  readonly windowMs: number
  /**
   * After `restartsMax`: the parent decides, or (one_for_one only) this child alone stays down.
   * With `give_up` each child has the intensity for itself.
   */
  readonly whenExhausted: "escalate" | "give_up"
  readonly backoff: Backoff
}

/** The n-th restart of a child within the window waits `firstMs * 2^n`, at most `maxMs`. */
export interface Backoff {
  readonly firstMs: number
  readonly maxMs: number
  /** Share of the wait that chance may take off. Units: 0 to 1. */
  readonly jitter: number
}

export type Ending =
  | "completed"
  | "interrupted"
  | "failed"
  | "died"
  | "state_unknown"
  | "start_failed"

export interface Failure {
  readonly child: string
  readonly restart: Restart
  readonly how: Ending
  /** Part of the child did not stop within its deadline and may still be running. */
  readonly isLeftRunning: boolean
  readonly atMs: number
  /** Units: 0 (inclusive) to 1 (exclusive). */
  readonly random: number
}

/** Restarts so far, oldest first. */
export type History = ReadonlyArray<{ readonly child: string; readonly atMs: number }>

export type Decision =
  | { readonly do: "restart_one" | "restart_rest"; readonly inMs: number }
  | { readonly do: "escalate" }
  | { readonly do: "stop"; readonly because: "ended" | "gave_up" }

export const isCrash = (how: Ending): boolean => how !== "completed" && how !== "interrupted"

export const decide = (policy: Policy, history: History, failure: Failure): Decision => {
  const { strategy, restartsMax, whenExhausted } = policy
  const { child, restart, how } = failure
  const isAlone = strategy === "one_for_one"
  if (failure.isLeftRunning)
    return isAlone ? { do: "stop", because: "gave_up" } : { do: "escalate" }
  if (restart === "temporary" && how === "state_unknown") return { do: "escalate" }
  const comesBack = restart === "permanent" || (restart === "transient" && isCrash(how))
  if (!comesBack) return { do: "stop", because: "ended" }
  const recent = recentOf(policy, history, failure.atMs)
  const own = recent.filter((restarted) => restarted.child === child)
  const counted = whenExhausted === "give_up" ? own : recent
  if (counted.length >= restartsMax)
    return whenExhausted === "give_up" ? { do: "stop", because: "gave_up" } : { do: "escalate" }
  const inMs = backoffMs(policy.backoff, own.length, failure.random)
  return { do: isAlone ? "restart_one" : "restart_rest", inMs }
}

/** The restarts that still count. */
export const recentOf = ({ windowMs }: Policy, history: History, atMs: number): History =>
  history.filter((restarted) => restarted.atMs > atMs - windowMs)

const backoffMs = ({ firstMs, maxMs, jitter }: Backoff, restarts: number, random: number): number =>
  Math.min(maxMs, firstMs * 2 ** restarts) * (1 - jitter * random)

/**
 * Errors: InvariantError for a policy that contradicts itself, or whose backoff is so long that a
 * child which crashes at once forever is never given up.
 */
export const checkPolicy = (policy: Policy): void => {
  const { strategy, restartsMax, windowMs, whenExhausted, backoff } = policy
  invariant(Number.isSafeInteger(restartsMax) && restartsMax >= 0, "restartsMax is a count")
  invariant(backoff.jitter >= 0 && backoff.jitter <= 1, "jitter is a share")
  invariant(
    whenExhausted === "escalate" || strategy === "one_for_one",
    "only a child that no other needs is given up alone",
  )
  let waitedMs = 0
  for (let k = 0; k < restartsMax; k++) waitedMs += backoffMs(backoff, k, 0)
  invariant(waitedMs < windowMs, "all restarts of a child that always crashes fit in the window")
}
