/**
 * Checks arguments at the door, before anything is sent: callers in JavaScript have no types. What cannot be such an argument at all is INVALID_REQUEST,
 * with the method and what it takes; a name, a partition or an offset that cannot exist has Kafka's own error. Options are in options.ts.
 */
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import { DELETE_TO_HIGH_WATERMARK, EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { Subscribe } from '../../protocol/messages/client.ts'
import { OFFSET_METADATA_LENGTH_MAX } from '../../protocol/messages/group.ts'
import type { CommittedOffset } from '../../protocol/messages/group.ts'
import { ENTITY_NAME_LENGTH_MAX } from '../../protocol/messages/quota.ts'
import { checkGroupId, checkTopicName, isInternalTopic } from '../../protocol/topic-name.ts'
import { patternProblem } from '../../protocol/topic-pattern.ts'
import type { RecordsToDelete, TransactionToAbort } from './admin-api.ts'
import type { ClusterEvent, ClusterOptions } from './api.ts'
import { checkOptions, describe, describeText } from './options.ts'
import type { OptionRule } from './options.ts'

const COMMIT_TAKES = 'commit takes nothing, a batch, or a list of { topic, partition, offset, metadata }'
const DELETE_TAKES = 'deleteRecords takes a list of { topic, partition, beforeOffset }'
const ABORT_TAKES = 'abortTransaction takes a transaction { topic, partition, startOffset }'
const ALTER_TAKES = 'alterGroupOffsets takes a list of { topic, partition, offset, metadata }'

const WAITING_RULES: Readonly<Record<string, OptionRule>> = { signal: { kind: 'signal' } }

/** What a consumer subscribes to. */
export type Subscription = Pick<Subscribe, 'topics' | 'topicPattern'>

/** A record, so that a new event without an entry does not compile. */
const EVENTS: Readonly<Record<ClusterEvent, true>> = {
  nodeDown: true,
  nodeUp: true,
  nodeFenced: true,
  nodeUnfenced: true,
  leaderChanged: true,
  isrChanged: true,
  error: true,
}

/** Throws INVALID_TOPIC_EXCEPTION for a name that Kafka would refuse. */
export function checkName(name: unknown): void {
  const problem = checkTopicName(name)
  if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem)
}

/** Throws INVALID_TOPIC_EXCEPTION for a topic that no client may write to. */
export function checkProduceName(name: unknown): void {
  checkName(name)
  if (typeof name === 'string' && isInternalTopic(name))
    throw new KafkaError('INVALID_TOPIC_EXCEPTION', `${name} is internal: clients do not write to it`)
}

/** Throws INVALID_GROUP_ID. */
export function checkGroup(group: unknown): void {
  const problem = checkGroupId(group)
  if (problem !== null) throw new KafkaError('INVALID_GROUP_ID', problem)
}

/** What a consumer says of itself as a member. */
interface MembershipOptions {
  readonly group?: string
  readonly groupInstanceId?: string
  readonly topics?: unknown
}

/** Throws INVALID_GROUP_ID for a group that cannot be one, or an instance id without a group, INVALID_OPTION for the others. */
export function checkMembership({ group, groupInstanceId, topics }: MembershipOptions): void {
  if (group !== undefined) checkGroup(group)
  if (groupInstanceId !== undefined) checkInstance(group, groupInstanceId)
  if (Array.isArray(topics) && topics.length === 0)
    throw new KafkaError('INVALID_OPTION', 'consumer option topics must be a list of one topic or more, or a pattern, not []')
}

/** Throws INVALID_REQUEST for a consumer that is about to have its partitions in another way than before. */
export function checkMode(mode: string | null, wanted: string): void {
  if (mode === null || mode === wanted) return
  throw new KafkaError('INVALID_REQUEST', `this consumer is ${mode}: a consumer either subscribes or is assigned partitions by hand`)
}

function checkInstance(group: string | undefined, groupInstanceId: string): void {
  if (group === undefined) throw new KafkaError('INVALID_GROUP_ID', 'groupInstanceId needs the option group')
  if (checkGroupId(groupInstanceId) === null) return
  throw new KafkaError('INVALID_OPTION', `consumer option groupInstanceId must be text that prints, not ${describe(groupInstanceId)}`)
}

/** What `subscribe` shall subscribe to: topics by name, or by a pattern. Throws INVALID_OPTION, INVALID_REGULAR_EXPRESSION, and what names throw. */
export function checkSubscription(topics: unknown): Subscription {
  if (topics instanceof RegExp) {
    const topicPattern = { source: topics.source, flags: topics.flags }
    const problem = patternProblem(topicPattern)
    if (problem === null) return { topics: [], topicPattern }
    throw new KafkaError('INVALID_REGULAR_EXPRESSION', `a pattern of topics ${problem}`)
  }
  if (!Array.isArray(topics))
    throw new KafkaError(
      'INVALID_OPTION',
      `subscribe takes a list of topics (an empty one leaves the group) or a pattern, not ${describe(topics)}`,
    )
  for (const topic of topics) checkName(topic)
  return { topics: [...new Set(topics as readonly string[])], topicPattern: null }
}

/** Throws UNKNOWN_TOPIC_OR_PARTITION for what cannot be a partition. */
export function checkPartition(partition: unknown): void {
  if (isCount(partition)) return
  throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `a partition is a whole number from 0 on, not ${describe(partition)}`)
}

/** Numbers of partitions, or undefined: all. Throws INVALID_OPTION, and for each what `checkPartition` does. */
export function checkPartitions(partitions: unknown): void {
  if (partitions === undefined) return
  if (!Array.isArray(partitions))
    throw new KafkaError('INVALID_OPTION', `listOffsets option partitions must be a list of whole numbers, not ${describe(partitions)}`)
  for (const partition of partitions as readonly unknown[]) checkPartition(partition)
}

/** Throws OFFSET_OUT_OF_RANGE for what cannot be an offset. */
export function checkOffset(offset: unknown): void {
  if (!isCount(offset)) throw new KafkaError('OFFSET_OUT_OF_RANGE', `an offset is a whole number from 0 on, not ${describe(offset)}`)
}

/** Throws INVALID_REQUEST for what cannot be a node. */
export function checkNode(node: unknown): void {
  if (!isCount(node)) throw new KafkaError('INVALID_REQUEST', `a node is a whole number from 0 on, not ${describe(node)}`)
}

/** Throws INVALID_OPTION for a name that no quota could be for. */
export function checkQuotaName(what: string, option: string, name: string | undefined): void {
  if (name === undefined || (name.length > 0 && name.length <= ENTITY_NAME_LENGTH_MAX)) return
  throw new KafkaError(
    'INVALID_OPTION',
    `${what} option ${option} must be a text of 1 to ${ENTITY_NAME_LENGTH_MAX} characters, not ${describeText(name)}`,
  )
}

/** Throws INVALID_REQUEST for what cannot be a limit of bytes per second. */
export function checkLimit(limit: unknown): void {
  if (limit !== null && !isCount(limit))
    throw new KafkaError('INVALID_REQUEST', `a limit is null or a whole number of bytes from 0 on, not ${describe(limit)}`)
}

/** The replicas that `reassign` takes. Throws INVALID_REQUEST for what is no list, INVALID_REPLICA_ASSIGNMENT for one that no partition can have. */
export function checkReplicas(replicas: unknown): void {
  if (replicas === null) return
  const nodes = Array.isArray(replicas) ? new Set<unknown>(replicas) : null
  if (Array.isArray(replicas) && nodes !== null && nodes.size > 0 && nodes.size === replicas.length && [...nodes].every(isCount)) return
  throw new KafkaError(
    nodes === null ? 'INVALID_REQUEST' : 'INVALID_REPLICA_ASSIGNMENT',
    `replicas must be null or a list of one or more different nodes (whole numbers from 0 on), not ${describe(replicas)}`,
  )
}

/** One partition, given to `method`. Throws INVALID_REQUEST for what is none, and what its parts throw. */
export function checkTopicPartition(method: string, partition: unknown): void {
  if (!isTopicPartition(partition)) throw refusal(`${method} takes a partition { topic, partition }`, partition)
  checkName(partition.topic)
  checkPartition(partition.partition)
}

/** A list of partitions, given to `method`. Throws INVALID_REQUEST for what is none, and what its parts throw. */
export function checkTopicPartitions(method: string, partitions: unknown): void {
  const takes = `${method} takes a list of { topic, partition }`
  if (!Array.isArray(partitions)) throw refusal(takes, partitions)
  for (const one of partitions as readonly unknown[]) {
    if (!isTopicPartition(one)) throw refusal(takes, one)
    checkTopicPartition(method, one)
  }
}

/** What `commit` shall commit: a list, the end of a batch, or null for everything. Throws INVALID_REQUEST, and what its parts throw. */
export function offsetsToCommit(what: unknown): CommittedOffset[] | null {
  if (what === undefined) return null
  if (Array.isArray(what)) return Array.from(what, (one) => committedOffset(COMMIT_TAKES, one))
  if (!isTopicPartition(what) || !('endOffset' in what) || !('baseOffset' in what)) throw refusal(COMMIT_TAKES, what)
  const { topic, partition, endOffset } = what
  return [committedOffset(COMMIT_TAKES, { topic, partition, offset: endOffset })]
}

/** What `alterGroupOffsets` shall set. Throws INVALID_REQUEST, and what its parts throw. */
export function offsetsToAlter(offsets: unknown): CommittedOffset[] {
  if (!Array.isArray(offsets)) throw refusal(ALTER_TAKES, offsets)
  return Array.from(offsets, (one) => committedOffset(ALTER_TAKES, one))
}

/** What `deleteRecords` shall delete. Throws INVALID_REQUEST, and what its parts throw. */
export function recordsToDelete(partitions: unknown): RecordsToDelete[] {
  if (!Array.isArray(partitions)) throw refusal(DELETE_TAKES, partitions)
  return Array.from(partitions as readonly unknown[], (one) => {
    if (!isTopicPartition(one) || !('beforeOffset' in one) || typeof one.beforeOffset !== 'number') throw refusal(DELETE_TAKES, one)
    checkTopicPartition('deleteRecords', one)
    const { topic, partition, beforeOffset } = one
    if (beforeOffset !== DELETE_TO_HIGH_WATERMARK) checkOffset(beforeOffset)
    return { topic, partition, beforeOffset }
  })
}

/** What `abortTransaction` shall abort. Throws INVALID_REQUEST, and what its parts throw. */
export function transactionToAbort(value: unknown): TransactionToAbort {
  if (!isTopicPartition(value) || !('startOffset' in value) || typeof value.startOffset !== 'number') throw refusal(ABORT_TAKES, value)
  checkTopicPartition('abortTransaction', value)
  const { topic, partition, startOffset } = value
  checkOffset(startOffset)
  return { topic, partition, startOffset }
}

/** The time that `listOffsets` asks for, as a message says it. Throws INVALID_REQUEST. */
export function timestampToList(timestamp: unknown): number {
  if (timestamp === 'earliest') return EARLIEST_TIMESTAMP
  if (timestamp === 'latest') return LATEST_TIMESTAMP
  if (isCount(timestamp)) return timestamp
  throw new KafkaError(
    'INVALID_REQUEST',
    `a timestamp is 'earliest', 'latest' or a whole number of milliseconds since 1970, not ${describe(timestamp)}`,
  )
}

/** Settings as a message may carry them. Throws INVALID_REQUEST for what are none, INVALID_CONFIG for a value that is none. */
export function plainConfig(config: unknown): Record<string, unknown> {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw refusal('config must be an object of settings', config)
  const entries = Object.entries(config).filter(([, value]) => value !== undefined)
  for (const [name, value] of entries) {
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) continue
    if (isListOf(value, (one) => typeof one === 'string')) continue
    throw new KafkaError(
      'INVALID_CONFIG',
      `the setting ${name} must be a text, a number, true or false, or a list of texts, not ${describe(value)}`,
    )
  }
  return Object.fromEntries(entries)
}

/** The options of what only waits. Throws INVALID_OPTION. */
export function checkWaiting(method: string, options: object): void {
  checkOptions(method, options, WAITING_RULES)
}

/** What `on` takes. Throws INVALID_REQUEST. */
export function checkListener(event: unknown, listener: unknown): void {
  if (typeof event !== 'string' || !Object.hasOwn(EVENTS, event))
    throw new KafkaError('INVALID_REQUEST', `there is no event ${describe(event)}; there are ${Object.keys(EVENTS).join(', ')}`)
  if (typeof listener !== 'function') throw refusal(`the listener of ${event} must be a function`, listener)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** Whether all of a list are so. A list from outside may have holes, and `every` alone does not see them. */
function isListOf(value: unknown, isOne: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && [...(value as readonly unknown[])].every(isOne)
}

function isTopicPartition(value: unknown): value is TopicPartition {
  if (typeof value !== 'object' || value === null || !('topic' in value) || !('partition' in value)) return false
  return typeof value.topic === 'string' && typeof value.partition === 'number'
}

function committedOffset(takes: string, value: unknown): CommittedOffset {
  if (!isTopicPartition(value) || !('offset' in value) || typeof value.offset !== 'number') throw refusal(takes, value)
  const { topic, partition, offset } = value
  const metadata = 'metadata' in value && value.metadata !== undefined ? value.metadata : ''
  if (typeof metadata !== 'string') throw refusal('metadata must be a string', metadata)
  checkName(topic)
  checkPartition(partition)
  checkOffset(offset)
  checkMetadata(topicPartitionName(topic, partition), metadata)
  return { topic, partition, offset, metadata }
}

/** Throws OFFSET_METADATA_TOO_LARGE. */
function checkMetadata(name: string, metadata: string): void {
  if (metadata.length <= OFFSET_METADATA_LENGTH_MAX) return
  throw new KafkaError(
    'OFFSET_METADATA_TOO_LARGE',
    `the metadata of the offset of ${name} has ${metadata.length} characters; it may have ${OFFSET_METADATA_LENGTH_MAX}`,
  )
}

function refusal(takes: string, value: unknown): KafkaError {
  return new KafkaError('INVALID_REQUEST', `${takes}, not ${describe(value)}`)
}

/** Whether they are names, or null. */
export function areRacks(racks: unknown): racks is readonly (string | null)[] {
  return isListOf(racks, (rack) => rack === null || (typeof rack === 'string' && rack !== ''))
}

/** Throws INVALID_OPTION unless they are names, or null. */
export function checkRacks(racks: unknown): void {
  if (racks === undefined || areRacks(racks)) return
  throw new KafkaError('INVALID_OPTION', `open option racks must be a list of names, one per node, not ${describe(racks)}`)
}

/** Throws INVALID_OPTION unless there is a rack for each node. They are found by the node's id: nodes that were removed have places that nobody looks at. */
export function checkRackCount(racks: ClusterOptions['racks'], ids: readonly number[]): void {
  const wanted = (ids.at(-1) ?? -1) + 1
  if (racks === undefined || racks.length === wanted) return
  const reason = `open option racks must be a list of names, one per node: ${wanted} for the nodes ${ids.join()}, not ${racks.length}`
  throw new KafkaError('INVALID_OPTION', reason)
}
