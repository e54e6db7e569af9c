import { describe, expect, it } from "vitest"
import {
  checkpointName,
  manifestName,
  manifestSignatureName,
  segmentName,
  segmentNumber,
  signaturesName,
  tornName,
} from "../../src/sink/FileName.ts"

describe("file names", () => {
  it("pads to six digits and lets numbers grow beyond them [A-135]", () => {
    expect(segmentName(42)).toBe("wal-000042.seg")
    expect(segmentName(1_000_000)).toBe("wal-1000000.seg")
    expect(signaturesName(1)).toBe("wal-000001.sig")
    expect(checkpointName(7)).toBe("checkpoint-000007.json")
    expect(manifestName(999_999)).toBe("manifest-999999.json")
    expect(manifestSignatureName(7)).toBe("manifest-000007.sig")
    expect(tornName("wal-000003.sig", 2)).toBe("wal-000003.sig.torn-2")
  })

  it.each([1, 42, 999_999, 1_000_000, 12_345_678])("reads the number of segment %i back", (n) => {
    expect(segmentNumber(segmentName(n))).toBe(n)
  })

  it.each([
    "wal-00001.seg",
    "wal-0000001.seg",
    "wal-000001.seg.tmp",
    "wal-000001.sig",
    "wal-000001.torn-1",
    "wal--00001.seg",
    "wal-00000a.seg",
    "wal-+00001.seg",
    "Wal-000001.seg",
    "wal-.seg",
  ])("takes %s for no segment", (name) => {
    expect(segmentNumber(name)).toBeUndefined()
  })
})
