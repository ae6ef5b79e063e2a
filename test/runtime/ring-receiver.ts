/** The receiving thread of ring-buffer.test.ts: checks the number in front of every record and the byte at its end. */
import { parentPort, workerData } from 'node:worker_threads'
import { RingReader } from '../../runtime/ring-buffer.ts'

const { ring, messageCount } = workerData as { ring: SharedArrayBuffer; messageCount: number }
const reader = new RingReader(ring)
let received = 0
let fault = ''
while (received < messageCount && fault === '') {
  reader.drain(100, (bytes, start, end) => {
    const number = new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(0)
    const size = 8 + ((received * 7) % 292)
    const isRight = number === received && end - start === size && bytes[end - 1] === (received & 255)
    if (!isRight) fault ||= `record ${received} is ${number}, ${end - start} bytes`
    received++
  })
  reader.release()
}
parentPort?.postMessage(fault || 'in order')
