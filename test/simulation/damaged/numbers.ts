// What a replica keeps although the records are gone: the numbers of a producer that are forgotten, and a log that counts as cleaned beyond its end.

import type { ProducerStates } from '../../../partitions/idempotence.ts'
import { newReplicaState } from '../../../partitions/replica-state.ts'
import type { ReplicaState } from '../../../partitions/replica-state.ts'
import { defaultTopicConfig } from '../../../protocol/topic-config.ts'
import { checkCleanedEnd, checkNumbers, noteNumbers } from '../../../simulation/checkers/numbers.ts'
import { inScene } from './damaged.ts'
import type { Damaged } from './damaged.ts'

const CONFIG = { topic: 'orders', topicId: 1, partition: 0, topicConfig: defaultTopicConfig, replicaLagMillis: 1000 }

/** A replica of ten records that knows batches of one producer, in its first epoch, that begin there. */
function replica(...baseOffsets: readonly number[]): ReplicaState {
  const state = newReplicaState({ node: 0, actor: 'replica/orders-0' }, CONFIG)
  const batches = baseOffsets.map((baseOffset) => ({ baseSequence: baseOffset, lastSequence: baseOffset, baseOffset }))
  const known: ProducerStates = new Map([[7, { producerEpoch: 0, batches, firstOffset: -1, coordinatorEpoch: -1, lastTimestamp: 0 }]])
  return { ...state, producers: known, appended: known, log: { ...state.log, logEndOffset: 10 } }
}

function successor(what: string, damaged: (sound: ReplicaState) => ReplicaState): Damaged {
  return inScene('DUP', what, ({ truth, partition }, isDamaged) => {
    noteNumbers(partition, replica(2, 4))
    const sound = replica(2, 4)
    checkNumbers(truth, partition, isDamaged ? damaged(sound) : sound)
  })
}

/** See the header. */
export const damagedNumbers: readonly Damaged[] = [
  successor('the next leader knows nothing of a producer', (sound) => ({ ...sound, appended: new Map() })),
  successor('the next leader has forgotten the last batch of a producer', () => replica(2)),
  inScene('CMP', 'a log that begins anew counts as cleaned', ({ truth, partition }, isDamaged) => {
    const state = replica()
    state.cleaning.cleanedOffset = isDamaged ? 11 : 10
    checkCleanedEnd(truth, partition, state)
  }),
]
