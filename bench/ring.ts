/**
 * Question: how many messages per second pass from one thread to another through a ring, for small messages and for
 * batches, and what would a MessagePort do in the same minute? Conditions: one writer thread, one worker, an 8 MiB
 * ring, both threads spinning, published every 64 messages, the reader touches the first and last byte of each.
 * It does NOT measure encoding (bench of the codec) or waking a sleeper (runtime/doorbell.ts).
 */
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { allocateRing } from '../runtime/ring-layout.ts'
import { RingWriter } from '../runtime/ring-buffer.ts'
import { ringWorkerUrl } from './ring-worker.ts'
import type { RingTask } from './ring-worker.ts'

/** One line of a benchmark: every run is a sample, in `unit`. */
export interface RingSamples {
  readonly name: string
  readonly unit: string
  readonly samples: number[]
}

const CAPACITY_BYTES = 2 ** 23
const BURST_COUNT = 64
const RUN_COUNT = 5

/** How often each is measured, what its work is multiplied by, and who is told. */
export interface RingOptions {
  readonly runs?: number
  readonly scale?: number
  readonly progress?: (text: string) => void
}

/** Measures ring-100B, ring-16KiB and message-port-100B, five runs each, interleaved so that noise hits all three. */
export async function benchRing({ runs = RUN_COUNT, scale = 1, progress }: RingOptions = {}): Promise<RingSamples[]> {
  const small: RingSamples = { name: 'ring-100B', unit: 'messages/s', samples: [] }
  const large: RingSamples = { name: 'ring-16KiB', unit: 'messages/s', samples: [] }
  const port: RingSamples = { name: 'message-port-100B', unit: 'messages/s', samples: [] }
  for (let run = 1; run <= runs; run++) {
    progress?.(`run ${run} of ${runs}`)
    small.samples.push(await runRing(100, Math.ceil(20_000_000 * scale)))
    large.samples.push(await runRing(16_384, Math.ceil(1_000_000 * scale)))
    port.samples.push(await runPort(100, Math.ceil(500_000 * scale)))
  }
  return [small, large, port]
}

async function runRing(sizeBytes: number, messageCount: number): Promise<number> {
  const ring = allocateRing(CAPACITY_BYTES)
  const worker = await startWorker({ ring, messageCount })
  const done = once(worker, 'message')
  const writer = new RingWriter(ring)
  const message = new Uint8Array(sizeBytes).fill(1)
  const startedAt = performance.now()
  for (let sent = 0; sent < messageCount;) {
    if (!writer.tryWrite(message, sizeBytes, null)) writer.publish()
    else if (++sent % BURST_COUNT === 0) writer.publish()
  }
  writer.publish()
  await done
  const elapsedMillis = performance.now() - startedAt
  await worker.terminate()
  return Math.round((messageCount / elapsedMillis) * 1000)
}

async function runPort(sizeBytes: number, messageCount: number): Promise<number> {
  const worker = await startWorker({ ring: null, messageCount })
  const done = once(worker, 'message')
  const message = new Uint8Array(sizeBytes).fill(1)
  const startedAt = performance.now()
  for (let sent = 0; sent < messageCount; sent++) worker.postMessage(message)
  await done
  const elapsedMillis = performance.now() - startedAt
  await worker.terminate()
  return Math.round((messageCount / elapsedMillis) * 1000)
}

async function startWorker(task: RingTask): Promise<Worker> {
  const worker = new Worker(new URL(ringWorkerUrl), { workerData: task })
  await once(worker, 'message')
  return worker
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const { name, unit, samples } of await benchRing()) console.log(`${name}: ${samples.join(' ')} ${unit}`)
}
