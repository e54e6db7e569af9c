/**
 * Takes a walk that a page shows: runs the commands of its code blocks in an empty folder, one
 * after the other, and puts what they really print in place of what stands there.
 *
 * A block's command begins with `$ `; what follows to the next one is its output. A file that a
 * block shows with `cat` before it is there is written from the page.
 */
import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { defaultWriterId } from "../../src/cli/Settings.ts"
import { compileCache, folder, main } from "./Program.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const python = join(root, ".venv/bin/python")

/** `npm` as the page has it, without npm: what npm would start is started. */
const prelude = [
  `npm() { if [ "$1" = start ]; then shift; set -- tour "$@"; else shift 4; fi`,
  `"${process.execPath}" "${main}" "$@"; }`,
].join("\n")

/** Set-up that the checkout has behind it, and what needs a Python that is not there. */
const isSkipped = (command: string): boolean =>
  /^(npm ci|python3 -m venv)/.test(command) || (/python/.test(command) && !existsSync(python))

const runIn = (cwd: string, command: string): string => {
  const script = command
    .replace("venv/bin/python", `"${python}"`)
    .replace("docs/verify/", `"${root}"docs/verify/`)
  const { output, error } = spawnSync("bash", ["-c", `${prelude}\nexec 2>&1\n${script}`], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", NODE_COMPILE_CACHE: compileCache },
  })
  if (error !== undefined) throw error
  return output.join("")
}

/** The page's `you@host` in place of this machine's, tables as wide as that makes them. */
const anonymous = (output: string): string => {
  const name = defaultWriterId()
  const lines = output.split("\n")
  const hasTable = lines.some((line) => line.startsWith(`${name} `))
  const wider = " ".repeat(Math.max(0, "you@host".length - name.length))
  return lines
    .map((line) => {
      const isOther = hasTable && /^(WRITER|web@1) +[^/ ]/.test(line)
      return (isOther ? line.replace(/^(\S+ +)/, `$1${wider}`) : line).replaceAll(name, "you@host")
    })
    .join("\n")
    .replace(/^WARNING: the native engine is not available.*\n/gm, "")
    .trimEnd()
}

interface Step {
  readonly command: string
  readonly output: string
}

const stepsOf = (block: string): ReadonlyArray<Step> =>
  block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const [command = "", ...output] = text.split("\n")
      return { command, output: output.join("\n").trimEnd() }
    })

const take = (cwd: string, { command, output }: Step): string => {
  const [, file] = /^cat (\S+)$/.exec(command) ?? []
  if (file !== undefined && !existsSync(join(cwd, file))) {
    writeFileSync(join(cwd, file), `${output}\n`)
  }
  const real = isSkipped(command) ? output : anonymous(runIn(cwd, command))
  return [`$ ${command}`, ...(real === "" ? [] : [real])].join("\n")
}

/** The page with real output; `files` are there before the first command. */
export const walk = (page: string, files: Readonly<Record<string, string>>): string => {
  const cwd = folder()
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(cwd, name), text, { mode: 0o600 })
  }
  return page.replace(/^```\n(\$ [\s\S]*?)^```$/gm, (_, block: string) => {
    const steps = stepsOf(block).map((step) => take(cwd, step))
    return `\`\`\`\n${steps.join("\n")}\n\`\`\``
  })
}

/** What of a page is the same on every machine. */
export const shape = (page: string): string =>
  page
    .replace(/b3:[0-9a-f]{8,}…?/g, "b3:#")
    .replace(/\b[0-9a-f]{32}\b/g, "#")
    .replace(/\d{4}-\d\d-\d\dT[\d:]+\.\d+Z/g, "TIME")
    .replace(/[\d.]+ s \([\d,]+\/s\)/g, "TIME")
    .replace(/(\.seg:|, byte |byte {4})\d+/g, "$1#")
    .replace(/(native|js) engine/g, "engine")
    .replace(/ {2,}/g, "  ")
