import { describe, expect, it } from "vitest"
import { SignerError } from "../../src/signing/Signer.ts"
import { root } from "./Vectors.ts"

describe("SignerError", () => {
  it("says by its code whether trying again can help", () => {
    const retryable = (code: SignerError["code"]): boolean =>
      new SignerError({ code, keyId: root.keyId, message: "cannot sign" }).isRetryable
    expect(retryable("SIGNER_BUSY")).toBe(true)
    expect(retryable("SIGNER_UNAVAILABLE")).toBe(true)
    expect(retryable("SIGNER_REFUSED")).toBe(false)
  })
})
