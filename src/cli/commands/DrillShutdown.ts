/**
 * `drill shutdown`: a host appends as fast as it can, gets SIGTERM, drains and exits; then the log
 * is verified, and every record that it acknowledged is looked for.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { AuditError } from "../../audit/AuditError.ts"
import type { ExpectedPosition } from "../../audit/Verify.ts"
import { verifyParallel } from "../../audit/VerifyParallel.ts"
import { utf8 } from "../../base/Bytes.ts"
import { parse } from "../../record/Canonical.ts"
import { parseTrust } from "../../signing/Trust.ts"
import { exits } from "../Exit.ts"
import type { RoomReport } from "../Host.ts"
import type { Context } from "../Opening.ts"
import { count, table } from "../Output.ts"

export interface DrillInput {
  readonly victim: string | undefined
  readonly seconds: number
}

const streams = ["ingress", "policy"]
const callersEach = 64

/** Errors: those of the library. */
export const run = (input: DrillInput, context: Context): Promise<number> =>
  input.victim === undefined ? drill(input, context) : beVictim(input.victim, context)

/** The host under test: appends until it is told to end, then says what it left. */
const beVictim = async (dir: string, { host, settings, output }: Context): Promise<number> => {
  const room = await host.openRoom({
    writerId: "drill@1",
    wal: { dir: join(dir, "wal") },
    export: { dir: join(dir, "export") },
    dataDir: dir,
    engine: settings.engine,
    notice: () => undefined,
  })
  let isEnding = false
  const ended = new Promise<void>((done) => {
    host.takeSignals(() => {
      isEnding = true
      done()
    })
  })
  const counts = { refused: 0 }
  const caller = async (stream: string): Promise<void> => {
    while (!isEnding) {
      try {
        const { writerId, seq, selfHash } = await room.append(draftFor(stream))
        output.json({ writer_id: writerId, stream, seq, self_hash: selfHash, level: "accepted" })
        if (output.isFull) await output.flush()
      } catch (error) {
        if (!(error instanceof AuditError)) throw error
        counts.refused += 1
        await sleep(1)
      }
    }
  }
  const callers = streams.flatMap((stream) =>
    Array.from({ length: callersEach }, () => caller(stream)),
  )
  await ended
  // Callers go on while the log drains: what comes too late must be told so.
  const begun = performance.now()
  const report = await room.close()
  const drainMs = Math.round(performance.now() - begun)
  await Promise.all(callers)
  output.json({ report, refused: counts.refused, drain_ms: drainMs })
  await output.flush()
  // A command that a signal ended gives 130; a host that drained has done what it was asked.
  process.exit(exits.done)
}

const draftFor = (stream: string) => ({
  stream,
  kind: "DrillEvent",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: { at: "drill" },
})

interface Ended {
  readonly acks: ReadonlyArray<ExpectedPosition>
  readonly report: RoomReport | undefined
  readonly refused: number
  readonly drainMs: number
  readonly exit: string
}

const drill = async ({ seconds }: DrillInput, context: Context): Promise<number> => {
  const { output, signal, settings } = context
  const dir = mkdtempSync(join(tmpdir(), "strongroom-drill-"))
  try {
    const ended = await endVictim(dir, seconds, signal)
    const trust = parseTrust(readFileSync(join(dir, "trust.json")))
    const root = join(dir, "wal")
    const asked = { root, trust, integrity: false, require: "signed", nowMs: Date.now() } as const
    const { verdict, streams: chains } = await verifyParallel(
      { ...asked, expectHeads: ended.acks },
      {
        engine: settings.engine,
        warn: (line) => output.note(line),
        onStep: () => undefined,
        signal,
      },
    )
    const findings = chains.flatMap((chain) => chain.findings)
    const isWell = verdict === "valid" && ended.report?.left === 0 && ended.exit === "0"
    show(context, ended, verdict, findings.length)
    await output.flush()
    return isWell ? exits.done : exits.invalid
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const endVictim = async (dir: string, seconds: number, signal: AbortSignal): Promise<Ended> => {
  const [node, program = ""] = process.argv
  const args = [program, "drill", "shutdown", "--victim", dir]
  const child = spawn(node ?? process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  const abort = (): void => void child.kill("SIGKILL")
  signal.addEventListener("abort", abort)
  const acks: Array<ExpectedPosition> = []
  let last: Record<string, unknown> = {}
  let rest = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines) last = take(line, acks)
  })
  const exit = new Promise<string>((done) => {
    child.on("close", (code, by) => done(by ?? `${code}`))
  })
  await Promise.race([exit, sleep(seconds * 1000, undefined, { signal })])
  child.kill("SIGTERM")
  const ended = await exit
  signal.removeEventListener("abort", abort)
  signal.throwIfAborted()
  return {
    acks,
    report: last.report as RoomReport | undefined,
    refused: Number(last.refused ?? 0),
    drainMs: Number(last.drain_ms ?? 0),
    exit: ended,
  }
}

const take = (line: string, acks: Array<ExpectedPosition>): Record<string, unknown> => {
  const said = Object(parse(utf8(line))) as Record<string, unknown>
  if (said.level === "accepted") {
    acks.push({
      writerId: String(said.writer_id),
      stream: String(said.stream),
      seq: Number(said.seq),
      selfHash: String(said.self_hash),
      file: "acks",
    })
  }
  return said
}

const show = ({ output }: Context, ended: Ended, verdict: string, findings: number): void => {
  const { acks, report, refused, drainMs, exit } = ended
  const {
    accepted = 0,
    durable = 0,
    signed = 0,
    checkpointed = 0,
    shed = 0,
    left = 0,
  } = report ?? {}
  if (output.isJson) {
    const counts = { accepted, durable, signed, checkpointed, shed, left }
    output.json({
      acks: acks.length,
      ...counts,
      refused,
      drain_ms: drainMs,
      exit,
      verdict,
      findings,
    })
    return
  }
  output.line("A host appended with 128 callers, got SIGTERM and drained.")
  for (const line of table([
    ["accepted", `${accepted}`, `of these ${acks.length} acknowledged to a caller`],
    ["durable", `${durable}`, "fsynced"],
    ["signed", `${signed}`, "their signature is stored"],
    ["checkpointed", `${checkpointed}`, "under a signed checkpoint"],
    ["left", `${left}`, "given up at the deadline, their callers told"],
    ["refused", `${refused}`, `told to come again, ${shed} of them for want of room`],
    ["drained in", `${drainMs} ms`, `exit ${exit}`],
  ])) {
    output.line(line)
  }
  const found = count(findings, "finding")
  output.line(`verdict ${verdict.toUpperCase()}: ${found}; all acknowledged were looked for`)
}
