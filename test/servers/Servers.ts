/**
 * The real programs that some tests and drills need: how each is installed, started and stopped.
 * `npm run servers -- up|down [name…]` is the command; a test asks `missing(name)` and skips itself
 * with that reason.
 *
 * Everything stays inside the checkout (`.venv`, ignored by git) except Debian's packages.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..")
const venv = join(root, ".venv")

/** The Python that has the packages below. */
export const python: string = join(venv, "bin", "python")

/** Mount points under the temporary folder with this prefix are ours: `down fuse` unmounts them. */
export const mountPrefix = "strongroom-fuse-"

interface Server {
  readonly about: string
  /** Debian packages, each with a file that shows it is there. */
  readonly apt: Readonly<Record<string, string>>
  /** Python packages, pinned. */
  readonly pip: ReadonlyArray<string>
  /** npm packages, pinned, each with a file below `.servers` that shows it is there. */
  readonly npm?: Readonly<Record<string, string>>
  /** What neither apt nor pip can bring: the reason, or `undefined` when it is there. */
  readonly lacks: () => string | undefined
  readonly down: () => void
}

/** Where npm packages of servers lie; they are no part of the project's own tree. */
const prefix = join(root, ".servers")

/** The oldest Node that the published package promises to run on. */
export const oldNode: string = join(prefix, "node_modules", "node", "bin", "node")

const nothing = (): undefined => undefined

const unmountAll = (): void => {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n")
  for (const line of mounts) {
    const path = line.split(" ")[1] ?? ""
    if (!path.includes(`/${mountPrefix}`)) continue
    console.log(`fuse: unmounting ${path}`)
    spawnSync("fusermount3", ["-u", "-z", path], { stdio: "inherit" })
  }
}

const servers: Readonly<Record<string, Server>> = {
  verifier: {
    about: "Python packages of docs/verify/strongroom_verify.py",
    apt: {},
    pip: ["blake3==1.0.11", "cryptography==50.0.2"],
    lacks: nothing,
    down: nothing,
  },
  fuse: {
    about: "FUSE and its Python binding, for the file system that forgets what was not fsynced",
    apt: { fuse3: "/usr/bin/fusermount3" },
    pip: ["mfusepy==3.1.1"],
    lacks: () =>
      existsSync("/dev/fuse") ? undefined : "the kernel offers no /dev/fuse on this machine",
    down: unmountAll,
  },
  node22: {
    about: "Node 22.19, the oldest that the published package runs on",
    apt: {},
    pip: [],
    npm: { "node@22.19.0": oldNode },
    lacks: nothing,
    down: nothing,
  },
}

export const names: ReadonlyArray<string> = Object.keys(servers)

const serverOf = (name: string): Server => {
  const server = Object.hasOwn(servers, name) ? servers[name] : undefined
  if (server === undefined) {
    throw new Error(`unknown server "${name}", there are: ${names.join(", ")}`)
  }
  return server
}

/** Which pins `.venv` holds, one a line. */
const stamp = join(venv, "strongroom-pins.txt")

const pinned = (): ReadonlySet<string> =>
  new Set(existsSync(stamp) ? readFileSync(stamp, "utf8").split("\n") : [])

/** Why a suite that needs this server cannot run, `undefined` when it can. */
export const missing = (name: string): string | undefined => {
  const { apt, pip, npm = {}, lacks } = serverOf(name)
  const lack = lacks()
  if (lack !== undefined) return lack
  const have = pinned()
  const files = [...Object.values(apt), ...Object.values(npm)]
  const isThere = files.every((file) => existsSync(file)) && pip.every((pin) => have.has(pin))
  return isThere ? undefined : `not installed: npm run servers -- up ${name}`
}

/** Runs a program quietly; when it fails, its last line says why. */
const must = (program: string, ...args: ReadonlyArray<string>): void => {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  })
  if (error !== undefined) throw new Error(`${program} is not on this machine`)
  if (status === 0) return
  const last = `${stdout}\n${stderr}`.trim().split("\n").at(-1) ?? ""
  throw new Error(`"${[program, ...args].join(" ")}" ended with ${status}: ${last}`)
}

const installApt = (packages: ReadonlyArray<string>): void => {
  if (packages.length === 0) return
  if (process.getuid?.() !== 0) {
    throw new Error(`needs Debian packages: run as root "apt-get install ${packages.join(" ")}"`)
  }
  console.log(`installing Debian packages: ${packages.join(" ")}`)
  must("apt-get", "update", "-qq")
  must("apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages)
}

const installPip = (pins: ReadonlyArray<string>): void => {
  const have = pinned()
  const wanted = pins.filter((pin) => !have.has(pin))
  if (wanted.length === 0) return
  console.log(`installing Python packages into .venv: ${wanted.join(" ")}`)
  if (!existsSync(python)) must("python3", "-m", "venv", venv)
  must(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...wanted)
  writeFileSync(stamp, [...have, ...wanted].join("\n"))
}

const installNpm = (packages: ReadonlyArray<string>): void => {
  if (packages.length === 0) return
  console.log(`installing npm packages into .servers: ${packages.join(" ")}`)
  mkdirSync(prefix, { recursive: true })
  must("npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", prefix, ...packages)
}

/** Installs what is missing and starts it. Errors: one sentence on what could not be had. */
export const up = (name: string): void => {
  const { apt, pip, npm = {}, lacks } = serverOf(name)
  const lack = lacks()
  if (lack !== undefined) throw new Error(lack)
  installApt(Object.keys(apt).filter((key) => !existsSync(apt[key] ?? "")))
  installPip(pip)
  installNpm(Object.keys(npm).filter((key) => !existsSync(npm[key] ?? "")))
}

/** Stops it. What was installed stays. */
export const down = (name: string): void => serverOf(name).down()

/** One line a server: name, whether it is there, what it is. */
export const table = (): ReadonlyArray<string> =>
  names.map((name) => {
    const state = missing(name) === undefined ? "there" : "not there"
    return `  ${name.padEnd(10)}${state.padEnd(11)}${serverOf(name).about}`
  })
