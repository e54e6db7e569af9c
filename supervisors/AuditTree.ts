/**
 * The audit tree: one supervised actor for each chain, and the timers beside them.
 *
 *     audit
 *       <stream>      a chain: its lock, recovery, mailbox, writer and sink
 *       checkpoints   signs what is behind the last checkpoint, by the clock
 *       exports       hands out what was sealed, by the clock
 *
 * Chains do not need each other, so each is restarted alone, through the recovery of a cold start;
 * one that cannot be kept up stays down, tells who appends to it why, and is tried again by them.
 *
 * Nothing here keeps a host alive.
 */
import { randomInt } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { AuditError } from "../src/audit/AuditError.ts"
import type { ChainActor, Nursery } from "../src/audit/Nursery.ts"
import { type Actor, type ActorTerms, actorChild, type SupervisorEvent } from "./ChildSpec.ts"
import type { Policy } from "./Strategy.ts"
import { supervise } from "./Supervisor.ts"

const policy: Policy = {
  strategy: "one_for_one",
  restartsMax: 5,
  windowMs: 60_000,
  whenExhausted: "give_up",
  backoff: { firstMs: 50, maxMs: 5_000, jitter: 0.5 },
}

export interface AuditTree {
  readonly nursery: Nursery
  /** Runs a step by the clock, each `everyMs` after the last one ended or was given up. */
  readonly every: (timer: Timer) => Promise<void>
  /** Stops the timers; a step that runs is waited for, as long as any child. */
  readonly stopTimers: () => Promise<void>
  /** Stops what still runs, in reverse order. Names what did not stop in time. */
  readonly close: () => Promise<ReadonlyArray<string>>
}

export interface Timer {
  readonly name: string
  readonly everyMs: number
  readonly step: () => Promise<unknown>
  /** Units: milliseconds after which a step is told of, and the next one no longer waits for it. */
  readonly budgetMs: number
  /** Told of a step that failed; the next one is tried all the same. */
  readonly onTrouble: (error: unknown) => void
}

export interface AuditTreeOptions {
  /** Units: milliseconds that a chain may take to drain and close before it is abandoned. */
  readonly shutdownMs: number
  readonly listener: (event: SupervisorEvent) => void
}

export const openAuditTree = async (options: AuditTreeOptions): Promise<AuditTree> => {
  const { shutdownMs, listener } = options
  const scope = Scope.makeUnsafe()
  const supervising = supervise({
    name: "audit",
    policy,
    children: [],
    listener,
    random: () => randomInt(1 << 30) / (1 << 30),
  })
  const supervisor = await Effect.runPromise(Scope.provide(supervising, scope))
  const start = (name: string, open: () => Promise<ChainActor>): Promise<void> => {
    const terms: ActorTerms = {
      name,
      restart: "transient",
      // Recovery reads what a crash left, however much that is.
      startMs: Number.POSITIVE_INFINITY,
      shutdownMs,
    }
    // Refused is what is there already, or still stopping: the log knows which chains are open.
    const started = Effect.catch(supervisor.start(actorChild(terms, open)), () => Effect.void)
    return Effect.runPromise(started)
  }
  const timers: Array<string> = []
  const stop = (name: string): Promise<void> => Effect.runPromise(supervisor.stop(name))
  return {
    every: (timer) => {
      timers.push(timer.name)
      const terms: ActorTerms = {
        name: timer.name,
        restart: "permanent",
        startMs: shutdownMs,
        shutdownMs,
      }
      const started = Effect.orDie(supervisor.start(actorChild(terms, async () => tick(timer))))
      return Effect.runPromise(started)
    },
    nursery: { start, stop },
    stopTimers: async () => void (await Promise.all(timers.map(stop))),
    close: async () => {
      await Effect.runPromiseExit(Scope.close(scope, Exit.void))
      return supervisor.leftRunning()
    },
  }
}

/** What runs is waited for when the timer is closed; a step must bear the next one beside it. */
const tick = ({ name, everyMs, step, budgetMs, onTrouble }: Timer): Actor => {
  let waiting: NodeJS.Timeout | undefined
  const running = new Set<Promise<void>>()
  let isClosed = false
  const next = (): void => {
    if (isClosed) return
    waiting = setTimeout(run, everyMs)
    waiting.unref()
  }
  const run = (): void => {
    let isLate = false
    const late = (): void => {
      isLate = true
      onTrouble(tooSlow(name, budgetMs))
      next()
    }
    const slow = Number.isFinite(budgetMs) ? setTimeout(late, budgetMs) : undefined
    slow?.unref()
    const one = step()
      .then(() => undefined, onTrouble)
      .finally(() => {
        clearTimeout(slow)
        running.delete(one)
        if (!isLate) next()
      })
    running.add(one)
  }
  next()
  return {
    ended: new Promise(() => undefined),
    close: async () => {
      isClosed = true
      clearTimeout(waiting)
      await Promise.all(running)
    },
  }
}

const tooSlow = (name: string, budgetMs: number): AuditError =>
  AuditError.of("TIMEOUT", `${name} take longer than ${budgetMs} ms; others go on without waiting`)
