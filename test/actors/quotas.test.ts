// The keeper of quotas, and the coordinator that tells it which there are.

import { describe, expect, test } from 'vitest'
import { actor } from '../../actors/quotas.ts'
import type { QuotasState } from '../../actors/quotas.ts'
import type { Effect } from '../../actors/effect.ts'
import { codeOf } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { ClientQuota } from '../../protocol/messages/quota.ts'
import { active, tell, work } from './coordinator-support.ts'
import { sent, sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const COORDINATOR = { node: 0, actor: 'coordinator' }
const A = { node: -1, actor: 'producer-a' }
const B = { node: -1, actor: 'producer-b' }

function keeper(): Stage<QuotasState> {
  const stage = stageOf(actor, { node: -1, actor: 'quotas' }, { coordinatorNodes: [0, 1, 2] })
  stage.deliver({ kind: 'started' }, stage.self)
  return stage
}

function answer(stage: Stage<QuotasState>, entries: readonly ClientQuota[] | null, version = 5): Effect[] {
  const { correlationId } = stage.state
  return stage.deliver({ kind: 'clientQuotasDescribed', correlationId, version, entries }, COORDINATOR)
}

function limited(producerByteRate: number, clientId: string | null = 'c'): ClientQuota[] {
  return [{ entity: { clientId }, quotas: { producerByteRate } }]
}

function join(stage: Stage<QuotasState>, from = A, clientId: string | null = 'c'): Effect[] {
  return stage.deliver({ kind: 'joinQuota', key: 'producerByteRate', user: null, clientId, group: null }, from)
}

/** How long the client has to be silent after so many bytes. */
function charge(stage: Stage<QuotasState>, sizeBytes: number, from = A): number {
  return sentOne(stage.deliver({ kind: 'chargeQuota', sizeBytes, micros: 0 }, from), 'throttled').millis
}

describe('a keeper of quotas', () => {
  test('tells nobody anything before it knows, and everybody then', () => {
    const stage = keeper()
    expect(sent([...join(stage), ...join(stage, B, 'other')], 'throttled')).toEqual([])
    const told = sent(answer(stage, limited(1000)), 'throttled')
    expect(told.map(({ isLimited, millis, burstBytes }) => [isLimited, millis, burstBytes])).toEqual([
      [true, 0, 100],
      [false, 0, 0],
    ])
  })

  test('has clients of one name share one bucket, and lets others alone', () => {
    const stage = keeper()
    answer(stage, limited(1000))
    join(stage, A)
    join(stage, B)
    expect([charge(stage, 600, A), charge(stage, 500, B)]).toEqual([500, 1000])
    stage.uptime = 1000
    expect(charge(stage, 100, A)).toBe(100)
  })

  test('gives each client that a default stands for a bucket of its own', () => {
    const stage = keeper()
    answer(stage, limited(1000, null))
    join(stage, A, 'a')
    join(stage, B, 'b')
    expect([charge(stage, 600, A), charge(stage, 600, B)]).toEqual([500, 500])
  })

  test('counts the time of requests in per cent of a thread, beside the bytes, and shared by whoever sends and reads', () => {
    const stage = keeper()
    answer(stage, [{ entity: { clientId: 'c' }, quotas: { producerByteRate: 1000, requestPercentage: 5 } }])
    expect(sentOne(join(stage), 'throttled')).toMatchObject({ isLimited: true, isTimed: true, burstBytes: 100 })
    const reader = { kind: 'joinQuota', key: 'consumerByteRate', user: null, clientId: 'c', group: null } as const
    expect(sentOne(stage.deliver(reader, B), 'throttled')).toMatchObject({ isTimed: true, burstBytes: Number.MAX_SAFE_INTEGER })
    const spend = (micros: number, from = A): number =>
      sentOne(stage.deliver({ kind: 'chargeQuota', sizeBytes: 0, micros }, from), 'throttled').millis
    // 50,000 us a second, and a tenth of that at once.
    expect([spend(4000), spend(2000, B), charge(stage, 200), spend(0, B)]).toEqual([0, 20, 100, 20])
    stage.uptime = 20
    expect([spend(0), spend(0, B)]).toEqual([80, 0])
  })

  test('tells whoever is bound of every change, and lets go when there is none any more', () => {
    const stage = keeper()
    answer(stage, limited(1000))
    join(stage)
    charge(stage, 1100)
    expect(sentOne(answer(stage, limited(10_000)), 'throttled')).toEqual({
      kind: 'throttled',
      isLimited: true,
      isTimed: false,
      charges: 1,
      millis: 100,
      burstBytes: 1000,
    })
    expect(sent(answer(stage, null), 'throttled')).toEqual([])
    expect(sentOne(answer(stage, []), 'throttled')).toMatchObject({ isLimited: false, millis: 0 })
    expect(sent(answer(stage, []), 'throttled')).toEqual([])
  })

  test('is deaf to who has left', () => {
    const stage = keeper()
    answer(stage, limited(1000))
    join(stage)
    stage.deliver({ kind: 'leaveQuota' }, A)
    expect(stage.deliver({ kind: 'chargeQuota', sizeBytes: 1, micros: 0 }, A)).toEqual([])
    expect(stage.state.clients.size).toBe(0)
  })

  test('forgets buckets that nobody would miss', () => {
    const stage = keeper()
    answer(stage, limited(1000, null))
    for (let i = 0; i < 1000; i++) {
      join(stage, A, `c${i}`)
      if (i === 0) charge(stage, 1_000_000)
    }
    join(stage, B, 'one more')
    expect(stage.state.buckets.size).toBeLessThan(5)
  })

  test('asks elsewhere when one does not lead, is not there, is silent, or dead', () => {
    const stage = keeper()
    const asked = (effects: readonly Effect[]): number | null => {
      const found = effects.find((effect) => effect.kind === 'send' && effect.message.kind === 'describeClientQuotas')
      return found?.kind === 'send' ? found.to.node : null
    }
    const pause = (message: Message): number | null => {
      expect(asked(stage.deliver(message, COORDINATOR))).toBeNull()
      return asked(stage.deliver({ kind: 'timerFired', timer: 'quotas' }, stage.self))
    }
    const { correlationId } = stage.state
    expect(pause({ kind: 'notController', correlationId, controller: 2, isUncertain: false })).toBe(2)
    expect(pause({ kind: 'undeliverable', correlationId: stage.state.correlationId })).toBe(0)
    expect(asked(stage.deliver({ kind: 'timerFired', timer: 'quotas' }, stage.self))).toBe(1)
    expect(pause({ kind: 'nodeDown', node: 1 })).toBe(2)
    expect(answer(keeper(), null)).not.toEqual([])
    expect(stage.deliver({ kind: 'clientQuotasDescribed', correlationId, version: 1, entries: [] }, COORDINATOR)).toEqual([])
  })
})

describe('a coordinator', () => {
  const describeQuotas = (version: number): Message => ({ kind: 'describeClientQuotas', correlationId: 3, version })
  const alter = (value: number | null): Message => {
    const entries = [{ entity: { clientId: 'c' }, ops: [{ key: 'producerByteRate', value }] }]
    return { kind: 'alterClientQuotas', correlationId: 4, entries, validateOnly: false }
  }

  test('answers at once who does not know the quotas, and others when they change', () => {
    const one = active()
    const { version, entries } = sentOne(tell(one, describeQuotas(-1)), 'clientQuotasDescribed')
    expect(entries).toEqual([])
    expect(sent(tell(one, describeQuotas(version)), 'clientQuotasDescribed')).toEqual([])
    tell(one, alter(1000))
    const effects = work(one)
    expect(sentOne(effects, 'adminResponse').results).toMatchObject([{ errorCode: 0 }])
    expect(sentOne(effects, 'clientQuotasDescribed').entries).toEqual(limited(1000))
    expect(sentOne(tell(one, describeQuotas(version)), 'clientQuotasDescribed').entries).toEqual(limited(1000))
  })

  test('says now and then that they are the same', () => {
    const one = active()
    const { version } = sentOne(tell(one, describeQuotas(-1)), 'clientQuotasDescribed')
    tell(one, describeQuotas(version))
    one.stage.uptime += 1900
    expect(sent(tell(one, { kind: 'timerFired', timer: 'brokers' }), 'clientQuotasDescribed')).toEqual([])
    work(one)
    one.stage.uptime += 100
    const effects = [...tell(one, { kind: 'timerFired', timer: 'brokers' }), ...work(one)]
    expect(sentOne(effects, 'clientQuotasDescribed')).toMatchObject({ version, entries: null })
    expect(one.stage.state.quotaWatch.watchers).toEqual([])
  })

  test('answers no more than a hundred that wait, the oldest first', () => {
    const one = active()
    const { version } = sentOne(tell(one, describeQuotas(-1)), 'clientQuotasDescribed')
    const answers = Array.from({ length: 101 }, () => sent(tell(one, describeQuotas(version)), 'clientQuotasDescribed').length)
    expect([answers.slice(0, 100).every((count) => count === 0), answers[100]]).toEqual([true, 1])
  })

  test('refuses what makes no sense, and changes nothing', () => {
    const one = active()
    expect(sentOne(tell(one, alter(-1)), 'adminResponse').results).toMatchObject([{ errorCode: codeOf('INVALID_REQUEST') }])
    expect(one.stage.state.seat.image.quotas.size).toBe(0)
  })
})
