// Membership: a partition passes from one member to another only when the first one has let go, whatever is lost, late or repeated.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  emptyMembership,
  expiredMembers,
  ROUNDING_MILLIS,
  isStable,
  removeMember,
  setPartitions,
  takeHeartbeat,
} from '../../../coordinator/groups/membership.ts'
import type { Membership } from '../../../coordinator/groups/membership.ts'
import { beat, forget, heartbeatOf, leave, letGo, newClient, resize, SESSION_MILLIS, shared } from './membership-support.ts'
import type { Client } from './membership-support.ts'
import '../support.ts'

/** What a group may know of a member. */
type MemberState = 'absent' | 'empty' | 'holding' | 'revoking' | 'told, and the answer was lost'

/** What may happen to a member. */
type Event = 'join' | 'heartbeat' | 'heartbeat, let go' | 'heartbeat of the epoch before' | 'heartbeat of a foreign epoch' | 'leave'

interface Scene {
  readonly group: Membership
  readonly member: Client
  readonly other: Client
}

/** A group with the partitions t-0 and t-1, and the member `m` in a state. */
function sceneOf(state: MemberState): Scene {
  const group = emptyMembership()
  const [member, other] = [newClient('m'), newClient('n')]
  if (state === 'absent') return { group, member, other }
  if (state !== 'empty') resize(group, 2)
  beat(group, member)
  if (state === 'revoking' || state === 'told, and the answer was lost') {
    beat(group, other)
    beat(group, member, 0, state !== 'revoking')
  }
  return { group, member, other }
}

function happen({ group, member }: Scene, event: Event): string {
  if (event === 'leave') return removeMember(group, 'm') ? 'gone' : 'nothing'
  if (event === 'heartbeat, let go') letGo(member)
  const heartbeat = heartbeatOf(member)
  const known = group.members.get('m')
  const epochs: Partial<Record<Event, number>> = {
    join: 0,
    'heartbeat of the epoch before': known?.previousEpoch ?? 7,
    'heartbeat of a foreign epoch': 99,
    heartbeat: Math.max(1, heartbeat.memberEpoch),
    'heartbeat, let go': Math.max(1, heartbeat.memberEpoch),
  }
  const answer = takeHeartbeat(group, { ...heartbeat, memberEpoch: epochs[event] ?? 0 }, 0)
  if (typeof answer === 'string') return answer
  const gives = [...answer.revoking.keys()].join(' ')
  return `epoch ${answer.epoch}: ${[...answer.assigned].join(' ')}${gives === '' ? '' : `, gives ${gives}`}`
}

const TABLE: Record<MemberState, Record<Event, string>> = {
  absent: {
    join: 'epoch 1: ',
    heartbeat: 'UNKNOWN_MEMBER_ID',
    'heartbeat, let go': 'UNKNOWN_MEMBER_ID',
    'heartbeat of the epoch before': 'UNKNOWN_MEMBER_ID',
    'heartbeat of a foreign epoch': 'UNKNOWN_MEMBER_ID',
    leave: 'nothing',
  },
  empty: {
    join: 'epoch 2: ',
    heartbeat: 'epoch 1: ',
    'heartbeat, let go': 'epoch 1: ',
    'heartbeat of the epoch before': 'epoch 1: ',
    'heartbeat of a foreign epoch': 'FENCED_MEMBER_EPOCH',
    leave: 'gone',
  },
  holding: {
    join: 'epoch 4: t-0 t-1',
    heartbeat: 'epoch 2: t-0 t-1',
    'heartbeat, let go': 'epoch 2: t-0 t-1',
    'heartbeat of the epoch before': 'epoch 2: t-0 t-1',
    'heartbeat of a foreign epoch': 'FENCED_MEMBER_EPOCH',
    leave: 'gone',
  },
  revoking: {
    join: 'epoch 6: t-0',
    heartbeat: 'epoch 4: t-0, gives t-1',
    'heartbeat, let go': 'epoch 4: t-0',
    'heartbeat of the epoch before': 'epoch 4: t-0, gives t-1',
    'heartbeat of a foreign epoch': 'FENCED_MEMBER_EPOCH',
    leave: 'gone',
  },
  'told, and the answer was lost': {
    join: 'epoch 6: t-0',
    heartbeat: 'epoch 4: t-0, gives t-1',
    'heartbeat, let go': 'epoch 4: t-0, gives t-1',
    'heartbeat of the epoch before': 'epoch 4: t-0, gives t-1',
    'heartbeat of a foreign epoch': 'FENCED_MEMBER_EPOCH',
    leave: 'gone',
  },
}

describe.each(Object.keys(TABLE) as MemberState[])('a member that is %s', (state) => {
  test.each(Object.entries(TABLE[state]) as [Event, string][])('%s: %s', (event, outcome) => {
    expect(happen(sceneOf(state), event)).toBe(outcome)
  })
})

describe('a hand-over', () => {
  test('waits until the former owner has confirmed that it let go', () => {
    const group = emptyMembership()
    const [a, b] = [newClient('a'), newClient('b')]
    resize(group, 2)
    expect(beat(group, a)).toBe('t-0 t-1')
    expect(beat(group, b)).toBe('')
    expect(beat(group, a)).toBe('t-0')
    expect(beat(group, b)).toBe('')
    expect(beat(group, a)).toBe('t-0')
    expect(beat(group, b)).toBe('')
    expect(isStable(group)).toBe(false)
    letGo(a)
    beat(group, a)
    expect(beat(group, b)).toBe('t-1')
    expect(isStable(group)).toBe(true)
  })

  test.each(['leaves', 'is expired', 'joins again'])('goes on when the former owner %s', (how) => {
    const { group, member, other } = sceneOf('revoking')
    if (how === 'leaves') leave(group, member)
    if (how === 'is expired')
      for (const memberId of expiredMembers(group, SESSION_MILLIS + ROUNDING_MILLIS)) if (memberId === 'm') removeMember(group, memberId)
    if (how === 'joins again') {
      forget(member)
      beat(group, member)
    }
    expect(beat(group, other)).toBe(how === 'joins again' ? 't-1' : 't-0 t-1')
  })

  test('is not begun before the grace is over: members of a former life may still hold everything', () => {
    const group = emptyMembership()
    group.graceUntil = 500
    resize(group, 2)
    const a = newClient('a')
    expect([beat(group, a, 0), beat(group, a, 499), beat(group, a, 500)]).toEqual(['', '', 't-0 t-1'])
  })
})

test('an answer that was lost is given again, whatever has changed since: one step at a time', () => {
  const { group, member } = sceneOf('told, and the answer was lost')
  resize(group, 5)
  expect(beat(group, member)).toBe('t-0')
  expect(member.epoch).toBe(4)
  expect(beat(group, member)).toBe('t-0 t-2 t-4')
})

describe('a session', () => {
  test('is over when nothing was heard for its time-out, and not a millisecond before', () => {
    const group = emptyMembership()
    const [a, b] = [newClient('a'), newClient('b')]
    beat(group, a, 0)
    beat(group, b, 10)
    expect(expiredMembers(group, SESSION_MILLIS + ROUNDING_MILLIS - 1)).toEqual([])
    expect(expiredMembers(group, SESSION_MILLIS + ROUNDING_MILLIS)).toEqual(['a'])
    beat(group, a, SESSION_MILLIS - 1)
    expect(expiredMembers(group, SESSION_MILLIS + ROUNDING_MILLIS + 10)).toEqual(['b'])
  })

  test('is kept alive by the epoch before, but not by a foreign one', () => {
    const { group } = sceneOf('told, and the answer was lost')
    takeHeartbeat(group, { ...heartbeatOf(newClient('m')), memberEpoch: 2 }, 500)
    expect(group.members.get('m')?.expiresAt).toBe(500 + SESSION_MILLIS)
    takeHeartbeat(group, { ...heartbeatOf(newClient('m')), memberEpoch: 99 }, 900)
    expect(group.members.get('m')?.expiresAt).toBe(500 + SESSION_MILLIS)
  })
})

describe('topics', () => {
  test('that a member no longer wants are taken from it', () => {
    const group = emptyMembership()
    const a = newClient('a')
    setPartitions(group, [
      { topic: 's', name: 's-0' },
      { topic: 't', name: 't-0' },
    ])
    expect(beat(group, a, 0, false, ['s', 't'])).toBe('s-0 t-0')
    expect(beat(group, a, 0, false, ['t'])).toBe('t-0')
    expect(beat(group, a, 0, false, ['t', 's'])).toBe('t-0')
    letGo(a)
    expect(beat(group, a, 0, false, ['t', 's'])).toBe('s-0 t-0')
  })

  test('that vanish are taken from everybody, and come back when they do', () => {
    const { group, member } = sceneOf('holding')
    resize(group, 0)
    expect(beat(group, member)).toBe('')
    letGo(member)
    beat(group, member)
    expect(group.holders.size).toBe(0)
    resize(group, 1)
    expect(beat(group, member)).toBe('t-0')
  })
})

describe('whatever is lost, late and repeated', () => {
  const step = fc.record({
    kind: fc.constantFrom('beat', 'beat', 'beat', 'lost beat', 'let go', 'repeat', 'repeat', 'leave', 'expire', 'resize'),
    who: fc.nat({ max: 3 }),
    pick: fc.nat({ max: 1000 }),
  })

  function takeStep(group: Membership, clients: readonly Client[], { kind, who, pick }: { kind: string; who: number; pick: number }): void {
    const client = clients[who]!
    if (kind === 'beat') beat(group, client)
    else if (kind === 'lost beat') beat(group, client, 0, true)
    else if (kind === 'let go') letGo(client)
    else if (kind === 'leave' || kind === 'expire') leave(group, client)
    else if (kind === 'resize') resize(group, pick % 7)
    else if (client.sent.length > 0) {
      const old = client.sent[pick % client.sent.length]!
      // A join is never late: whoever joins has nothing, and asks again only over the same channel.
      if (old.memberEpoch > 0) takeHeartbeat(group, old, 0)
    }
  }

  test('no partition is ever processed by two members, and in the end each is processed by one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const group = emptyMembership()
        const clients = ['a', 'b', 'c', 'd'].map((memberId) => newClient(memberId))
        resize(group, 5)
        for (const one of steps) {
          takeStep(group, clients, one)
          expect(shared(clients)).toEqual([])
          expectBookkeeping(group)
        }
        for (let round = 0; round < 4; round++) {
          for (const client of clients) {
            letGo(client)
            beat(group, client)
          }
        }
        expect(isStable(group)).toBe(true)
        const processed = clients.flatMap(({ owned }) => [...owned]).toSorted()
        expect(processed).toEqual(group.partitions.map(({ name }) => name).toSorted())
      }),
      { numRuns: 300 },
    )
  })
})

/** G1 to G3 as the group's own book shows them. */
function expectBookkeeping(group: Membership): void {
  const held = [...group.members.values()].flatMap(({ memberId, assigned, revoking }) =>
    [...assigned, ...revoking.keys()].map((name) => [name, memberId] as const),
  )
  expect(new Map(held)).toEqual(group.holders)
  expect(new Set(held.map(([name]) => name)).size).toBe(held.length)
  for (const { epoch, previousEpoch } of group.members.values()) {
    expect(epoch).toBeLessThanOrEqual(group.epoch)
    expect(previousEpoch).toBeLessThan(epoch)
  }
}
