/** All rules over the whole tree: findings by rule, with the exemptions taken out. */
import { homedir, hostname } from "node:os"
import { banFindings } from "./Bans.ts"
import { type Exemption, exemptions } from "./Exempt.ts"
import * as Graph from "./Graph.ts"
import * as Sizes from "./Sizes.ts"
import {
  type Finding,
  listFiles,
  load,
  loadParsed,
  type ParsedFile,
  read,
  root,
  type SourceFile,
  topOf,
  typescriptIn,
} from "./Source.ts"
import * as Text from "./Text.ts"
import { provenanceFindings } from "./Vectors.ts"

const program = ["src", "supervisors"]
const code = [...program, "models", "bench", "native", ".ci"]

/** Generated or foreign text, which no rule about lines binds. */
const foreign = new RegExp(
  "^(test/(vectors|data)/|bench/results/|native/index\\.|" +
    "package-lock\\.json|Cargo\\.lock|LICENSE|NOTICE)",
)

/** Documents whose words are not ours to change, or generated from others' words. */
const quoted = /^docs\/reference\/(formats|conformance)\.md$/

const isText = (path: string): boolean =>
  /\.(ts|mjs|js|rs|py|sh|md|json|toml|yml|yaml|html|css)$/.test(path) || path === ".ci/run"

const lineRules = (file: SourceFile): ReadonlyArray<Finding> => {
  const isCode = /\.(ts|mjs|rs|py)$/.test(file.path) || file.path === ".ci/run"
  const place = { root, home: homedir(), host: hostname() }
  return [
    ...(isCode && !foreign.test(file.path) ? Text.columnFindings(file) : []),
    ...(isCode ? Text.unfinishedFindings(file) : []),
    ...(isCode && !foreign.test(file.path) ? Text.silencedFindings(file) : []),
    ...Text.workplaceFindings(file, place),
    ...(quoted.test(file.path) || file.path === "test/tidy/Shared.ts"
      ? []
      : Text.besideFindings(file)),
  ]
}

const isOurs = (path: string): boolean => code.includes(topOf(path)) && !foreign.test(path)

const rustRules = (file: SourceFile): ReadonlyArray<Finding> => [
  ...Sizes.rustFunctionFindings(file),
  ...Sizes.unsafeFindings(file),
]

const typescriptRules = (file: ParsedFile): ReadonlyArray<Finding> => [
  ...banFindings(file),
  ...(code.includes(topOf(file.path)) ? Sizes.functionFindings(file) : []),
  ...(program.includes(topOf(file.path)) ? Sizes.exportCountFindings(file) : []),
]

const graphRules = (files: ReadonlyArray<ParsedFile>): ReadonlyArray<Finding> => {
  const linked = files.map(Graph.link)
  const own = linked.filter(({ file }) => topOf(file.path) !== "test")
  const { dependencies } = JSON.parse(read("package.json"))
  const names = new Set(Object.keys(dependencies))
  return [
    ...linked.flatMap(Graph.roomFindings),
    ...linked.flatMap(Graph.nativeFindings),
    ...linked.flatMap((one) => Graph.packageFindings(one, names)),
    ...Graph.cycleFindings(own),
    ...Graph.deadFileFindings(linked),
    ...Graph.deadExportFindings(linked),
  ]
}

/** Every finding in the tree, exempted ones too. */
export const allFindings = (): ReadonlyArray<Finding> => {
  const paths = listFiles()
  const texts = paths.filter(isText).map(load)
  const parsed = typescriptIn(...program, "models", "bench", "test", ".ci").map(loadParsed)
  const sized = texts.filter(({ path }) => isOurs(path) && /\.(ts|mjs|rs)$/.test(path))
  return [
    ...texts.flatMap(lineRules),
    ...paths.filter((path) => !foreign.test(path)).flatMap(Text.nameFindings),
    ...sized.flatMap(Sizes.fileFindings),
    ...texts.filter(({ path }) => path.endsWith(".rs")).flatMap(rustRules),
    ...parsed.flatMap(typescriptRules),
    ...graphRules(parsed),
    ...provenanceFindings(paths, read),
  ]
}

const covers = (exemption: Exemption, finding: Finding): boolean =>
  exemption.rule === finding.rule &&
  (exemption.where === finding.where || finding.where.startsWith(`${exemption.where}#`))

/** What is left after the exemptions, and the exemptions that nothing needs. */
export const applyExemptions = (
  findings: ReadonlyArray<Finding>,
  list: ReadonlyArray<Exemption> = exemptions,
): { left: ReadonlyArray<Finding>; unused: ReadonlyArray<Exemption> } => ({
  left: findings.filter((finding) => !list.some((exemption) => covers(exemption, finding))),
  unused: list.filter((exemption) => !findings.some((finding) => covers(exemption, finding))),
})
