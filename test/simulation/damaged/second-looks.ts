// A producer that gives a batch up because its topic is not there: it has to have asked again.

import type { ProducerState } from '../../../actors/producer-state.ts'
import type { Effect } from '../../../actors/effect.ts'
import { codeOf } from '../../../protocol/errors.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { checkSecondLook, newLooks } from '../../../simulation/checkers/second-looks.ts'
import { inScene } from './damaged.ts'
import type { Damaged } from './damaged.ts'

const TICK: Message = { kind: 'timerFired', timer: 'tick' }

function asks(correlationId: number): Effect {
  return { kind: 'send', to: { node: 0, actor: 'coordinator' }, message: { kind: 'metadata', correlationId, topics: ['orders'] } }
}

function absent(correlationId: number): Message {
  const topics = [{ topic: 'orders', topicId: -1, errorCode: codeOf('UNKNOWN_TOPIC_OR_PARTITION'), partitions: [] }]
  return { kind: 'metadataResponse', correlationId, metadataOffset: 1, topics } as unknown as Message
}

function givesUp(): Effect {
  const errorCode = codeOf('UNKNOWN_TOPIC_OR_PARTITION')
  const told = {
    kind: 'delivered',
    token: 1,
    errorCode,
    errorMessage: 'orders-0 does not exist',
    baseOffset: -1,
    logAppendTime: -1,
  } as const
  return { kind: 'send', to: { node: -1, actor: 'client' }, message: told }
}

/** Batches that are given up too soon. */
export const damagedLooks: readonly Damaged[] = [
  inScene('TOLD', 'a producer gives up after two answers to what it had asked before', ({ truth }, isDamaged) => {
    const looks = newLooks()
    const state = { transaction: null } as unknown as ProducerState
    const look = (message: Message, ...effects: readonly Effect[]): void => checkSecondLook(truth.world, looks, state, message, effects)
    look(TICK, asks(1))
    look(TICK, asks(2))
    look(absent(1))
    look(TICK, asks(3))
    look(absent(isDamaged ? 2 : 3))
    look(TICK, givesUp())
  }),
]
