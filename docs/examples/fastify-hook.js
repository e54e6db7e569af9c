// A Fastify service whose requests become records, with one route that does nothing unrecorded.
//
//     npm install strongroom fastify
//     AUDIT_DIR=./audit/wal PORT=8080 node fastify-hook.js
import Fastify from "fastify"
import { Strongroom } from "strongroom"

const room = await Strongroom.open({ wal: { dir: process.env.AUDIT_DIR ?? "./audit/wal" } })
const app = Fastify()

const draftOf = (request, kind, reason, subject) => ({
  stream: "ingress",
  kind,
  // Who asked: the id of a capability or a key that you checked, never a credential itself.
  actor: request.headers["x-cap-id"] ? { cap_id: request.headers["x-cap-id"] } : { anon: true },
  subject,
  reason,
  attrs: { method: request.method, request_id: request.id },
})

// After the answer is out: what is recorded here costs the client no time, and cannot fail them.
app.addHook("onResponse", async (request, reply) => {
  // The route's pattern: a URL may hold what does not belong into a log that nobody can erase.
  const name = request.routeOptions.url ?? "no route"
  const reason = reply.statusCode < 400 ? "ok" : "error"
  const draft = draftOf(request, "RequestServed", reason, { name })
  // BUSY needs no answer of yours: the log counts what it sheds and writes a Gap record itself.
  await room.append(draft).catch((error) => console.error(`audit: ${error.code}`))
})

const granted = new Set()
// Done only if it is on record: without a durable record the grant is not given.
app.post("/grants/:user", async (request, reply) => {
  const { user } = request.params
  const draft = draftOf(request, "GrantGiven", "ok", { name: user })
  try {
    return await room.gate(draft, "durable", ({ seq }) => {
      granted.add(user)
      return { granted: user, seq }
    })
  } catch (error) {
    // BUSY and UNAVAILABLE pass: the client may try again. All else is a bug or a broken disk.
    if (error.isRetryable !== true) throw error
    return reply.code(503).header("retry-after", "1").send({ code: error.code })
  }
})

app.get("/grants", async () => [...granted])

// First the requests under way, then the log: it drains, signs a last checkpoint and reports. A
// signal may come twice, as shells and npm pass it on; closing twice is closing once.
process.on("SIGTERM", async () => {
  await app.close()
  const { accepted, left } = await room.close()
  console.log(`closed: ${accepted} accepted, ${left} left`)
  process.exit(0)
})

console.log(await app.listen({ port: Number(process.env.PORT ?? 0) }))
