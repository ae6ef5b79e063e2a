// How leaders of classic groups share out: every partition once, evenly; and the cooperative one never gives away what somebody still has.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assignClassic, isCooperative, topicsOf, userDataOf } from '../../../../coordinator/groups/classic/assignors.ts'
import type { SubscribedMember } from '../../../../coordinator/groups/classic/assignors.ts'
import { namesOf, partitionsOf } from '../../../../coordinator/groups/names.ts'
import { CLASSIC_ASSIGNORS } from '../../../../protocol/messages/classic-group.ts'
import type { ClassicAssignorName } from '../../../../protocol/messages/classic-group.ts'
import '../../support.ts'

type Assignment = ReadonlyMap<string, ReadonlySet<string>>

/** A member that has these partitions still, or (`last`) had them before it let go. */
function member(
  memberId: string,
  topics: readonly string[],
  { owned = [], last = [], generationId = 1, instanceId = null }: Partial<MemberFacts> = {},
): SubscribedMember {
  const userData = userDataOf('sticky', { partitions: partitionsOf(last), generationId })
  return { memberId, instanceId, subscription: { topics, userData, ownedPartitions: partitionsOf(owned), generationId, rackId: null } }
}

interface MemberFacts {
  readonly owned: Iterable<string>
  readonly last: Iterable<string>
  readonly generationId: number
  readonly instanceId: string | null
}

const shown = (assignment: Assignment): string =>
  [...assignment]
    .map(([memberId, names]) => `${memberId}: ${[...names].toSorted().join(' ')}`)
    .toSorted()
    .join(' | ')

const memberIds = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 6 })
const counts = fc.dictionary(fc.constantFrom('t', 'u', 'v'), fc.nat(9)).map((record) => new Map(Object.entries(record)))
const groups = fc.tuple(memberIds, counts, fc.array(fc.uniqueArray(fc.constantFrom('t', 'u', 'v')), { minLength: 6, maxLength: 6 }))

function wanted(members: readonly SubscribedMember[], all: ReadonlyMap<string, number>): string[] {
  return topicsOf(members)
    .flatMap((topic) => Array.from({ length: all.get(topic) ?? 0 }, (_, partition) => `${topic}-${partition}`))
    .toSorted()
}

describe.each(CLASSIC_ASSIGNORS)('%s', (name) => {
  test('gives every partition that somebody wants to one member that wants its topic', () => {
    fc.assert(
      fc.property(groups, ([ids, all, topics]) => {
        const members = ids.map((memberId, i) => member(memberId, topics[i] ?? []))
        const given = assignClassic(name, members, all)
        expect([...given.values()].flatMap((names) => [...names]).toSorted()).toEqual(wanted(members, all))
        for (const { memberId, subscription } of members)
          for (const one of given.get(memberId) ?? []) expect(subscription.topics).toContain(one.slice(0, one.lastIndexOf('-')))
      }),
    )
  })

  test('is even among members of the same topics', () => {
    fc.assert(
      fc.property(memberIds, fc.nat(20), (ids, count) => {
        const given = assignClassic(
          name,
          ids.map((memberId) => member(memberId, ['t'])),
          new Map([['t', count]]),
        )
        const sizes = [...given.values()].map(({ size }) => size)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('sticky', () => {
  test('gives back what a member had, as far as that is even', () => {
    const members = [member('a', ['t'], { last: ['t-0', 't-3'] }), member('b', ['t'], { last: ['t-1'] }), member('c', ['t'])]
    expect(shown(assignClassic('sticky', members, new Map([['t', 4]])))).toBe('a: t-0 t-3 | b: t-1 | c: t-2')
  })

  test('believes the youngest generation; nobody, if two of the same claim a partition', () => {
    const old = member('a', ['t'], { last: ['t-0', 't-1'], generationId: 1 })
    const young = member('b', ['t'], { last: ['t-1', 't-2'], generationId: 2 })
    expect(shown(assignClassic('sticky', [old, young], new Map([['t', 4]])))).toBe('a: t-0 t-3 | b: t-1 t-2')
    const both = ['a', 'b'].map((memberId) => member(memberId, ['t'], { last: ['t-1'] }))
    expect(shown(assignClassic('sticky', both, new Map([['t', 2]])))).toBe('a: t-0 | b: t-1')
  })
})

describe('in order', () => {
  test('static members keep their place under another member id', () => {
    const before = [member('x', ['t'], { instanceId: 'one' }), member('y', ['t'], { instanceId: 'two' })]
    const after = [member('zz', ['t'], { instanceId: 'one' }), member('y', ['t'], { instanceId: 'two' })]
    const all = new Map([['t', 3]])
    expect(shown(assignClassic('range', before, all))).toBe('x: t-0 t-1 | y: t-2')
    expect(shown(assignClassic('range', after, all))).toBe('y: t-2 | zz: t-0 t-1')
  })

  test('range gives neighbours of each topic, roundrobin all in turn', () => {
    const members = [member('a', ['t', 'u']), member('b', ['t', 'u'])]
    const all = new Map([
      ['t', 3],
      ['u', 3],
    ])
    expect(shown(assignClassic('range', members, all))).toBe('a: t-0 t-1 u-0 u-1 | b: t-2 u-2')
    expect(shown(assignClassic('roundrobin', members, all))).toBe('a: t-0 t-2 u-1 | b: t-1 u-0 u-2')
  })
})

describe('cooperative-sticky', () => {
  const all = new Map([['t', 4]])

  test('takes away first, and gives in the next step', () => {
    const [a, b] = [member('a', ['t'], { owned: ['t-0', 't-1', 't-2', 't-3'] }), member('b', ['t'], { generationId: -1 })]
    expect(shown(assignClassic('cooperative-sticky', [a, b], all))).toBe('a: t-0 t-1 | b: ')
    const after = member('a', ['t'], { owned: ['t-0', 't-1'], generationId: 2 })
    const next = member('b', ['t'], { generationId: 2 })
    expect(shown(assignClassic('cooperative-sticky', [after, next], all))).toBe('a: t-0 t-1 | b: t-2 t-3')
  })

  test('gives nobody what another member has, of whatever generation', () => {
    const zombie = member('a', ['t'], { owned: ['t-0', 't-1'], generationId: 1 })
    const heir = member('b', ['t'], { owned: ['t-2'], generationId: 5 })
    const given = assignClassic('cooperative-sticky', [zombie, heir], all)
    expect(given.get('b')?.has('t-0')).toBe(false)
    expect(given.get('b')?.has('t-1')).toBe(false)
  })

  test('comes to an even end in two steps, and no partition ever has two owners on the way', () => {
    const sizes = fc.tuple(memberIds, fc.nat(12), fc.array(fc.nat(5), { minLength: 12, maxLength: 12 }))
    fc.assert(
      fc.property(sizes, ([ids, count, owners]) => {
        const topics = new Map([['t', count]])
        const held = new Map(ids.map((memberId) => [memberId, new Set<string>()]))
        // One more has just come, and has nothing.
        for (let i = 0; i < count; i++) held.get(ids[(owners[i] ?? 0) % Math.max(1, ids.length - 1)] ?? '')?.add(`t-${i}`)
        for (let generationId = 1; generationId <= 3; generationId++) {
          const members = ids.map((memberId) => member(memberId, ['t'], { owned: held.get(memberId) ?? [], generationId }))
          const given = assignClassic('cooperative-sticky', members, topics)
          for (const [memberId, names] of given)
            for (const one of names) for (const [other, has] of held) expect(other !== memberId && has.has(one)).toBe(false)
          // Who joins again has let go of the rest.
          for (const [memberId, names] of given) held.set(memberId, new Set(names))
        }
        const all = [...held.values()].flatMap((names) => [...names]).toSorted()
        expect(all).toEqual(Array.from({ length: count }, (_, i) => `t-${i}`).toSorted())
        const counts = [...held.values()].map(({ size }) => size)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('is cooperative only where nothing else can be chosen', () => {
    const choices: readonly (readonly ClassicAssignorName[])[] = [['cooperative-sticky'], ['range', 'cooperative-sticky'], ['sticky']]
    expect(choices.map(isCooperative)).toEqual([true, false, false])
  })
})

test('what somebody wants is there once for each member set, sorted', () => {
  expect(topicsOf([member('a', ['u', 't']), member('b', ['t'])])).toEqual(['t', 'u'])
  expect(namesOf(partitionsOf(['t-1']))).toEqual(new Set(['t-1']))
})
