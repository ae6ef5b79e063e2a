// A broker's own registration reaches it twice: as the coordinator's answer, and as a record of the metadata. Either may be first.
import { expect, test } from 'vitest'
import { actor } from '../../actors/broker.ts'
import type { BrokerConfig, BrokerState } from '../../actors/broker-state.ts'
import type { BrokerImage } from '../../coordinator/metadata.ts'
import { emptyImage } from '../../coordinator/metadata.ts'
import { NONE } from '../../protocol/errors.ts'
import { configOf } from '../partitions/support.ts'
import { sent, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const config: BrokerConfig = {
  voters: [0],
  rack: null,
  bootId: 'boot',
  groupGraceMillis: 0,
  groupStartGraceMillis: 0,
  offsetsRetentionMillis: -1,
  heartbeatMillis: 100,
  replicaLagMillis: 1000,
  reassignmentBytesPerSecond: 0,
}

/** The node as the metadata knows it. */
function registrationOf(brokerEpoch: number): BrokerImage {
  return {
    node: 1,
    brokerEpoch,
    incarnation: 1,
    activeEpoch: -1,
    storage: 'intact',
    rack: null,
    fenced: true,
    stopping: false,
    resting: false,
  }
}

/** A broker that asks to be registered, knows a partition of its own from the metadata, and whose replica runs. */
function registering(): Stage<BrokerState> {
  const stage = stageOf(actor, { node: 1, actor: 'broker' }, config)
  const { state } = stage
  const partition = { replicas: [0, 1], isr: [0], elr: [], leader: 0, leaderEpoch: 3, partitionEpoch: 4, adding: [], removing: [] }
  state.image = emptyImage()
  state.image.names.set(1, 't')
  state.image.topics.set('t', { name: 't', topicId: 1, configs: {}, config: configOf(), partitions: [partition] })
  const local = { topic: 't', topicId: 1, partition: 0, partitionEpoch: -1, config: '', isStarted: false }
  state.replicas.set('replica/t-0', local)
  state.image.brokers.set(1, registrationOf(9))
  state.correlationId = 7
  expect(sent(stage.deliver({ kind: 'replicaStarted', topicId: 1 }, { node: 1, actor: 'replica/t-0' }), 'leaderAndIsr')).toEqual([])
  return stage
}

test('replicas that started before the broker had its epoch are told what they are when it has', () => {
  const stage = registering()
  const effects = stage.deliver({ kind: 'brokerRegistered', correlationId: 7, errorCode: NONE, brokerEpoch: 9 })
  expect(sent(effects, 'leaderAndIsr')).toMatchObject([{ leader: 0, leaderEpoch: 3, partitionEpoch: 4, brokerEpoch: 9 }])
})

test('an answer to another question tells them nothing', () => {
  const stage = registering()
  const effects = stage.deliver({ kind: 'brokerRegistered', correlationId: 6, errorCode: NONE, brokerEpoch: 9 })
  expect(sent(effects, 'leaderAndIsr')).toEqual([])
})
