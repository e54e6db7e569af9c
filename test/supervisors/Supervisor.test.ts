import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { describe, expect, it } from "vitest"
import { SinkError } from "../../src/sink/SinkError.ts"
import { actorChild, StateUnknown } from "../../supervisors/ChildSpec.ts"
import { runTree, subtree, supervise } from "../../supervisors/Supervisor.ts"
import { Stage, settle, until } from "./Tree.ts"

const inTestTime = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(TestClock.layer())))

const pass = (ms: number) => Effect.andThen(TestClock.adjust(ms), settle)

describe("starting and stopping", () => {
  it("starts in order, each when the one before has started, and stops in reverse order", () => {
    const stage = new Stage()
    const slow = { start: () => Effect.sleep(50) }
    const children = [stage.child("a", slow), stage.child("b", slow), stage.child("c")]
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* Effect.forkChild(
          Effect.scoped(Effect.andThen(stage.supervise(children), Effect.never)),
        )
        yield* settle
        expect(stage.since()).toBe("+a")
        yield* pass(50)
        expect(stage.since()).toBe("+b")
        yield* pass(50)
        expect(stage.since()).toBe("+c")
        yield* Fiber.interrupt(tree)
        expect(stage.since()).toBe("-c -b -a")
        expect(stage.told()).toEqual([
          ...["started root/a", "started root/b", "started root/c"],
          ...["stopped root/c", "stopped root/b", "stopped root/a"],
        ])
      }),
    )
  })

  it.each(["one_for_one", "rest_for_one"] as const)(
    "takes on and stops children by name while it runs: %s",
    (strategy) => {
      const stage = new Stage()
      return inTestTime(
        Effect.gen(function* () {
          const tree = yield* stage.supervise([stage.child("a")], { strategy })
          yield* tree.start(stage.child("b"))
          yield* tree.start(stage.child("c"))
          expect([...tree.states()]).toEqual([
            ["a", "up"],
            ["b", "up"],
            ["c", "up"],
          ])
          const taken = yield* Effect.flip(tree.start(stage.child("b")))
          expect(taken).toMatchObject({ _tag: "ChildRefused", code: "NAME_TAKEN" })
          yield* tree.stop("b")
          yield* tree.stop("nobody")
          expect(stage.since()).toBe("+a +b +c -b")
          expect([...tree.states().keys()]).toEqual(["a", "c"])
          yield* tree.start(stage.child("b"))
          expect([...tree.states().keys()]).toEqual(["a", "c", "b"])
          for (const name of ["a", "b", "c"]) yield* tree.stop(name)
          expect([...tree.states()]).toEqual([])
          yield* tree.start(stage.child("a"))
          expect([...tree.states()]).toEqual([["a", "up"]])
        }),
      )
    },
  )

  it("stops a child whose start hangs, without waiting for the start's deadline", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* stage.supervise([])
        const starting = yield* Effect.forkChild(
          tree.start(stage.child("a", { start: () => Effect.never })),
        )
        yield* settle
        yield* tree.stop("a")
        yield* Fiber.join(starting)
        expect(stage.since()).toBe("+a -a")
      }),
    )
  })

  it("takes nothing on once it stops", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* Effect.scoped(stage.supervise([]))
        const refused = yield* Effect.flip(tree.start(stage.child("a")))
        expect(refused).toMatchObject({ code: "STOPPING" })
        expect(stage.since()).toBe("")
      }),
    )
  })
})

describe("crashes", () => {
  it.each([
    ["a typed failure", Effect.fail("broke"), "failed"],
    ["a defect", Effect.die(new Error("bug")), "died"],
    ["a state unknown", Effect.fail(new StateUnknown({ message: "fsync" })), "state_unknown"],
    [
      "a sink in an unknown state",
      Effect.die(new SinkError({ code: "STATE_UNKNOWN", path: "p", message: "fsync failed" })),
      "state_unknown",
    ],
  ])("restarts after %s, finalizers first, behind the backoff", (_name, how, ending) => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        yield* stage.supervise([stage.child("a"), stage.child("b")])
        stage.since()
        stage.end("a", how)
        yield* settle
        expect(stage.since()).toBe("-a")
        expect(stage.events.find(({ event }) => event === "crashed")).toMatchObject({ how: ending })
        yield* pass(99)
        expect(stage.since()).toBe("")
        yield* pass(1)
        expect(stage.since()).toBe("+a")
        expect(stage.told().slice(2)).toEqual([
          ...["crashed root/a", "stopped root/a", "restarting root/a", "started root/a"],
        ])
      }),
    )
  })

  it("counts a failed start and a start past its deadline as crashes", () => {
    const stage = new Stage()
    const start = (starts: number): Effect.Effect<void, unknown> =>
      [Effect.fail("no disk"), Effect.never][starts] ?? Effect.void
    return inTestTime(
      Effect.gen(function* () {
        const fiber = yield* Effect.forkScoped(
          stage.supervise([stage.child("a", { start, startMs: 500 })]),
        )
        yield* settle
        expect(stage.since()).toBe("+a -a")
        yield* Fiber.join(fiber)
        yield* pass(100)
        expect(stage.since()).toBe("+a")
        yield* pass(500)
        expect(stage.since()).toBe("-a")
        yield* pass(200)
        expect(stage.since()).toBe("+a")
        const crashes = stage.events.filter((event) => event.event === "crashed")
        expect(crashes.map(({ how }) => how)).toEqual(["start_failed", "start_failed"])
        expect(crashes[1]?.error).toMatchObject({ _tag: "StartTimeout" })
      }),
    )
  })

  it("takes interruption for no crash: only a permanent child comes back", () => {
    const stage = new Stage()
    const children = [stage.child("a"), stage.child("b", { restart: "transient" })]
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* stage.supervise(children)
        stage.told()
        for (const name of ["a", "b"]) stage.end(name, Effect.interrupt)
        yield* pass(100)
        expect([...tree.states()]).toEqual([
          ["a", "up"],
          ["b", "ended"],
        ])
        expect(stage.told().filter((line) => line.startsWith("crashed"))).toEqual([])
      }),
    )
  })

  it("restarts permanent, transient and temporary children as they ask", () => {
    const stage = new Stage()
    const of = (restart: "permanent" | "transient" | "temporary") =>
      stage.child(restart, { restart })
    const children = [of("permanent"), of("transient"), of("temporary")]
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* stage.supervise(children)
        for (const { name } of children) stage.end(name, Effect.fail("broke"))
        yield* pass(100)
        expect([...tree.states()]).toEqual([
          ["permanent", "up"],
          ["transient", "up"],
        ])
        for (const name of ["permanent", "transient"]) stage.end(name, Effect.void)
        yield* pass(200)
        expect([...tree.states()]).toEqual([
          ["permanent", "up"],
          ["transient", "ended"],
        ])
        yield* tree.start(stage.child("transient", { restart: "transient" }))
        expect([...tree.states()]).toEqual([
          ["permanent", "up"],
          ["transient", "up"],
        ])
      }),
    )
  })

  it("restarts exactly the later ones with rest_for_one, stopped in reverse order", () => {
    const stage = new Stage()
    const children = ["a", "b", "c", "d"].map((name) => stage.child(name))
    return inTestTime(
      Effect.gen(function* () {
        yield* stage.supervise(children, { strategy: "rest_for_one" })
        stage.since()
        stage.end("b")
        yield* settle
        expect(stage.since()).toBe("-d -c -b")
        yield* pass(100)
        expect(stage.since()).toBe("+b +c +d")
        expect(stage.events.find(({ event }) => event === "restarting")).toMatchObject({
          rest: ["root/c", "root/d"],
        })
      }),
    )
  })

  it("restarts from the earliest when an earlier child crashes during the backoff", () => {
    const stage = new Stage()
    const children = ["a", "b", "c"].map((name) => stage.child(name))
    return inTestTime(
      Effect.gen(function* () {
        yield* stage.supervise(children, { strategy: "rest_for_one" })
        stage.since()
        stage.end("c")
        yield* pass(50)
        stage.end("a")
        yield* settle
        expect(stage.since()).toBe("-c -b -a")
        yield* pass(99)
        expect(stage.since()).toBe("")
        yield* pass(1)
        expect(stage.since()).toBe("+a +b +c")
      }),
    )
  })

  it("tells of what a child could not release, and starts it again all the same", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* stage.supervise([stage.child("a", { release: Effect.die("rusty") })])
        stage.end("a", Effect.void)
        yield* pass(100)
        expect(stage.told()).toContain("crashed root/a")
        expect([...tree.states()]).toEqual([["a", "up"]])
      }),
    )
  })
})

describe("intensity", () => {
  const crashUntil = (stage: Stage, times: number) =>
    Effect.gen(function* () {
      for (let k = 0; k < times; k++) {
        stage.end("a")
        yield* pass(1_000)
      }
    })

  it("hands over to the parent, which restarts the whole subtree", () => {
    const stage = new Stage()
    const options = stage.options([stage.child("a"), stage.child("b")])
    return inTestTime(
      Effect.gen(function* () {
        yield* stage.supervise([subtree("sub", { ...options, name: "root/sub" })])
        stage.since()
        yield* crashUntil(stage, 3)
        expect(stage.since()).toBe("-a +a -a +a -a +a")
        stage.told()
        stage.end("a")
        yield* settle
        expect(stage.since()).toBe("-a -b")
        expect(stage.told()).toEqual([
          ...["crashed root/sub/a", "stopped root/sub/a", "escalated root/sub/a"],
          ...["crashed root/sub", "stopped root/sub/b", "stopped root/sub", "restarting root/sub"],
        ])
        yield* pass(100)
        expect(stage.since()).toBe("+a +b")
      }),
    )
  })

  it("forgets restarts that lie further back than the window", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* stage.supervise([stage.child("a")])
        yield* crashUntil(stage, 3)
        yield* pass(10_000)
        yield* crashUntil(stage, 3)
        expect([...tree.states()]).toEqual([["a", "up"]])
      }),
    )
  })

  it("ends the root with Escalated, everything stopped", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const options = stage.options([stage.child("a"), stage.child("b")], { restartsMax: 0 })
        const root = yield* Effect.forkChild(runTree(options))
        yield* settle
        stage.end("a", Effect.die(new Error("no key")))
        const error = yield* Effect.flip(Fiber.join(root))
        expect(error).toMatchObject({ _tag: "Escalated", child: "root/a", leftRunning: [] })
        expect(error.message).toBe("root gives up root/a: no key")
        expect(stage.since()).toBe("+a +b -a -b")
      }),
    )
  })

  it("does not try the next children when a start has escalated", () => {
    const stage = new Stage()
    const failing = stage.child("a", { start: () => Effect.fail("no disk") })
    return inTestTime(
      Effect.gen(function* () {
        const options = stage.options([failing, stage.child("b")], { restartsMax: 0 })
        const error = yield* Effect.flip(Effect.scoped(supervise(options)))
        expect(error.error).toBe("no disk")
        expect(stage.since()).toBe("+a -a")
      }),
    )
  })

  it("gives up one child alone where no other needs it", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const children = [stage.child("a"), stage.child("b")]
        const tree = yield* stage.supervise(children, { whenExhausted: "give_up" })
        yield* crashUntil(stage, 4)
        expect([...tree.states()]).toEqual([
          ["a", "gave_up"],
          ["b", "up"],
        ])
        expect(stage.told()).toContain("gave_up root/a")
        stage.end("b")
        yield* pass(100)
        expect(tree.states().get("b")).toBe("up")
        yield* tree.start(stage.child("a"))
        expect(tree.states().get("a")).toBe("up")
      }),
    )
  })

  it("escalates a temporary child that leaves a state unknown", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* stage.supervise([stage.child("a", { restart: "temporary" })])
        stage.end("a", Effect.fail(new StateUnknown({ message: "fsync failed" })))
        const error = yield* Effect.flip(tree.ended)
        expect(error).toMatchObject({ error: { _tag: "StateUnknown" } })
      }),
    )
  })
})

describe("deadlines", () => {
  const hung = (stage: Stage, name: string) => stage.child(name, { release: Effect.never })

  it("abandons a hung finalizer at its deadline, names it, and stops the others", () => {
    const stage = new Stage()
    const children = [stage.child("a"), hung(stage, "b"), stage.child("c")]
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* Effect.forkChild(Effect.exit(runTree(stage.options(children))))
        yield* settle
        const stopping = yield* Effect.forkChild(Fiber.interrupt(tree))
        yield* pass(999)
        expect(stage.since()).toBe("+a +b +c -c")
        yield* pass(1)
        yield* Fiber.join(stopping)
        expect(stage.since()).toBe("-a")
        expect(stage.events).toContainEqual({ event: "abandoned", child: "root/b", afterMs: 1_000 })
      }),
    )
  })

  it("names what was left to whoever closes the tree", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* Effect.forkChild(
          Effect.exit(Effect.scoped(stage.supervise([hung(stage, "b")]))),
        )
        yield* pass(1_000)
        const exit = yield* Fiber.join(tree)
        const left = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        expect(left).toMatchObject({ _tag: "LeftRunning", names: ["root/b"] })
      }),
    )
  })

  it("never starts a second one beside what may still run", () => {
    const stage = new Stage()
    const children = [stage.child("a"), hung(stage, "b")]
    return inTestTime(
      Effect.gen(function* () {
        // Never closed: closing would name what is left once more.
        const tree = yield* Scope.provide(stage.supervise(children), Scope.makeUnsafe())
        stage.end("b")
        yield* pass(60_000)
        expect(stage.since()).toBe("+a +b")
        expect([...tree.states()]).toEqual([
          ["a", "up"],
          ["b", "gave_up"],
        ])
        expect(tree.leftRunning()).toEqual(["b"])
        const refused = yield* Effect.flip(tree.start(stage.child("b")))
        expect(refused).toMatchObject({ code: "LEFT_RUNNING" })
      }),
    )
  })

  it("takes an abandoned child on again once it has stopped after all", () => {
    const stage = new Stage()
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* stage.supervise([stage.child("a", { release: Effect.sleep(3_000) })])
        stage.end("a")
        yield* pass(3_000)
        expect(stage.told().slice(-3)).toEqual([
          ...["abandoned root/a", "gave_up root/a", "released root/a"],
        ])
        yield* tree.start(stage.child("a"))
        expect([...tree.states()]).toEqual([["a", "up"]])
      }),
    )
  })

  it("escalates where later children need it, also through a parent, up to the root", () => {
    const stage = new Stage()
    const restForOne = { strategy: "rest_for_one" } as const
    const inner = stage.options([stage.child("a"), hung(stage, "b")], restForOne)
    const chains = subtree("chains", { ...inner, name: "root/chains" })
    return inTestTime(
      Effect.gen(function* () {
        const tree = yield* Effect.forkChild(
          Effect.flip(runTree(stage.options([chains], restForOne))).pipe(Effect.exit),
        )
        yield* settle
        stage.since()
        stage.end("a")
        yield* pass(60_000)
        yield* Fiber.join(tree)
        expect(stage.since()).toBe("-a")
        expect(stage.told()).toContain("escalated root/chains")
      }),
    )
  })
})

describe("actors in plain JavaScript", () => {
  const terms = { name: "a", restart: "permanent", startMs: 30, shutdownMs: 30 } as const
  const backoff = { firstMs: 5, maxMs: 5, jitter: 0 }

  it("are opened, closed when they crash, and opened again", async () => {
    const stage = new Stage()
    let crash: (error: Error) => void = () => undefined
    const actor = actorChild(terms, async () => {
      stage.log.push("open")
      const ended = new Promise((_done, fail) => {
        crash = fail
      })
      return { ended, close: async () => void stage.log.push("close") }
    })
    const root = Effect.runFork(runTree(stage.options([actor], { backoff })))
    await until(() => stage.events.length === 1)
    crash(new StateUnknown({ message: "fsync failed" }))
    await until(() => stage.log.length === 3)
    expect(stage.since()).toBe("open close open")
    expect(stage.events).toContainEqual(expect.objectContaining({ how: "state_unknown" }))
    await Effect.runPromise(Fiber.interrupt(root))
    expect(stage.since()).toBe("close")
  })

  it("that hang while they open are abandoned, and closed should they open after all", async () => {
    const stage = new Stage()
    let open: () => void = () => undefined
    const actor = actorChild(terms, async () => {
      await new Promise<void>((done) => {
        open = done
      })
      return {
        ended: new Promise(() => undefined),
        close: async () => void stage.log.push("close"),
      }
    })
    const root = Effect.runFork(Effect.exit(runTree(stage.options([actor], { backoff }))))
    await until(() => stage.events.length === 3)
    expect(stage.told()).toEqual(["crashed root/a", "abandoned root/a", "gave_up root/a"])
    open()
    await until(() => stage.events.length === 1)
    expect(stage.since()).toBe("close")
    expect(stage.told()).toEqual(["released root/a"])
    await Effect.runPromise(Fiber.interrupt(root))
  })

  it("that crash before anybody listens are restarted, and end no process", async () => {
    const stage = new Stage()
    let opens = 0
    const actor = actorChild(terms, async () => {
      opens++
      const ended =
        opens === 1 ? Promise.reject(new Error("at once")) : new Promise(() => undefined)
      return { ended, close: async () => undefined }
    })
    const root = Effect.runFork(runTree(stage.options([actor], { backoff })))
    await until(() => stage.events.length === 5)
    expect(stage.told().slice(1)).toEqual([
      ...["crashed root/a", "stopped root/a", "restarting root/a", "started root/a"],
    ])
    await Effect.runPromise(Fiber.interrupt(root))
  })

  it("that cannot be opened crash", async () => {
    const stage = new Stage()
    const actor = actorChild(terms, () => Promise.reject(new Error("locked")))
    const options = stage.options([actor], { restartsMax: 0 })
    const error = await Effect.runPromise(Effect.flip(runTree(options)))
    expect(error.message).toBe("root gives up root/a: locked")
  })
})

describe("with real time", () => {
  it("does what it does on a test clock", async () => {
    const stage = new Stage()
    const backoff = { firstMs: 5, maxMs: 20, jitter: 0.5 }
    const children = [
      stage.child("a"),
      stage.child("b", { release: Effect.never, shutdownMs: 30 }),
      stage.child("c"),
    ]
    const root = Effect.runFork(runTree(stage.options(children, { backoff })))
    await until(() => stage.log.length === 3)
    expect(stage.since()).toBe("+a +b +c")
    await until(() => stage.events.length === 3)
    stage.end("a")
    await until(() => stage.log.length === 2)
    expect(stage.since()).toBe("-a +a")
    await Effect.runPromise(Fiber.interrupt(root))
    // A restarted child stops in the place where it started first.
    expect(stage.since()).toBe("-c -a")
    expect(stage.told()).toContain("abandoned root/b")
  })
})
