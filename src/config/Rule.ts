/**
 * The rules that join several keys, or a key and the file system: each with the keys it reads and
 * a sentence for docs/reference/config.md. Bounds of a single key stand in Table.ts.
 *
 * Source: LEDGER, C-16 to C-19, C-23, C-24, C-29, C-58.
 */
import { checkStream, checkWriterId } from "../record/Name.ts"
import { Rejected } from "../record/Reject.ts"
import type { Profile } from "./Choice.ts"
import { type AuditConfig, hasExport, hasWal } from "./Config.ts"
import type { Key } from "./Table.ts"

/** What lies at a path, links followed. */
export interface Found {
  readonly kind: "file" | "directory" | "other"
  /** The nine permission bits. */
  readonly mode: number
  readonly size: number
  readonly isOwn: boolean
  readonly isWritable: boolean
  /** Without links and relative steps. */
  readonly realPath: string
}

/** Looks at the file system; `undefined` where there is nothing or nothing to see. */
export type Probe = (path: string) => Found | undefined

export interface Facts {
  readonly config: AuditConfig
  /** The profile that binds. */
  readonly profile: Profile
  readonly probe: Probe
  /** `amnesia is true (default)`. */
  readonly said: (key: Key) => string
}

/** What is wrong with the first key of a rule: the end of the sentence "wanted: …". */
type Judge = (facts: Facts) => string | undefined

export interface Rule {
  /** The first is the one that is told to be wrong. */
  readonly reads: readonly [Key, ...ReadonlyArray<Key>]
  /** What must hold, as a sentence without its key and full stop. */
  readonly doc: string
  readonly judge: Judge
}

const octal = (mode: number): string => mode.toString(8).padStart(4, "0")

const faultsOf = (found: Found, isDirectory: boolean): ReadonlyArray<string> => [
  ...(found.kind === (isDirectory ? "directory" : "file") ? [] : [`it is a ${found.kind}`]),
  ...((isDirectory ? found.mode === 0o700 : (found.mode & 0o577) === 0o400)
    ? []
    : [`it has mode ${octal(found.mode)}`]),
  ...(found.isOwn ? [] : ["it belongs to another user"]),
  ...(isDirectory && !found.isWritable ? ["it cannot be written to"] : []),
  ...(!isDirectory && found.size === 0 ? ["it is empty"] : []),
]

/** The directories that the program makes itself, below `data_dir`. */
export const derivedDir = (config: AuditConfig, part: "wal" | "export"): string =>
  config.dataDir === "" ? "" : `${config.dataDir.replace(/(?<=.)\/+$/, "")}/${part}`

const judgeDirectory =
  (part: "wal" | "export"): Judge =>
  ({ config, probe }) => {
    const { dir } = config[part]
    if (dir === "") return undefined
    const wanted = "a directory of this user with mode 0700"
    const found = probe(dir)
    if (found === undefined) {
      return dir === derivedDir(config, part) ? undefined : `${wanted}, there is none`
    }
    const faults = faultsOf(found, true)
    return faults.length === 0 ? undefined : `${wanted}, ${faults.join(", ")}`
  }

const judgeSecretFile = (path: string, probe: Probe): string | undefined => {
  if (path === "") return undefined
  const wanted = "a file of this user with mode 0600 that is not empty"
  const found = probe(path)
  if (found === undefined) return `${wanted}, there is none`
  const faults = faultsOf(found, false)
  return faults.length === 0 ? undefined : `${wanted}, ${faults.join(", ")}`
}

const steps = (path: string): ReadonlyArray<string> => {
  const clean: Array<string> = []
  for (const step of path.split("/")) {
    if (step === ".." && clean.length > 0 && clean.at(-1) !== "..") clean.pop()
    else if (step !== "" && step !== ".") clean.push(step)
  }
  return path.startsWith("/") ? ["/", ...clean] : clean
}

const isWithin = (inner: string, outer: string): boolean => {
  const [of, at] = [steps(outer), steps(inner)]
  return of.every((step, index) => at[index] === step)
}

const judgeNesting: Judge = ({ config, probe, said }) => {
  const dirs = [config.export.dir, config.wal.dir]
  if (dirs.includes("")) return undefined
  const [exported = "", wal = ""] = dirs.map((dir) => probe(dir)?.realPath ?? dir)
  const isNested = isWithin(exported, wal) || isWithin(wal, exported)
  return isNested ? `a directory apart, ${said("wal.dir")}` : undefined
}

const refusedName = (check: (name: string) => void, name: string): string | undefined => {
  try {
    check(name)
    return undefined
  } catch (error) {
    if (error instanceof Rejected) return error.message.replace(/^\w+: /, "")
    throw error
  }
}

/** What is wrong with the name of a stream that has an override, else `undefined`. */
export const refusedStream = (stream: string): string | undefined =>
  refusedName(checkStream, stream)

const noPostQuantum = "false: no signer of this version makes post-quantum signatures"

export const rules: ReadonlyArray<Rule> = [
  {
    reads: ["max_record_bytes", "max_attrs_bytes"],
    doc: "is at least max_attrs_bytes and 512B",
    judge: ({ config, said }) =>
      config.maxRecordBytes >= config.maxAttrsBytes + 512
        ? undefined
        : `at least 512B more than max_attrs_bytes, ${said("max_attrs_bytes")}`,
  },
  {
    reads: ["sink", "amnesia"],
    doc: "is ram or export while amnesia is true",
    judge: ({ config, said }) =>
      config.amnesia && hasWal(config)
        ? `ram or export, ${said("amnesia")}; a log on disk needs amnesia false`
        : undefined,
  },
  {
    reads: ["shed_policy", "profile"],
    doc: "is block in profile test only",
    judge: ({ config, profile }) =>
      config.shedPolicy === "block" && profile !== "test"
        ? `drop in profile ${profile}, block is for profile test`
        : undefined,
  },
  {
    reads: ["privacy.hash_salt_path", "privacy.ip_mode"],
    doc: "is given where privacy.ip_mode is hash",
    judge: ({ config, said }) =>
      config.privacy.ipMode === "hash" && config.privacy.hashSaltPath === ""
        ? `a salt file, ${said("privacy.ip_mode")}`
        : undefined,
  },
  {
    reads: ["privacy.hash_salt_path", "privacy.ip_mode"],
    doc: "names a file of this user with mode 0600 that is not empty, where ip_mode is hash",
    judge: ({ config, probe }) =>
      config.privacy.ipMode === "hash"
        ? judgeSecretFile(config.privacy.hashSaltPath, probe)
        : undefined,
  },
  {
    reads: ["signing.passphrase_file"],
    doc: "names a file of this user with mode 0600 that is not empty, where it is given",
    judge: ({ config, probe }) => judgeSecretFile(config.signing.passphraseFile, probe),
  },
  {
    reads: ["wal.dir", "sink", "data_dir"],
    doc: "is given where the sink includes wal",
    judge: ({ config, said }) =>
      hasWal(config) && config.wal.dir === "" ? `a directory, ${said("sink")}` : undefined,
  },
  {
    reads: ["wal.dir", "sink", "data_dir"],
    doc: "exists with mode 0700, writable, of this user, where the sink includes wal",
    judge: (facts) => (hasWal(facts.config) ? judgeDirectory("wal")(facts) : undefined),
  },
  {
    reads: ["export.dir", "sink", "amnesia", "data_dir"],
    doc: "is given where the sink includes export and amnesia is false",
    judge: ({ config, said }) =>
      hasExport(config) && !config.amnesia && config.export.dir === ""
        ? `a directory, ${said("sink")}`
        : undefined,
  },
  {
    reads: ["export.dir", "sink", "amnesia", "data_dir"],
    doc: "exists with mode 0700, writable, of this user, where it is used",
    judge: (facts) =>
      hasExport(facts.config) && !facts.config.amnesia
        ? judgeDirectory("export")(facts)
        : undefined,
  },
  {
    reads: ["export.dir", "wal.dir"],
    doc: "is neither wal.dir nor inside it nor around it",
    judge: judgeNesting,
  },
  {
    reads: ["wal.fsync", "profile"],
    doc: "is not never in profile prod",
    judge: ({ config, profile }) =>
      config.wal.fsync === "never" && profile === "prod"
        ? "always or on_checkpoint in profile prod"
        : undefined,
  },
  {
    reads: ["export.signer_key_id", "profile", "sink"],
    doc: "is given in profile prod where the sink includes wal or export",
    judge: ({ config, profile, said }) =>
      profile === "prod" && config.sink !== "ram" && config.export.signerKeyId === ""
        ? `the name of the key that signs checkpoints in profile prod, ${said("sink")}`
        : undefined,
  },
  {
    reads: ["writer_id"],
    doc: "is a writer id (formats.md, section 2) where it is given",
    judge: ({ config }) => {
      const wrong = config.writerId === "" ? undefined : refusedName(checkWriterId, config.writerId)
      return wrong === undefined ? undefined : `a writer id, it ${wrong}`
    },
  },
  {
    reads: ["signing.pq_hybrid"],
    doc: "is false in this version",
    judge: ({ config }) => (config.signing.pqHybrid ? noPostQuantum : undefined),
  },
  {
    reads: ["signing.pq_only"],
    doc: "is false in this version",
    judge: ({ config }) => (config.signing.pqOnly ? noPostQuantum : undefined),
  },
]
