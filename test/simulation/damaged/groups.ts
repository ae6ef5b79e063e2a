// Groups: with commits of what nobody has processed, that go back, or that are of somebody else; and partitions that two members have.

import type { Effect } from '../../../actors/effect.ts'
import type { GroupsState } from '../../../actors/groups-state.ts'
import { emptyClassicGroup } from '../../../coordinator/groups/classic/classic-group.ts'
import { encodeAssignment } from '../../../coordinator/groups/classic/consumer-protocol.ts'
import { encodeOffsetKey, encodeOffsetValue } from '../../../coordinator/groups/offset-record.ts'
import { appendRequest, openStateLog } from '../../../coordinator/state-log.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { checkClassic } from '../../../simulation/checkers/classic-groups.ts'
import {
  beginAt,
  beginBelief,
  checkGroup,
  committedSoFar,
  markProcessed,
  newGroupTruth,
  noteCommitted,
} from '../../../simulation/checkers/groups.ts'
import type { GroupTruth } from '../../../simulation/checkers/groups.ts'
import { checkLease, checkReign, LEASE_MICROS } from '../../../simulation/checkers/lease.ts'
import { checkMixed, newMixedGroup } from '../../../simulation/checkers/mixed-groups.ts'
import { checkOutside, newOutsideGroup } from '../../../simulation/checkers/outside-groups.ts'
import { inScene } from './damaged.ts'
import type { Damaged, Scene } from './damaged.ts'

const CLIENT = { node: -1, actor: 'consumer' }
const STATE = { config: { partition: 0, leaderEpoch: 0 }, groups: new Map() } as unknown as GroupsState
const TIMER: Message = { kind: 'timerFired', timer: 'refresh' }

/** An offset of the one partition there is. */
function at(offset: number) {
  return { topic: 'orders', partition: 0, offset, metadata: '', topicId: 1 }
}

function send(message: Message): Effect {
  return { kind: 'send', to: CLIENT, message }
}

/** The group's log is asked to take an offset, or (null) to forget it. */
function record(offset: number | null): Effect {
  const log = openStateLog(0, 'o', { partition: 0, topicId: 0, leaderEpoch: 0 })
  const value = offset === null ? null : encodeOffsetValue(at(offset), 0)
  return send(appendRequest(log, 1, [{ key: encodeOffsetKey('billing', 'orders', 0), value }], 0))
}

/** Somebody asks for what is committed, and is told. */
function asked(): Message {
  return { kind: 'offsetFetch', correlationId: 9, group: 'billing', partitions: null }
}

function told(offset: number | null): Effect {
  const offsets = offset === null ? [] : [at(offset)]
  return send({ kind: 'offsetFetchResponse', correlationId: 9, errorCode: 0, requested: ['orders-0'], offsets })
}

function commitOf(memberId: string, offset: number): Message {
  return { kind: 'offsetCommit', correlationId: offset, group: 'billing', memberId, memberEpoch: 1, offsets: [at(offset)] }
}

/** A commit counts: its member hears of it. */
const PRODUCED: Message = {
  ...({ kind: 'produceResponse', correlationId: 1, errorCode: 0, errorMessage: null } as const),
  ...{ baseOffset: 0, logAppendTime: -1, logStartOffset: 0 },
}

function heard(offset: number): Effect {
  return send({ kind: 'offsetCommitResponse', correlationId: offset, errorCode: 0, errorMessage: null })
}

interface GroupScene extends Scene {
  readonly group: GroupTruth
  /** A member commits, and hears that it counts. */
  readonly commit: (memberId: string, offset: number) => void
}

/** A group that has processed three records. */
function group(code: string, what: string, play: (scene: GroupScene, isDamaged: boolean) => void): Damaged {
  return inScene(code, what, (scene, isDamaged) => {
    const known = newGroupTruth(scene.truth, 'billing', 3000, 1000)
    for (const offset of [0, 1, 2]) markProcessed(known, scene.partition, offset)
    const commit = (memberId: string, offset: number): void => {
      checkGroup(known, STATE, commitOf(memberId, offset), CLIENT, [record(offset)])
      checkGroup(known, STATE, PRODUCED, CLIENT, [heard(offset)])
    }
    play({ ...scene, group: known, commit }, isDamaged)
  })
}

/** A coordinator with members that hold these partitions. */
function holding(members: Readonly<Record<string, readonly string[]>>): GroupsState {
  const held = Object.entries(members).map(([memberId, assigned]) => [
    memberId,
    { memberId, assigned: new Set(assigned), revoking: new Map() },
  ])
  return { ...STATE, groups: new Map([['billing', { membership: { members: new Map(held as never) } }]]) } as unknown as GroupsState
}

/** A classic generation in which members are given partitions of `orders`. */
function sharedOut(members: Readonly<Record<string, readonly number[]>>): GroupsState {
  const given = Object.entries(members).map(([memberId, partitions]) => {
    const assignment = encodeAssignment({ partitions: [{ topic: 'orders', partitions }], userData: null })
    return [memberId, { memberId, instanceId: null, assignment }]
  })
  const classic = { ...emptyClassicGroup(0), state: 'stable', members: new Map(given as never) }
  return { ...STATE, groups: new Map([['billing', { classic }]]) } as unknown as GroupsState
}

/** A classic group with one member, which has joined under an instance id. */
function joinedAs(memberId: string, instanceId: string): GroupsState {
  const classic = { ...emptyClassicGroup(0), members: new Map([[memberId, { memberId, instanceId }]]) }
  return { ...STATE, groups: new Map([['billing', { classic }]]) } as unknown as GroupsState
}

/** A group that nobody is in; three was committed, and somebody was told so. */
function outside(
  code: string,
  what: string,
  play: (says: (offset: number | null) => void, take: (offset: number | null, cause?: Message) => void, isDamaged: boolean) => void,
): Damaged {
  return inScene(code, what, ({ truth }, isDamaged) => {
    const known = newOutsideGroup(truth, 'billing', 1000)
    const take = (offset: number | null, cause: Message = commitOf('', offset ?? 0)): void => {
      checkOutside(known, STATE, cause, CLIENT, [record(offset)])
      checkOutside(known, STATE, PRODUCED, CLIENT, [heard(offset ?? 0)])
    }
    take(3)
    play((offset) => checkOutside(known, STATE, asked(), CLIENT, [told(offset)]), take, isDamaged)
  })
}

/** Groups. */
export const damagedGroups: readonly Damaged[] = [
  group('SKIP', 'a commit passes what nobody has processed', ({ commit }, isDamaged) => commit('a', isDamaged ? 4 : 3)),
  group('SKIP', 'a member begins behind what nobody has processed', ({ group: known, partition }, isDamaged) =>
    beginAt(known, partition, isDamaged ? 4 : 3, 'a'),
  ),
  group('BACK', 'a commit goes back', ({ commit }, isDamaged) => {
    commit('a', 3)
    commit('a', isDamaged ? 2 : 3)
  }),
  group('BACK', 'less is told than was committed', ({ group: known, commit }, isDamaged) => {
    commit('a', 3)
    checkGroup(known, STATE, asked(), CLIENT, [told(isDamaged ? 2 : 3)])
  }),
  group('BACK', 'a transaction commits less than was committed', ({ group: known, commit }, isDamaged) => {
    commit('a', 3)
    const asked = at(isDamaged ? 2 : 3)
    noteCommitted(known, asked, committedSoFar(known, asked))
  }),
  group('BACK', 'offsets expire too early', ({ truth, group: known }, isDamaged) => {
    known.heardAt.set('a', 0)
    truth.world.runUntil(isDamaged ? 999_000 : 1_000_000)
    checkGroup(known, STATE, TIMER, CLIENT, [record(null)])
  }),
  group('FENCE', 'the commit of a member counts that has lost the partition', ({ group: known, commit }, isDamaged) => {
    known.partitions.set('orders-0', { owner: isDamaged ? 'b' : 'a', believers: new Map() })
    commit('a', 3)
  }),
  group('EXCL', 'two members believe in a partition', ({ truth, group: known }, isDamaged) => {
    known.heardAt.set('a', 0)
    beginBelief(known, 'orders-0', 'a')
    truth.world.runUntil(isDamaged ? 2_999_000 : 3_000_000)
    beginBelief(known, 'orders-0', 'b')
  }),
  group(
    'EXCL',
    'a member takes what its successor has, without having joined again under their instance id',
    ({ group: known }, isDamaged) => {
      known.isClassic = true
      checkClassic(known, joinedAs('a-1', 'i'), TIMER)
      checkClassic(known, joinedAs('b-1', 'i'), TIMER)
      known.heardAt.set('b', 0)
      beginBelief(known, 'orders-0', 'b')
      checkClassic(known, isDamaged ? joinedAs('a-2', 'j') : joinedAs('a-2', 'i'), TIMER)
      beginBelief(known, 'orders-0', 'a')
    },
  ),
  group('EXCL', 'a group gives a partition to two members', ({ group: known }, isDamaged) => {
    const beat = { kind: 'consumerGroupHeartbeat', group: 'billing', memberId: 'a' } as Extract<Message, { kind: 'consumerGroupHeartbeat' }>
    checkGroup(known, holding({ a: ['orders-0'], b: [isDamaged ? 'orders-0' : 'orders-1'] }), beat, CLIENT, [])
  }),
  group('EXCL', 'a classic generation gives a partition to two members', ({ group: known }, isDamaged) => {
    known.isClassic = true
    checkClassic(known, sharedOut({ 'a-1': [0], 'b-1': [isDamaged ? 0 : 1] }), TIMER)
  }),
  inScene('FENCE', 'a coordinator that was succeeded long ago answers a member', ({ truth, partition }, isDamaged) => {
    partition.ledSince.set(1, 0)
    truth.world.runUntil(LEASE_MICROS + (isDamaged ? 1 : 0))
    checkLease(truth, 'orders', { partition: 0, leaderEpoch: 0 }, [send({ kind: 'heartbeatResponse', correlationId: 1, errorCode: 0 })])
  }),
  inScene('FENCE', 'a coordinator lives on in the next reign of its node', ({ truth, partition }, isDamaged) => {
    partition.ledSince.set(1, 0)
    partition.leaders.set(1, isDamaged ? 0 : 1)
    truth.world.runUntil(LEASE_MICROS)
    checkReign(truth, 'orders', { partition: 0, leaderEpoch: 0 }, 0)
  }),
  outside('BACK', 'another offset is told than was committed last', (says, _, isDamaged) => says(isDamaged ? 2 : 3)),
  outside('GONE', 'a deleted offset comes back', (says, take, isDamaged) => {
    take(null, { kind: 'deleteGroup', correlationId: 0, group: 'billing' })
    says(isDamaged ? 3 : null)
  }),
  inScene('BACK', 'offsets of a group that nobody is in expire too early', ({ truth }, isDamaged) => {
    const known = newOutsideGroup(truth, 'billing', 1000)
    truth.world.runUntil(isDamaged ? 999_000 : 1_000_000)
    checkOutside(known, STATE, TIMER, CLIENT, [record(null)])
  }),
  inScene('BACK', 'of two commits the one is told that is not the last in the log', ({ truth }, isDamaged) => {
    const known = newMixedGroup(truth, 'billing', -1)
    for (const offset of [5, 3]) {
      checkMixed(known, STATE, commitOf('', offset), [record(offset)])
      checkMixed(known, STATE, { ...PRODUCED, baseOffset: 10 - offset }, [])
    }
    checkMixed(known, STATE, asked(), [told(isDamaged ? 5 : 3)])
  }),
]
