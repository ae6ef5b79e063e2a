// Those who need the active coordinator (producers, consumers, groups, brokers) look for it, whoever of the voters it is.

import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { actor as producer } from '../../actors/producer.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { brokerOn, coordinatorAt, diskOf, tell } from './broker-support.ts'
import { consumer } from './consumer-support.ts'
import { fetched } from '../coordinator/support.ts'
import { groupsStage, heartbeat } from './groups-support.ts'
import { CLIENT, stageOf } from './stage.ts'

const NODES = [0, 1, 2]

/** Which coordinators are asked for something. */
function asked(effects: readonly Effect[], kind: Message['kind']): number[] {
  return effects.flatMap((effect) => (effect.kind === 'send' && effect.message.kind === kind ? [effect.to.node] : []))
}

function refusal(correlationId: number, controller: number): Message {
  return { kind: 'notController', correlationId, controller, isUncertain: false }
}

test('a producer follows the hint of a coordinator that does not lead, and leaves one that is silent or dead', () => {
  const times = {
    requestTimeoutMillis: 1000,
    deliveryTimeoutMillis: 5000,
    retryBackoffMillis: 50,
    isIdempotent: true,
    transactionalId: null,
    transactionTimeoutMillis: 60_000,
  }
  const stage = stageOf(producer, { node: -1, actor: 'producer' }, { client: CLIENT, coordinatorNodes: NODES, acks: 'leader', ...times })
  const tick = (millis: number): number[] => {
    stage.uptime += millis
    return asked(stage.deliver({ kind: 'timerFired', timer: 'tick' }), 'initProducerId')
  }
  expect(asked(stage.deliver({ kind: 'started' }), 'initProducerId')).toEqual([0])
  stage.deliver(refusal(1, 2), coordinatorAt(0))
  expect(tick(50)).toEqual([2])
  expect(tick(50)).toEqual([])
  expect(tick(1000)).toEqual([0])
  stage.deliver({ kind: 'nodeDown', node: 0 })
  expect(tick(50)).toEqual([1])
  stage.deliver({ kind: 'undeliverable', correlationId: 1 }, coordinatorAt(1))
  expect(tick(50)).toEqual([2])
})

test('a consumer looks for its group with another coordinator when one does not lead or is dead', () => {
  const stage = consumer({ coordinatorNodes: NODES })
  expect(asked(stage.deliver({ kind: 'subscribe', topics: ['t'], topicPattern: null }), 'findCoordinator')).toEqual([0])
  const tick = (): number[] => {
    stage.uptime += 500
    return asked(stage.deliver({ kind: 'timerFired', timer: 'tick' }), 'findCoordinator')
  }
  const { correlationId } = stage.state.membership
  stage.deliver(refusal(correlationId, 1), coordinatorAt(0))
  expect(tick()).toEqual([1])
  stage.deliver({ kind: 'nodeDown', node: 1 })
  expect(tick()).toEqual([2])
})

test('a group asks the next coordinator for the topics of its members when the last one has not answered', () => {
  const stage = groupsStage({ coordinatorNodes: NODES })
  stage.deliver({ kind: 'started' })
  stage.deliver(fetched(null, 0))
  const first = asked(stage.deliver({ ...heartbeat('m', 0), sessionTimeoutMillis: 60_000 }), 'metadata')
  const refresh = (): number[] => asked(stage.deliver({ kind: 'timerFired', timer: 'refresh' }), 'metadata')
  expect([...first, ...refresh()]).toEqual([0, 1])
  stage.deliver(refusal(9, 0), coordinatorAt(1))
  expect(refresh()).toEqual([0])
})

test('a broker asks the coordinator of its own node first, then follows hints, and leaves one that is not there', () => {
  const one = brokerOn(diskOf(), { voters: NODES }, 2)
  expect(asked(tell(one, { kind: 'started' }), 'registerBroker')).toEqual([2])
  const tick = (millis: number): number[] => {
    one.stage.uptime += millis
    return asked(tell(one, { kind: 'timerFired', timer: 'coordinator' }), 'registerBroker')
  }
  tell(one, refusal(one.stage.state.correlationId, 1), coordinatorAt(2))
  expect(tick(10)).toEqual([1])
  expect(tick(100)).toEqual([])
  tell(one, { kind: 'undeliverable', correlationId: one.stage.state.correlationId }, coordinatorAt(1))
  expect(tick(10)).toEqual([2])
})

test('a broker whose node has no coordinator begins with the first', () => {
  expect(asked(tell(brokerOn(diskOf(), { voters: NODES }, 3), { kind: 'started' }), 'registerBroker')).toEqual([0])
})
