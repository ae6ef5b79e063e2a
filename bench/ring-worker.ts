/**
 * The receiving thread of bench/ring.ts: counts what arrives by ring or by MessagePort and says so once everything is
 * there. Kept apart because a worker needs a module of its own. It does NOT measure.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { RingReader } from '../runtime/ring-buffer.ts'

/** What the measuring thread tells this one: a ring to drain (or null: listen to the port) and how many messages come. */
export interface RingTask {
  readonly ring: SharedArrayBuffer | null
  readonly messageCount: number
}

/** Where a worker loads this module from. */
export const ringWorkerUrl: string = import.meta.url

/** Bounded like a duty cycle: what one cycle drains before it gives the space back. */
const DRAIN_LIMIT = 256

const port = parentPort
if (port !== null) receive(port, workerData as RingTask)

function receive(to: NonNullable<typeof parentPort>, task: RingTask): void {
  if (task.ring === null) receiveByPort(to, task.messageCount)
  else {
    to.postMessage('ready')
    to.postMessage(receiveByRing(new RingReader(task.ring), task.messageCount))
  }
}

function receiveByRing(reader: RingReader, messageCount: number): number {
  let checksum = 0
  const onRecord = (bytes: Uint8Array, start: number, end: number): void => {
    checksum = (checksum + (bytes[start] ?? 0) + (bytes[end - 1] ?? 0)) | 0
  }
  for (let received = 0; received < messageCount;) {
    received += reader.drain(DRAIN_LIMIT, onRecord)
    reader.release()
  }
  return checksum
}

function receiveByPort(from: NonNullable<typeof parentPort>, messageCount: number): void {
  let received = 0
  let checksum = 0
  from.on('message', (bytes: Uint8Array) => {
    checksum = (checksum + (bytes[0] ?? 0)) | 0
    if (++received < messageCount) return
    from.postMessage(checksum)
    from.close()
  })
  from.postMessage('ready')
}
