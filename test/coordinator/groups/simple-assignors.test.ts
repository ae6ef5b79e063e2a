// Assignors that deal out anew each time: by ranges, and in turn.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AssignableMember, AssignablePartition } from '../../../coordinator/groups/assignor.ts'
import { emptyMembership, setPartitions, takeHeartbeat } from '../../../coordinator/groups/membership.ts'
import { assignInTurn, assignRanges } from '../../../coordinator/groups/simple-assignors.ts'
import type { AssignorName } from '../../../protocol/messages/group.ts'
import { heartbeatOf, newClient } from './membership-support.ts'
import '../support.ts'

function member(memberId: string, ...subscribedTopics: readonly string[]): AssignableMember {
  return { memberId, subscribedTopics, current: new Set() }
}

function partitions(topic: string, count: number): AssignablePartition[] {
  return Array.from({ length: count }, (_, i) => ({ topic, name: `${topic}-${i}` }))
}

function shown(target: ReadonlyMap<string, ReadonlySet<string>>): Record<string, string> {
  return Object.fromEntries([...target].map(([memberId, names]) => [memberId, [...names].join(' ')]))
}

describe('ranges', () => {
  test('are neighbours of each topic, and the first members get what does not come out even', () => {
    const all = [...partitions('t', 3), ...partitions('u', 2)]
    expect(shown(assignRanges([member('b', 't', 'u'), member('a', 't', 'u')], all))).toEqual({ a: 't-0 t-1 u-0', b: 't-2 u-1' })
  })

  test('of topics with as many partitions are the same: who has one has the other', () => {
    const target = assignRanges([member('a', 't', 'u'), member('b', 't', 'u')], [...partitions('t', 4), ...partitions('u', 4)])
    expect(shown(target)).toEqual({ a: 't-0 t-1 u-0 u-1', b: 't-2 t-3 u-2 u-3' })
  })

  test('are shared by those who subscribe to the topic only', () => {
    expect(shown(assignRanges([member('a', 't'), member('b', 'u'), member('c')], partitions('t', 2)))).toEqual({
      a: 't-0 t-1',
      b: '',
      c: '',
    })
  })
})

describe('in turn', () => {
  test('goes over all topics, and passes over those who do not want one', () => {
    const all = [...partitions('t', 3), ...partitions('u', 2), ...partitions('v', 1)]
    const target = assignInTurn([member('b', 't'), member('a', 't', 'u')], all)
    expect(shown(target)).toEqual({ a: 't-0 t-2 u-0 u-1', b: 't-1' })
  })
})

test('whoever deals out: each partition that somebody wants goes to one of those who want it', () => {
  const topics = fc.uniqueArray(fc.constantFrom('t', 'u', 'v'), { maxLength: 3 })
  fc.assert(
    fc.property(fc.array(topics, { maxLength: 5 }), fc.nat(5), fc.nat(5), (wishes, t, u) => {
      const members = wishes.map((wanted, i) => member(`m${i}`, ...wanted))
      const all = [...partitions('t', t), ...partitions('u', u)]
      for (const assign of [assignRanges, assignInTurn]) {
        const target = assign(members, all)
        for (const { name, topic } of all) {
          const owners = members.filter(({ memberId }) => target.get(memberId)?.has(name))
          expect(owners).toHaveLength(members.some(({ subscribedTopics }) => subscribedTopics.includes(topic)) ? 1 : 0)
          expect(owners.every(({ subscribedTopics }) => subscribedTopics.includes(topic))).toBe(true)
        }
      }
    }),
  )
})

test('a group goes by what most of its members wish; of two with as many wishes, and without any, the first counts', () => {
  const group = emptyMembership()
  setPartitions(group, partitions('t', 4))
  const wish = (memberId: string, assignor: AssignorName | null): AssignorName => {
    const heartbeat = heartbeatOf(newClient(memberId))
    takeHeartbeat(group, { ...heartbeat, wishes: { ...heartbeat.wishes, assignor } }, 0)
    return group.assignor
  }
  expect([wish('a', null), wish('b', 'range'), wish('c', 'round-robin'), wish('d', 'round-robin'), wish('e', 'uniform')]).toEqual([
    'uniform',
    'range',
    'range',
    'round-robin',
    'round-robin',
  ])
})
