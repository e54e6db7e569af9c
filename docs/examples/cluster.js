// A cluster of processes behind one port, as node:cluster or PM2 start it: every worker opens the
// same directory, none has a name, and no two ever write one chain.
//
//     AUDIT_DIR=./audit/wal PORT=8080 node cluster.js
import cluster from "node:cluster"
import { createServer } from "node:http"
import { Strongroom } from "strongroom"

const runPrimary = () => {
  for (let n = 0; n < 3; n++) cluster.fork()
  let isStopping = false
  cluster.on("exit", () => {
    // The successor takes the name that became free, recovers its chains and goes on with them.
    if (!isStopping) cluster.fork()
  })
  process.on("SIGTERM", () => {
    isStopping = true
    for (const worker of Object.values(cluster.workers)) worker.kill("SIGTERM")
  })
}

const runWorker = async () => {
  const room = await Strongroom.open({ wal: { dir: process.env.AUDIT_DIR ?? "./audit/wal" } })
  const server = createServer(async (request, response) => {
    const draft = {
      stream: "ingress",
      kind: "RequestServed",
      actor: { anon: true },
      subject: { name: "/" },
      reason: "ok",
      attrs: { method: request.method },
    }
    try {
      const { writerId, seq } = await room.append(draft)
      // One request a connection, so that the workers take turns.
      response.setHeader("connection", "close")
      response.end(JSON.stringify({ pid: process.pid, writerId, seq }))
    } catch (error) {
      response.writeHead(error.isRetryable ? 503 : 500).end()
    }
  })
  // In a worker, listen shares the port of the primary.
  server.listen(Number(process.env.PORT ?? 0), () => process.send({ port: server.address().port }))
  // A signal may come twice, from the terminal and from the primary; closing twice is closing once.
  process.on("SIGTERM", () => {
    server.close(async () => {
      await room.close()
      process.exit(0)
    })
  })
}

if (cluster.isPrimary) {
  cluster.on("message", (_worker, { port }) => console.log(`http://127.0.0.1:${port}`))
  runPrimary()
} else await runWorker()
