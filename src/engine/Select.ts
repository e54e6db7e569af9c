/**
 * Which engine a process uses.
 *
 * A forced engine that cannot be had stops the start; only `auto` falls back, and says so once.
 */
import type { Engine } from "./Engine.ts"
import { EngineError } from "./EngineError.ts"
import { openJs } from "./EngineJs.ts"
import { openNative } from "./EngineNative.ts"

/** One that is named must be there; `auto` takes the native one where it is. */
export type EngineChoice = "auto" | "native" | "js"

let hasWarned = false

const fallBack = (reason: string, warn: (line: string) => void): Engine => {
  if (!hasWarned) {
    hasWarned = true
    warn(`WARNING: the native engine is not available, the slower JS engine is used: ${reason}`)
  }
  return openJs()
}

/**
 * Opens the engine of a choice. `warn` gets one line the first time `auto` falls back.
 * Errors: EngineError ENGINE_UNAVAILABLE or SIGNING_UNAVAILABLE where `native` cannot be had.
 */
export const selectEngine = (choice: EngineChoice, warn: (line: string) => void): Engine => {
  if (choice === "js") return openJs()
  try {
    const engine = openNative()
    if (engine.signing === "none") {
      const message = "the addon's Ed25519 code failed its self-test on this machine"
      throw new EngineError({ code: "SIGNING_UNAVAILABLE", message })
    }
    return engine
  } catch (error) {
    if (choice === "native" || !(error instanceof EngineError)) throw error
    return fallBack(error.message, warn)
  }
}
