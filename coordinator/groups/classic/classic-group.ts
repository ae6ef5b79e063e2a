/**
 * What a coordinator knows of a classic group, as plain data, in the words of Kafka's ClassicGroup; how it moves from one state to the next is in rebalance.ts, what
 * members may ask in join.ts and requests.ts.
 *
 *   empty ─► preparing-rebalance ─► completing-rebalance ─► stable
 *     ▲        members join anew ▲       the leader shares out │
 *     └── nobody joined          └──── somebody comes or goes ──┘
 *
 * A group that has nothing any more is forgotten: that is Kafka's state Dead.
 */
import type { Address } from '../../../protocol/address.ts'
import type { ErrorName } from '../../../protocol/errors.ts'
import { codeOf, NONE } from '../../../protocol/errors.ts'
import type {
  HeartbeatResponse,
  JoinGroupProtocol,
  JoinGroupResponse,
  SyncGroupResponse,
} from '../../../protocol/messages/classic-group.ts'
import { CONSUMER_PROTOCOL_TYPE, NO_GENERATION } from '../../../protocol/messages/classic-group.ts'
import type { GroupChanged } from '../../../protocol/messages/group.ts'
import type { OpaqueBytes } from '../../../protocol/opaque-bytes.ts'
import { namesOf } from '../names.ts'
import { decodeAssignment, decodeSubscription } from './consumer-protocol.ts'

/** See the header. */
export type ClassicState = 'empty' | 'preparing-rebalance' | 'completing-rebalance' | 'stable'

/** Who waits for an answer. */
export interface Waiter {
  readonly from: Address
  readonly correlationId: number
}

/** One member, as the group knows it. */
export interface ClassicMember {
  memberId: string
  readonly instanceId: string | null
  /** The members whose place it has, under the same instance id: each took that of the one before. */
  readonly replacedIds: readonly string[]
  sessionTimeoutMillis: number
  rebalanceTimeoutMillis: number
  protocols: readonly JoinGroupProtocol[]
  /** What it is given in the present generation. */
  assignment: OpaqueBytes
  /** It has joined, and waits for the others. */
  join: Waiter | null
  /** It has asked what it is given, and waits for the leader. */
  sync: Waiter | null
  /** It has asked, in the present generation, or need not. */
  hasSynced: boolean
  /** Uptime after which it counts as gone, unless it waits for us. */
  expiresAt: number
  /** Where it was heard last. */
  address: Address
  /** Correlation id of its newest commit: an older one that arrives late changes nothing. */
  lastCommitId: number
  /** Of its newest request: one that comes twice, or late, changes nothing. */
  lastRequestId: number
}

/** A classic group; with no members it is as good as none. */
export interface ClassicGroup {
  state: ClassicState
  generationId: number
  protocolType: string
  /** Chosen by all members for the present generation; null before the first. */
  protocolName: string | null
  /** Its member id; empty without members. */
  leader: string
  readonly members: Map<string, ClassicMember>
  /** By member id that was given and has not joined: the uptime until which it may (KIP-394). */
  readonly pending: Map<string, number>
  /** By name: which member is given the partition in the present generation, where assignments are those of consumers. */
  readonly holders: Map<string, string>
  /** While preparing: the first rebalance of an empty group waits a while for more members. */
  isInitial: boolean
  /** While preparing: uptime when it goes on without those that have not joined; afterwards: without those that have not synced. */
  waitsUntil: number
  /** While preparing for the first time: no later than that. */
  waitsAtMostUntil: number
  /** No generation begins before this uptime: members that another coordinator knew may be there still. */
  graceUntil: number
}

/** What a group answers, and to whom. */
export interface Answer {
  readonly to: Address
  readonly message: JoinGroupResponse | SyncGroupResponse | HeartbeatResponse | GroupChanged
}

/** A group without members. Its first generation is 1: members of a former group have other member ids. */
export function emptyClassicGroup(graceUntil: number): ClassicGroup {
  return {
    state: 'empty',
    generationId: 0,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName: null,
    leader: '',
    members: new Map(),
    pending: new Map(),
    holders: new Map(),
    isInitial: false,
    waitsUntil: Infinity,
    waitsAtMostUntil: Infinity,
    graceUntil,
  }
}

/** The member with that instance id; null if there is none. */
export function staticMemberOf(group: ClassicGroup, instanceId: string | null): ClassicMember | null {
  if (instanceId === null) return null
  for (const member of group.members.values()) if (member.instanceId === instanceId) return member
  return null
}

/** The longest time that one of its members may take to join again. */
export function rebalanceTimeoutOf({ members }: ClassicGroup): number {
  let longest = 0
  for (const { rebalanceTimeoutMillis } of members.values()) longest = Math.max(longest, rebalanceTimeoutMillis)
  return longest
}

/** What the member says of itself in the protocol that was chosen. */
export function metadataOf({ protocolName }: ClassicGroup, { protocols }: ClassicMember): OpaqueBytes {
  return protocols.find(({ name }) => name === protocolName)?.metadata ?? ''
}

/** Whether some protocol is spoken by all members but `except`, and by these. */
export function supportsProtocols(group: ClassicGroup, protocols: readonly JoinGroupProtocol[], except: ClassicMember | null): boolean {
  const others = [...group.members.values()].filter((member) => member !== except)
  return protocols.some(({ name }) => others.every((member) => member.protocols.some((one) => one.name === name)))
}

/** The protocol that most members like best, of those that all of them speak; of several the one that was voted for first. */
export function chooseProtocol({ members }: ClassicGroup): string | null {
  const all = [...members.values()].map(({ protocols }) => protocols.map(({ name }) => name))
  const isCommon = (name: string): boolean => all.every((names) => names.includes(name))
  const votes = new Map<string, number>()
  for (const names of all) {
    const vote = names.find(isCommon)
    if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1)
  }
  let chosen: string | null = null
  for (const [name, count] of votes) if (chosen === null || count > (votes.get(chosen) ?? 0)) chosen = name
  return chosen
}

/** The topics that members subscribe to, where they are consumers. */
export function topicsOfClassic({ members, protocolType }: ClassicGroup): Set<string> {
  if (protocolType !== CONSUMER_PROTOCOL_TYPE) return new Set()
  const protocols = [...members.values()].flatMap((member) => member.protocols)
  return new Set(protocols.flatMap(({ metadata }) => decodeSubscription(metadata)?.topics ?? []))
}

/** What each member is given, as far as these are assignments of consumers. */
export function noteHolders(group: ClassicGroup): void {
  group.holders.clear()
  if (group.protocolType !== CONSUMER_PROTOCOL_TYPE) return
  for (const { memberId, assignment } of group.members.values())
    for (const name of namesOf(decodeAssignment(assignment)?.partitions ?? [])) group.holders.set(name, memberId)
}

// ── answers ──

/** The answer to who joins: why not. */
export function joinRefusal({ from, correlationId }: Waiter, error: ErrorName, memberId: string): Answer {
  const errorCode = codeOf(error)
  const message = {
    kind: 'joinGroupResponse',
    correlationId,
    errorCode,
    generationId: NO_GENERATION,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  } as const
  return { to: from, message }
}

/** The answer to who has joined: the present generation. The leader is told of all members. */
export function joined(group: ClassicGroup, { from, correlationId }: Waiter, memberId: string, skipAssignment = false): Answer {
  const { generationId, protocolType, protocolName, leader, members } = group
  const isTold = memberId === leader
  return {
    to: from,
    message: {
      kind: 'joinGroupResponse',
      correlationId,
      errorCode: NONE,
      generationId,
      protocolType,
      protocolName,
      leader,
      skipAssignment,
      memberId,
      members: !isTold
        ? []
        : [...members.values()].map((member) => ({
            memberId: member.memberId,
            instanceId: member.instanceId,
            metadata: metadataOf(group, member),
          })),
    },
  }
}

/** The answer to who has asked for its assignment. */
export function synced({ protocolType, protocolName }: ClassicGroup, { from, correlationId }: Waiter, assignment: OpaqueBytes): Answer {
  return { to: from, message: { kind: 'syncGroupResponse', correlationId, errorCode: NONE, protocolType, protocolName, assignment } }
}

/** The same: why it is given none. */
export function syncRefusal({ from, correlationId }: Waiter, error: ErrorName): Answer {
  const nothing = { protocolType: null, protocolName: null, assignment: '' }
  return { to: from, message: { kind: 'syncGroupResponse', correlationId, errorCode: codeOf(error), ...nothing } }
}
