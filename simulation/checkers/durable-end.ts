/**
 * How much of a log must be there after a power loss: the offset at the end of the batches that lie whole in the synced part of its files.
 */
import { checkBatch } from '../../protocol/record-batch.ts'
import { logFileName } from '../../partitions/log.ts'
import { chooseFiles } from '../../partitions/log-files.ts'
import { writtenBytes } from '../disk-file.ts'
import type { SimulatedFile } from '../disk-file.ts'
import { extentOf } from '../records.ts'

/** What is known of where a log begins. */
interface LogBegin {
  /** Where it was seen to begin; a power loss may bring back what was below. */
  readonly startOffset: number
  /** What is below was deleted for good. */
  readonly deletedOffset: number
}

/** One past the last offset that survives a kill: what is whole in the page cache. */
export function writtenEnd(files: ReadonlyMap<string, SimulatedFile>, begin: LogBegin): number {
  return soundEnd(files, begin, (file) => file.sizeBytes)
}

/** One past the last offset that no power loss may take. */
export function durableEnd(files: ReadonlyMap<string, SimulatedFile>, begin: LogBegin): number {
  return soundEnd(files, begin, (file) => (file.isEntryDurable ? file.durableBytes : 0))
}

/** One past the last offset before the first batch that has rotted; -1 if none has. */
export function rottenOffset(files: ReadonlyMap<string, SimulatedFile>, begin: LogBegin): number {
  if ([...files.values()].every(({ rottenAt }) => rottenAt < 0)) return -1
  return soundEnd(
    files,
    begin,
    (file) => file.sizeBytes,
    ({ bytes }) => bytes,
  )
}

function soundEnd(
  files: ReadonlyMap<string, SimulatedFile>,
  { startOffset, deletedOffset }: LogBegin,
  bytesOf: (file: SimulatedFile) => number,
  contentOf: (file: SimulatedFile) => Uint8Array = writtenBytes,
): number {
  let end = deletedOffset
  chooseFiles(files.keys(), null).chosen.forEach(({ baseOffset: base, generation }, i) => {
    const file = files.get(logFileName(base, generation))
    if (file === undefined || bytesOf(file) === 0 || (i === 0 ? base > startOffset : base !== end)) return
    end = base
    const bytes = contentOf(file).subarray(0, bytesOf(file))
    for (
      let check = checkBatch(bytes, 0, bytes.length, 'sparse'), at = 0;
      check.ok;
      check = checkBatch(bytes, at, bytes.length - at, 'sparse')
    ) {
      // The CRC does not cover the offset: a sector that is lost may end just there.
      if (extentOf(bytes, at).begin !== end) break
      end = extentOf(bytes, at).end
      at += check.sizeBytes
    }
  })
  return Math.max(end, deletedOffset)
}
