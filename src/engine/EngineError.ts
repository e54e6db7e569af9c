/**
 * Why an engine cannot be had, or its signer cannot sign.
 */
import * as Data from "effect/Data"

export type EngineErrorCode = "ENGINE_UNAVAILABLE" | "SIGNING_UNAVAILABLE"

/** Safe to log. */
export class EngineError extends Data.TaggedError("EngineError")<{
  readonly code: EngineErrorCode
  readonly message: string
}> {
  get isRetryable(): boolean {
    return false
  }
}
