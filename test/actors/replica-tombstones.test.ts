// When a replica lets go of a tombstone: not before every replica has it for good.

import { expect, test } from 'vitest'
import { walkBatches } from '../../protocol/record-batch.ts'
import { readRecords } from '../../protocol/record-batch-reader.ts'
import { drive, fetch, fire, leading, produce, small, ALONE } from './replica-support.ts'

const compacted = { ...small, cleanupPolicy: 'compact', minCleanableDirtyRatio: 0, deleteRetentionMillis: 0 } as const

/** Another replica, and what it says of its disk: everything below is there; it has everything, perhaps in the page cache. */
interface Other {
  readonly isInSync: boolean
  readonly syncedOffset: number
}

/** How many records there are of a key that was deleted, after some cleanings: the record and its tombstone were in closed segments. */
function left(other: Other | null): number {
  const partition = leading(compacted)
  const replicas = other === null ? [0] : [0, 1]
  const isr = other?.isInSync === true ? [0, 1] : [0]
  drive(partition, partition.stage.deliver({ ...ALONE, partitionEpoch: 1, replicas, isr }))
  const put = (id: number, key: string): void => {
    produce(partition, id, 1, { keys: [key], valueBytes: 7000, timestamp: 1_000_000 })
  }
  const copied = (id: number): void => {
    const copy = { replicaId: 1, brokerEpoch: 9, syncedOffset: other?.syncedOffset ?? -1 }
    if (other !== null) fetch(partition, 100 + id, partition.stage.state.log.logEndOffset, copy)
  }
  put(1, 'a')
  produce(partition, 2, 1, { keys: ['a'], areTombstones: true })
  for (let id = 3; id < 7; id++) put(id, 'b')
  copied(6)
  for (let id = 10; id < 14; id++) {
    fire(partition, 'cleaning', 5000)
    put(id, 'b')
    put(id + 10, 'b')
    copied(id)
  }
  const [name = ''] = [...partition.files.keys()].filter((one) => one.endsWith('.log')).toSorted()
  const first = partition.files.get(name)!
  return walkBatches(first)
    .flatMap(({ at }) => readRecords(first, at))
    .filter(({ key }) => key?.[0] === 0x61).length
}

test('goes when its time is over', () => expect(left(null)).toBe(0))
test('goes when every replica has it on its disk', () => expect(left({ isInSync: true, syncedOffset: 2 })).toBe(0))
test('stays while a replica may not have it', () => expect(left({ isInSync: false, syncedOffset: 2 })).toBe(1))
test('stays while a replica may have it in its page cache only', () => expect(left({ isInSync: true, syncedOffset: 1 })).toBe(1))
