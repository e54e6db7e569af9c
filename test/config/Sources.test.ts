import { describe, expect, it } from "vitest"
import { configFileBytesMax } from "../../src/config/FileText.ts"
import { formatIssue } from "../../src/config/Issue.ts"
import { file, resolve, sourceIn, told, valueIn } from "./Place.ts"

const onDisk = { RON_AUDIT_AMNESIA: "false", RON_AUDIT_SINK: "wal", RON_AUDIT_WAL_DIR: "/a/wal" }
const sentences = (...args: Parameters<typeof resolve>) => resolve(...args).issues.map(formatIssue)

describe("the file", () => {
  const toml = [
    "# audit.toml",
    'sink = "wal+export"',
    "amnesia = false",
    "queue_depth = 2_048",
    "[wal]",
    'dir = "/a/wal"',
    "rotate_bytes = '''",
    "16MiB'''",
    "[export]",
    'dir = "/a/export"  # sibling',
    "checkpoint_every = 1000",
    'export_every = "30s"',
    '[streams."t/acme/in.gress"]',
    "queue_depth = 7",
  ]
  const json = [
    '{"sink": "wal+export", "amnesia": false, "queue_depth": 2048,',
    ' "wal": {"dir": "/a/wal", "rotate_bytes": "16MiB"},',
    ' "export": {"dir": "/a/export",',
    '   "checkpoint_every": 1000, "export_every": "30s"},',
    ' "streams": {"t/acme/in.gress": {"queue_depth":',
    "   7}}}",
  ]

  it("is TOML or JSON, with the same outcome and each value's line [A-224]", () => {
    const [fromToml, fromJson] = [
      resolve(file(toml.join("\n"))),
      resolve(file(json.join("\n"), "audit.json")),
    ]
    expect(fromToml.issues).toEqual([])
    expect(fromJson.config).toEqual(fromToml.config)
    expect(fromToml.config?.export.exportEveryMs).toBe(30_000)
    expect(fromToml.config?.streams.get("t/acme/in.gress")).toEqual({ queueDepth: 7 })
    const lines = ["sink", "wal.dir", "export.dir", "streams.t/acme/in.gress.queue_depth"]
    expect(lines.map((key) => sourceIn(fromToml, key))).toEqual([
      "audit.toml:2",
      "audit.toml:6",
      "audit.toml:10",
      "audit.toml:14",
    ])
    expect(lines.map((key) => sourceIn(fromJson, key))).toEqual([
      "audit.json:1",
      "audit.json:2",
      "audit.json:3",
      "audit.json:5",
    ])
  })

  it("tells the first line of a value of several, and CRLF changes nothing", () => {
    const text = `wal.rotate_bytes = """\\\r\n  1MiB"""\r\n\r\n[export]\r\nalg = "none"`
    expect([...told(resolve(file(text)))].sort()).toEqual([
      "export.alg (audit.toml:5)",
      "wal.rotate_bytes (audit.toml:1)",
    ])
  })

  it("accepts wal_export for wal+export, and a size without a unit as bytes", () => {
    const { config } = resolve(
      file('sink = "wal_export"\namnesia = false\nwal = {dir = "/a/wal"}\nmax_attrs_bytes = 512'),
      {},
    )
    expect(config).toBeUndefined()
    const complete = resolve({
      ...file('sink = "wal_export"\namnesia = false\nmax_attrs_bytes = 512'),
      env: { RON_AUDIT_WAL_DIR: "/a/wal", RON_AUDIT_EXPORT_DIR: "/a/export" },
    })
    expect(complete.config).toMatchObject({ sink: "wal+export", maxAttrsBytes: 512 })
  })

  it.each([
    ["a duration without a unit", "export.export_every = 900", "export.export_every"],
    ["a number as a text", 'queue_depth = "1024"', "queue_depth"],
    ["a boolean as a text", 'amnesia = "false"', "amnesia"],
    ["a fraction", "queue_depth = 1.5", "queue_depth"],
    ["a list", 'sink = ["ram"]', "sink"],
    ["a date", "writer_id = 2026-01-01T00:00:00Z", "writer_id"],
    ["a table", "sink.x = 1", "sink.x"],
    ["an unknown key", "queue_dept = 1", "queue_dept"],
    ["an unknown empty table", "[wall]", "wall"],
    ["a section that is a value", "wal = 1", "wal"],
    ["an unknown key of a stream", "streams.a.depth = 1", "streams.a.depth"],
    ["a stream that is a value", "streams.a = 1", "streams.a"],
    ["a key twice, once quoted", '"wal.fsync" = "always"\nwal.fsync = "always"', "wal.fsync"],
    ["a prototype", "__proto__.x = 1", "__proto__.x"],
  ])("refuses %s", (_, text, key) => {
    const { issues, config } = resolve(file(text))
    expect(issues.map((issue) => issue.key)).toEqual([key])
    expect(config).toBeUndefined()
  })

  it.each([
    ["no TOML", "a = \n", /audit\.toml.*is no TOML: .*line 1/],
    ["no JSON", '{"a":', /is no JSON/],
    ["a key twice in JSON", '{"sink":"ram","sink":"ram"}', /is no JSON: .*two equal keys/],
    ["too large", "#".repeat(configFileBytesMax + 1), /larger/],
  ])("refuses a file that is %s", (_, text, sentence) => {
    expect(sentences(file(text))).toEqual([expect.stringMatching(sentence)])
  })

  it("refuses a file that is no UTF-8", () => {
    const resolved = resolve({ file: { path: "c", bytes: Uint8Array.of(0x61, 0xff) } })
    expect(resolved.issues.map(formatIssue)).toEqual([
      "file (c), wanted: a readable one, it is no UTF-8",
    ])
  })

  it("keeps empty sections and takes nothing from them", () => {
    const { config, effective } = resolve(file("[wal]\n[export]\n[streams.ingress]\n"))
    expect(config).toBeDefined()
    expect(effective.every(({ source }) => source === "default")).toBe(true)
  })
})

describe("strict names", () => {
  it("offer what was probably meant", () => {
    expect(
      sentences({
        flags: [["--audit-snik", "ram"]],
        env: { RON_AUDIT_QUEUE_DEPHT: "hunter2" },
        ...file('[wal]\nfysnc = "always"\n[x]\ncompletely_else = 1'),
      }),
    ).toEqual([
      "--audit-snik (flag), wanted: a known name, did you mean --audit-sink?",
      "RON_AUDIT_QUEUE_DEPHT (environment), wanted: a known name, " +
        "did you mean RON_AUDIT_QUEUE_DEPTH?",
      "wal.fysnc (audit.toml:2), wanted: a known name, did you mean wal.fsync?",
      "x.completely_else (audit.toml:4), wanted: a known name",
    ])
  })

  it("leave variables of others alone, and empty ones of ours", () => {
    const { issues, warnings } = resolve({
      env: { AUDIT_D_RULES: "x", PATH: "/bin", RON_AUDIT_SINK: "", RON_OTHER: "1" },
    })
    expect([issues, warnings]).toEqual([[], []])
  })

  it("refuse a flag that is given twice, and one without a value", () => {
    const flags = [
      ["--audit-sink", "ram"],
      ["--audit-sink", "ram"],
      ["--audit-wal-dir", "a"],
      ["--wal-dir", "b"],
      ["--audit-amnesia", ""],
      ["--audit-stream-queue-depth", "7"],
      ["--audit-stream-queue-depth", "a=1"],
      ["--audit-stream-queue-depth", "a=2"],
    ] as const
    expect([...told(resolve({ flags }))].sort()).toEqual([
      "--audit-stream-queue-depth (--audit-stream-queue-depth)",
      "amnesia (--audit-amnesia)",
      "sink (--audit-sink)",
      "streams.a.queue_depth (--audit-stream-queue-depth)",
      "wal.dir (--wal-dir)",
    ])
  })
})

describe("streams", () => {
  it("have a flag and a variable", () => {
    const resolved = resolve({
      flags: [["--audit-stream-queue-depth", "a=b=5"]],
      env: { RON_AUDIT_STREAMS__INGRESS__QUEUE_DEPTH: "4096" },
      ...file("streams.ingress.queue_depth = 1\nstreams.policy.queue_depth = 2"),
    })
    expect(resolved.issues).toEqual([])
    expect([...(resolved.config?.streams ?? [])]).toEqual([
      ["ingress", { queueDepth: 4096 }],
      ["policy", { queueDepth: 2 }],
      ["a=b", { queueDepth: 5 }],
    ])
  })
})

describe("deprecated names", () => {
  it("work with a warning, WAL_PATH among them [A-269] [A-270]", () => {
    const env = { RON_AUDIT_AMNESIA: "false", RON_AUDIT_SINK: "wal", WAL_PATH: "/a/wal" }
    const old = resolve({ env })
    expect(old.config?.wal.dir).toBe("/a/wal")
    expect(sourceIn(old, "wal.dir")).toBe("WAL_PATH")
    expect(old.warnings).toContain(
      "WAL_PATH is deprecated and goes in 2.0.0, use RON_AUDIT_WAL_DIR",
    )
    const both = resolve({ env: { ...env, RON_AUDIT_WAL_DIR: "/a/export" } })
    expect(both.config?.wal.dir).toBe("/a/export")
    expect(both.warnings).toContain(
      "WAL_PATH is deprecated and has no effect, as RON_AUDIT_WAL_DIR is given",
    )
  })

  it("of the file work with a warning", () => {
    const resolved = resolve(file('signing = "record"\nfsync = "always"\n'))
    expect(resolved.config).toMatchObject({ signing: { mode: "record" }, wal: { fsync: "always" } })
    expect(resolved.warnings).toEqual([
      "signing (audit.toml:1) is deprecated and goes in 2.0.0, use signing.mode",
      "fsync (audit.toml:2) is deprecated and goes in 2.0.0, use wal.fsync",
    ])
  })

  it("of the runbook are taken", () => {
    const { config, issues, warnings } = resolve({
      env: {
        AUDIT_ENABLED: "true",
        AUDIT_QUEUE_DEPTH: "4096",
        AUDIT_WAL_ENABLED: "true",
        AUDIT_WAL_DIR: "/a/wal",
        AUDIT_WAL_BATCH: "32",
        AUDIT_EXPORT_ENABLED: "true",
        AUDIT_EXPORT_DIR: "/a/export",
        AUDIT_CHECKPOINT_EVERY: "10000",
        AUDIT_KEY_ID: "aud-2025q4",
        AUDIT_WORKERS: "3",
        RON_AUDIT_AMNESIA: "false",
      },
    })
    expect(issues).toEqual([])
    expect(config).toMatchObject({
      queueDepth: 4096,
      workers: 3,
      sink: "wal+export",
      wal: { dir: "/a/wal", batchRecords: 32 },
      export: { dir: "/a/export", checkpointEvery: 10_000, signerKeyId: "aud-2025q4" },
    })
    expect(warnings).toHaveLength(9)
  })

  it("never overcome amnesia in silence", () => {
    const env = { AUDIT_WAL_ENABLED: "true", AUDIT_WAL_DIR: "/a/wal" }
    expect(sentences({ env })).toEqual([
      "sink is wal (AUDIT_WAL_ENABLED), wanted: ram or export, amnesia is true (default); " +
        "a log on disk needs amnesia false",
    ])
  })

  it.each([
    ["true", "false", "wal"],
    ["false", "true", "export"],
    ["false", "false", "ram"],
    ["true", undefined, "wal+export"],
    [undefined, "false", "wal"],
  ])("wal %s and export %s over wal+export of the file are %s", (wal, exported, sink) => {
    const env = { AUDIT_WAL_ENABLED: wal, AUDIT_EXPORT_ENABLED: exported }
    const text = 'sink="wal+export"\namnesia=false\nwal.dir="/a/wal"\nexport.dir="/a/export"'
    expect(resolve({ env, ...file(text) }).config?.sink).toBe(sink)
  })

  it("that contradict the name that replaced them are refused", () => {
    const env = { ...onDisk, AUDIT_WAL_ENABLED: "false", AUDIT_EXPORT_ENABLED: "no" }
    expect(sentences({ env })).toEqual([
      "AUDIT_EXPORT_ENABLED is no (environment), wanted: true or false",
      "sink is wal (RON_AUDIT_SINK), wanted: what AUDIT_WAL_ENABLED=false says too",
    ])
    expect(sentences({ env: { ...onDisk, AUDIT_WAL_ENABLED: "true" } })).toEqual([])
  })
})

describe("data_dir", () => {
  it("holds the directories that are used and not named", () => {
    const env = { RON_AUDIT_AMNESIA: "false", RON_AUDIT_SINK: "wal" }
    const resolved = resolve({ env, flags: [["--data-dir", "d/"]] })
    expect(resolved.config).toMatchObject({ wal: { dir: "d/wal" }, export: { dir: "" } })
    expect(sourceIn(resolved, "wal.dir")).toBe("data_dir, --data-dir")
    expect(valueIn(resolve({ flags: [["--data-dir", "d"]] }), "wal.dir")).toBe("")
  })
})
