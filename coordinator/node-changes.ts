/**
 * What an administrator may ask about nodes, judged against the metadata image: to spread replicas over them, and how fast, to let one go (Kafka's unregisterBroker), and
 * to have it vote in the metadata quorum or not (KIP-853). Who votes is not in the image but in the log; the change itself is made by quorum-membership.ts.
 */
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { RebalanceRequest, ThrottleRequest, UnregisterBrokerRequest, VoterRequest } from '../protocol/messages/metadata.ts'
import { ruleReassign } from './administration.ts'
import type { Ruling } from './administration.ts'
import { isLive } from './metadata.ts'
import type { MetadataImage } from './metadata.ts'
import { balanceMoves, drainMoves } from './rebalance.ts'
import type { PartitionSizes } from './rebalance-loads.ts'

/** Topics that a refusal names; the others are counted. */
const NAMES_MAX = 5

/** Judges a rebalancing: of everything, or of what one node has. One verdict for each partition that is moved. `stateReplicas`: those of a topic of coordinators. */
export function ruleRebalance(image: MetadataImage, { drain, avoid = [], sizes }: RebalanceRequest, stateReplicas = 1): Ruling {
  if (drain !== null && !image.brokers.has(drain)) return refuse('BROKER_ID_NOT_REGISTERED', `there is no node ${drain}`)
  const moves = drain === null ? balanceMoves(image, { avoid, stateReplicas, sizes: sizesOf(sizes) }) : drainMoves(image, drain, avoid)
  if (typeof moves === 'string') return refuse('INVALID_REPLICATION_FACTOR', moves)
  return ruleReassign(image, { kind: 'alterPartitionReassignments', correlationId: -1, partitions: moves })
}

function sizesOf(sizes: RebalanceRequest['sizes']): PartitionSizes | null {
  return sizes === undefined
    ? null
    : new Map(sizes.map(({ topic, partition, sizeBytes }) => [topicPartitionName(topic, partition), sizeBytes]))
}

/** Judges a limit for reassignments. */
export function ruleThrottle({ reassignmentBytesPerSecond }: MetadataImage, { bytesPerSecond }: ThrottleRequest): Ruling {
  if (bytesPerSecond !== null && (!Number.isSafeInteger(bytesPerSecond) || bytesPerSecond < 0))
    return refuse('INVALID_REQUEST', `a limit is a whole number of bytes from 0 on, not ${bytesPerSecond}`)
  const isNew = bytesPerSecond !== reassignmentBytesPerSecond
  return { records: isNew ? [{ type: 'reassignmentsThrottled', bytesPerSecond }] : [], verdicts: [ACCEPTED] }
}

/** Judges the removal of a node: nobody may count on it any more. With `validateOnly` it may still run. */
export function ruleUnregisterBroker(image: MetadataImage, request: UnregisterBrokerRequest, voters: readonly number[]): Ruling {
  const { node, validateOnly } = request
  if (!image.brokers.has(node)) return refuse('BROKER_ID_NOT_REGISTERED', `there is no node ${node}`)
  if (voters.includes(node))
    return refuse('INVALID_REQUEST', `node ${node} votes in the metadata quorum; make it stop that first (removeVoter)`)
  const names = topicsOn(image, node)
  if (names.length > 0)
    return refuse('INVALID_REQUEST', `node ${node} still has replicas of ${listed(names)}; move them to other nodes first (drainNode)`)
  if (isLive(image, node) && !validateOnly) return refuse('INVALID_REQUEST', `node ${node} is running; stop it first`)
  return { records: validateOnly ? [] : [{ type: 'brokerRemoved', node }], verdicts: [ACCEPTED] }
}

/** Judges a change of the voters: who shall vote then, or why it is refused. */
export function judgeVoters(
  image: MetadataImage,
  voters: readonly number[],
  { kind, node }: VoterRequest,
): readonly number[] | { readonly error: ErrorName; readonly reason: string } {
  const isVoter = voters.includes(node)
  if (kind === 'removeRaftVoter') {
    if (!isVoter) return { error: 'VOTER_NOT_FOUND', reason: `node ${node} does not vote; ${voters.join(', ')} do` }
    if (voters.length === 1)
      return { error: 'INVALID_REQUEST', reason: `node ${node} is the last voter: nobody could decide anything without it` }
    return voters.filter((one) => one !== node)
  }
  if (!image.brokers.has(node)) return { error: 'BROKER_ID_NOT_REGISTERED', reason: `there is no node ${node}` }
  if (isVoter) return { error: 'DUPLICATE_VOTER', reason: `node ${node} votes already` }
  return [...voters, node]
}

const ACCEPTED = { name: '', topicId: -1, error: null, reason: null } as const

function refuse(error: ErrorName, reason: string): Ruling {
  return { records: [], verdicts: [{ name: '', topicId: -1, error, reason }] }
}

function topicsOn({ topics }: MetadataImage, node: number): string[] {
  const found = [...topics.values()].filter(({ partitions }) => partitions.some(({ replicas }) => replicas.includes(node)))
  return found.map(({ name }) => name).toSorted()
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_MAX
  return names.slice(0, NAMES_MAX).join(', ') + (more > 0 ? ` and ${more} more topics` : '')
}
