// What a member does when its group shares out anew: it asks at once, and knows when the group has given up waiting for it.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { committed, consuming, grant, joining, newest, refuse, said, tick } from './consumer-support.ts'
import { sent } from './stage.ts'

describe('a member that is told that there is something for it', () => {
  test('asks at once, or again when the answer that it waits for has come', () => {
    const { stage, effects } = joining()
    grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0])
    const told = stage.deliver({ kind: 'groupChanged', memberId: 'm' })
    expect(sent(told, 'consumerGroupHeartbeat')).toHaveLength(1)
    expect(sent(stage.deliver({ kind: 'groupChanged', memberId: 'm' }), 'consumerGroupHeartbeat')).toEqual([])
    expect(sent(grant(stage, newest(told, 'consumerGroupHeartbeat'), 1, [0]), 'consumerGroupHeartbeat')).toHaveLength(1)
  })

  test('does not mind what is meant for another one', () => {
    const { stage, effects } = joining()
    grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0])
    expect(stage.deliver({ kind: 'groupChanged', memberId: 'former' })).toEqual([])
  })

  test('by another node goes there: what the former one was asked will not be answered', () => {
    const { stage } = consuming()
    const before = newest(tick(stage, 1000), 'consumerGroupHeartbeat')
    const called = stage.deliver({ kind: 'groupChanged', memberId: 'm' }, { node: 2, actor: 'groups/3' })
    expect(called.find((effect) => effect.kind === 'send')).toMatchObject({ to: { node: 2, actor: 'groups/3' } })
    expect(said(grant(stage, before, 1, [0]))).toEqual([])
    const unknown = refuse(stage, newest(called, 'consumerGroupHeartbeat'), 'UNKNOWN_MEMBER_ID')
    expect(said(unknown)).toContain('to client: revoking t-0 t-1 (lost)')
    const partitions = [0, 1].map((partition) => ({ topic: 't', partition }))
    stage.deliver({ kind: 'released', partitions })
    const joined = tick(stage, 1000)
    const asked = grant(stage, newest(joined, 'consumerGroupHeartbeat'), 1, [0, 1])
    expect(sent(asked, 'offsetFetch')).toHaveLength(1)
  })
})

test('who joins goes where another coordinator calls it', () => {
  const { stage } = joining()
  const called = stage.deliver({ kind: 'groupChanged', memberId: 'm' }, { node: 2, actor: 'groups/3' })
  expect(said(called)).toEqual([expect.stringMatching(/consumerGroupHeartbeat #\d+ of m, epoch 0/)])
})

describe('a member that is to give partitions up, and has so long', () => {
  /** It has both partitions, and has been told to give one up; the heartbeat that told it was sent at uptime 1000. */
  function revoking(): ReturnType<typeof consuming>['stage'] {
    const { stage } = consuming({ rebalanceTimeoutMillis: 3000, sessionTimeoutMillis: 60_000 })
    grant(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 2, [0])
    return stage
  }

  const release = (stage: ReturnType<typeof revoking>): Effect[] =>
    stage.deliver({ kind: 'released', partitions: [{ topic: 't', partition: 1 }] })

  test('counts itself as lost when it has not let go by then', () => {
    const stage = revoking()
    const before = stage.uptime
    expect(said(tick(stage, 2999)).join()).not.toContain('lost')
    stage.uptime = before + 3000
    expect(said(stage.deliver({ kind: 'timerFired', timer: 'tick' }))).toContain('to client: revoking t-1 (lost)')
  })

  test('counts itself as lost when it has let go, but cannot tell the group', () => {
    const stage = revoking()
    const before = stage.uptime
    release(stage)
    stage.uptime = before + 3000
    expect(said(stage.deliver({ kind: 'timerFired', timer: 'tick' }))).toContain('to client: revoking t-0 (lost)')
  })

  test('goes on when the group has heard it; an answer with another epoch may have been repeated, and is asked for again', () => {
    const stage = revoking()
    const before = stage.uptime
    const confirming = newest([...release(stage), ...tick(stage, 0)], 'consumerGroupHeartbeat')
    const again = newest(grant(stage, confirming, 3, [0]), 'consumerGroupHeartbeat')
    grant(stage, again, 3, [0])
    stage.uptime = before + 30_000
    expect(said(stage.deliver({ kind: 'timerFired', timer: 'tick' })).join()).not.toContain('lost')
  })

  test('waits for its application also where nobody knows an offset to begin at: that has been told of the partition', () => {
    const { stage, effects } = joining({ autoOffsetReset: 'none' })
    committed(stage, grant(stage, newest(effects, 'consumerGroupHeartbeat'), 1, [0]), {})
    const revoked = grant(stage, newest(tick(stage, 1000), 'consumerGroupHeartbeat'), 2, [])
    expect(said(revoked)).toEqual(['to client: revoking t-0'])
    expect(stage.state.partitions.get('t-0')?.phase).toBe('revoking')
    stage.deliver({ kind: 'released', partitions: [{ topic: 't', partition: 0 }] })
    expect(stage.state.partitions.size).toBe(0)
  })
})
