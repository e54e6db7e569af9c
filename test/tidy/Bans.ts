/** What is banned where, each with what to use instead. */

import * as table from "./rooms.ts"
import { modelReaders, pureFloorMax } from "./rooms.ts"
import {
  type Finding,
  lineAt,
  type Node,
  nameOf,
  node,
  nodes,
  type ParsedFile,
  roomOf,
  topOf,
  walk,
} from "./Source.ts"

interface Ban {
  readonly rule: string
  readonly instead: string
  readonly applies: (path: string) => boolean
  /** What was found, as a reader would write it. */
  readonly matches: (found: Node) => string | undefined
}

const inProgram = (path: string): boolean => ["src", "supervisors"].includes(topOf(path))
const inCode = (path: string): boolean => inProgram(path) || modelReaders.includes(topOf(path))
const isPure = (path: string): boolean => {
  const floor = table.floors[roomOf(path) ?? ""]
  return topOf(path) === "models" || (floor !== undefined && floor <= pureFloorMax)
}
const speaks = (path: string): boolean => ["cli", "supervisors"].includes(roomOf(path) ?? "")

/** Where the real clock may be taken, to be handed inwards. */
const isEntryPoint = (path: string): boolean => speaks(path) || path === "src/index.ts"

/** `a.b` for a plain member access. */
const member = (found: Node): string | undefined => {
  if (found.type !== "MemberExpression" || found.computed === true) return undefined
  return `${nameOf(found.object) ?? "?"}.${nameOf(found.property) ?? "?"}`
}

const memberIn =
  (...names: ReadonlyArray<string>) =>
  (found: Node): string | undefined => {
    const text = member(found)
    return text !== undefined && names.includes(text) ? text : undefined
  }

const objectIs =
  (name: string) =>
  (found: Node): string | undefined =>
    found.type === "MemberExpression" && nameOf(found.object) === name
      ? (member(found) ?? name)
      : undefined

const wallClock = (found: Node): string | undefined => {
  const isDate = nameOf(found.callee) === "Date"
  if (isDate && found.type === "CallExpression") return "Date()"
  if (isDate && found.type === "NewExpression" && nodes(found.arguments).length === 0)
    return "new Date()"
  return memberIn("Date.now", "performance.now", "process.hrtime")(found)
}

const random = (found: Node): string | undefined => {
  const named = memberIn("Math.random", "crypto.randomUUID", "crypto.getRandomValues")(found)
  const called = found.type === "CallExpression" ? nameOf(found.callee) : undefined
  const isCall = called === "randomBytes" || called === "randomUUID" || called === "randomFillSync"
  return named ?? (isCall ? called : undefined)
}

const importSource = (found: Node): string | undefined => {
  const isImport = /^(Import|ExportAll|ExportNamed)Declaration$/.test(found.type)
  const source = isImport ? node(found.source)?.value : undefined
  return typeof source === "string" ? source : undefined
}

/** Data types and Schema: what a pure room may take from effect. */
const pureEffect = new RegExp(
  "^effect/(Data|Schema|Option|Result|Brand|Context|Order|Equal|Hash|HashMap|HashSet|Chunk|" +
    "Match|Predicate|Function|Types|encoding/Toml)$",
)

const impureImport = (path: string) => {
  const cryptoAllowed = roomOf(path) === "signing"
  return (found: Node): string | undefined => {
    const source = importSource(found)
    if (source === undefined) return undefined
    if (source === "node:crypto" && cryptoAllowed) return undefined
    if (source.startsWith("node:")) return `"${source}"`
    const isEffect = source === "effect" || /^@?effect\//.test(source)
    return isEffect && !pureEffect.test(source) ? `"${source}"` : undefined
  }
}

/** The bans that hold for a file of that path. */
export const bansOf = (path: string): ReadonlyArray<Ban> =>
  [
    {
      rule: "clock",
      instead: "the Clock port (src/base/Clock.ts), handed in from an entry point",
      applies: (at: string) => !isEntryPoint(at) && (inProgram(at) || topOf(at) === "models"),
      matches: wallClock,
    },
    {
      rule: "math-random",
      instead: "randomness that arrives as an argument, or a seeded generator in a test",
      applies: inCode,
      matches: memberIn("Math.random"),
    },
    {
      rule: "random",
      instead: "randomness that arrives as an argument: this room is pure",
      applies: isPure,
      matches: random,
    },
    {
      rule: "json-parse",
      instead: "Canonical.parse (src/record/Canonical.ts), which sees what JSON.parse hides",
      applies: inProgram,
      matches: memberIn("JSON.parse"),
    },
    {
      rule: "json-stringify",
      instead: "Canonical (src/record/Canonical.ts), whose bytes are the law",
      applies: (at: string) =>
        ["record", "chain", "checkpoint", "signing"].includes(roomOf(at) ?? ""),
      matches: memberIn("JSON.stringify"),
    },
    {
      rule: "console",
      instead: "a returned value, or the output of cli and supervisors",
      applies: (at: string) => inProgram(at) && !speaks(at),
      matches: objectIs("console"),
    },
    {
      rule: "process",
      instead: "an argument: this room is pure",
      applies: isPure,
      matches: objectIs("process"),
    },
    {
      rule: "buffer",
      instead: "Uint8Array and src/base/Bytes.ts",
      applies: (at: string) => isPure(at) && at !== "src/base/Bytes.ts",
      matches: (found: Node) =>
        found.type === "Identifier" && found.name === "Buffer" ? "Buffer" : undefined,
    },
    {
      rule: "pure",
      instead: "an argument, or a room of floor 4 and above",
      applies: isPure,
      matches: impureImport(path),
    },
    {
      rule: "any",
      instead: "unknown, or the type it has",
      applies: () => true,
      matches: (found: Node) => (found.type === "TSAnyKeyword" ? "any" : undefined),
    },
  ].filter((ban) => ban.applies(path))

/** Every use of something banned in one file. */
export const banFindings = (file: ParsedFile): ReadonlyArray<Finding> => {
  const bans = bansOf(file.path)
  return [...walk(file.program)].flatMap((found) =>
    bans.flatMap(({ rule, instead, matches }) => {
      const what = matches(found)
      if (what === undefined) return []
      const message = `${what} is banned here, use ${instead}`
      return [{ rule, where: file.path, line: lineAt(file.text, found.start), message }]
    }),
  )
}
