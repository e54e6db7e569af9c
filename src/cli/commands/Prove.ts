/** `audit prove`: the receipt of one record on stdout. */

import { existsSync } from "node:fs"
import { proveRecord } from "../../audit/Prove.ts"
import { formatReceipt } from "../../audit/Receipt.ts"
import { selectEngine } from "../../engine/Select.ts"
import { chainDirectory } from "../../sink/Segment.ts"
import { exits, UsageError } from "../Exit.ts"
import { checkNames } from "../Names.ts"
import type { Context } from "../Opening.ts"
import { rootOf } from "./Verify.ts"

export interface ProveInput {
  readonly writer: string
  readonly stream: string
  readonly seq: number
}

/** Errors: UsageError; AuditError NOT_FOUND, TAMPER; SinkError. */
export const run = async (input: ProveInput, context: Context): Promise<number> => {
  const { settings, output } = context
  checkNames(input)
  const { root } = rootOf(settings)
  const { writer: writerId, stream, seq } = input
  if (!existsSync(chainDirectory(root, writerId, stream))) {
    const hint = `${context.host.program} audit show lists what is there`
    throw UsageError.of("INPUT", `there is no chain ${writerId} / ${stream} in ${root}`, hint)
  }
  const engine = selectEngine(settings.engine, (line) => output.note(line))
  const receipt = proveRecord(engine, root, { writerId, stream }, seq)
  const { signatures, batch, checkpoint } = receipt
  if (signatures === undefined && batch === undefined && checkpoint === undefined) {
    const message = `record ${seq} of ${writerId} / ${stream} has no signature yet`
    throw UsageError.of("INPUT", `${message}, so there is no proof of it`)
  }
  await output.write(formatReceipt(receipt))
  if (process.stdout.isTTY) await output.write("\n")
  return exits.done
}
