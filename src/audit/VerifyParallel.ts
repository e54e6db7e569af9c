/**
 * A whole log verified on several cores: one chain a task, workers with an engine of their own.
 *
 * Chains do not depend on each other but for what `joinReports` compares at the end, and a report
 * is plain data, so threads share nothing. One chain is never split. A small log, or one core, is
 * verified in this thread: a worker costs more than it saves there.
 *
 * This file is also what the workers run.
 */

import { availableParallelism } from "node:os"
import { setImmediate as turn } from "node:timers/promises"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { type EngineChoice, selectEngine } from "../engine/Select.ts"
import { type ChainName, chainDirectory, listChain, listChains } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import type { Step } from "./ChainVerify.ts"
import {
  joinReports,
  type LogReport,
  type StreamReport,
  type VerifyOptions,
  verifyStream,
} from "./Verify.ts"

export interface ParallelOptions {
  readonly engine: EngineChoice
  /** One line where the engine falls back. */
  readonly warn: (line: string) => void
  /** Units: records and bytes read since the last call. */
  readonly onStep: (step: Step) => void
  readonly signal: AbortSignal
  /** Default: the machine's cores. */
  readonly threads?: number
}

/** Bytes of segments below which workers are not worth their start. */
const parallelBytesMin = 32 << 20

const taskKind = "strongroom/verify-chains"

/** What the main thread and a worker say to each other. */
interface Task {
  readonly kind: typeof taskKind
  readonly engine: EngineChoice
  readonly options: VerifyOptions
}
type Answer =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "report"; readonly report: StreamReport }
  | { readonly kind: "failed"; readonly error: Readonly<Record<string, unknown>> }

interface Sized {
  readonly name: ChainName
  /** Units: bytes of segments. */
  readonly bytes: number
}

/** The chains below a directory with their sizes. Errors: SinkError. */
export const sizeChains = (root: string): Array<Sized> =>
  listChains(root).map((name) => {
    const directory = chainDirectory(root, name.writerId, name.stream)
    return { name, bytes: bytesIn(directory) }
  })

/** 0 where the verification will say that it cannot be read. */
const bytesIn = (directory: string): number => {
  try {
    return listChain(directory).segments.reduce((sum, { size }) => sum + size, 0)
  } catch (error) {
    if (insteadOf(error) === undefined) throw error
    return 0
  }
}

/** Units: bytes read between two turns of the event loop, some 20 ms. */
const turnBytes = 8 << 20

/** In this thread, giving way now and then so that a signal is heard. */
const verifyHere = async (
  chains: ReadonlyArray<Sized>,
  options: VerifyOptions,
  { engine: choice, warn, onStep, signal }: ParallelOptions,
): Promise<Array<StreamReport>> => {
  const engine = selectEngine(choice, warn)
  const reports: Array<StreamReport> = []
  let read = 0
  for (const { name } of chains) {
    const run = verifyStream(engine, options, name)
    for (let step = run.next(); ; step = run.next()) {
      if (step.done === true) {
        reports.push(step.value)
        break
      }
      onStep(step.value)
      read += step.value.bytes
      if (read < turnBytes) continue
      await turn()
      signal.throwIfAborted()
      read = 0
    }
  }
  return reports
}

/** One worker, fed chain after chain until none is left. */
const drive = (
  worker: Worker,
  next: () => ChainName | undefined,
  { onStep, signal }: ParallelOptions,
): Promise<Array<StreamReport>> =>
  new Promise((done, fail) => {
    const reports: Array<StreamReport> = []
    const abort = (): void => fail(signal.reason)
    const feed = (): void => {
      const name = next()
      if (name === undefined) done(reports)
      else worker.postMessage(name)
    }
    signal.addEventListener("abort", abort, { once: true })
    worker.on("error", fail)
    worker.on("message", (answer: Answer) => {
      if (answer.kind === "step") onStep(answer.step)
      else if (answer.kind === "failed") fail(answer.error)
      else {
        reports.push(answer.report)
        feed()
      }
    })
    feed()
  })

const verifyThere = async (
  chains: ReadonlyArray<Sized>,
  options: VerifyOptions,
  parallel: ParallelOptions,
  threads: number,
): Promise<Array<StreamReport>> => {
  // The fallback is said once here, not once a worker.
  selectEngine(parallel.engine, parallel.warn)
  const waiting = [...chains].sort((a, b) => b.bytes - a.bytes)
  const workers = Array.from({ length: threads }, () => {
    const task: Task = { kind: taskKind, engine: parallel.engine, options }
    return new Worker(new URL(import.meta.url), { workerData: task })
  })
  try {
    const next = () => waiting.shift()?.name
    const reports = await Promise.all(workers.map((worker) => drive(worker, next, parallel)))
    const order = new Map(
      chains.map(({ name }, index) => [`${name.writerId}/${name.stream}`, index]),
    )
    const rank = ({ writer_id, stream }: StreamReport) => order.get(`${writer_id}/${stream}`) ?? 0
    return reports.flat().sort((a, b) => rank(a) - rank(b))
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

/**
 * Verifies all chains below `options.root`.
 * Errors: SinkError when the directory or a file cannot be read; EngineError; the signal's reason.
 */
export const verifyParallel = async (
  options: VerifyOptions,
  parallel: ParallelOptions,
): Promise<LogReport> => {
  const chains = sizeChains(options.root)
  const bytes = chains.reduce((sum, chain) => sum + chain.bytes, 0)
  const threads = Math.min(parallel.threads ?? availableParallelism(), chains.length)
  const isWorthIt = threads > 1 && (parallel.threads !== undefined || bytes >= parallelBytesMin)
  const reports = isWorthIt
    ? await verifyThere(chains, options, parallel, threads)
    : await verifyHere(chains, options, parallel)
  return joinReports(reports, options)
}

const workOn = ({ engine: choice, options }: Task, post: (answer: Answer) => void) => {
  const engine = selectEngine(choice, () => undefined)
  return (name: ChainName): void => {
    try {
      const run = verifyStream(engine, options, name)
      let step = run.next()
      for (; !step.done; step = run.next()) post({ kind: "step", step: step.value })
      post({ kind: "report", report: step.value })
    } catch (error) {
      // A class does not survive the crossing, what a user is told of it does.
      const { message } = error as Error
      post({ kind: "failed", error: { ...(error as object), message } })
    }
  }
}

/** A test runner's own worker may import this module as well: only our workers have a task. */
const isTask = (data: unknown): data is Task =>
  typeof data === "object" && data !== null && "kind" in data && data.kind === taskKind

if (!isMainThread && parentPort !== null && isTask(workerData)) {
  const port = parentPort
  port.on(
    "message",
    workOn(workerData, (answer) => port.postMessage(answer)),
  )
}
