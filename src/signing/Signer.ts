/**
 * The port through which checkpoints, manifests and batches are signed by a key held elsewhere: a
 * sealed file, an HSM, a TPM or a cloud KMS.
 *
 * Custody provides it, the audit room asks for it, and no private key passes through it.
 * Source: FORMATS 6; LEDGER.
 */
import * as Data from "effect/Data"
import type { AlgoId, KeyId } from "./Algorithm.ts"

/** Stable codes; what each means: docs/reference/errors.md. */
export type SignerErrorCode = "SIGNER_BUSY" | "SIGNER_UNAVAILABLE" | "SIGNER_REFUSED"

const retryable: Record<SignerErrorCode, boolean> = {
  SIGNER_BUSY: true,
  SIGNER_UNAVAILABLE: true,
  SIGNER_REFUSED: false,
}

/** Why a key did not sign. The message names the key's id and the operation, never its material. */
export class SignerError extends Data.TaggedError("SignerError")<{
  readonly code: SignerErrorCode
  readonly keyId: KeyId
  readonly message: string
}> {
  get isRetryable(): boolean {
    return retryable[this.code]
  }
}

export interface Signer {
  readonly algoId: AlgoId
  readonly keyId: KeyId
  /** Shape: raw; for P-256 SEC1 uncompressed. */
  readonly publicKey: Uint8Array
  /**
   * Signs `context 0x00 digest` (FORMATS 6).
   *
   * Shape: digest 32 bytes; the raw signature out.
   * Errors: SignerError, and nothing else.
   * Duty: concurrent calls are allowed; a signature is returned only if it verifies under
   * `publicKey`; `keyId` and `publicKey` never change, a rotated key is another Signer; retries of
   * transient faults are the implementer's, with its own deadline.
   */
  readonly sign: (context: string, digest: Uint8Array) => Promise<Uint8Array>
}
