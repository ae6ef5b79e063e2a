// Who shall have which partitions: all of them once, evenly, and with as little movement as that allows.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assignPartitions } from '../../../coordinator/groups/assignor.ts'
import type { AssignableMember, AssignablePartition } from '../../../coordinator/groups/assignor.ts'
import '../support.ts'

type Assignment = Map<string, Set<string>>

function partitionsOf(topic: string, count: number): AssignablePartition[] {
  return Array.from({ length: count }, (_, i) => ({ topic, name: `${topic}-${i}` }))
}

function member(memberId: string, subscribedTopics: readonly string[], current: Iterable<string> = []): AssignableMember {
  return { memberId, subscribedTopics, current: new Set(current) }
}

/** `a: t-0 t-1 | b: t-2` */
function shown(target: Assignment): string {
  return [...target].map(([memberId, names]) => `${memberId}: ${[...names].toSorted().join(' ')}`).join(' | ')
}

/** The members again, with what they were given. */
function again(members: readonly AssignableMember[], target: Assignment): AssignableMember[] {
  return members.map((one) => ({ ...one, current: target.get(one.memberId) ?? new Set<string>() }))
}

/** Partitions that another member has now. */
function moved(before: Assignment, after: Assignment): { readonly name: string; readonly from: string; readonly to: string }[] {
  const owners = new Map([...before].flatMap(([memberId, names]) => [...names].map((name) => [name, memberId] as const)))
  return [...after].flatMap(([to, names]) =>
    [...names].flatMap((name) => {
      const from = owners.get(name)
      return from === undefined || from === to ? [] : [{ name, from, to }]
    }),
  )
}

const memberIds = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 8 })
const topics = ['s', 't', 'u']
const mixed = fc
  .tuple(memberIds, fc.infiniteStream(fc.subarray(topics)), fc.array(fc.nat({ max: 9 }), { minLength: 3, maxLength: 3 }))
  .map(([ids, subscriptions, counts]) => ({
    members: ids.map((id) => member(id, subscriptions.next().value ?? [])),
    partitions: topics.flatMap((topic, i) => partitionsOf(topic, counts[i] ?? 0)),
  }))

describe('an assignment', () => {
  test.each([
    ['nobody', [], 3, ''],
    ['one member', ['a'], 3, 'a: t-0 t-1 t-2'],
    ['two members', ['b', 'a'], 3, 'a: t-0 t-2 | b: t-1'],
    ['more members than partitions', ['a', 'b', 'c'], 2, 'a: t-0 | b: t-1 | c: '],
  ])('to %s', (_, ids, count, expected) => {
    const target = assignPartitions(
      ids.map((id) => member(id, ['t'])),
      partitionsOf('t', count),
    )
    expect(shown(target)).toBe(expected)
  })

  test('gives every partition of a subscribed topic to exactly one member that subscribes to it, and no other', () => {
    fc.assert(
      fc.property(mixed, ({ members, partitions }) => {
        const target = assignPartitions(members, partitions)
        const subscribed = new Set(members.flatMap((one) => one.subscribedTopics))
        const wanted = partitions.filter(({ topic }) => subscribed.has(topic)).map(({ name }) => name)
        expect([...target.values()].flatMap((names) => [...names]).toSorted()).toEqual(wanted.toSorted())
        for (const { memberId, subscribedTopics } of members) {
          for (const name of target.get(memberId) ?? []) expect(subscribedTopics).toContain(name[0])
        }
        expect([...target.keys()].toSorted()).toEqual(members.map(({ memberId }) => memberId).toSorted())
      }),
    )
  })

  test('is even among members that subscribe to the same, whatever they had', () => {
    fc.assert(
      fc.property(memberIds, fc.nat({ max: 40 }), fc.infiniteStream(fc.nat({ max: 10 })), (ids, count, owners) => {
        const partitions = partitionsOf('t', count)
        const members = ids.map((id) => member(id, ['t']))
        const had = new Map(ids.map((id) => [id, new Set<string>()]))
        // Number 8 and above: nobody had it.
        for (const { name } of partitions) had.get(ids[owners.next().value] ?? '')?.add(name)
        const sizes = [...assignPartitions(again(members, had), partitions).values()].map((names) => names.size)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('takes from those who have most, even if nobody has too many', () => {
    const held = [['t-0', 't-1', 't-2'], ['t-3', 't-4', 't-5'], ['t-6', 't-7', 't-8'], []]
    const members = held.map((current, i) => member(`m${i}`, ['t'], current))
    const target = assignPartitions(members, partitionsOf('t', 10))
    expect([...target.values()].map((names) => names.size).toSorted((x, y) => x - y)).toEqual([2, 2, 3, 3])
    expect([...(target.get('m3') ?? [])].toSorted()).toEqual(['t-8', 't-9'])
  })

  test('does not depend on the order in which members are listed', () => {
    fc.assert(
      fc.property(mixed, ({ members, partitions }) => {
        expect(assignPartitions(members.toReversed(), partitions)).toEqual(assignPartitions(members, partitions))
      }),
    )
  })
})

describe('with different subscriptions', () => {
  /** Members that subscribe to different topics and have some of the partitions already. */
  const owning = fc.tuple(mixed, fc.infiniteStream(fc.nat({ max: 8 }))).map(([{ members, partitions }, owners]) => {
    const had: Assignment = new Map(members.map(({ memberId }) => [memberId, new Set<string>()]))
    for (const { name } of partitions) had.get(members[owners.next().value]?.memberId ?? '')?.add(name)
    return { members: again(members, had), had, partitions }
  })

  const wants = (members: readonly AssignableMember[], memberId: string, name: string): boolean =>
    members.find((one) => one.memberId === memberId)?.subscribedTopics.includes(name[0] ?? '') === true

  /** Whom a member's partitions can reach, from hand to hand. */
  function reachOf(members: readonly AssignableMember[], target: Assignment, memberId: string): Set<string> {
    const reached = new Set([memberId])
    for (const from of reached) {
      for (const { memberId: to } of members) if ([...(target.get(from) ?? [])].some((name) => wants(members, to, name))) reached.add(to)
    }
    return reached
  }

  test('no partition could go, from hand to hand, to a member that has two fewer', () => {
    fc.assert(
      fc.property(owning, ({ members, partitions }) => {
        const target = assignPartitions(members, partitions)
        const size = (memberId: string): number => target.get(memberId)?.size ?? 0
        for (const { memberId } of members) {
          for (const other of reachOf(members, target, memberId)) expect(size(memberId) - size(other)).toBeLessThan(2)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('no partition moves between two members if that does not make it more even', () => {
    fc.assert(
      fc.property(owning, ({ members, had, partitions }) => {
        const target = assignPartitions(members, partitions)
        const size = (memberId: string): number => target.get(memberId)?.size ?? 0
        const moves = moved(had, target).filter(({ name, from }) => wants(members, from, name))
        // Were it still with its former owner, that one would have more than the new owner has now.
        for (const { from, to } of moves) expect(size(from)).toBeGreaterThanOrEqual(size(to))
        for (const { from, to } of moves) expect(moves.some((other) => other.from === to && other.to === from)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('nothing moves while nothing changes', () => {
    fc.assert(
      fc.property(owning, ({ members, partitions }) => {
        const target = assignPartitions(members, partitions)
        expect(moved(target, assignPartitions(again(members, target), partitions))).toEqual([])
      }),
    )
  })

  test('a member keeps what nobody else wants, and the others share the rest', () => {
    const members = [member('a', ['s'], ['s-0', 's-1', 's-2', 's-3']), member('b', ['t'], ['t-0', 't-1']), member('c', ['t'])]
    expect(shown(assignPartitions(members, [...partitionsOf('s', 4), ...partitionsOf('t', 2)]))).toBe(
      'a: s-0 s-1 s-2 s-3 | b: t-0 | c: t-1',
    )
  })

  test('evens out by way of a member in between', () => {
    const members = [member('a', ['s'], ['s-0', 's-1', 's-2']), member('b', ['s', 't'], ['t-0', 't-1']), member('c', ['t'])]
    expect(shown(assignPartitions(members, [...partitionsOf('s', 3), ...partitionsOf('t', 2)]))).toBe('a: s-0 s-1 | b: s-2 t-0 | c: t-1')
  })

  test('deals out many partitions among many members', () => {
    const names = Array.from({ length: 10 }, (_, i) => `t${i}`)
    const members = Array.from({ length: 100 }, (_, i) => member(`m${i}`, names.slice(i % 10)))
    const partitions = names.flatMap((topic) => partitionsOf(topic, 100))
    const target = assignPartitions(members, partitions)
    expect([...target.values()].reduce((sum, { size }) => sum + size, 0)).toBe(1000)
    expect(assignPartitions(again(members, target), partitions)).toEqual(target)
  })
})

describe('stickiness', () => {
  const same = fc.record({ ids: memberIds, count: fc.nat({ max: 40 }) })

  test('nothing moves while nothing changes, among members that subscribe to the same', () => {
    fc.assert(
      fc.property(same, ({ ids, count }) => {
        const members = ids.map((id) => member(id, ['t']))
        const target = assignPartitions(members, partitionsOf('t', count))
        expect(moved(target, assignPartitions(again(members, target), partitionsOf('t', count)))).toEqual([])
      }),
    )
  })

  test('when a member joins, partitions move to it only, and no more than its share', () => {
    fc.assert(
      fc.property(same, ({ ids, count }) => {
        const members = ids.map((id) => member(id, ['t']))
        const target = assignPartitions(members, partitionsOf('t', count))
        const next = assignPartitions([...again(members, target), member('zzzz', ['t'])], partitionsOf('t', count))
        expect(moved(target, next).filter(({ to }) => to !== 'zzzz')).toEqual([])
        expect(moved(target, next).length).toBeLessThanOrEqual(Math.ceil(count / (ids.length + 1)))
      }),
    )
  })

  test('when a member leaves, the others keep what they have', () => {
    fc.assert(
      fc.property(same, fc.nat(), ({ ids, count }, pick) => {
        const members = ids.map((id) => member(id, ['t']))
        const target = assignPartitions(members, partitionsOf('t', count))
        const gone = ids[pick % ids.length]!
        const left = again(members, target).filter(({ memberId }) => memberId !== gone)
        const next = assignPartitions(left, partitionsOf('t', count))
        expect(moved(target, next).filter(({ from }) => from !== gone)).toEqual([])
      }),
    )
  })

  test('when partitions are added, nobody loses one', () => {
    fc.assert(
      fc.property(same, fc.nat({ max: 10 }), ({ ids, count }, more) => {
        const members = ids.map((id) => member(id, ['t']))
        const target = assignPartitions(members, partitionsOf('t', count))
        expect(moved(target, assignPartitions(again(members, target), partitionsOf('t', count + more)))).toEqual([])
      }),
    )
  })

  test('a partition of a topic that its owner no longer wants goes to one who does', () => {
    const members = [member('a', ['s'], ['t-0']), member('b', ['s', 't'])]
    expect(shown(assignPartitions(members, [...partitionsOf('t', 1), ...partitionsOf('s', 1)]))).toBe('a: s-0 | b: t-0')
  })
})
