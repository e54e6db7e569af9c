/**
 * What a verification is to believe: `--trust FILE` and `--key ALG:HEX`, and the heads that
 * `--expect-head FILE` says were reached. Source: FORMATS 7.
 */
import { parseReceipt } from "../audit/Receipt.ts"
import type { ExpectedPosition } from "../audit/Verify.ts"
import { fromUtf8 } from "../base/Bytes.ts"
import { parseHash } from "../base/Hash.ts"
import { jsonFileBytesMax } from "../base/Limits.ts"
import { type JsonObject, parse } from "../record/Canonical.ts"
import { Rejected } from "../record/Reject.ts"
import { DocumentError } from "../signing/Document.ts"
import { anchorFromFlag, parseTrust, type Trust, withAnchors } from "../signing/Trust.ts"
import { UsageError } from "./Exit.ts"
import { demandFile, readLines, readSmall } from "./Lines.ts"

const named = (file: string, error: unknown): unknown =>
  error instanceof DocumentError
    ? new DocumentError({ ...error, message: `${file}: ${error.message}` })
    : error

const readDocument = (file: string): Uint8Array => {
  demandFile(file)
  const bytes = readSmall(file, jsonFileBytesMax)
  if (bytes !== undefined) return bytes
  throw UsageError.of("INPUT", `${file} is larger than ${jsonFileBytesMax} bytes`)
}

/** Errors: UsageError INPUT; DocumentError that names the file. */
export const readTrust = (file: string): Trust => {
  const bytes = readDocument(file)
  try {
    return parseTrust(bytes)
  } catch (error) {
    throw named(file, error)
  }
}

/** The anchors of the flags, `undefined` without any. Errors: UsageError, DocumentError. */
export const readAnchors = (
  trustFile: string | undefined,
  keys: ReadonlyArray<string>,
): Trust | undefined => {
  const trust = trustFile === undefined ? undefined : readTrust(trustFile)
  return keys.length === 0 ? trust : withAnchors(trust, keys.map(anchorFromFlag))
}

const positionOf = (ack: JsonObject, file: string, number: number): ExpectedPosition => {
  const { writer_id: writerId, stream, seq, self_hash: selfHash } = ack
  const isPosition =
    typeof writerId === "string" &&
    typeof stream === "string" &&
    typeof seq === "number" &&
    seq >= 1 &&
    typeof selfHash === "string" &&
    parseHash(selfHash) !== undefined
  if (isPosition) return { writerId, stream, seq, selfHash, file }
  const message = `${file}:${number} is no acknowledgement: writer_id, stream, seq, self_hash`
  throw UsageError.of("INPUT", message)
}

const ackOf = (line: Uint8Array | undefined, file: string, number: number): ExpectedPosition => {
  try {
    const value = parse(line ?? new Uint8Array(0))
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return positionOf(value as JsonObject, file, number)
    }
  } catch (error) {
    if (!(error instanceof Rejected)) throw error
    throw UsageError.of("INPUT", `${file}:${number} is no acknowledgement: ${error.message}`)
  }
  throw UsageError.of("INPUT", `${file}:${number} is no acknowledgement: not an object`)
}

/** Every position that was acknowledged: two histories of one chain show only where they differ. */
const readAcks = async (
  file: string,
  signal: AbortSignal,
): Promise<ReadonlyArray<ExpectedPosition>> => {
  const positions: Array<ExpectedPosition> = []
  for await (const lines of readLines(file, jsonFileBytesMax, signal)) {
    for (const { number, bytes } of lines) {
      positions.push(ackOf(bytes, file, number))
    }
  }
  return positions
}

/** The receipt that a file holds, `undefined` for acknowledgements. */
const receiptIn = (file: string): Uint8Array | undefined => {
  demandFile(file)
  const bytes = readSmall(file, jsonFileBytesMax)
  const isReceipt = bytes !== undefined && fromUtf8(bytes)?.includes('"strongroom/receipt/v1"')
  return isReceipt ? bytes : undefined
}

/** Positions from a receipt, or from `--acks` output. Errors: UsageError, DocumentError. */
export const readExpectedHeads = async (
  files: ReadonlyArray<string>,
  signal: AbortSignal,
): Promise<ReadonlyArray<ExpectedPosition>> => {
  const all: Array<ExpectedPosition> = []
  for (const file of files) {
    const receipt = receiptIn(file)
    if (receipt === undefined) all.push(...(await readAcks(file, signal)))
    else {
      try {
        const { record } = parseReceipt(receipt)
        const { writer_id: writerId, stream, seq, self_hash: selfHash } = record
        all.push({ writerId, stream, seq, selfHash, file })
      } catch (error) {
        throw named(file, error)
      }
    }
  }
  return all
}
