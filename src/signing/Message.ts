/**
 * What a signature is over: `context 0x00 digest`, so that no signature for one purpose can pass
 * for another.
 *
 * Source: FORMATS 6.
 */
import { concat, utf8 } from "../base/Bytes.ts"
import { b3, type HashText, hashBytes } from "../base/Hash.ts"
import { invariant } from "../base/Invariant.ts"
import { format } from "../record/Canonical.ts"

export const contexts = {
  record: "strongroom/r1",
  batch: "strongroom/batch/v1",
  checkpoint: "strongroom/checkpoint/v1",
  manifest: "strongroom/manifest/v1",
  certificate: "strongroom/key-cert/v1",
  revocation: "strongroom/key-revoke/v1",
  vote: "strongroom/vote/v1",
} as const

/** Shape: context ASCII, digest 32 bytes. */
export const signedMessage = (context: string, digest: Uint8Array): Uint8Array => {
  invariant(digest.length === hashBytes, "a digest has 32 bytes")
  return concat(utf8(context), Uint8Array.of(0), digest)
}

export interface Batch {
  readonly first: number
  readonly last: number
  readonly logId: string
  readonly root: HashText
  readonly stream: string
  readonly writerId: string
}

/** The digest that a batch signature is over. */
export const batchDigest = (batch: Batch): Uint8Array =>
  b3(
    utf8(
      format({
        first: batch.first,
        last: batch.last,
        log_id: batch.logId,
        root: batch.root,
        stream: batch.stream,
        writer_id: batch.writerId,
      }),
    ),
  )
