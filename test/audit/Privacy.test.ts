/** Privacy where records are written: what is stored, who is told, what a repeat is. */
import { describe, expect, it } from "vitest"
import { readText } from "./PrivacyFiles.ts"
import { cleanUp, codeOf, draft, fill, makePlace, openRoom, recordsOf, verify } from "./Room.ts"

cleanUp()

const opId = "0f0e0d0c-0b0a-4908-8706-050403020100"
const secret = "hvs.abcdefghijklmnopqrstuvwxyz"

describe("an audit log", () => {
  it("stores no address and no secret, and tells who gave one [A-206, A-207, A-216]", async () => {
    const place = makePlace()
    const room = await openRoom(place)
    await fill(room, 1, 3)
    await room.append(
      draft(4, { attrs: { client_ip: "203.0.113.7", path: ["203.0.113.8", "/x"] } }),
    )
    expect(await codeOf(room.append(draft(5, { attrs: { token: secret } })))).toBe("pii_blocked")
    expect(await codeOf(room.append(draft(6, { subject: { name: secret } })))).toBe("pii_blocked")
    await room.append(draft(7))
    await room.close()
    expect(recordsOf(place).map(({ attrs }) => attrs)).toContainEqual({ path: [null, "/x"] })
    expect(readText(place.dir)).not.toMatch(/203\.0\.113|hvs\.abc/)
    expect(verify(place).verdict).toBe("valid")
  })

  it("takes a repeat for one whose address was dropped [A-207]", async () => {
    const room = await openRoom(makePlace())
    const attrs = { op_id: opId, client_ip: "203.0.113.7", n: 1 }
    const first = await room.append(draft(1, { attrs }))
    await room.append(draft(2))
    const again = await room.append(draft(1, { attrs }))
    expect([again.seq, again.selfHash]).toEqual([first.seq, first.selfHash])
    const other = draft(1, { attrs: { ...attrs, n: 2 } })
    expect(await codeOf(room.append(other))).toBe("OP_ID_CONFLICT")
  })
})
