/**
 * `audit canon` and `audit hash`: what the formats make of a text, for scripts and for people who
 * write a verifier of their own. No engine, no log, no file.
 */

import { b3Text } from "../../base/Hash.ts"
import { jsonFileBytesMax } from "../../base/Limits.ts"
import { canonicalize, parse } from "../../record/Canonical.ts"
import { formatBody, normalize } from "../../record/Record.ts"
import { Rejected } from "../../record/Reject.ts"
import { exits } from "../Exit.ts"
import { readLines, readWhole } from "../Lines.ts"
import type { Context } from "../Opening.ts"

export interface CanonInput {
  readonly lines: boolean
}

interface Answer {
  /** The one member of the JSON form. */
  readonly name: "canonical" | "self_hash"
  readonly of: (text: Uint8Array) => string
}

const canon: Answer = {
  name: "canonical",
  of: (text) => Buffer.from(canonicalize(text)).toString("utf8"),
}

const hash: Answer = {
  name: "self_hash",
  of: (text) => b3Text(formatBody(normalize(parse(text)).body)),
}

const lineAnswer = ({ name, of }: Answer, text: Uint8Array | undefined): object => {
  try {
    if (text === undefined) throw Rejected.of("record_size", "", "a line beyond 64 MiB")
    return { [name]: of(text) }
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    return { reject: error.code, message: error.message }
  }
}

const eachLine = async (answer: Answer, { output, signal }: Context): Promise<number> => {
  for await (const lines of readLines("-", jsonFileBytesMax, signal)) {
    for (const { bytes } of lines) {
      output.json(lineAnswer(answer, bytes))
      if (output.isFull) await output.flush()
    }
    await output.flush()
    signal.throwIfAborted()
  }
  return exits.done
}

const whole = async (answer: Answer, { output, signal }: Context): Promise<number> => {
  const text = answer.of(await readWhole("-", jsonFileBytesMax, signal))
  if (output.isJson) output.json({ [answer.name]: text })
  // Canonical bytes end where they end: a pipe gets exactly them.
  else if (answer.name === "self_hash" || process.stdout.isTTY) output.line(text)
  else await output.write(text)
  await output.flush()
  return exits.done
}

const runWith =
  (answer: Answer) =>
  ({ lines }: CanonInput, context: Context): Promise<number> =>
    lines ? eachLine(answer, context) : whole(answer, context)

/** Errors: Rejected, without --lines. */
export const runCanon = runWith(canon)

/** Errors: Rejected, without --lines; `self_hash` where the one given is another. */
export const runHash = runWith(hash)
