/** A host that gives its writer no name: opens, appends what it is told to, says what it got. */
import { argv, stdout } from "node:process"
import { Strongroom } from "../../src/index.ts"

const [dir = "", count = "1", how = "close"] = argv.slice(2)
const room = await Strongroom.open({ wal: { dir }, notice: () => undefined })
const draft = {
  stream: "ingress",
  kind: "GetServed",
  actor: { anon: true },
  subject: {},
  reason: "ok",
  attrs: { pid: process.pid },
}
const receipts = await Promise.all(Array.from({ length: Number(count) }, () => room.append(draft)))
const acks = receipts.map(({ writerId, stream, seq, selfHash }) => ({
  writer_id: writerId,
  stream,
  seq,
  self_hash: selfHash,
}))
stdout.write(`${JSON.stringify({ logId: room.logId, acks })}\n`)
if (how === "close") await room.close()
if (how === "exit") process.exit(0)
if (how === "throw") throw new Error("the host fails")
