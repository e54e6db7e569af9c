/**
 * What a supervisor is told about a child, and what it tells about it.
 *
 * A child starts in a scope of its own: what `start` acquires there is released before the child
 * starts again, in reverse order. What `start` succeeds with is the child itself, and runs until it
 * ends.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isStateUnknown } from "../src/sink/SinkError.ts"
import type { Ending, Restart } from "./Strategy.ts"

export interface ChildSpec {
  /** Unique below its supervisor. */
  readonly name: string
  readonly restart: Restart
  /** Recovery belongs in here: a restart is a cold start. */
  readonly start: Effect.Effect<Effect.Effect<unknown, unknown>, unknown, Scope.Scope>
  /** A start that takes longer is a crash. */
  readonly startMs: number
  /** Whatever has not stopped by then is abandoned. */
  readonly shutdownMs: number
}

/** An actor in plain JavaScript. */
export interface Actor {
  /** Settles when the actor ends by itself; rejects with why it crashed. */
  readonly ended: Promise<unknown>
  /** Drains and releases everything. */
  readonly close: () => Promise<void>
}

export type ActorTerms = Omit<ChildSpec, "start">

/** A child from an actor; `open` is called for each start. */
export const actorChild = (terms: ActorTerms, open: () => Promise<Actor>): ChildSpec => ({
  ...terms,
  start: Effect.acquireRelease(
    fromPromise(() => heard(open())),
    ({ close }) => Effect.promise(close),
  ).pipe(Effect.map(({ ended }) => fromPromise(() => ended))),
})

/** It may crash before anybody listens, or be abandoned: that must not end the process. */
const heard = async (opening: Promise<Actor>): Promise<Actor> => {
  const actor = await opening
  actor.ended.catch(() => undefined)
  return actor
}

const fromPromise = <A>(run: () => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: run, catch: (error) => error })

/** Nobody knows what the disk, the lock or the signer holds: only a cold start may go on. */
export class StateUnknown extends Data.TaggedError("StateUnknown")<{
  readonly message: string
  readonly cause?: unknown
}> {}

export const leavesStateUnknown = (error: unknown): boolean =>
  error instanceof StateUnknown || isStateUnknown(error)

/** A start that did not end in time. */
export class StartTimeout extends Data.TaggedError("StartTimeout")<{
  readonly message: string
}> {}

/** A supervisor that hands the decision to its parent. */
export class Escalated extends Data.TaggedError("Escalated")<{
  readonly message: string
  readonly child: string
  readonly error: unknown
  /** What may still be running below, so that nobody starts it a second time. */
  readonly leftRunning: ReadonlyArray<string>
}> {}

/** The defect of a tree that closed without some of its children. */
export class LeftRunning extends Data.TaggedError("LeftRunning")<{
  readonly message: string
  readonly names: ReadonlyArray<string>
}> {}

/** A child that is not taken on. */
export class ChildRefused extends Data.TaggedError("ChildRefused")<{
  readonly code: "NAME_TAKEN" | "LEFT_RUNNING" | "STOPPING"
  readonly message: string
}> {}

/** `child` is a path: the supervisor's name, a slash, the child's. */
export type SupervisorEvent =
  | { readonly event: "started"; readonly child: string }
  /** While it ran, started or (`died` while it was stopped) released what it had. */
  | {
      readonly event: "crashed"
      readonly child: string
      readonly how: Ending
      readonly error: unknown
    }
  | { readonly event: "ended"; readonly child: string; readonly how: Ending }
  /** Its finalizers have run. */
  | { readonly event: "stopped"; readonly child: string }
  | {
      readonly event: "restarting"
      readonly child: string
      readonly inMs: number
      /** The children that restart with it. */
      readonly rest: ReadonlyArray<string>
    }
  | { readonly event: "gave_up"; readonly child: string; readonly error: unknown }
  | { readonly event: "escalated"; readonly child: string; readonly error: unknown }
  | { readonly event: "abandoned"; readonly child: string; readonly afterMs: number }
  /** An abandoned child has stopped after all. */
  | { readonly event: "released"; readonly child: string }
