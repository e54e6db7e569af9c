/**
 * Why an engine cannot be had, or its signer cannot sign.
 */
import * as Data from "effect/Data"

/**
 * - `ENGINE_UNAVAILABLE`: there is no addon, or it is not of this version.
 * - `SIGNING_UNAVAILABLE`: no key, a closed one, or Ed25519 does not work in this engine.
 * - `ENGINE_FAILED`: a call that breaks the engine's contract, or a defect inside. The chain is
 *   where it was.
 */
export type EngineErrorCode = "ENGINE_UNAVAILABLE" | "SIGNING_UNAVAILABLE" | "ENGINE_FAILED"

/** Safe to log. */
export class EngineError extends Data.TaggedError("EngineError")<{
  readonly code: EngineErrorCode
  readonly message: string
  readonly cause?: unknown
}> {
  get isRetryable(): boolean {
    return false
  }
}
