import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { cloudTrailDrafts } from "../../src/cli/CloudTrail.ts"
import { cloudTrailEvents } from "../../src/cli/Drafts.ts"
import { openJs } from "../../src/engine/EngineJs.ts"
import { selectEngine } from "../../src/engine/Select.ts"
import { listShared, readShared, sharedIsThere } from "../tidy/Shared.ts"

const folder = join(import.meta.dirname, "../data/cloudtrail")
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .sort()

/** The mapping of a file, every byte of it, as one hash. */
const mapped = (bytes: Uint8Array): string => {
  const { drafts, refusals, cuts } = cloudTrailDrafts(bytes, "file")
  return b3Text(utf8(JSON.stringify([drafts, refusals, [...cuts]])))
}

describe("the mapping of recorded events", () => {
  it("is byte for byte what it was", () => {
    const golden = names.flatMap((name) => [name, mapped(readFileSync(join(folder, name)))])
    expect(golden).toMatchInlineSnapshot(`
      [
        "aws.credential-access.secretsmanager-retrieve-secrets.json",
        "b3:73b1c57295770e80963094f0385cdbd79a452b56f04caf7a145ad492c0316b64",
        "aws.defense-evasion.cloudtrail-delete.json",
        "b3:72cbb8e7614ca15ec66a49418a2317da2dd2a9ffc96c5140e8a3e6c4643c466f",
        "aws.defense-evasion.cloudtrail-stop.json",
        "b3:62a4d1c5c3b0cc052392b48bccdd0ad09913b06b6916d88cabaaa129ce8df7ca",
        "aws.defense-evasion.organizations-leave.json",
        "b3:edc5e1a8ca35d0d4eeb07f057ce7c4bfd17c775d8cb23b6ebc836984796a28b9",
        "aws.exfiltration.ec2-security-group-open-port-22-ingress.json",
        "b3:b97d84ef6c9e276ee16e1644aec4d1708b0b964bd63396ff7220ca975631e47b",
        "aws.impact.bedrock-invoke-model.json",
        "b3:57d360218afde000e6f39f8d088ba27eccb49e2adf4005b33afad89a717a2fd0",
        "aws.initial-access.console-login-without-mfa.json",
        "b3:1f798b5a563b4c83abfeca301ec87bdbe25e86f92d9f94ac168e2f033f052186",
        "aws.persistence.iam-backdoor-user.json",
        "b3:7e209312e23e045d62776cfb1b4a3da8c6f421d6630b3f3a6d92330b249ab483",
        "aws.persistence.iam-create-admin-user.json",
        "b3:f8db80baa324fbb1cb83b9615de87c22d6c5f3736626468aab718897d88b6911",
        "aws.persistence.lambda-overwrite-code.json",
        "b3:b0a859b9f1602217f7b1a0c7c8370aea30aa8bbfd7fb4c53aa8f8bf8aa1edf48",
        "aws.persistence.rolesanywhere-create-trust-anchor.json",
        "b3:192342acf5a5604433f0292e94f5979e2666e0160ea1dc2a38e711c081d335cd",
        "aws.persistence.sts-federation-token.json",
        "b3:5fa8032bc735c31f5a8f448983d8889bb71c3b817cc7894ff69595bcf75d413c",
      ]
    `)
  })

  it.skipIf(!sharedIsThere)("is what it was for the whole collection", () => {
    const all = listShared("data", "cloudtrail").filter((name) => name.endsWith(".json"))
    expect(all.length).toBeGreaterThan(30)
    const hashes = all.sort().map((name) => mapped(readShared("data", "cloudtrail", name)))
    expect(b3Text(utf8(hashes.join("\n")))).toMatchInlineSnapshot(
      `"b3:c2f07c62e7448f6d3cc6eba5cced891c5768f03560613e11f078e4888fd03e01"`,
    )
  })

  it("is the same in pieces, whatever engine hashes", async () => {
    const engines = [openJs(), selectEngine("auto", () => undefined)]
    for (const name of names) {
      const path = join(folder, name)
      const { drafts, cuts } = cloudTrailDrafts(readFileSync(path), name)
      for (const engine of engines) {
        const counted = new Map<string, number>()
        const onCut = (member: string): void =>
          void counted.set(member, (counted.get(member) ?? 0) + 1)
        const options = { stream: undefined, engine, onCut }
        const seen: Array<unknown> = []
        const { signal } = new AbortController()
        for await (const items of cloudTrailEvents(path, options, signal)) seen.push(...items)
        expect(seen).toEqual(drafts.map(({ event, draft }) => ({ at: event, draft })))
        expect([...counted].sort()).toEqual([...cuts].sort())
      }
    }
  })
})
