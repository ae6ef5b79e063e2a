// Static members (KIP-345), and members that take too long to let go.

import { describe, expect, test } from 'vitest'
import {
  emptyMembership,
  expiredMembers,
  isStable,
  ROUNDING_MILLIS,
  removeMember,
  takeFarewell,
} from '../../../coordinator/groups/membership.ts'
import type { Membership } from '../../../coordinator/groups/membership.ts'
import { LEAVE_EPOCH, LEAVE_STATIC_EPOCH } from '../../../protocol/messages/group.ts'
import { beat, letGo, newClient, REBALANCE_MILLIS, resize, SESSION_MILLIS } from './membership-support.ts'
import type { Client } from './membership-support.ts'

interface Scene {
  readonly group: Membership
  /** It has the instance id `i`, and t-0 and t-1. */
  readonly member: Client
  /** It has t-2 and t-3. */
  readonly other: Client
}

/** A stable group of two members; one of them is static. */
function sceneOf(): Scene {
  const group = emptyMembership()
  const [member, other] = [newClient('m', 'i'), newClient('n')]
  resize(group, 4)
  for (const client of [member, other, member, other]) {
    beat(group, client)
    letGo(client)
  }
  beat(group, member)
  beat(group, other)
  expect([...member.assigned, ...other.assigned].toSorted()).toEqual(['t-0', 't-1', 't-2', 't-3'])
  return { group, member, other }
}

/** What the group tells the other member. */
function toldOther({ group, other }: Scene, uptime = 0): string {
  return `${beat(group, other, uptime)} in epoch ${other.epoch}`
}

describe('a static member', () => {
  test('that comes back with its instance id has its partitions again, and nobody else notices', () => {
    const scene = sceneOf()
    const { group, member } = scene
    const before = toldOther(scene)
    const had = [...member.assigned].toSorted().join(' ')
    takeFarewell(group, 'm', LEAVE_STATIC_EPOCH, 0)
    expect(toldOther(scene)).toBe(before)
    const again = newClient('m2', 'i')
    expect(beat(group, again, SESSION_MILLIS - 1)).toBe(had)
    expect([toldOther(scene, SESSION_MILLIS - 1), isStable(group), group.members.size]).toEqual([before, true, 2])
  })

  test('that does not come back within its session loses them', () => {
    const { group, other } = sceneOf()
    takeFarewell(group, 'm', LEAVE_STATIC_EPOCH, 0)
    beat(group, other, SESSION_MILLIS - 1)
    expect(expiredMembers(group, SESSION_MILLIS + ROUNDING_MILLIS - 1)).toEqual([])
    expect(expiredMembers(group, SESSION_MILLIS + ROUNDING_MILLIS)).toEqual(['m'])
    removeMember(group, 'm')
    expect(beat(group, other, SESSION_MILLIS)).toBe('t-0 t-1 t-2 t-3')
  })

  test('that leaves for good, or has no instance id, is gone at once', () => {
    const { group, other } = sceneOf()
    takeFarewell(group, 'n', LEAVE_STATIC_EPOCH, 0)
    takeFarewell(group, 'm', LEAVE_EPOCH, 0)
    expect([group.members.size, group.holders.size, beat(group, other)]).toEqual([0, 0, 'UNKNOWN_MEMBER_ID'])
  })

  test('is refused while another one lives under its instance id', () => {
    const { group, member } = sceneOf()
    expect(beat(group, newClient('m2', 'i'))).toBe('UNRELEASED_INSTANCE_ID')
    expect(beat(group, member)).toBe([...member.assigned].toSorted().join(' '))
  })

  test('that another one has replaced is told so', () => {
    const { group, member } = sceneOf()
    takeFarewell(group, 'm', LEAVE_STATIC_EPOCH, 0)
    expect(beat(group, { ...member })).toBe('FENCED_INSTANCE_ID')
    beat(group, newClient('m2', 'i'))
    expect(beat(group, { ...member })).toBe('FENCED_INSTANCE_ID')
  })

  test('that is away has let go of what others shall have: they need not wait for it', () => {
    const { group } = sceneOf()
    takeFarewell(group, 'm', LEAVE_STATIC_EPOCH, 0)
    // The first of them gets one of the member that is there, which must let go of it; the second one gets one of the member that is away.
    expect([beat(group, newClient('o')), beat(group, newClient('p'))]).toEqual(['', expect.stringMatching(/^t-[01]$/)])
  })

  test('that joins again because its answer was lost goes on', () => {
    const { group, member } = sceneOf()
    const had = [...member.assigned].toSorted().join(' ')
    takeFarewell(group, 'm', LEAVE_STATIC_EPOCH, 0)
    const again = newClient('m2', 'i')
    beat(group, again, 0, true)
    expect(beat(group, again)).toBe(had)
    expect(group.members.size).toBe(2)
  })

  test('that comes back with other wishes has the group share out anew', () => {
    const { group } = sceneOf()
    takeFarewell(group, 'm', LEAVE_STATIC_EPOCH, 0)
    expect(beat(group, newClient('m2', 'i'), 0, false, ['u'])).toBe('')
  })
})

describe('a member that is to give a partition up', () => {
  /** A member that was told to give up half of what it has, at uptime 100. */
  function revoking(): { group: Membership; member: Client } {
    const group = emptyMembership()
    const member = newClient('m')
    resize(group, 2)
    beat(group, member)
    beat(group, newClient('n'))
    beat(group, member, 100)
    expect(group.members.get('m')?.revoking.size).toBe(1)
    return { group, member }
  }

  const sessionsAside = (group: Membership): void => {
    for (const member of group.members.values()) member.expiresAt = Infinity
  }

  test('is fenced when it takes longer than its rebalance time-out, however alive it is', () => {
    const { group, member } = revoking()
    beat(group, member, 100 + REBALANCE_MILLIS - 1)
    sessionsAside(group)
    expect(expiredMembers(group, 100 + REBALANCE_MILLIS + ROUNDING_MILLIS - 1)).toEqual([])
    expect(expiredMembers(group, 100 + REBALANCE_MILLIS + ROUNDING_MILLIS)).toEqual(['m'])
  })

  test('is not fenced when it has let go', () => {
    const { group, member } = revoking()
    letGo(member)
    beat(group, member, 200)
    sessionsAside(group)
    expect(expiredMembers(group, 100 + REBALANCE_MILLIS + ROUNDING_MILLIS)).toEqual([])
  })

  test('has as much time as if it had been told now when the answer was lost', () => {
    const { group, member } = revoking()
    const told = group.members.get('m')
    beat(group, { ...member, epoch: told?.previousEpoch ?? -1 }, 3000)
    sessionsAside(group)
    expect(expiredMembers(group, 3000 + REBALANCE_MILLIS + ROUNDING_MILLIS - 1)).toEqual([])
    expect(expiredMembers(group, 3000 + REBALANCE_MILLIS + ROUNDING_MILLIS)).toEqual(['m'])
  })
})
