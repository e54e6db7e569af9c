/**
 * The engine in Rust, loaded from the addon.
 */
import type { Engine } from "./Engine.ts"
import { EngineError } from "./EngineError.ts"

/** Errors: EngineError ENGINE_UNAVAILABLE where there is no addon. */
export const openNative = (): Engine => {
  throw new EngineError({ code: "ENGINE_UNAVAILABLE", message: "the addon is not built" })
}
