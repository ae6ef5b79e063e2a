/**
 * What retention or an administrator has taken from the beginning of a log, and what that excuses (ACK). A replica that is copied anew knows of a producer only
 * the batches that are left, as in Kafka. One that comes again it finds before all of them: it was there, but nobody can say where. Excused is only what was seen in the log when it was deleted.
 */
import { logFileName } from '../../partitions/log.ts'
import { chooseFiles } from '../../partitions/log-files.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Disk } from '../disk.ts'
import { writtenBytes } from '../disk-file.ts'
import { readBatches } from '../records.ts'
import type { PartitionTruth } from '../truth.ts'

/** A replica has handled a message: its log may begin later than any did before, and its files are still there. */
export function noteStart(partition: PartitionTruth, { log, logName }: ReplicaState, disk: Disk): void {
  const { startOffset: before } = partition
  const { logStartOffset: start } = log
  if (start <= before) return
  partition.startOffset = start
  const files = disk.files(logName)
  for (const { baseOffset, generation } of chooseFiles(files.keys(), null).chosen) {
    const file = baseOffset < start ? files.get(logFileName(baseOffset, generation)) : undefined
    const records = file === undefined ? [] : (readBatches(writtenBytes(file)) ?? [])
    for (const { offset, value } of records) if (offset >= before && offset < start) partition.deletedValues.add(value)
  }
}

/** Whether an acknowledgement of these values need not say where they are. */
export function isDeleted({ deletedValues }: PartitionTruth, values: readonly number[]): boolean {
  return values.every((value) => deletedValues.has(value))
}
