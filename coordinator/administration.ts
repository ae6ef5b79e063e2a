/**
 * What an administrator may ask, judged against the metadata image: each request becomes records for the metadata log, or an error.
 * Nothing is half done: the records of one request are one batch.
 */
import type { ErrorName } from '../protocol/errors.ts'
import type {
  AlterConfigsRequest,
  CreatePartitionsRequest,
  CreateTopicsRequest,
  DeleteTopicsRequest,
  ReassignPartitionsRequest,
} from '../protocol/messages/metadata.ts'
import { PARTITIONS_PER_TOPIC_MAX, parseTopicConfig, settingGivenTwice, topicSettingOf } from '../protocol/topic-config.ts'
import { areTopicsAlike, checkTopicName } from '../protocol/topic-name.ts'
import { electorateOf } from './brokers.ts'
import { isCoordinatorTopic, isLive, METADATA_TOPIC, OFFSETS_TOPIC, SHARE_TOPIC, TRANSACTIONS_TOPIC } from './metadata.ts'
import type { MetadataImage, MetadataRecord, TopicImage } from './metadata.ts'
import {
  newPartition,
  replicaCountOf,
  targetCountOf,
  withoutUnwanted,
  withSettings,
  withTarget,
  withTargetReached,
} from './partition-image.ts'
import type { PartitionImage } from './partition-image.ts'
import { placeReplicas } from './placement.ts'
import { stateTopicProblem } from './state-topics.ts'

/** The verdict on one topic of a request. */
export interface Verdict {
  readonly name: string
  readonly topicId: number
  readonly error: ErrorName | null
  readonly reason: string | null
}

/** The records to write, and one verdict per topic. Topics with an error have no record. */
export interface Ruling {
  readonly records: readonly MetadataRecord[]
  readonly verdicts: readonly Verdict[]
}

/** Judges new topics: name, partitions, replicas, settings, and that they are new. A replication factor of -1 is the default. */
export function ruleCreateTopics(image: MetadataImage, request: CreateTopicsRequest, defaultReplicationFactor: number): Ruling {
  const records: MetadataRecord[] = []
  const verdicts: Verdict[] = []
  const names = new Set<string>()
  let topicId = image.nextTopicId
  for (const { name, numPartitions, configs, replicationFactor: wanted } of request.topics) {
    const replicationFactor = wanted === -1 ? Math.min(defaultReplicationFactor, image.brokers.size) : wanted
    const refusal = refuseNewTopic(image, name, numPartitions, configs, names) ?? refuseReplication(image, name, replicationFactor, configs)
    if (refusal !== null) {
      verdicts.push(refusal)
      continue
    }
    names.add(name)
    verdicts.push(accept(name, topicId))
    records.push({
      type: 'topicCreated',
      name,
      topicId,
      partitions: placed(image, replicationFactor, { start: topicId - 1, first: 0, count: numPartitions }),
      configs: canonical(configs),
    })
    topicId++
  }
  return { records: request.validateOnly ? [] : records, verdicts }
}

/** Judges deletions: the topic must exist and not be internal. */
export function ruleDeleteTopics(image: MetadataImage, request: DeleteTopicsRequest): Ruling {
  const records: MetadataRecord[] = []
  const verdicts = [...new Set(request.topics)].map((name) => {
    const topic = image.topics.get(name)
    if (topic === undefined) return refuse(name, 'UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`)
    if (isCoordinatorTopic(name)) return refuse(name, 'INVALID_TOPIC_EXCEPTION', `${name} is internal and cannot be deleted`)
    records.push({ type: 'topicDeleted', topicId: topic.topicId })
    return accept(name, topic.topicId)
  })
  return { records, verdicts }
}

/** Judges growth: a topic only ever gets more partitions. */
export function ruleCreatePartitions(image: MetadataImage, request: CreatePartitionsRequest): Ruling {
  const records: MetadataRecord[] = []
  const names = new Set<string>()
  const verdicts = request.topics.map(({ name, count }) => {
    const topic = image.topics.get(name)
    if (topic === undefined) return refuse(name, 'UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`)
    if (names.has(name)) return refuse(name, 'INVALID_REQUEST', `${name} stands twice in the request`)
    const present = topic.partitions.length
    if (!Number.isInteger(count) || count <= present || count > PARTITIONS_PER_TOPIC_MAX) {
      return refuse(
        name,
        'INVALID_PARTITIONS',
        `${name} has ${present} partitions; the new count must be ${present + 1} to ${PARTITIONS_PER_TOPIC_MAX}, not ${count}`,
      )
    }
    if (isCoordinatorTopic(name)) return refuse(name, 'INVALID_PARTITIONS', `${name} keeps its partitions: coordinators are hashed to them`)
    const replicationFactor = replicationFactorOf(topic)
    if (image.brokers.size < replicationFactor) {
      const reason = `${name} has ${replicationFactor} replicas of each partition, but there are ${image.brokers.size} nodes`
      return refuse(name, 'INVALID_REPLICATION_FACTOR', reason)
    }
    names.add(name)
    const range = { start: topic.topicId - 1, first: present, count: count - present }
    records.push({ type: 'partitionsAdded', topicId: topic.topicId, partitions: placed(image, replicationFactor, range) })
    return accept(name, topic.topicId)
  })
  return { records, verdicts }
}

/** Judges changed settings: what is not named stays as it is. */
export function ruleAlterConfigs(image: MetadataImage, request: AlterConfigsRequest): Ruling {
  const { topic: name } = request
  const topic = image.topics.get(name)
  if (topic === undefined) return one(refuse(name, 'UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`))
  const twice = settingGivenTwice(request.configs)
  if (twice !== null) return one(refuse(name, 'INVALID_CONFIG', twice))
  const configs: Record<string, unknown> = { ...topic.configs }
  for (const [key, value] of Object.entries(request.configs)) {
    const setting = topicSettingOf(key)
    if (setting === null) return one(refuse(name, 'INVALID_CONFIG', `${JSON.stringify(key)} is not a topic setting`))
    if (value === null) delete configs[setting]
    else configs[setting] = value
  }
  const parsed = parseTopicConfig(configs)
  if (!parsed.ok) return one(refuse(name, 'INVALID_CONFIG', parsed.reason))
  const problem = isCoordinatorTopic(name) ? stateTopicProblem(parsed.config) : null
  if (problem !== null) return one(refuse(name, 'INVALID_CONFIG', `${name} is internal: its ${problem}`))
  const { minInsyncReplicas } = parsed.config
  const counts = topic.partitions.map(targetCountOf)
  const fewest = Math.min(...counts)
  if (minInsyncReplicas > fewest) return one(tooFewReplicas(name, minInsyncReplicas, `of ${name}-${counts.indexOf(fewest)}`, fewest))
  const { topicId } = topic
  const records: MetadataRecord[] = [{ type: 'topicConfigured', topicId, configs }]
  topic.partitions.forEach((present, partition) => {
    const changed = withSettings(present, electorateOf(image, parsed, replicaCountOf(present)))
    if (changed !== null) records.push({ type: 'partitionChanged', topicId, partition, image: changed })
  })
  return { records, verdicts: [accept(name, topicId)] }
}

/** Judges the move of partitions to other replicas; null replicas gives a reassignment up. */
export function ruleReassign(image: MetadataImage, request: ReassignPartitionsRequest): Ruling {
  const records: MetadataRecord[] = []
  const moved = new Set<PartitionImage>()
  const verdicts = request.partitions.map(({ topic: name, partition, replicas }) => {
    const topic = image.topics.get(name)
    const present = topic?.partitions[partition]
    if (topic === undefined || present === undefined)
      return refuse(name, 'UNKNOWN_TOPIC_OR_PARTITION', `there is no partition ${name}-${partition}`)
    if (moved.has(present)) return refuse(name, 'INVALID_REQUEST', `${name}-${partition} stands twice in the request`)
    const target = replicas ?? present.replicas.filter((node) => !present.adding.includes(node))
    if (replicas === null && present.adding.length === 0 && present.removing.length === 0)
      return refuse(name, 'NO_REASSIGNMENT_IN_PROGRESS', `${name}-${partition} is not being moved`)
    const problem = refuseTarget(image, target, topic.config.minInsyncReplicas)
    if (problem !== null) return refuse(name, 'INVALID_REPLICA_ASSIGNMENT', `${name}-${partition}: ${problem}`)
    const moving = withTarget(present, target)
    const reached = withTargetReached(moving, electorateOf(image, topic, targetCountOf(moving))) ?? withoutUnwanted(moving)
    records.push({ type: 'partitionChanged', topicId: topic.topicId, partition, image: reached ?? moving })
    moved.add(present)
    return accept(name, topic.topicId)
  })
  return { records, verdicts }
}

/** Replicas that a new partition of a topic is meant to have: as many as the first, as in Kafka. */
function replicationFactorOf({ partitions }: TopicImage): number {
  const [first] = partitions
  return first === undefined ? 1 : targetCountOf(first)
}

function refuseTarget(image: MetadataImage, target: readonly number[], minInsyncReplicas: number): string | null {
  if (target.length === 0 || new Set(target).size < target.length) return 'its replicas must be some nodes, each once'
  const unknown = target.find((node) => !image.brokers.has(node))
  if (unknown !== undefined) return `there is no node ${unknown}`
  return minInsyncReplicas > target.length ? `minInsyncReplicas is ${minInsyncReplicas}` : null
}

function refuseNewTopic(
  image: MetadataImage,
  name: string,
  count: number,
  configs: Readonly<Record<string, unknown>>,
  names: ReadonlySet<string>,
): Verdict | null {
  const problem = checkTopicName(name)
  if (problem !== null) return refuse(name, 'INVALID_TOPIC_EXCEPTION', problem)
  if (name === METADATA_TOPIC) return refuse(name, 'INVALID_TOPIC_EXCEPTION', `${name} is the cluster's own log`)
  if (names.has(name)) return refuse(name, 'INVALID_REQUEST', `${name} stands twice in the request`)
  const existing = image.topics.get(name)
  if (existing !== undefined)
    return { name, topicId: existing.topicId, error: 'TOPIC_ALREADY_EXISTS', reason: `the topic ${name} exists already` }
  const other = [...names, OFFSETS_TOPIC, TRANSACTIONS_TOPIC, SHARE_TOPIC, METADATA_TOPIC, ...image.topics.keys()].find(
    (one) => one !== name && areTopicsAlike(one, name),
  )
  if (other !== undefined)
    return refuse(name, 'INVALID_TOPIC_EXCEPTION', `${name} is too like ${other}: in the names of metrics '.' and '_' are the same`)
  if (!Number.isInteger(count) || count < 1 || count > PARTITIONS_PER_TOPIC_MAX) {
    return refuse(name, 'INVALID_PARTITIONS', `a topic has 1 to ${PARTITIONS_PER_TOPIC_MAX} partitions, not ${count}`)
  }
  const parsed = parseTopicConfig(configs)
  return parsed.ok ? null : refuse(name, 'INVALID_CONFIG', parsed.reason)
}

function refuseReplication(
  image: MetadataImage,
  name: string,
  replicationFactor: number,
  configs: Readonly<Record<string, unknown>>,
): Verdict | null {
  const nodes = image.brokers.size
  if (!Number.isInteger(replicationFactor) || replicationFactor < 1 || replicationFactor > nodes) {
    const reason = `a partition has 1 to ${nodes} replicas here, one per node, not ${replicationFactor}`
    return refuse(name, 'INVALID_REPLICATION_FACTOR', reason)
  }
  const parsed = parseTopicConfig(configs)
  if (!parsed.ok || parsed.config.minInsyncReplicas <= replicationFactor) return null
  return tooFewReplicas(name, parsed.config.minInsyncReplicas, 'of each partition', replicationFactor)
}

function tooFewReplicas(name: string, minInsyncReplicas: number, whose: string, count: number): Verdict {
  const reason = `minInsyncReplicas (${minInsyncReplicas}) is more than the replicas ${whose} (${count})`
  return refuse(name, 'INVALID_CONFIG', reason)
}

/** New partitions on live nodes, as far as there are enough of them. */
function placed(
  image: MetadataImage,
  replicationFactor: number,
  range: { readonly start: number; readonly first: number; readonly count: number },
): PartitionImage[] {
  const live = [...image.brokers.values()].filter(({ fenced }) => !fenced)
  const nodes = live.length >= replicationFactor ? live : [...image.brokers.values()]
  return placeReplicas(nodes, replicationFactor, range).map((replicas) => newPartition(replicas, (node) => isLive(image, node)))
}

function canonical(configs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(configs).map(([key, value]) => [topicSettingOf(key) ?? key, value] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== null))
}

function accept(name: string, topicId: number): Verdict {
  return { name, topicId, error: null, reason: null }
}

function refuse(name: string, error: ErrorName, reason: string): Verdict {
  return { name, topicId: -1, error, reason }
}

function one(verdict: Verdict): Ruling {
  return { records: [], verdicts: [verdict] }
}
