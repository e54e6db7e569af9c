/** docs/examples, each run as a reader would run it, and its log verified by the packed program. */
import { kill } from "node:process"
import { afterEach, expect, it, type TestContext } from "vitest"
import { Example } from "./Example.ts"
import type { Project } from "./Packed.ts"

/** What each test gets: a way to start an example, and its skip where packages are lacking. */
interface Stage {
  readonly start: (file: string, log: string, env?: Record<string, string>) => Example
  readonly needPackages: (context: TestContext) => void
}

/** Packages of others that examples need, pinned. */
export const packages = ["fastify@5.12.8", "pino@10.4.0", "pino-abstract-transport@3.0.0"]

const json = async (url: string, init?: RequestInit): Promise<Record<string, unknown>> => {
  const response = await fetch(url, init)
  return { status: response.status, ...((await response.json()) as object) }
}

const count = (values: ReadonlyArray<unknown>): number => new Set(values).size

const fastifyTest = ({ start, needPackages }: Stage): void => {
  it("fastify-hook.js: requests are records, a grant waits, SIGTERM drains", async (context) => {
    needPackages(context)
    const example = start("fastify-hook.js", "fastify")
    const url = await example.printed(/http:\/\/\S+/)
    await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/grants`)))
    const granted = await json(`${url}/grants/ada`, {
      method: "POST",
      headers: { "x-cap-id": "cap-7" },
    })
    expect(granted).toMatchObject({ status: 200, granted: "ada" })
    expect((await fetch(`${url}/nothing`)).status).toBe(404)
    expect(await example.stop(), example.out).toBe(0)
    expect(example.out).toMatch(/closed: \d+ accepted, 0 left/)
    expect(example.verdict()).toBe("valid")
    const records = example.records("ingress")
    const served = records.filter(({ kind }) => kind === "RequestServed")
    expect(served.filter(({ reason }) => reason === "ok")).toHaveLength(21)
    expect(served.filter(({ reason }) => reason === "error")).toHaveLength(1)
    const grant = records.find(({ kind }) => kind === "GrantGiven")
    expect([grant?.subject.name, grant?.seq]).toEqual(["ada", granted.seq])
  })
}

const pinoTest = ({ start, needPackages }: Stage): void => {
  it("pino-transport.js: marked lines and those from a level on are records", async (context) => {
    needPackages(context)
    const example = start("pino-main.js", "pino")
    expect(await example.ended(), example.out).toBe(0)
    expect(example.out.match(/"msg":/g)).toHaveLength(3)
    expect(example.verdict()).toBe("valid")
    const records = example.records("app")
    expect(records.map(({ kind, reason }) => `${kind} ${reason}`)).toEqual([
      "UserDeleted ok",
      "LogLine error",
    ])
    expect(records[0]?.subject).toEqual({ name: "user-31" })
  })
}

/** What worker.js says of each of its threads. */
interface Thread {
  readonly code: number
  readonly writers: ReadonlyArray<string>
}

const threadsTest = ({ start }: Stage): void => {
  it("worker.js: each thread writes chains of its own, and the next start goes on", async () => {
    for (const starts of [1, 2]) {
      const example = start("worker.js", "worker")
      expect(await example.ended(), example.out).toBe(0)
      const threads: ReadonlyArray<Thread> = JSON.parse(/^\[.*$/m.exec(example.out)?.[0] ?? "[]")
      expect(
        threads.map(({ code }) => code),
        example.out,
      ).toEqual([0, 0, 0])
      expect(threads.map(({ writers }) => writers.length)).toEqual([1, 1, 1])
      expect(example.verdict()).toBe("valid")
      const records = example.records("jobs")
      expect(records).toHaveLength(60 * starts)
      expect(count(records.map(({ writer_id, seq }) => `${writer_id} ${seq}`))).toBe(60 * starts)
      expect(count(records.map(({ writer_id }) => writer_id))).toBeLessThanOrEqual(3)
    }
  })
}

const clusterTest = ({ start }: Stage): void => {
  it("cluster.js: no two share a chain, a successor goes on with that of the dead", async () => {
    const example = start("cluster.js", "cluster")
    const url = await example.printed(/http:\/\/\S+/)
    await example.printed(/(http:\/\/\S+\n[\s\S]*){3}/)
    const ask = () => Promise.all(Array.from({ length: 15 }, () => json(url)))
    const before = await ask()
    const { pid, writerId } = before[0] ?? {}
    kill(Number(pid), "SIGKILL")
    await example.printed(/(http:\/\/\S+\n[\s\S]*){4}/)
    const after = await ask()
    expect(await example.stop(), example.out).toBe(0)
    const all = [...before, ...after]
    expect(count(before.map((one) => one.writerId))).toBe(3)
    expect(count(all.map((one) => one.pid))).toBe(4)
    // A name for each that runs at once, and no fourth one for the successor.
    expect(count(all.map((one) => one.writerId))).toBe(3)
    expect(after.map((one) => one.writerId)).toContain(writerId)
    expect(after.map((one) => one.pid)).not.toContain(pid)
    expect(example.verdict()).toBe("valid")
    const stored = example.records("ingress").map(({ writer_id, seq }) => `${writer_id} ${seq}`)
    expect(stored.toSorted()).toEqual(all.map((one) => `${one.writerId} ${one.seq}`).toSorted())
  })
}

const effectTest = ({ start }: Stage): void => {
  it("effect.js: a layer opens the log; end and interruption close it", async () => {
    const example = start("effect.js", "effect")
    expect(await example.ended(), example.out).toBe(0)
    expect(example.out).toMatch(/"seq":2,"refused":"float: /)
    expect(example.verdict()).toBe("valid")
    const serving = start("effect.js", "effect", { SERVE: "1" })
    await serving.printed(/"seq":3/)
    expect(await serving.stop(), serving.out).toBe(0)
    expect(serving.out).toContain("interrupted, closed")
    expect(serving.verdict()).toBe("valid")
    const records = serving.records("payments")
    expect(records.map(({ kind }) => kind)).toEqual(["PaymentMade", "PaymentMade"])
  })
}

/** Registers the tests; `lacking` says why packages of others are not there. */
export const examplesOf = (project: Project, lacking: () => string | undefined): void => {
  const started: Array<Example> = []
  afterEach(() => {
    for (const example of started.splice(0)) example.kill()
  })
  const stage: Stage = {
    start: (...args) => {
      const example = new Example(project, ...args)
      started.push(example)
      return example
    },
    needPackages: (context) => {
      const reason = lacking()
      if (reason !== undefined) context.skip(reason)
    },
  }
  for (const test of [fastifyTest, pinoTest, threadsTest, clusterTest, effectTest]) test(stage)
}
