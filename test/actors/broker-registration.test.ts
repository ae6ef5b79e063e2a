// How a node joins the cluster and stays in it: who it was, who it is now, and that it is alive (KIP-631).

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import { nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import {
  answerHeartbeat,
  brokerOn,
  coordinatorAt,
  diskOf,
  joined,
  metadata,
  register,
  release,
  remembered,
  replicaStarted,
  tell,
  written,
} from './broker-support.ts'
import type { BrokerStage } from './broker-support.ts'
import { perform } from './disk.ts'
import { lines, sent, sentOne } from './stage.ts'

const TICK = { kind: 'timerFired', timer: 'coordinator' } as const

/** What a node whose directory holds these files says first. */
function firstWords(files: Readonly<Record<string, string>>, bootId = 'boot-1'): Effect[] {
  return tell(brokerOn(diskOf(files), { bootId }), { kind: 'started' })
}

/** Time passes, and the timer fires. */
function tick(one: BrokerStage, millis: number): Effect[] {
  one.stage.uptime += millis
  return tell(one, TICK)
}

/** Whom the broker has asked. */
function asked(effects: readonly Effect[]): number[] {
  return effects.flatMap((effect) => (effect.kind === 'send' ? [effect.to.node] : []))
}

/** A node that has sent its registration. */
function registering(one: BrokerStage = brokerOn(diskOf())): BrokerStage {
  tell(one, { kind: 'started' })
  return one
}

describe('who a node was', () => {
  test('nobody, with an empty directory', () => {
    const one = brokerOn(diskOf(), { rack: 'a' })
    one.stage.random = 99
    expect(sentOne(tell(one, { kind: 'started' }), 'registerBroker')).toMatchObject({
      node: 1,
      incarnation: 99,
      rack: 'a',
      previousBrokerEpoch: -1,
      isUnsyncedSafe: false,
    })
  })

  test('is what the newer of two files says, whichever that is', () => {
    for (const [first, second] of [
      [7, 12],
      [12, 7],
    ] as const) {
      const effects = firstWords({ 'registration-0': written(first), 'registration-1': written(second) })
      expect(sentOne(effects, 'registerBroker').previousBrokerEpoch).toBe(12)
    }
    expect(sentOne(firstWords({ 'registration-1': written(5) }), 'registerBroker').previousBrokerEpoch).toBe(5)
  })

  test('is what the other file says when one is torn, at whatever byte; with both torn nobody can say', () => {
    const whole = written(12)
    for (let size = 0; size < whole.length; size++) {
      const torn = whole.slice(0, size)
      const effects = firstWords({ 'registration-0': written(7), 'registration-1': torn })
      expect(sentOne(effects, 'registerBroker').previousBrokerEpoch).toBe(7)
      const both = firstWords({ 'registration-0': torn, 'registration-1': torn })
      expect(sentOne(both, 'registerBroker')).toMatchObject({ previousBrokerEpoch: -1, isUnsyncedSafe: false })
    }
  })

  test('has everything that it wrote if the system is still the same run, or it stopped cleanly', () => {
    const isSafe = (text: string): boolean => sentOne(firstWords({ 'registration-0': text }, 'boot-2'), 'registerBroker').isUnsyncedSafe
    expect(isSafe(written(7, 'boot-2'))).toBe(true)
    expect(isSafe(written(7, 'boot-1'))).toBe(false)
    expect(isSafe(written(7, 'boot-1', true))).toBe(true)
  })

  test('does not have what it wrote since an older clean stop', () => {
    const files = { 'registration-0': written(7, 'boot-1', true), 'registration-1': written(12, 'boot-1') }
    expect(sentOne(firstWords(files, 'boot-2'), 'registerBroker')).toMatchObject({ previousBrokerEpoch: 12, isUnsyncedSafe: false })
  })

  test('is asked again when the disk cannot say: a file that cannot be read is not one that is not there', () => {
    for (const operation of ['list', 'read'] as const) {
      const one = brokerOn(diskOf({ 'registration-0': written(7) }))
      one.disk.failing.set(operation, 'io')
      expect(lines(tell(one, { kind: 'started' }))).toEqual(['timer coordinator in 10 ms'])
      expect(lines(tick(one, 10))).toEqual(['timer coordinator in 10 ms'])
      one.disk.failing.clear()
      expect(sentOne(tick(one, 10), 'registerBroker').previousBrokerEpoch).toBe(7)
    }
  })
})

describe('a registration', () => {
  test('is written down, durably, before the node shows itself under it', () => {
    const one = registering()
    one.hold.add('sync')
    expect(sent(register(one, 101), 'brokerHeartbeat')).toEqual([])
    expect(remembered(one)).toEqual([{ brokerEpoch: 101, bootId: 'boot-1', clean: false }])
    expect(sent(tick(one, 50), 'brokerHeartbeat')).toEqual([])
    expect(sentOne(release(one), 'brokerHeartbeat')).toMatchObject({ node: 1, brokerEpoch: 101, metadataOffset: 0 })
  })

  test('takes the place of the older of two files', () => {
    for (const [older, newer] of [
      ['registration-0', 'registration-1'],
      ['registration-1', 'registration-0'],
    ] as const) {
      const one = registering(brokerOn(diskOf({ [older]: written(7), [newer]: written(12) })))
      register(one, 20)
      expect(remembered(one)).toEqual(older === 'registration-0' ? [record(20), record(12)] : [record(12), record(20)])
    }
  })

  test.each([0, 1])('takes the place of a clean stop that may not be durable, not of what is (the clean stop is in file %d)', (clean) => {
    const files = { [`registration-${clean}`]: written(12, 'boot-1', true), [`registration-${1 - clean}`]: written(12, 'boot-1') }
    const here = registering(brokerOn(diskOf(files)))
    register(here, 20)
    expect(remembered(here)).toEqual(clean === 0 ? [record(20), record(12)] : [record(12), record(20)])
    const later = registering(brokerOn(diskOf(files), { bootId: 'boot-2' }))
    register(later, 20)
    expect(remembered(later)[clean]).toMatchObject({ brokerEpoch: 12, clean: true })
  })

  test.each([
    ['is proved first: it may be in the page cache only', { 'registration-0': written(7), 'registration-1': written(5) }, 'boot-1', false],
    ['is all there is', { 'registration-0': written(7) }, 'boot-1', true],
    ['is durable, for the machine has started since', { 'registration-0': written(7), 'registration-1': written(5) }, 'boot-2', true],
  ])('leaves the one that is durable: the newest one %s', (_, files, bootId, isHeardAtOnce) => {
    const one = brokerOn(diskOf(files), { bootId })
    one.disk.failing.set('sync', 'io')
    expect(sent(tell(one, { kind: 'started' }), 'registerBroker')).toHaveLength(isHeardAtOnce ? 1 : 0)
    one.disk.failing.clear()
    if (!isHeardAtOnce) sentOne(tick(one, 10), 'registerBroker')
    register(one, 20)
    expect(remembered(one)).toEqual([record(7), record(20, bootId)])
  })

  test.each([
    ['an older one', written(5)],
    ['one that says the same', written(7)],
  ])('leaves the newest one beside %s, if a sync of it has failed: it is written once more until a sync proves it', (_, other) => {
    const one = brokerOn(diskOf({ 'registration-0': written(7), 'registration-1': other }))
    const asked: string[] = []
    const move = (begin: () => Effect[], ...failing: readonly ('rewrite' | 'sync')[]): Effect[] => {
      for (const kind of ['rewrite', 'sync', 'replace'] as const) one.hold.add(kind)
      const rest = begin()
      for (const operation of failing) one.disk.failing.set(operation, 'io')
      for (let effect = one.held.shift(); effect !== undefined; effect = one.held.shift()) {
        asked.push(lines([effect])[0]!)
        rest.push(...tell(one, perform(one.disk, effect), one.stage.self))
      }
      one.disk.failing.clear()
      return rest
    }
    expect(lines(move(() => tell(one, { kind: 'started' }), 'sync'))).toEqual(['timer coordinator in 10 ms'])
    expect(lines(move(() => tick(one, 10), 'sync'))).toEqual(['timer coordinator in 10 ms'])
    expect(lines(move(() => tick(one, 10), 'rewrite'))).toEqual(['timer coordinator in 10 ms'])
    expect(
      sentOne(
        move(() => tick(one, 10)),
        'registerBroker',
      ).previousBrokerEpoch,
    ).toBe(7)
    move(() => register(one, 20))
    expect(asked.map((line) => line.replace(/:.*/, ''))).toEqual([
      'sync registration-0',
      'rewrite registration-0 at 0',
      'sync registration-0',
      'rewrite registration-0 at 0',
      'rewrite registration-0 at 0',
      'sync registration-0',
      'replace registration-1',
      'sync registration-1',
    ])
    expect(remembered(one)).toEqual([record(7), record(20)])
  })

  test.each(['replace', 'sync'] as const)(
    'that cannot be written down (%s) is written again, in the same file, and not used before',
    (operation) => {
      const one = registering(brokerOn(diskOf({ 'registration-0': written(7), 'registration-1': written(5) })))
      one.disk.failing.set(operation, 'io')
      expect(lines(register(one, 20))).toContain('timer coordinator in 10 ms')
      expect(sent(tick(one, 10), 'brokerHeartbeat')).toEqual([])
      expect(remembered(one)[0]).toEqual(record(7))
      one.disk.failing.clear()
      expect(sentOne(tick(one, 10), 'brokerHeartbeat').brokerEpoch).toBe(20)
      expect(remembered(one)).toEqual([record(7), record(20)])
    },
  )

  test('that is sent again is the same incarnation, so that it is done once', () => {
    const one = brokerOn(diskOf())
    one.stage.random = 5
    const [first] = sent(tell(one, { kind: 'started' }), 'registerBroker')
    one.stage.random = 6
    const [second] = sent(tick(one, 200), 'registerBroker')
    expect(second?.correlationId).not.toBe(first?.correlationId)
    expect([first?.incarnation, second?.incarnation]).toEqual([5, 5])
    // What answers the first one is of no interest any more.
    const late = { kind: 'brokerRegistered', correlationId: first!.correlationId, errorCode: NONE, brokerEpoch: 101 } as const
    tell(one, late, coordinatorAt(1))
    expect(one.stage.state.brokerEpoch).toBe(-1)
    expect(sent(register(one, 101), 'brokerHeartbeat')).toHaveLength(1)
  })

  test('that is refused is tried elsewhere, after a pause', () => {
    const one = registering()
    const { correlationId } = one.stage.state
    const refusal = { kind: 'brokerRegistered', correlationId, errorCode: codeOf('THROTTLING_QUOTA_EXCEEDED'), brokerEpoch: -1 } as const
    expect(lines(tell(one, refusal, coordinatorAt(1)))).toContain('timer coordinator in 10 ms')
    expect(asked(tick(one, 10))).toEqual([2])
    expect(remembered(one)).toEqual([])
  })

  function record(brokerEpoch: number, bootId = 'boot-1'): unknown {
    return { brokerEpoch, bootId, clean: false }
  }
})

describe('the active coordinator', () => {
  function refused(one: BrokerStage, controller: number): Effect[] {
    const { correlationId } = one.stage.state
    return tell(one, { kind: 'notController', correlationId, controller, isUncertain: false }, coordinatorAt(one.stage.state.controller))
  }

  test('is first thought to be on the own node, then where one that is not active says', () => {
    const one = brokerOn(diskOf())
    expect(asked(tell(one, { kind: 'started' }))).toEqual([1])
    expect(lines(refused(one, 0))).toEqual(['timer coordinator in 10 ms'])
    expect(asked(tick(one, 10))).toEqual([0])
  })

  test('is looked for at the next voter by who gets no hint, or one that leads nowhere', () => {
    const one = registering()
    refused(one, -1)
    expect(asked(tick(one, 10))).toEqual([2])
    refused(one, 2)
    expect(asked(tick(one, 10))).toEqual([0])
    const { correlationId } = one.stage.state
    tell(one, { kind: 'undeliverable', correlationId }, coordinatorAt(0))
    expect(asked(tick(one, 10))).toEqual([1])
  })

  test('may change while the node is registered', () => {
    const one = joined()
    answerHeartbeat(one)
    tick(one, 50)
    refused(one, 2)
    expect(asked(tick(one, 10))).toEqual([2])
    expect(one.stage.state.brokerEpoch).toBe(101)
  })

  test('is not looked for because of an answer to something else', () => {
    const one = registering()
    tell(one, { kind: 'notController', correlationId: 12_345, controller: 0, isUncertain: false }, coordinatorAt(1))
    expect(one.stage.state.controller).toBe(1)
  })
})

describe('heartbeats', () => {
  test('say how much metadata the node has, at once when it has caught up with its registration', () => {
    const one = registering()
    expect(sentOne(register(one, 101), 'brokerHeartbeat').metadataOffset).toBe(0)
    answerHeartbeat(one)
    const behind = tell(one, metadata(0, 100, []), coordinatorAt(0))
    expect(sent(behind, 'brokerHeartbeat')).toEqual([])
    const caughtUp = tell(one, metadata(100, 101, nodes([1])), coordinatorAt(0))
    expect(sentOne(caughtUp, 'brokerHeartbeat')).toMatchObject({ brokerEpoch: 101, metadataOffset: 101 })
  })

  test('come regularly, one at a time', () => {
    const one = joined()
    expect(lines(answerHeartbeat(one))).toEqual(['timer coordinator in 50 ms'])
    expect(sentOne(tick(one, 50), 'brokerHeartbeat').metadataOffset).toBe(200)
    expect(lines(tick(one, 50))).toEqual(['timer coordinator in 150 ms'])
    expect(sent(tick(one, 150), 'brokerHeartbeat')).toHaveLength(1)
  })

  test.each(['STALE_BROKER_EPOCH', 'BROKER_ID_NOT_REGISTERED'] as const)(
    'that are answered with %s make the node another incarnation, which has all that this one had',
    (error) => {
      const one = joined()
      one.stage.random = 4711
      expect(sentOne(answerHeartbeat(one, codeOf(error)), 'registerBroker')).toMatchObject({
        incarnation: 4711,
        previousBrokerEpoch: 101,
        isUnsyncedSafe: true,
      })
      register(one, 300)
      expect(one.stage.state.brokerEpoch).toBe(300)
      expect(remembered(one)).toContainEqual({ brokerEpoch: 300, bootId: 'boot-1', clean: false })
    },
  )

  test('that are answered with another error are tried elsewhere', () => {
    const one = joined()
    const asking = one.stage.state.controller
    answerHeartbeat(one, codeOf('NOT_CONTROLLER'))
    expect(asked(tick(one, 10))).not.toEqual([asking])
    expect(one.stage.state.brokerEpoch).toBe(101)
  })

  test('of a new incarnation go with replicas that know it, whether the metadata or the answer comes first', () => {
    const partition = topicWith('a', 1, [partitionOf([0, 1])])
    const again = { type: 'brokerRegistered', node: 1, brokerEpoch: 201, incarnation: 9, rack: null } as const
    for (const isMetadataFirst of [true, false]) {
      const one = joined([partition])
      replicaStarted(one, 'a-0')
      answerHeartbeat(one, codeOf('STALE_BROKER_EPOCH'))
      const update = (): Effect[] => tell(one, metadata(200, 201, [again]), coordinatorAt(0))
      const effects = isMetadataFirst ? [...update(), ...register(one, 201)] : [...register(one, 201), ...update()]
      expect(sent(effects, 'leaderAndIsr').at(-1)).toMatchObject({ brokerEpoch: 201 })
    }
  })
})

test.each([0, 1])('a clean stop is believed, whichever file it was written to (%d)', (file) => {
  const files = { [`registration-${file}`]: written(12, 'boot-1', true), [`registration-${1 - file}`]: written(12, 'boot-1', false) }
  const message = sentOne(tell(brokerOn(diskOf(files), { bootId: 'boot-2' }), { kind: 'started' }), 'registerBroker')
  expect(message).toMatchObject({ previousBrokerEpoch: 12, isUnsyncedSafe: true })
})

test('a broker asks the next coordinator when the last one is silent', () => {
  const one = brokerOn(diskOf(), {}, 0)
  tell(one, { kind: 'started' })
  one.stage.uptime += 200
  const effects = tell(one, { kind: 'timerFired', timer: 'coordinator' })
  const asked = effects.flatMap((effect) => (effect.kind === 'send' ? [effect.to.node] : []))
  expect(asked).toEqual([1])
})
