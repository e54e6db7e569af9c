import { expect, it } from "vitest"
import { configReference } from "./Reference.ts"

it("config.md is what the table and the rules are", async () => {
  await expect(configReference()).toMatchFileSnapshot("../../docs/reference/config.md")
})
