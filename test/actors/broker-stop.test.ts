// How a node stops cleanly: others lead first what it leads, or have it when all stop, within a time limit; then everything is synced, and the directory says so.

import { describe, expect, test } from 'vitest'
import { HAND_OVER_TIMER, SETTLE_TIMER } from '../../actors/broker-stop.ts'
import type { Effect } from '../../actors/effect.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { MessageOf } from '../../protocol/messages/message.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import { created, nodes } from '../coordinator/support.ts'
import {
  answerHeartbeat,
  brokerOn,
  coordinatorAt,
  diskOf,
  joined,
  metadata,
  register,
  remembered,
  replicaAt,
  tell,
} from './broker-support.ts'
import type { BrokerStage } from './broker-support.ts'
import { lines, sent, sentOne } from './stage.ts'

const HAND_OVER = { kind: 'stopNode', handOver: true } as const
const ALL_AT_ONCE = { kind: 'stopNode', handOver: false } as const
const SETTLED = { kind: 'settled' } as const
const DRAINED = { kind: 'drained', isSynced: true } as const

/** Asks the coordinator, if the timer for that is set. */
function ask(one: BrokerStage, effects: readonly Effect[]): MessageOf<'brokerHeartbeat'> {
  expect(lines(effects)).toContain('timer coordinator in 0 ms')
  return sentOne(tell(one, { kind: 'timerFired', timer: 'coordinator' }), 'brokerHeartbeat')
}

/** Node 1, which is the only one. */
function alone(records: readonly MetadataRecord[] = []): BrokerStage {
  const one = brokerOn(diskOf())
  tell(one, { kind: 'started' }, one.stage.self)
  register(one, 101)
  tell(one, metadata(0, 102, [...nodes([1]), ...records]), coordinatorAt(0))
  return one
}

describe('a clean stop', () => {
  test('is over when every replica has drained; the next life will know that nothing is lost', () => {
    const one = alone([created('a', 1, [1, 1])])
    expect(remembered(one)).toEqual([{ brokerEpoch: 101, bootId: 'boot-1', clean: false }])
    expect(lines(tell(one, ALL_AT_ONCE))).toEqual(['to replica/a-0: drain', 'to replica/a-1: drain'])
    expect(tell(one, DRAINED, replicaAt('a-0'))).toEqual([])
    expect(tell(one, DRAINED, replicaAt('a-0'))).toEqual([])
    expect(remembered(one)).toHaveLength(1)
    expect(lines(tell(one, DRAINED, replicaAt('a-1')))).toContain('to client: drained')
    expect(remembered(one)).toContainEqual({ brokerEpoch: 101, bootId: 'boot-1', clean: true })
  })

  test('is told once more to whoever asks again, and written down once: what was written at the beginning stays beside it', () => {
    const one = alone()
    tell(one, ALL_AT_ONCE)
    const files = remembered(one)
    expect(files).toMatchObject([
      { brokerEpoch: 101, clean: false },
      { brokerEpoch: 101, clean: true },
    ])
    expect(sentOne(tell(one, ALL_AT_ONCE), 'drained').isSynced).toBe(true)
    expect(remembered(one)).toEqual(files)
  })

  test('remembers nothing of the kind if one replica could not sync what it has', () => {
    for (const failed of ['a-0', 'a-1']) {
      const one = alone([created('a', 1, [1, 1])])
      tell(one, ALL_AT_ONCE)
      tell(one, { ...DRAINED, isSynced: failed !== 'a-0' }, replicaAt('a-0'))
      const effects = tell(one, { ...DRAINED, isSynced: failed !== 'a-1' }, replicaAt('a-1'))
      expect(remembered(one)).toEqual([{ brokerEpoch: 101, bootId: 'boot-1', clean: false }])
      expect(sentOne(effects, 'drained').isSynced).toBe(false)
    }
  })

  test('remembers nothing of the kind before the metadata have come: what the last life has left in the page cache has no replica yet', () => {
    const one = brokerOn(diskOf())
    tell(one, { kind: 'started' }, one.stage.self)
    register(one, 101)
    const effects = tell(one, ALL_AT_ONCE)
    expect(remembered(one)).toEqual([{ brokerEpoch: 101, bootId: 'boot-1', clean: false }])
    expect(sentOne(effects, 'drained').isSynced).toBe(false)
  })

  test('does not wait for a replica that goes meanwhile with its topic', () => {
    const one = alone([created('a', 1, [1]), created('b', 2, [1])])
    tell(one, ALL_AT_ONCE)
    expect(tell(one, DRAINED, replicaAt('a-0'))).toEqual([])
    const effects = tell(one, metadata(102, 103, [{ type: 'topicDeleted', topicId: 2 }]), coordinatorAt(0))
    expect(lines(effects)).toContain('stop replica/b-0')
    expect(lines(effects)).toContain('to client: drained')
    expect(tell(one, DRAINED, replicaAt('b-0'))).toEqual([])
  })

  test('is over at once when there is nothing to drain', () => {
    expect(lines(tell(alone(), ALL_AT_ONCE))).toContain('to client: drained')
  })

  test('of a node that has not registered remembers nothing, and hands nothing over', () => {
    for (const message of [ALL_AT_ONCE, HAND_OVER]) {
      const one = brokerOn(diskOf())
      expect(lines(tell(one, message))).toEqual(['to client: drained'])
      expect(remembered(one)).toEqual([])
    }
  })

  test('that is asked for twice drains once, and answers whoever asks last', () => {
    const one = alone([created('a', 1, [1])])
    tell(one, ALL_AT_ONCE)
    expect(tell(one, ALL_AT_ONCE, { node: -1, actor: 'second' })).toEqual([])
    expect(lines(tell(one, DRAINED, replicaAt('a-0')))).toContain('to second: drained')
    expect(lines(tell(one, ALL_AT_ONCE, { node: -1, actor: 'third' }))).toContain('to third: drained')
  })
})

describe('a stop with a hand-over', () => {
  test('tells the coordinator at once, and drains when that says that nobody counts on the node any more', () => {
    const one = joined([created('a', 1, [1])])
    expect(ask(one, tell(one, HAND_OVER))).toMatchObject({ node: 1, brokerEpoch: 101, wantShutDown: 'alone' })
    expect(sent(answerHeartbeat(one), 'drain')).toEqual([])
    one.stage.uptime += 50
    expect(sentOne(tell(one, { kind: 'timerFired', timer: 'coordinator' }), 'brokerHeartbeat').wantShutDown).toBe('alone')
    expect(lines(answerHeartbeat(one, NONE, 0, true))).toContain('to replica/a-0: drain')
    expect(sent(answerHeartbeat(one, NONE, 0, true), 'drain')).toEqual([])
  })

  test('asks another coordinator when the first does not lead', () => {
    const one = joined([created('a', 1, [1])])
    const { correlationId } = ask(one, tell(one, HAND_OVER))
    tell(one, { kind: 'notController', correlationId, controller: 2, isUncertain: false }, coordinatorAt(0))
    const effects = tell(one, { kind: 'timerFired', timer: 'coordinator' })
    expect(effects).toContainEqual(expect.objectContaining({ kind: 'send', to: coordinatorAt(2) }))
    expect(sentOne(effects, 'brokerHeartbeat').wantShutDown).toBe('alone')
  })

  test('does not wait for a coordinator for ever', () => {
    const one = joined([created('a', 1, [1])])
    expect(lines(tell(one, HAND_OVER))).toEqual(['timer handOver in 1000 ms', 'timer coordinator in 0 ms'])
    expect(lines(tell(one, { kind: 'timerFired', timer: HAND_OVER_TIMER }))).toEqual(['to replica/a-0: drain'])
  })

  test('is over for an incarnation that is over: it does not register again to stop', () => {
    const one = joined([created('a', 1, [1])])
    ask(one, tell(one, HAND_OVER))
    const effects = answerHeartbeat(one, codeOf('STALE_BROKER_EPOCH'))
    expect(lines(effects)).toEqual(['to replica/a-0: drain'])
  })
})

describe('a stop of all nodes together', () => {
  test('gives the followers first what is led here, then asks the coordinator, and drains when everybody has asked', () => {
    const one = joined([created('a', 1, [1, 1])])
    expect(lines(tell(one, ALL_AT_ONCE))).toEqual([
      'timer handOver in 1400 ms',
      'timer settle in 400 ms',
      'to replica/a-0: settle',
      'to replica/a-1: settle',
    ])
    expect(tell(one, SETTLED, replicaAt('a-0'))).toEqual([])
    expect(tell(one, SETTLED, replicaAt('a-0'))).toEqual([])
    expect(ask(one, tell(one, SETTLED, replicaAt('a-1'))).wantShutDown).toBe('together')
    expect(lines(answerHeartbeat(one, NONE, 0, true))).toEqual([
      'timer coordinator in 50 ms',
      'to replica/a-0: drain',
      'to replica/a-1: drain',
    ])
    expect(tell(one, SETTLED, replicaAt('a-0'))).toEqual([])
    expect(tell(one, DRAINED, replicaAt('a-0'))).toEqual([])
    expect(lines(tell(one, DRAINED, replicaAt('a-1')))).toContain('to client: drained')
  })

  test('does not say so before its followers have everything', () => {
    const one = joined([created('a', 1, [1])])
    tell(one, ALL_AT_ONCE)
    one.stage.uptime += 300
    expect(sentOne(tell(one, { kind: 'timerFired', timer: 'coordinator' }), 'brokerHeartbeat').wantShutDown).toBe('no')
  })

  test('does not wait for a replica that goes meanwhile with its topic', () => {
    const one = joined([created('a', 1, [1]), created('b', 2, [1])])
    tell(one, ALL_AT_ONCE)
    expect(tell(one, SETTLED, replicaAt('a-0'))).toEqual([])
    const effects = tell(one, metadata(200, 201, [{ type: 'topicDeleted', topicId: 2 }]), coordinatorAt(0))
    expect(ask(one, effects).wantShutDown).toBe('together')
  })

  test('does not wait for followers for ever, nor for a coordinator', () => {
    const one = joined([created('a', 1, [1, 1])])
    tell(one, ALL_AT_ONCE)
    tell(one, SETTLED, replicaAt('a-0'))
    expect(ask(one, tell(one, { kind: 'timerFired', timer: SETTLE_TIMER })).wantShutDown).toBe('together')
    expect(tell(one, SETTLED, replicaAt('a-1'))).toEqual([])
    const drains = ['to replica/a-0: drain', 'to replica/a-1: drain']
    expect(lines(tell(one, { kind: 'timerFired', timer: HAND_OVER_TIMER }))).toEqual(drains)
    expect(tell(one, { kind: 'timerFired', timer: SETTLE_TIMER })).toEqual([])
  })

  test('asks at once where there is nothing to wait for', () => {
    const one = joined()
    expect(ask(one, tell(one, ALL_AT_ONCE)).wantShutDown).toBe('together')
  })

  test('is told when the last one has asked, whichever of the questions that answers', () => {
    const one = joined()
    const before = one.stage.state.correlationId
    const { correlationId: first } = ask(one, tell(one, ALL_AT_ONCE))
    answerHeartbeat(one)
    one.stage.uptime += 50
    tell(one, { kind: 'timerFired', timer: 'coordinator' })
    const answer = (correlationId: number): string[] => {
      const message = { kind: 'brokerHeartbeatResponse', correlationId, errorCode: NONE, voters: [], metadataOffset: 200 } as const
      return lines(tell(one, { ...message, shouldShutDown: true }, coordinatorAt(0)))
    }
    for (const other of [before, one.stage.state.nextToken]) expect(answer(other)).toEqual([])
    expect(answer(first)).toContain('to client: drained')
  })

  test('goes on asking the coordinator that answers that others are still to ask', () => {
    const one = joined()
    ask(one, tell(one, ALL_AT_ONCE))
    const { controller } = one.stage.state
    for (let count = 0; count < 10; count++) {
      expect(lines(answerHeartbeat(one))).toEqual(['timer coordinator in 50 ms'])
      one.stage.uptime += 50
      const effects = tell(one, { kind: 'timerFired', timer: 'coordinator' })
      expect(effects).toContainEqual(expect.objectContaining({ kind: 'send', to: coordinatorAt(controller) }))
    }
  })
})
