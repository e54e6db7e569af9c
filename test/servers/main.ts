/** `npm run servers -- up|down [name…]` */
import { down, names, table, up } from "./Servers.ts"

const usage = (): string =>
  [
    "npm run servers -- up|down [name…]",
    "",
    "up installs and starts what is missing, down stops it; without a name: all of them.",
    "Tests that need one of these are skipped, with the reason, while it is not there.",
    "",
    ...table(),
  ].join("\n")

const [verb, ...given] = process.argv.slice(2)
const isHelp = verb === undefined || verb === "--help" || verb === "-h" || given.includes("--help")

const fail = (message: string): void => {
  console.error(message)
  process.exitCode = 1
}

const each = (act: (name: string) => void, done: string): void => {
  const wanted = given.length === 0 ? names : given
  const unknown = wanted.find((name) => !names.includes(name))
  if (unknown !== undefined) {
    fail(`unknown server "${unknown}", there are: ${names.join(", ")}`)
    return
  }
  for (const name of wanted) {
    try {
      act(name)
      console.log(`${name}: ${done}`)
    } catch (error) {
      fail(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

if (isHelp) console.log(usage())
else if (verb === "up") each(up, "is there")
else if (verb === "down") each(down, "is down")
else fail(`unknown command "${verb}": up or down`)
