import { describe, expect, it } from "vitest"
import { AuditError } from "../../src/audit/AuditError.ts"
import { InvariantError } from "../../src/base/Invariant.ts"
import { errorTable, failureOf, UsageError } from "../../src/cli/Exit.ts"
import { KeyFileError } from "../../src/custody/backend/BackendFile.ts"
import { EngineError } from "../../src/engine/EngineError.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { DocumentError } from "../../src/signing/Document.ts"
import { SinkError } from "../../src/sink/SinkError.ts"
import { cliReference, errorReference } from "./Reference.ts"

describe("the reference pages", () => {
  it("cli.md is what the commands are", async () => {
    await expect(await cliReference()).toMatchFileSnapshot("../../docs/reference/cli.md")
  })

  it("errors.md is what the error classes are", async () => {
    await expect(errorReference()).toMatchFileSnapshot("../../docs/reference/errors.md")
  })
})

describe("one table from errors to exit codes", () => {
  it.each([
    [UsageError.of("INPUT", "m", "h"), 1, "INPUT"],
    [Rejected.of("float", "a.b"), 1, "float"],
    [
      new DocumentError({ code: "DOCUMENT_JSON", document: "d", path: "", message: "m" }),
      1,
      "DOCUMENT_JSON",
    ],
    [AuditError.of("TAMPER", "m"), 2, "TAMPER"],
    [AuditError.of("BUSY", "m"), 4, "BUSY"],
    [new SinkError({ code: "LOCKED", path: "p", message: "m" }), 4, "LOCKED"],
    [new SinkError({ code: "NO_SPACE", path: "p", message: "m" }), 4, "NO_SPACE"],
    [KeyFileError.of("KEY_PASSPHRASE", "m"), 1, "KEY_PASSPHRASE"],
    [new EngineError({ code: "ENGINE_UNAVAILABLE", message: "m" }), 4, "ENGINE_UNAVAILABLE"],
    [new InvariantError("broken"), 4, "DEFECT"],
    ["a string", 4, "DEFECT"],
  ])("%s", (error, exit, code) => {
    expect(failureOf(error)).toMatchObject({ exit, code })
  })

  it("knows the class that an error names itself by", () => {
    const errors = [
      UsageError.of("USAGE", "m"),
      Rejected.of("json"),
      AuditError.of("UNAVAILABLE", "m"),
      KeyFileError.of("KEY_IO", "m"),
    ]
    for (const error of errors) expect(Object.keys(errorTable)).toContain(error._tag)
  })

  it("tells a system error by its name, and a long message on one line", () => {
    const system = Object.assign(new Error("ENOENT: no such file,\n  open 'x'"), {
      code: "ENOENT",
      syscall: "open",
    })
    expect(failureOf(system)).toEqual({
      exit: 1,
      code: "ENOENT",
      message: "ENOENT: no such file, open 'x'",
      hint: undefined,
    })
  })
})
