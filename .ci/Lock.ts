/**
 * Completes package-lock.json: every optional dependency gets an entry.
 *
 * npm leaves out optional packages that its registry does not serve (binaries for other platforms,
 * behind a mirror), and `npm ci` then refuses the lock. The entries added here carry the pinned
 * version and the platform, so that npm skips them where they do not fit. They have no integrity
 * hash: who installs on such a platform gets what the registry gives for that version.
 */

interface Entry {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: ReadonlyArray<string>
  readonly cpu?: ReadonlyArray<string>
  readonly libc?: ReadonlyArray<string>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Lock {
  readonly packages: Readonly<Record<string, Entry>>
}

const systems = ["android", "darwin", "freebsd", "linux", "win32"]
const processors = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "wasm32"]

const platformOf = (name: string): Partial<Entry> => {
  const words = (name.split("/").at(-1) ?? "").split("-")
  const has = (list: ReadonlyArray<string>): ReadonlyArray<string> =>
    list.filter((item) => words.includes(item))
  const libc = [...(words.includes("musl") ? ["musl"] : []), ...has(["gnu"]).map(() => "glibc")]
  const [os, cpu] = [has(systems), has(processors)]
  return {
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(os.includes("linux") && libc.length > 0 ? { libc } : {}),
    ...(os.length > 0 ? { os } : {}),
  }
}

/** The entries that npm left out. */
export const missingEntries = ({ packages }: Lock): Readonly<Record<string, Entry>> => {
  const missing: Record<string, Entry> = {}
  for (const { dev, optionalDependencies } of Object.values(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies ?? {})) {
      const path = `node_modules/${name}`
      if (packages[path]?.version !== undefined) continue
      missing[path] = { version, ...(dev ? { dev } : {}), optional: true, ...platformOf(name) }
    }
  }
  return missing
}

/** The lock with those entries, packages in npm's order. */
export const completeLock = (lock: Lock): Lock => {
  const packages = { ...lock.packages, ...missingEntries(lock) }
  const paths = Object.keys(packages).sort((a, b) => a.localeCompare(b, "en"))
  return { ...lock, packages: Object.fromEntries(paths.map((path) => [path, packages[path]!])) }
}
