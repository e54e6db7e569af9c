/** `audit receipt verify`: the verdict on a receipt, offline. */
import { parseReceipt, receiptBytesMax } from "../../audit/Receipt.ts"
import { type ReceiptReport, verifyReceipt } from "../../audit/ReceiptVerify.ts"
import { DocumentError } from "../../signing/Document.ts"
import { readAnchors } from "../Anchors.ts"
import { exitOf, findingLines, verdictLine } from "../Findings.ts"
import { demandFile, nameOf, readWhole } from "../Lines.ts"
import { formatMoment } from "../Moment.ts"
import type { Context } from "../Opening.ts"

export interface ReceiptInput {
  readonly file: string
  readonly trust: string | undefined
  readonly key: ReadonlyArray<string>
  readonly require: "signed" | "checkpointed" | undefined
}

const read = (file: string, bytes: Uint8Array) => {
  try {
    return parseReceipt(bytes)
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error
    const reason = error.message.replace(/^receipt: /, "")
    throw new DocumentError({ ...error, message: `${nameOf(file)} is no whole receipt: ${reason}` })
  }
}

const why = ({ verdict, findings }: ReceiptReport, hasAnchors: boolean): string => {
  if (verdict === "invalid") return findings.map(({ kind }) => kind).join(", ")
  if (verdict !== "unknown") return ""
  return hasAnchors ? "not proven by the keys that were given" : "no trust anchor was given"
}

/** Errors: UsageError INPUT; DocumentError for what is no receipt or trust file. */
export const run = async (input: ReceiptInput, context: Context): Promise<number> => {
  const { output, signal, host } = context
  demandFile(input.file)
  const trust = readAnchors(input.trust, input.key)
  const receipt = read(input.file, await readWhole(input.file, receiptBytesMax, signal))
  const report = verifyReceipt(receipt, { trust, nowMs: Date.now(), require: input.require })
  if (output.isJson) output.json(report)
  else {
    const { record } = receipt
    output.line(`record   ${record.writer_id} / ${record.stream}, seq ${record.seq}`)
    output.line(`         ${record.kind} at ${formatMoment(record.ts_ms)}, reason ${record.reason}`)
    output.line(`hash     ${record.self_hash}`)
    output.line(`log      ${receipt.logId}`)
    for (const { by, algo_id, pubkey_id } of report.covered_by) {
      output.line(`covered  by a ${by} signature, ${algo_id} key ${pubkey_id}`)
    }
    if (report.findings.length > 0) {
      output.line()
      for (const line of findingLines(report.findings)) output.line(line)
      output.line()
    }
    for (const note of report.notes) output.line(`note: ${note}`)
    if (trust === undefined) {
      const file = nameOf(input.file)
      output.line(`next: ${host.program} audit receipt verify ${file} --trust TRUST_FILE`)
    }
    output.line(verdictLine(output, report.verdict, why(report, trust !== undefined)))
  }
  await output.flush()
  return exitOf[report.verdict]
}
