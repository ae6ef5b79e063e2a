/**
 * A cleaning on a simulated disk: the same cleaner as really, on the files of one log directory. Its outputs are durable when it is done; a crash before that
 * leaves some of them, whole or not, under the names that nobody takes for the log.
 */
import { cleanLog } from '../protocol/log-cleaner.ts'
import type { CleaningOutcome } from '../protocol/log-cleaner.ts'
import type { CleaningOrder } from '../protocol/cleaning.ts'
import { appendBytes, newFile, syncFile } from './disk-file.ts'
import type { SimulatedFile } from './disk-file.ts'
import type { Random } from './random.ts'

/** Cleans, and makes the outputs durable. */
export function cleanSimulated(files: Map<string, SimulatedFile>, order: CleaningOrder): CleaningOutcome {
  if (order.inputs.some(({ file }) => !files.has(file))) return { ok: false, error: 'io' }
  const written = new Map<string, SimulatedFile>()
  const outcome = cleanLog(order, {
    read: (file, position, sizeBytes) => {
      const { bytes, sizeBytes: fileBytes } = files.get(file) ?? newFile()
      return bytes.slice(position, Math.max(position, Math.min(position + sizeBytes, fileBytes)))
    },
    write: (file, bytes) => {
      const output = written.get(file) ?? newFile()
      written.set(file, output)
      appendBytes(output, bytes)
    },
    drop: (file) => written.delete(file),
  })
  if (!outcome.ok) return outcome
  for (const [name, file] of written) {
    syncFile(file)
    files.set(name, file)
  }
  return outcome
}

/** The node dies while a cleaning is under way: it has written some outputs, the last one in part. */
export function leaveUnfinished(files: Map<string, SimulatedFile>, order: CleaningOrder, random: Random): void {
  const before = new Set(files.keys())
  const outcome = cleanSimulated(files, order)
  if (!outcome.ok) return
  const outputs = [...files.keys()].filter((name) => !before.has(name))
  const whole = random.below(outputs.length + 1)
  outputs.forEach((name, i) => {
    const file = files.get(name)
    if (i < whole || file === undefined) return
    files.delete(name)
    if (i > whole || random.below(2) === 0) return
    const torn = newFile()
    appendBytes(torn, file.bytes.subarray(0, random.below(file.sizeBytes + 1)))
    files.set(name, torn)
  })
}
