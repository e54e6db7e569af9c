/** A running Child: started, told its plan, killed, and what it said. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Plan } from "./Plan.ts"

export interface Ack {
  readonly writer_id: string
  readonly stream: string
  readonly seq: number
  readonly self_hash: string
  readonly level: "durable"
}

export interface Said {
  readonly event: string
  readonly code?: string
  readonly message?: string
  readonly [name: string]: unknown
}

const program = join(import.meta.dirname, "Child.ts")
/** A third of a start is compiling. */
const compileCache = fileURLToPath(new URL("../../node_modules/.cache/compile", import.meta.url))

export class Offspring {
  readonly acks: Array<Ack> = []
  readonly said: Array<Said> = []
  /** Its exit code and signal, once all that it said was read. */
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>
  readonly #process: ChildProcess
  #rest = ""
  #onLine: () => void = () => undefined

  /** `filesMax`: how many files it may have open. */
  constructor(env: Readonly<Record<string, string>> = {}, filesMax?: number) {
    const command = [process.execPath, program]
    const limited = ["sh", "-c", `ulimit -n ${filesMax} && exec "$0" "$@"`, ...command]
    const [file = "", ...args] = filesMax === undefined ? command : limited
    const child = spawn(file, args, {
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache, ...env },
      stdio: ["pipe", "pipe", "inherit"],
    })
    child.stdin.on("error", () => undefined)
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text))
    this.#process = child
    this.ended = new Promise((done, fail) => {
      child.on("error", fail)
      child.on("close", (code, signal) => {
        this.#onLine()
        done([code, signal])
      })
    })
  }

  /** Resolves once it said `event`, or has ended. */
  async heard(event: string): Promise<void> {
    const heard = new Promise<void>((done) => {
      this.#onLine = () => {
        if (this.said.some((said) => said.event === event)) done()
      }
      this.#onLine()
    })
    await Promise.race([heard, this.ended])
  }

  /** Lets it begin. */
  go(plan: Plan): void {
    this.#process.stdin?.write(`${JSON.stringify(plan)}\n`)
  }

  kill(): void {
    this.#process.kill("SIGKILL")
  }

  /** What it said by these names. */
  told(...events: ReadonlyArray<string>): ReadonlyArray<Said> {
    return this.said.filter(({ event }) => events.includes(event))
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n")
    // A line that the kill cut short was never finished: it says nothing.
    this.#rest = lines.pop() ?? ""
    for (const line of lines) {
      const value = JSON.parse(line)
      if ("event" in value) this.said.push(value)
      else this.acks.push(value)
    }
    this.#onLine()
  }
}
