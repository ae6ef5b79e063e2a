// Producers and consumers that keep to a quota: nothing before it is known, one piece at a time, all partitions in turn, and nothing more for who has none.

import { describe, expect, test } from 'vitest'
import { chargeQuota, gateDue, newClientQuota, onThrottled } from '../../actors/client-quota.ts'
import type { ConsumerConfig, ConsumerState } from '../../actors/consumer-state.ts'
import type { Effect } from '../../actors/effect.ts'
import type { ProducerState } from '../../actors/producer-state.ts'
import { fetched } from '../coordinator/support.ts'
import { answerFetch, consuming, said, tick as consumerTick } from './consumer-support.ts'
import { answer, ids, ready, submit, submitWith, tick } from './producer-support.ts'
import { lines, sent, sentOne } from './stage.ts'
import type { Stage } from './stage.ts'

const KEEPER = { node: -1, actor: 'quotas' }
const quota = { keeper: KEEPER, user: null, clientId: 'c' }

function told(stage: Stage<ProducerState> | Stage<ConsumerState>, charges: number, millis: number, isLimited = true): Effect[] {
  return stage.deliver({ kind: 'throttled', isLimited, isTimed: false, charges, millis, burstBytes: isLimited ? 500 : 0 }, KEEPER)
}

/** It is limited in the time of its requests. */
function toldOfTime(stage: Stage<ProducerState> | Stage<ConsumerState>, charges: number): Effect[] {
  return stage.deliver({ kind: 'throttled', isLimited: true, isTimed: true, charges, millis: 0, burstBytes: 500 }, KEEPER)
}

/** The partitions of the batches that were sent. */
function partitions(effects: readonly Effect[]): string[] {
  return lines(effects).flatMap((line) => /to replica\/(t-\d): produce/.exec(line)?.[1] ?? [])
}

describe('a client that waits at its quota', () => {
  test('passes when it knows its quota and has paid, and looks again when that will be so, or when its keeper says something', () => {
    const outbox = { push: (): void => undefined }
    const gate = newClientQuota(quota)
    const hear = (charges: number, millis: number, isLimited = true): boolean =>
      onThrottled(gate, { kind: 'throttled', isLimited, isTimed: false, charges, millis, burstBytes: 500 }, 1000)
    expect(gateDue(null, 1000)).toBe(1000)
    expect(gateDue(gate, 1000)).toBe(Infinity)
    hear(0, 0)
    expect(gateDue(gate, 1000)).toBe(1000)
    chargeQuota(gate, 700, outbox)
    expect(gateDue(gate, 1000)).toBe(Infinity)
    hear(1, 30)
    expect([1000, 1029, 1030].map((uptime) => gateDue(gate, uptime))).toEqual([1030, 1030, 1030])
    chargeQuota(gate, 700, outbox)
    hear(1, 0, false)
    expect(gateDue(gate, 1000)).toBe(1000)
  })
})

describe('a producer', () => {
  test('sends nothing before it knows whether it is limited, and goes on as ever if it is not', () => {
    const stage = ready({ quota })
    expect(ids([...submit(stage, 1), ...submit(stage, 2)])).toEqual([])
    const effects = told(stage, 0, 0, false)
    expect(ids(effects)).toHaveLength(2)
    expect(sent([...effects, ...submit(stage, 3)], 'chargeQuota')).toEqual([])
  })

  test('that is limited sends one batch, and the next when that is counted and paid for', () => {
    const stage = ready({ quota })
    told(stage, 0, 0)
    const first = submit(stage, 1)
    const [{ records } = { records: new Uint8Array() }] = sent(first, 'produce')
    expect(sentOne(first, 'chargeQuota').sizeBytes).toBe(records.length)
    expect(ids(submit(stage, 2))).toEqual([])
    expect(lines(told(stage, 1, 30))).toEqual(['timer quota in 30 ms'])
    expect(ids(answer(stage, ids(first)[0] ?? 0, 10))).toEqual([])
    stage.uptime += 29
    expect(ids(stage.deliver({ kind: 'timerFired', timer: 'tick' }))).toEqual([])
    stage.uptime += 1
    expect(ids(stage.deliver({ kind: 'timerFired', timer: 'quota' }))).toHaveLength(1)
  })

  test('that is limited serves its partitions in turn', () => {
    const stage = ready({ quota }, 3)
    told(stage, 0, 0)
    const order = [0, 0, 0, 1, 1, 2].map((partition, token) => submit(stage, token, partition)).flatMap(partitions)
    for (let charges = 1; charges < 6; charges++) order.push(...partitions(told(stage, charges, 0)))
    expect(order).toEqual(['t-0', 't-0', 't-1', 't-2', 't-0', 't-1'])
  })

  test('is limited without acknowledgements, too', () => {
    const stage = ready({ quota })
    told(stage, 0, 0)
    expect([submitWith(stage, 1, 'none'), submitWith(stage, 2, 'none')].map((effects) => ids(effects).length)).toEqual([1, 0])
    expect(ids(told(stage, 1, 0))).toHaveLength(1)
  })

  test('gives up what it may not send in time', () => {
    const stage = ready({ quota })
    told(stage, 0, 0)
    submit(stage, 1)
    submit(stage, 2)
    told(stage, 1, 10_000)
    expect(lines(tick(stage, 5000))).toContain('to client: delivered #2 REQUEST_TIMED_OUT')
  })

  test('goes on at once when its quota is taken away', () => {
    const stage = ready({ quota })
    told(stage, 0, 0)
    submit(stage, 1)
    submit(stage, 2)
    told(stage, 1, 10_000)
    expect(ids(told(stage, 1, 0, false))).toHaveLength(1)
  })
})

describe('a producer whose requests are timed', () => {
  test('sends the next batch when it has heard what the one before took, and has paid for it', () => {
    const stage = ready({ quota })
    toldOfTime(stage, 0)
    const first = sentOne(submit(stage, 1), 'produce')
    expect(first.isTimed).toBe(true)
    submit(stage, 2)
    expect(ids(toldOfTime(stage, 1))).toEqual([])
    expect(ids(answer(stage, first.correlationId, 10))).toEqual([])
    const timed = stage.deliver({ kind: 'requestTimed', correlationId: first.correlationId, micros: 70 })
    expect(sentOne(timed, 'chargeQuota')).toMatchObject({ sizeBytes: 0, micros: 70 })
    expect(ids(timed)).toEqual([])
    expect(ids(toldOfTime(stage, 2))).toHaveLength(1)
  })

  test('asks for the time of each of them', () => {
    const stage = ready({ quota })
    toldOfTime(stage, 0)
    for (let i = 0; i < 20; i++) {
      const { correlationId, isTimed } = sentOne(submit(stage, i), 'produce')
      expect([i, isTimed]).toEqual([i, true])
      answer(stage, correlationId, i)
      // The first was handled twice.
      for (let times = i === 0 ? 2 : 1; times > 0; times--) stage.deliver({ kind: 'requestTimed', correlationId, micros: 1 })
      toldOfTime(stage, stage.state.quota?.charges ?? 0)
    }
  })

  test('pays for a request that was handled twice, and for one whose time comes late', () => {
    const stage = ready({ quota })
    toldOfTime(stage, 0)
    const { correlationId } = sentOne(submit(stage, 1), 'produce')
    const charges = [1, 2].map(() => sentOne(stage.deliver({ kind: 'requestTimed', correlationId, micros: 70 }), 'chargeQuota').micros)
    expect(charges).toEqual([70, 70])
    submit(stage, 2)
    expect(ids(toldOfTime(stage, 2))).toEqual([])
    expect(ids(toldOfTime(stage, 3))).toHaveLength(1)
  })

  test('does not wait for ever where nobody says what a request took, nor at all where nobody was there', () => {
    const stage = ready({ quota, requestTimeoutMillis: 5000 })
    toldOfTime(stage, 0)
    submit(stage, 1)
    submit(stage, 2)
    toldOfTime(stage, 1)
    expect(ids(tick(stage, 990))).toEqual([])
    const [again] = ids(tick(stage, 20))
    expect(again).toBeDefined()
    toldOfTime(stage, 2)
    stage.deliver({ kind: 'undeliverable', correlationId: again ?? -1 })
    expect(stage.state.quota?.timedUntil).toBe(0)
  })

  test('asks for the time of its questions, too, which holds up no question, and pays for it before the next batch', () => {
    const stage = ready({ quota })
    const asked = [...toldOfTime(stage, 0), ...submit(stage, 1, 0)].concat(stage.deliver({ kind: 'nodeDown', node: 1 }), tick(stage, 3000))
    const questions = asked.flatMap((effect) => (effect.kind === 'send' && effect.message.kind === 'metadata' ? [effect.message] : []))
    expect(questions.length).toBeGreaterThan(0)
    expect(questions.every(({ isTimed }) => isTimed === true)).toBe(true)
    toldOfTime(stage, stage.state.quota?.charges ?? 0)
    const { correlationId = -1 } = questions[0] ?? {}
    const timed = stage.deliver({ kind: 'requestTimed', correlationId, micros: 40 })
    expect(sentOne(timed, 'chargeQuota')).toMatchObject({ sizeBytes: 0, micros: 40 })
    expect(ids(submit(stage, 2))).toEqual([])
  })

  test('asks for it without acknowledgements, too, and not where nobody limits the time', () => {
    const stage = ready({ quota })
    toldOfTime(stage, 0)
    const [one] = sent(submitWith(stage, 1, 'none'), 'produce')
    expect([one?.isTimed, (one?.correlationId ?? -1) >= 0]).toEqual([true, true])
    const other = ready({ quota })
    told(other, 0, 0)
    expect(Object.hasOwn(sentOne(submit(other, 1), 'produce'), 'isTimed')).toBe(false)
  })
})

describe('a consumer', () => {
  const RANGE = { path: 'p', position: 0, sizeBytes: 100, availableBytes: 9000 }

  /** One that fetches ranges, and is told how it stands when it has asked for its partitions. */
  function limitedConsumer(changes: Partial<ConsumerConfig> = {}): { stage: Stage<ConsumerState>; effects: Effect[] } {
    const { stage } = consuming({ quota, fetchMode: 'range', ...changes })
    return { stage, effects: told(stage, 0, 0) }
  }

  test('fetches nothing before it knows whether it is limited, and goes on as ever if it is not', () => {
    const { stage, effects } = consuming({ quota, fetchMode: 'range' })
    expect(sent(effects, 'fetch')).toEqual([])
    const fetches = sent(told(stage, 0, 0, false), 'fetch')
    expect(fetches.map(({ mode, maxBytes }) => [mode, maxBytes])).toEqual([
      ['range', 1000],
      ['range', 1000],
    ])
    expect(sent(answerFetch(stage, fetches[0]?.correlationId ?? 0), 'chargeQuota')).toEqual([])
  })

  test('that is limited fetches bytes, as many as its quota lets through at once, and one partition after the other', () => {
    const { stage, effects } = limitedConsumer()
    const first = sentOne(effects, 'fetch')
    expect(first).toMatchObject({ mode: 'bytes', maxBytes: 500, maxWaitMillis: 0 })
    expect(sent(consumerTick(stage, 999), 'fetch')).toEqual([])
    const second = stage.deliver(fetched(null, 10, { correlationId: first.correlationId }))
    expect(lines(second)).toContainEqual(expect.stringMatching(/^to replica\/t-1: fetch/))
    expect(sentOne(second, 'fetch').maxWaitMillis).toBe(0)
    // Who had nothing may take its time, and keeps nobody waiting.
    const third = stage.deliver(fetched(null, 10, { correlationId: sentOne(second, 'fetch').correlationId }))
    expect(sent(third, 'fetch').map(({ maxWaitMillis }) => maxWaitMillis)).toEqual([500, 500])
  })

  test('that is limited does not wait for ever for a leader that does not answer', () => {
    const { stage, effects } = limitedConsumer()
    const { correlationId } = sentOne(effects, 'fetch')
    expect(sent(consumerTick(stage, 1000), 'fetch')).toHaveLength(1)
    // Its answer comes after all, and ends no other's time.
    expect(sent(stage.deliver(fetched(null, 10, { correlationId })), 'fetch')).toEqual([])
  })

  test('that is limited says what it was given, waits until that is paid for, and goes on with the next partition', () => {
    const { stage, effects } = limitedConsumer()
    const answered = answerFetch(stage, sentOne(effects, 'fetch').correlationId)
    expect(sentOne(answered, 'chargeQuota').sizeBytes).toBe(72)
    const more = { kind: 'fetchMore', topic: 't', partition: 0, session: 1, offset: 13 } as const
    expect(said(stage.deliver(more))).toEqual([])
    expect(sent(told(stage, 1, 40), 'fetch')).toEqual([])
    expect(sent(consumerTick(stage, 39), 'fetch')).toEqual([])
    const next = consumerTick(stage, 1)
    expect(sent(next, 'fetch').map(({ fetchOffset }) => fetchOffset)).toEqual([10])
    answerFetch(stage, sentOne(next, 'fetch').correlationId)
    expect(sent(told(stage, 2, 0), 'fetch').map(({ fetchOffset }) => fetchOffset)).toEqual([13])
  })

  test('that becomes limited asks again for what its application would read by itself', () => {
    const { stage } = consuming({ quota, fetchMode: 'range' })
    const [zero] = sent(told(stage, 0, 0, false), 'fetch')
    expect(sent(told(stage, 0, 0), 'dropRanges')).toHaveLength(1)
    expect(sent(told(stage, 0, 0), 'dropRanges')).toEqual([])
    const effects = stage.deliver(fetched(null, 20, { correlationId: zero?.correlationId ?? 0, range: RANGE }))
    expect(sent(effects, 'chunk')).toEqual([])
    expect(sentOne(effects, 'fetch')).toMatchObject({ mode: 'bytes', fetchOffset: 10 })
  })

  test('whose requests are timed asks the next partition when it has heard what the last question took', () => {
    const { stage } = consuming({ quota, fetchMode: 'range' })
    const first = sentOne(toldOfTime(stage, 0), 'fetch')
    expect(first).toMatchObject({ isTimed: true, mode: 'bytes' })
    expect(sent(consumerTick(stage, 50), 'fetch')).toEqual([])
    expect(sent(stage.deliver(fetched(null, 10, { correlationId: first.correlationId })), 'fetch')).toEqual([])
    const timed = stage.deliver({ kind: 'requestTimed', correlationId: first.correlationId, micros: 90 })
    expect(sentOne(timed, 'chargeQuota').micros).toBe(90)
    expect(sent(toldOfTime(stage, 1), 'fetch')).toHaveLength(1)
  })

  test('whose requests are timed is a member as before while it reads nothing, and pays for its heartbeats later', () => {
    const { stage } = consuming({ quota, fetchMode: 'range' })
    const { correlationId } = sentOne(toldOfTime(stage, 0), 'fetch')
    stage.deliver({ kind: 'requestTimed', correlationId, micros: 90 })
    stage.deliver({ kind: 'throttled', isLimited: true, isTimed: true, charges: 1, millis: 60_000, burstBytes: 500 }, KEEPER)
    const heartbeat = sentOne(consumerTick(stage, 5000), 'consumerGroupHeartbeat')
    expect(heartbeat.isTimed).toBe(true)
    const timed = stage.deliver({ kind: 'requestTimed', correlationId: heartbeat.correlationId, micros: 30 })
    expect(sentOne(timed, 'chargeQuota').micros).toBe(30)
  })

  test.each([
    ['is not limited in their time', [told]],
    ['is not limited in it any more', [toldOfTime, told]],
  ])('that %s asks nobody to measure it', (_, steps) => {
    const { stage } = consuming({ quota, fetchMode: 'range' })
    for (const step of steps) step(stage, 0, 0)
    expect(Object.hasOwn(sentOne(consumerTick(stage, 5000), 'consumerGroupHeartbeat'), 'isTimed')).toBe(false)
  })

  test('whose requests are timed does not wait for ever for what one took', () => {
    const { stage } = consuming({ quota, fetchMode: 'range' })
    expect(sent(toldOfTime(stage, 0), 'fetch')).toHaveLength(1)
    expect(sent(consumerTick(stage, 999), 'fetch')).toEqual([])
    expect(sent(consumerTick(stage, 1), 'fetch')).toHaveLength(1)
  })

  test('keeps its group and its commits going while it waits', () => {
    const { stage, effects } = limitedConsumer()
    answerFetch(stage, sent(effects, 'fetch')[0]?.correlationId ?? 0)
    told(stage, 1, 60_000)
    expect(sent(consumerTick(stage, 1000), 'consumerGroupHeartbeat')).toHaveLength(1)
    stage.deliver({ kind: 'progress', topic: 't', partition: 0, session: 1, position: 12 })
    expect(sent(stage.deliver({ kind: 'commit', correlationId: 9, offsets: null }), 'offsetCommit')).toHaveLength(1)
  })
})
