/**
 * Children that depend on each other in their order, carried through starts, crashes and stops.
 *
 * One fiber takes one thing at a time: a message, a start that is due, or a wait. With one_for_one
 * each child has a lane of its own, so that no child waits for another; with rest_for_one all share
 * one.
 *
 * - A child's finalizers have run, or its deadline has passed, before it starts again.
 * - An ending counts once, and only while nobody has asked the child to stop.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import {
  type ChildSpec,
  Escalated,
  LeftRunning,
  leavesStateUnknown,
  StartTimeout,
  type SupervisorEvent,
} from "./ChildSpec.ts"
import {
  type Decision,
  decide,
  type Ending,
  type Failure,
  type History,
  isCrash,
  type Policy,
  recentOf,
} from "./Strategy.ts"

/** What the lanes of one supervisor share. */
export interface Shared {
  readonly name: string
  readonly policy: Policy
  readonly listener: (event: SupervisorEvent) => void
  readonly random: () => number
  readonly escalate: (escalated: Escalated) => void
  history: History
  /** It has given up: nothing more is started. */
  hasEscalated: boolean
  /** Children that were abandoned and have not stopped since. */
  readonly leftRunning: Set<string>
}

export type ChildState = "waiting" | "starting" | "up" | "ended" | "gave_up"

interface Entry {
  readonly spec: ChildSpec
  state: ChildState
  /** While it waits: when its backoff is over. */
  dueMs: number
  /** Of the child that starts or runs; absent once it was asked to stop. */
  scope: Scope.Closeable | undefined
  /** Settles with the end of the first start, however it ends. */
  readonly tried: Deferred.Deferred<void>
}

type Message =
  | {
      readonly is: "ended"
      readonly scope: Scope.Closeable
      readonly exit: Exit.Exit<unknown, unknown>
    }
  | { readonly is: "remove"; readonly entry: Entry; readonly done: Deferred.Deferred<void> }

export class Lane {
  readonly #shared: Shared
  #entries: ReadonlyArray<Entry> = []
  readonly #inbox: Array<Message> = []
  #bell: Deferred.Deferred<void> | undefined
  /** Something has changed since the lane last looked. */
  #isRung = false
  /** Takes nothing more on: it ends. */
  #isOver = false
  readonly #gone = Deferred.makeUnsafe<void>()

  constructor(shared: Shared) {
    this.#shared = shared
  }

  states(): ReadonlyArray<readonly [name: string, state: ChildState]> {
    return this.#entries.map(({ spec, state }) => [spec.name, state])
  }

  get isOver(): boolean {
    return this.#isOver
  }

  has(name: string): boolean {
    return this.#entries.some(({ spec }) => spec.name === name)
  }

  /** Adds a child at the end; settles when its first start has ended, however it ends. */
  add(spec: ChildSpec): Effect.Effect<void> {
    return Effect.suspend(() => {
      const entry: Entry = {
        spec,
        state: "waiting",
        dueMs: 0,
        scope: undefined,
        tried: Deferred.makeUnsafe<void>(),
      }
      // A child that ended leaves its place to the next of its name.
      this.#entries = [...this.#entries.filter((other) => other.spec.name !== spec.name), entry]
      this.#ring()
      return Deferred.await(entry.tried)
    })
  }

  /** Stops a child and forgets it. */
  remove(name: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const entry = this.#entries.find(({ spec }) => spec.name === name)
      if (this.#isOver) return Deferred.await(this.#gone)
      if (entry === undefined) return Effect.void
      const done = Deferred.makeUnsafe<void>()
      this.#post({ is: "remove", entry, done })
      return Deferred.await(done)
    })
  }

  /** Runs until its last child is forgotten or it is interrupted; then nothing of it runs. */
  readonly run: Effect.Effect<void> = Effect.suspend(() => this.#loop()).pipe(
    Effect.onExit((exit) => this.#end(exit)),
  )

  #loop(): Effect.Effect<void> {
    const lane = this
    return Effect.gen(function* () {
      do {
        lane.#isRung = false
        const message = lane.#inbox.shift()
        if (message?.is === "ended") yield* lane.#onEnded(message.scope, message.exit)
        else if (message?.is === "remove") yield* lane.#onRemove(message.entry, message.done)
        else yield* lane.#startOrWait()
      } while (lane.#entries.length > 0)
      lane.#isOver = true
    })
  }

  /** Stops the children in reverse order, and answers everybody who still waits. */
  #end(exit: Exit.Exit<void>): Effect.Effect<void> {
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
      this.#escalate("its own lane", Cause.squash(exit.cause))
    this.#isOver = true
    return Effect.map(this.#stop(this.#entries), () => {
      Deferred.doneUnsafe(this.#gone, Effect.void)
      for (const { tried } of this.#entries) Deferred.doneUnsafe(tried, Effect.void)
      for (const message of this.#inbox)
        if (message.is === "remove") Deferred.doneUnsafe(message.done, Effect.void)
    })
  }

  #startOrWait(): Effect.Effect<void> {
    const lane = this
    return Effect.gen(function* () {
      const nowMs = yield* monotonicMs
      const waiting = lane.#entries.filter(({ state }) => state === "waiting")
      const [next] = lane.#shared.hasEscalated ? [] : waiting
      // Those behind may need those before them, and wait with them.
      const dueMs = Math.max(...waiting.map((entry) => entry.dueMs))
      if (next === undefined) yield* lane.#wait(Number.POSITIVE_INFINITY)
      else if (nowMs < dueMs) yield* lane.#wait(dueMs - nowMs)
      else yield* lane.#start(next)
    })
  }

  /** Until somebody rings, at most `ms`. */
  #wait(ms: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#isRung) return Effect.void
      const bell = Deferred.makeUnsafe<void>()
      this.#bell = bell
      return Effect.asVoid(within(Deferred.await(bell), ms))
    })
  }

  #post(message: Message): void {
    this.#inbox.push(message)
    this.#ring()
  }

  #ring(): void {
    this.#isRung = true
    const bell = this.#bell
    // First, because the lane may go on, and wait again, inside of the next line.
    this.#bell = undefined
    if (bell !== undefined) Deferred.doneUnsafe(bell, Effect.void)
  }

  #start(entry: Entry): Effect.Effect<void> {
    const lane = this
    const { spec } = entry
    return Effect.gen(function* () {
      const scope = Scope.makeUnsafe()
      entry.scope = scope
      entry.state = "starting"
      const starting = yield* Effect.forkIn(Scope.provide(spec.start, scope), scope)
      const started = yield* within(Fiber.await(starting), spec.startMs)
      const exit = Option.getOrElse(started, () => Exit.fail(lateStart(spec)))
      if (Exit.isFailure(exit)) yield* lane.#onFailed(entry, exit.cause, "start_failed")
      else {
        entry.state = "up"
        lane.#tell({ event: "started", child: lane.#path(entry) })
        const running = yield* Effect.forkIn(exit.value, scope)
        running.addObserver((ended) => lane.#post({ is: "ended", scope, exit: ended }))
      }
      Deferred.doneUnsafe(entry.tried, Effect.void)
    })
  }

  #onEnded(scope: Scope.Closeable, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const entry = this.#entries.find((one) => one.scope === scope)
    if (entry === undefined) return Effect.void
    return Exit.isSuccess(exit)
      ? this.#carryOut(entry, "completed", undefined)
      : this.#onFailed(entry, exit.cause, endingOf(exit.cause))
  }

  #onFailed(entry: Entry, cause: Cause.Cause<unknown>, how: Ending): Effect.Effect<void> {
    const error = Cause.squash(cause)
    return this.#carryOut(entry, leavesStateUnknown(error) ? "state_unknown" : how, error)
  }

  #carryOut(entry: Entry, how: Ending, error: unknown): Effect.Effect<void> {
    const lane = this
    const { policy, random } = this.#shared
    const child = this.#path(entry)
    return Effect.gen(function* () {
      lane.#tell(
        isCrash(how) ? { event: "crashed", child, how, error } : { event: "ended", child, how },
      )
      const failure: Failure = {
        child: entry.spec.name,
        restart: entry.spec.restart,
        how,
        isLeftRunning: error instanceof Escalated && error.leftRunning.length > 0,
        atMs: yield* monotonicMs,
        random: random(),
      }
      const first = decide(policy, lane.#shared.history, failure)
      const rest = lane.#entries.slice(lane.#entries.indexOf(entry))
      // Those behind it go first, also where nobody starts again here: they stand on it.
      const takesRest = policy.strategy === "rest_for_one" && first.do !== "stop"
      const isClean = yield* lane.#stop(takesRest ? rest : [entry])
      const isAgain = first.do === "restart_one" || first.do === "restart_rest"
      const decision =
        isClean || !isAgain
          ? first
          : decide(policy, lane.#shared.history, { ...failure, isLeftRunning: true })
      lane.#apply(decision, entry, failure, error)
    })
  }

  #apply(decision: Decision, entry: Entry, failure: Failure, error: unknown): void {
    const child = this.#path(entry)
    if (decision.do === "escalate") return this.#escalate(child, error)
    if (decision.do === "stop") {
      entry.state = decision.because
      if (decision.because === "gave_up") this.#tell({ event: "gave_up", child, error })
      else if (entry.spec.restart === "temporary") this.#forget(entry)
      return
    }
    const { policy, history } = this.#shared
    const { atMs } = failure
    const restarted = { child: entry.spec.name, atMs }
    this.#shared.history = [...recentOf(policy, history, atMs), restarted]
    const rest = decision.do === "restart_rest" ? this.#after(entry) : []
    for (const other of rest) if (other.spec.restart === "temporary") this.#forget(other)
    const again = this.#after(entry).filter((other) => rest.includes(other))
    for (const one of [entry, ...again]) {
      one.state = "waiting"
      one.dueMs = atMs + decision.inMs
    }
    const names = again.map((other) => this.#path(other))
    this.#tell({ event: "restarting", child, inMs: decision.inMs, rest: names })
  }

  #escalate(child: string, error: unknown): void {
    this.#shared.hasEscalated = true
    this.#tell({ event: "escalated", child, error })
    const why = error instanceof Error ? error.message : String(error)
    const message = `${this.#shared.name} gives up ${child}: ${why}`
    const nested = error instanceof Escalated ? error.leftRunning : []
    const leftRunning = [...this.#shared.leftRunning, ...nested]
    this.#shared.escalate(new Escalated({ message, child, error, leftRunning }))
  }

  #onRemove(entry: Entry, done: Deferred.Deferred<void>): Effect.Effect<void> {
    return Effect.map(this.#stop([entry]), () => {
      this.#forget(entry)
      Deferred.doneUnsafe(done, Effect.void)
    })
  }

  #forget(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry)
    Deferred.doneUnsafe(entry.tried, Effect.void)
  }

  #after(entry: Entry): ReadonlyArray<Entry> {
    return this.#entries.slice(this.#entries.indexOf(entry) + 1)
  }

  /** Stops children in reverse order; whether all of them stopped in time. */
  #stop(entries: ReadonlyArray<Entry>): Effect.Effect<boolean> {
    const lane = this
    return Effect.uninterruptible(
      Effect.gen(function* () {
        let isClean = true
        for (const entry of entries.toReversed()) isClean = (yield* lane.#close(entry)) && isClean
        return isClean
      }),
    )
  }

  #close(entry: Entry): Effect.Effect<boolean> {
    const lane = this
    const { scope, spec } = entry
    if (scope === undefined) return Effect.succeed(true)
    // From here on its ending is what we asked for.
    entry.scope = undefined
    return Effect.gen(function* () {
      const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void))
      const closed = yield* within(Fiber.await(closing), spec.shutdownMs)
      if (Option.isSome(closed)) return lane.#onClosed(entry, closed.value)
      lane.#abandon(entry, closing)
      return false
    })
  }

  #onClosed(entry: Entry, exit: Exit.Exit<void>): boolean {
    const child = this.#path(entry)
    if (Exit.isFailure(exit)) {
      const error = Cause.squash(exit.cause)
      if (error instanceof LeftRunning) {
        this.#shared.leftRunning.add(entry.spec.name)
        return false
      }
      this.#tell({ event: "crashed", child, how: "died", error })
    }
    this.#tell({ event: "stopped", child })
    return true
  }

  #abandon(entry: Entry, closing: Fiber.Fiber<void>): void {
    const { leftRunning } = this.#shared
    const { name, shutdownMs } = entry.spec
    const child = this.#path(entry)
    leftRunning.add(name)
    this.#tell({ event: "abandoned", child, afterMs: shutdownMs })
    closing.addObserver(() => {
      leftRunning.delete(name)
      this.#tell({ event: "released", child })
    })
  }

  #tell(event: SupervisorEvent): void {
    this.#shared.listener(event)
  }

  #path({ spec }: Entry): string {
    return `${this.#shared.name}/${spec.name}`
  }
}

const monotonicMs: Effect.Effect<number> = Effect.map(
  Clock.monotonicTimeNanos,
  (nanos) => Number(nanos / 1000n) / 1000,
)

const within = <A>(effect: Effect.Effect<A>, ms: number): Effect.Effect<Option.Option<A>> =>
  Number.isFinite(ms) ? Effect.timeoutOption(effect, ms) : Effect.asSome(effect)

const lateStart = ({ name, startMs }: ChildSpec): StartTimeout =>
  new StartTimeout({ message: `${name} did not start within ${startMs} ms` })

const endingOf = (cause: Cause.Cause<unknown>): Ending => {
  if (Cause.hasInterruptsOnly(cause)) return "interrupted"
  return Cause.hasDies(cause) ? "died" : "failed"
}
