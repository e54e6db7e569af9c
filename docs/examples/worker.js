// Worker threads that audit: each opens the log itself and writes chains of its own.
//
//     AUDIT_DIR=./audit/wal node worker.js
import { once } from "node:events"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { Strongroom } from "strongroom"

const wal = { dir: process.env.AUDIT_DIR ?? "./audit/wal" }

const runThread = async () => {
  // Without a writerId the thread takes the first name that nobody writes: two never share one,
  // and the next start goes on with the chains of this one.
  const room = await Strongroom.open({ wal })
  for (let job = 1; job <= workerData.jobs; job++) {
    const receipt = await room.append({
      stream: "jobs",
      kind: "JobDone",
      actor: { anon: true },
      subject: { name: `${workerData.name}/${job}` },
      reason: "ok",
      attrs: {},
    })
    const { writerId, seq } = receipt
    parentPort.postMessage({ job, writerId, seq })
  }
  // Before the thread ends; worker.terminate() would stop it in the middle, and the next opening
  // would have to recover what was not signed yet.
  await room.close()
}

const runMain = async () => {
  const names = ["red", "green", "blue"]
  const threads = names.map(async (name) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { name, jobs: 20 } })
    const writers = new Set()
    worker.on("message", ({ writerId }) => writers.add(writerId))
    const [code] = await once(worker, "exit")
    return { name, code, writers: [...writers] }
  })
  console.log(JSON.stringify(await Promise.all(threads)))
}

// Told here: on its way to the main thread an error loses its code.
const tell = (error) => {
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = 1
}

await (isMainThread ? runMain() : runThread().catch(tell))
