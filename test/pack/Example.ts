/** An example of docs/examples at work: started in the packed project, driven, asked to stop. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Project } from "./Packed.ts"
import { root } from "./Packed.ts"

export interface StoredRecord {
  readonly writer_id: string
  readonly seq: number
  readonly kind: string
  readonly subject: { readonly name?: string }
  readonly reason: string
  readonly attrs: { readonly [name: string]: unknown }
}

/** Copies the examples beside the installed package. */
export const copyExamples = ({ dir }: Project): void =>
  cpSync(join(root, "docs/examples"), join(dir, "examples"), { recursive: true })

const patienceMs = 15_000

export class Example {
  readonly #project: Project
  readonly #log: string
  readonly #child: ChildProcess
  readonly #exited: Promise<ReadonlyArray<unknown>>
  #out = ""

  /** Starts `examples/<file>`; its log lies in the folder `log`. */
  constructor(project: Project, file: string, log: string, env: Record<string, string> = {}) {
    this.#project = project
    this.#log = join(project.dir, log)
    this.#child = spawn(process.execPath, [join("examples", file)], {
      cwd: project.dir,
      env: { ...process.env, AUDIT_DIR: join(this.#log, "wal"), ...env },
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#out += text
      })
    }
    this.#exited = once(this.#child, "exit")
  }

  /** Everything that it printed so far. */
  get out(): string {
    return this.#out
  }

  /** Waits until it printed what matches. */
  async printed(pattern: RegExp): Promise<string> {
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 20) {
      const found = pattern.exec(this.#out)?.[0]
      if (found !== undefined) return found
      if (this.#child.exitCode !== null) break
      await sleep(20)
    }
    throw new Error(`${pattern} was not printed:\n${this.#out}`)
  }

  /** Its exit code, once it has ended by itself. */
  async ended(): Promise<unknown> {
    const late = sleep(patienceMs, ["still running"], { ref: false })
    const [code] = await Promise.race([this.#exited, late])
    return code
  }

  /** Asks it to stop, as a process manager does; its exit code. */
  async stop(): Promise<unknown> {
    this.#child.kill("SIGTERM")
    return this.ended()
  }

  /** Ends it where a test failed before it did. */
  kill(): void {
    this.#child.kill("SIGKILL")
  }

  /** What the packed program says of its log. */
  verdict(): string {
    return this.#project.verify(process.execPath, this.#log)[0]
  }

  /** The records that it wrote to a stream, without those of the runtime. */
  records(stream: string): ReadonlyArray<StoredRecord> {
    const where = ["--wal-dir", join(this.#log, "wal"), "--stream", stream]
    const lines = this.#project.command(process.execPath, "audit", "show", ...where).split("\n")
    return lines
      .filter((line) => line !== "")
      .map((line): StoredRecord => JSON.parse(line))
      .filter(({ kind }) => kind !== "StreamOpened" && kind !== "Recovered")
  }
}
