import { type ChildProcess, spawn } from "node:child_process"
import { EventEmitter, once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterEach, describe, expect, it } from "vitest"
import { handleSignals, type Signal, type SignalOptions } from "../../supervisors/Signals.ts"

class Host {
  readonly source = new EventEmitter()
  readonly log: Array<string> = []
  nowMs = 0
  finish: (error?: Error) => void = () => undefined

  handle(options: Partial<SignalOptions> = {}) {
    return handleSignals({
      source: this.source,
      stopIntake: () => void this.log.push("intake stopped"),
      drain: () =>
        new Promise((done, fail) => {
          this.finish = (error) => (error === undefined ? done() : fail(error))
        }),
      deadlineMs: 60_000,
      repeatMs: 50,
      reload: () => void this.log.push("reloaded"),
      left: () => ({ "records waiting": 7, "records unsigned": 2 }),
      print: (line) => void this.log.push(line),
      exit: (code) => void this.log.push(`exit ${code}`),
      drainedCode: 0,
      monotonicMs: () => this.nowMs,
      ...options,
    })
  }

  send(signal: Signal, afterMs = 1_000): void {
    this.nowMs += afterMs
    this.source.emit(signal)
  }

  /** What was logged since the last call. */
  async since(): Promise<ReadonlyArray<string>> {
    await sleep(1)
    return this.log.splice(0)
  }
}

const draining = (signal: string) => `${signal}: no new records, draining for at most 60000 ms`
const left = "left: 7 records waiting, 2 records unsigned"

describe("in the process", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "stops intake, drains, exits on %s: running, draining, stopped",
    async (signal) => {
      const host = new Host()
      const signals = host.handle()
      expect(signals.phase()).toBe("running")
      host.send(signal)
      expect(signals.phase()).toBe("draining")
      expect(await host.since()).toEqual([draining(signal), "intake stopped"])
      host.finish()
      expect(await host.since()).toEqual(["drained, stopped", "exit 0"])
      expect(signals.phase()).toBe("stopped")
      expect(host.source.eventNames()).toEqual([])
    },
  )

  it("leaves the exit to the host where it asks for none", async () => {
    const host = new Host()
    host.handle({ drainedCode: undefined })
    host.send("SIGTERM")
    host.finish()
    expect(await host.since()).toEqual([draining("SIGTERM"), "intake stopped", "drained, stopped"])
  })

  it.each([
    ["SIGTERM", "SIGTERM"],
    ["SIGTERM", "SIGINT"],
    ["SIGINT", "SIGTERM"],
  ] as const)("aborts on %s and then %s, and says what is left", async (first, second) => {
    const host = new Host()
    const signals = host.handle()
    host.send(first)
    await host.since()
    host.send(second)
    expect(await host.since()).toEqual([
      `aborted: a second signal (${second}); ${left}`,
      "exit 130",
    ])
    expect(signals.phase()).toBe("stopped")
    host.finish()
    host.send("SIGTERM")
    expect(await host.since()).toEqual([])
  })

  it("takes one signal that arrives twice at once for one", async () => {
    const host = new Host()
    host.handle()
    host.send("SIGINT")
    await host.since()
    host.send("SIGINT", 49)
    host.send("SIGINT", 49)
    expect(await host.since()).toEqual([])
    host.send("SIGINT", 50)
    expect((await host.since()).at(-1)).toBe("exit 130")
  })

  it("aborts at the deadline, and once only", async () => {
    const host = new Host()
    host.handle({ deadlineMs: 20 })
    host.send("SIGTERM")
    await sleep(40)
    host.finish()
    host.send("SIGTERM")
    expect((await host.since()).slice(2)).toEqual([
      `aborted: not drained within 20 ms; ${left}`,
      "exit 130",
    ])
  })

  it("exits 1 when the drain fails, or the intake cannot be stopped", async () => {
    const host = new Host()
    host.handle()
    host.send("SIGTERM")
    await host.since()
    host.finish(new Error("the disk is gone"))
    expect(await host.since()).toEqual([`failed to drain: the disk is gone; ${left}`, "exit 1"])
    const other = new Host()
    other.handle({
      stopIntake: () => {
        throw new Error("no intake")
      },
    })
    other.send("SIGTERM")
    expect((await other.since()).at(-1)).toBe("exit 1")
  })

  it("exits even where nobody can count or hear what is left", async () => {
    const host = new Host()
    host.handle({
      left: () => {
        throw new Error("counters are gone")
      },
      print: (line) => {
        host.log.push(line)
        throw new Error("EPIPE")
      },
    })
    host.send("SIGTERM")
    host.send("SIGTERM")
    expect((await host.since()).slice(2)).toEqual([
      "aborted: a second signal (SIGTERM); left: not known (counters are gone)",
      "exit 130",
    ])
  })

  it("reloads on SIGHUP while running, and goes on when that fails", async () => {
    const host = new Host()
    host.handle()
    host.send("SIGHUP")
    host.send("SIGHUP", 0)
    expect(await host.since()).toEqual(["reloaded", "reloaded"])
    host.send("SIGTERM")
    await host.since()
    host.send("SIGHUP")
    expect(await host.since()).toEqual([])
    const other = new Host()
    other.handle({ reload: () => Promise.reject(new Error("not a number")) })
    other.send("SIGHUP")
    expect(await other.since()).toEqual(["SIGHUP: not reloaded, going on as before: not a number"])
  })

  it("stops for the host's own reasons, and once", async () => {
    const host = new Host()
    const signals = host.handle()
    signals.stop("the root gave up")
    signals.stop("again")
    expect(await host.since()).toEqual([draining("the root gave up"), "intake stopped"])
    signals.dispose()
    expect(host.source.eventNames()).toEqual([])
  })
})

const children: Array<ChildProcess> = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
})

class Child {
  readonly process: ChildProcess
  readonly ended: Promise<unknown>
  output = ""

  constructor(habit: string, deadlineMs = 400) {
    const path = fileURLToPath(new URL("SignalChild.ts", import.meta.url))
    this.process = spawn(process.execPath, [path, habit, String(deadlineMs)], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    children.push(this.process)
    this.process.stdout?.on("data", (bytes) => {
      this.output += bytes
    })
    this.ended = once(this.process, "close")
  }

  async heard(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.process.exitCode !== null) throw new Error(`it ended: ${this.output}`)
      await sleep(2)
    }
  }

  /** Sends a signal; milliseconds until the process has ended. */
  async endsBy(signal: NodeJS.Signals): Promise<number> {
    const startMs = performance.now()
    this.process.kill(signal)
    await this.ended
    return performance.now() - startMs
  }
}

describe("in a process of its own", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("drains on %s and exits 0", async (signal) => {
    const child = new Child("drains", 10_000)
    await child.heard("ready")
    await sleep(30)
    await child.endsBy(signal)
    expect(child.process.exitCode).toBe(0)
    expect(child.output).toMatch(/intake stopped at \d+\nstopped root\/writer\ndrained, stopped\n$/)
  })

  it.each(["hangs", "spins"])("is gone at the deadline when its finalizer %s", async (habit) => {
    const child = new Child(habit)
    await child.heard("ready")
    await sleep(30)
    const tookMs = await child.endsBy("SIGTERM")
    expect(child.process.exitCode).toBe(130)
    expect(tookMs).toBeGreaterThan(390)
    expect(tookMs).toBeLessThan(3_000)
    expect(child.output).toMatch(
      /\naborted: not drained within 400 ms; left: [1-9]\d* records waiting\n$/,
    )
  })

  it("is gone at once at the second signal", async () => {
    const child = new Child("hangs", 60_000)
    await child.heard("ready")
    child.process.kill("SIGTERM")
    await child.heard("intake stopped")
    await sleep(60)
    expect(await child.endsBy("SIGTERM")).toBeLessThan(3_000)
    expect(child.process.exitCode).toBe(130)
    expect(child.output).toMatch(/\naborted: a second signal \(SIGTERM\); left: \d+ records/)
  })

  it("reloads on SIGHUP and lives, also when the reload fails", async () => {
    for (const habit of ["drains", "spins"]) {
      const child = new Child(habit, 50)
      await child.heard("ready")
      child.process.kill("SIGHUP")
      await child.heard("reloaded")
      await sleep(20)
      expect(child.process.exitCode).toBe(null)
      if (habit === "spins") await child.heard("not reloaded, going on as before: the file is gone")
      await child.endsBy("SIGTERM")
    }
  })
})
