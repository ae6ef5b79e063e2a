/**
 * What a member of a classic group knows beside what every member does (consumer-state.ts), and what that says of the bytes that it sends.
 *
 *   joining ─► (leads: sharing ─►) syncing ─► stable ─► joining …
 */
import { isClassicAssignor } from '../protocol/messages/classic-group.ts'
import type { ClassicAssignorName, JoinGroupProtocol, SyncGroupAssignment } from '../protocol/messages/classic-group.ts'
import type { TopicPartitions } from '../protocol/messages/group.ts'
import { assignClassic, isCooperative, topicsOf, userDataOf } from '../coordinator/groups/classic/assignors.ts'
import type { SubscribedMember } from '../coordinator/groups/classic/assignors.ts'
import { encodeAssignment, encodeSubscription } from '../coordinator/groups/classic/consumer-protocol.ts'
import type { StickyUserData } from '../coordinator/groups/classic/consumer-protocol.ts'
import { partitionsOf } from '../coordinator/groups/names.ts'

/** What the coordinator of the cluster says of topics, for a leader, or a member with a pattern. */
export interface TopicWatch {
  /** Of the question under way; -1 while there is none. */
  correlationId: number
  timeoutAt: number
  /** When to ask next. */
  dueAt: number
  /** How much of the metadata log the newest answer reflects: a late one may know less. */
  metadataOffset: number
  /** The topics that match its pattern; null: not known. */
  matching: readonly string[] | null
}

/** See the header. */
export interface ClassicMembership {
  readonly assignors: readonly ClassicAssignorName[]
  /** It keeps its partitions while the group rebalances (KIP-429). */
  readonly isCooperative: boolean
  phase: 'joining' | 'sharing' | 'syncing' | 'stable'
  /** Another member has come under its instance id since it joined last. */
  isFenced: boolean
  /** As the group has chosen. */
  protocolName: string | null
  isLeader: boolean
  /** The leader's member id. */
  leader: string
  /** Of the generation, as its leader is told. */
  members: readonly SubscribedMember[]
  assignments: readonly SyncGroupAssignment[]
  /** The partition counts by which its leader has shared out, as text, and whether something was withheld; null: not known. */
  sharedBy: string | null
  /** When a request had been sent that shows that the group was not waiting for this member. */
  steadyAt: number
  /** What it was given last. */
  last: StickyUserData
  /** Of the newest request to join, and of the one before: that is answered when the newest has arrived. */
  joinId: number
  formerJoinId: number
  /** Who it was in a group that does not know it any more; a coordinator that has followed another one may wait for them until it is told. */
  formerMemberIds: string[]
  joinSentAt: number
  /** The topics that it has named: its application may want others by the time when it is answered. */
  joinTopics: readonly string[]
  readonly topics: TopicWatch
}

/** A consumer that is in no generation yet. */
export function newClassicMembership(assignors: readonly ClassicAssignorName[]): ClassicMembership {
  return {
    assignors,
    isCooperative: isCooperative(assignors),
    phase: 'joining',
    isFenced: false,
    protocolName: null,
    isLeader: false,
    leader: '',
    members: [],
    assignments: [],
    sharedBy: null,
    steadyAt: 0,
    last: { partitions: [], generationId: -1 },
    joinId: -1,
    formerJoinId: -1,
    formerMemberIds: [],
    joinSentAt: 0,
    joinTopics: [],
    topics: { correlationId: -1, timeoutAt: 0, dueAt: 0, metadataOffset: -1, matching: null },
  }
}

/** What it says of itself when it joins, in each protocol that it speaks. */
export function protocolsOf(
  { assignors, last }: ClassicMembership,
  topics: readonly string[],
  ownedPartitions: readonly TopicPartitions[],
  generationId: number,
): JoinGroupProtocol[] {
  return assignors.map((name) => {
    const userData = userDataOf(name, last)
    return { name, metadata: encodeSubscription({ topics, userData, ownedPartitions, generationId, rackId: null }) }
  })
}

/** Behind the counts by which a leader has shared out: something was withheld, until whoever has it lets go and joins again. */
const UNFINISHED = ' unfinished'

/**
 * Shares out. The leader tells itself by which counts, and whether that is all, for its next life may go on with what it has shared out (KIP-814); and whoever was to let
 * go may live anew, with nothing to let go of, and so never join again.
 */
export function share(
  { protocolName, members, leader }: ClassicMembership,
  counts: ReadonlyMap<string, number>,
): Pick<ClassicMembership, 'assignments' | 'sharedBy'> {
  const name = protocolName !== null && isClassicAssignor(protocolName) ? protocolName : 'range'
  const given = [...assignClassic(name, members, counts)]
  const isAll = sum(given.map(([, names]) => names.size)) === sum(topicsOf(members).map((topic) => counts.get(topic) ?? 0))
  const sharedBy = countsText(members, counts) + (isAll ? '' : UNFINISHED)
  const assignments = given.map(([memberId, names]) => ({
    memberId,
    assignment: encodeAssignment({
      partitions: partitionsOf(names),
      userData: memberId === leader ? new TextEncoder().encode(sharedBy) : null,
    }),
  }))
  return { assignments, sharedBy }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

/** The partition counts of the topics that members want, as text. */
export function countsText(members: readonly SubscribedMember[], counts: ReadonlyMap<string, number>): string {
  return topicsOf(members)
    .map((topic) => `${topic}:${counts.get(topic) ?? 0}`)
    .join(',')
}
