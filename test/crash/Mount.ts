/** The file system that forgets (forgetful.py), mounted in a folder of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { missing, mountPrefix, python } from "../servers/Servers.ts"

/** `kill` ends the process that writes and forgets nothing yet. */
export type Forgetting = "forget" | "prefix" | "scatter" | "kill"

export interface Counters {
  readonly changes: number
  readonly fsyncs: number
  readonly lies: number
  readonly cuts: number
  /** Changes that a power cut found without their fsync. */
  readonly lost: number
  /** Fsyncs that failed because they were told to. */
  readonly failed: number
  readonly full: number
  readonly off: boolean
}

/** Why it cannot be mounted here, `undefined` where it can. */
export const whyNot = (): string | undefined => missing("fuse")

const patienceMs = 10_000

export class Mount {
  readonly #path: string
  readonly #control: string
  readonly #daemon: ChildProcess
  readonly #ended: Promise<void>
  #generation = 0

  private constructor(path: string, daemon: ChildProcess) {
    this.#path = path
    this.#control = join(path, ".forgetful")
    this.#daemon = daemon
    this.#ended = new Promise((done) => daemon.on("close", () => done()))
  }

  /** `lies`: endings of file names whose fsync is a lie, and `dir`. */
  static async open(lies: ReadonlyArray<string> = []): Promise<Mount> {
    const path = mkdtempSync(join(tmpdir(), mountPrefix))
    const daemon = spawn(python, [join(import.meta.dirname, "forgetful.py"), path], {
      env: { ...process.env, FORGETFUL_LIES: lies.join(",") },
      stdio: ["ignore", "inherit", "inherit"],
    })
    const mount = new Mount(path, daemon)
    for (let waited = 0; !existsSync(mount.#control); waited += 20) {
      if (waited > patienceMs || daemon.exitCode !== null) throw new Error(`${path}: no mount`)
      await sleep(20)
    }
    return mount
  }

  /** Cuts the power before the `after`-th change or fsync from now on. */
  arm(mode: Forgetting, seed: number, after: number): void {
    this.#say(`arm ${mode} ${seed} ${after}`)
  }

  cut(): void {
    this.#say("cut")
  }

  /** The `after`-th fsync fails once, and what it was for is forgotten. */
  failFsync(after: number): void {
    this.#say(`fail ${after}`)
  }

  /** The `after`-th write is cut short and the disk is full from then on; 0: there is space. */
  fill(after: number): void {
    this.#say(`full ${after}`)
  }

  /** Changes below a path with `part` in it fail with `code`; `OK`: not any more. */
  refuse(code: "EROFS" | "EIO" | "EACCES" | "OK", part = "/"): void {
    this.#say(`refuse ${code} ${part}`)
  }

  /** Power is back; what was open stays dead. */
  on(): void {
    this.#say("on")
    this.#generation += 1
  }

  /** The tree; another path after each `on`. */
  get root(): string {
    return join(this.#path, `g${this.#generation}`)
  }

  get counters(): Counters {
    return JSON.parse(readFileSync(this.#control, "utf8"))
  }

  /** Files below it that this process has open. */
  openFiles(): ReadonlyArray<string> {
    const files = readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return []
      }
    })
    return files.filter((file) => file.startsWith(`${this.#path}/`))
  }

  async close(): Promise<void> {
    spawnSync("fusermount3", ["-u", "-z", this.#path], { stdio: "inherit" })
    const isGone = await Promise.race([this.#ended.then(() => true), sleep(patienceMs, false)])
    if (!isGone) this.#daemon.kill("SIGKILL")
    rmdirSync(this.#path)
  }

  #say(command: string): void {
    writeFileSync(this.#control, command)
  }
}
