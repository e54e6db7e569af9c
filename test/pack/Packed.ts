/**
 * The package as others get it: packed once, installed in an empty project, programs run there by
 * the Node that a test names.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const root = join(import.meta.dirname, "../..")

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export const run = (cwd: string, program: string, ...args: ReadonlyArray<string>): Ran =>
  spawnSync(program, args, { cwd, encoding: "utf8", maxBuffer: 64 << 20 })

export const must = (ran: Ran): string => {
  if (ran.status !== 0) throw new Error(`${ran.stdout}\n${ran.stderr}`)
  return ran.stdout
}

/** What npm says where no registry can be reached. */
const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED|ENETUNREACH)\b/

export class Project {
  readonly #place = mkdtempSync(join(tmpdir(), "strongroom-pack-"))
  readonly dir = join(this.#place, "app")
  /** Where the package lies. */
  readonly installed = join(this.dir, "node_modules", "strongroom")

  /** Packs, and installs what was packed. */
  open(): void {
    mkdirSync(this.dir)
    const packed = must(run(root, "npm", "pack", "--silent", "--pack-destination", this.#place))
    writeFileSync(join(this.dir, "package.json"), '{"type":"module","private":true}')
    must(this.#install(join(this.#place, packed.trim().split("\n").at(-1) ?? "")))
  }

  /** Installs packages of others; the reason where none can be had. */
  add(...packages: ReadonlyArray<string>): string | undefined {
    const ran = this.#install(...packages)
    if (ran.status !== 0 && offline.test(ran.stderr)) return "no registry of packages is reachable"
    must(ran)
    return undefined
  }

  close(): void {
    rmSync(this.#place, { recursive: true, force: true })
  }

  #install(...packages: ReadonlyArray<string>): Ran {
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--save-exact"]
    return run(this.dir, "npm", "install", ...quiet, ...packages)
  }

  /** The JSON that a command of the packed program prints. */
  command(node: string, ...args: ReadonlyArray<string>): string {
    const program = join(this.installed, "dist/supervisors/main.js")
    return must(run(this.dir, node, program, ...args, "--json"))
  }

  /** Verdict and records of a log below the project, verified with its trust file. */
  verify(node: string, log: string): readonly [verdict: string, records: number] {
    const where = ["--wal-dir", join(log, "wal"), "--trust", join(log, "trust.json")]
    const report = JSON.parse(this.command(node, "audit", "verify", ...where))
    return [report.verdict, report.records]
  }
}
