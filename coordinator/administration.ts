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
} from '../protocol/messages/metadata.ts'
import { PARTITIONS_PER_TOPIC_MAX, parseTopicConfig, settingGivenTwice, topicSettingOf } from '../protocol/topic-config.ts'
import { checkTopicName } from '../protocol/topic-name.ts'
import { METADATA_TOPIC, OFFSETS_TOPIC } from './metadata.ts'
import type { MetadataImage, MetadataRecord } from './metadata.ts'

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

/** Judges new topics: name, partitions, settings, and that they are new. */
export function ruleCreateTopics(image: MetadataImage, request: CreateTopicsRequest, nodeCount: number): Ruling {
  const records: MetadataRecord[] = []
  const verdicts: Verdict[] = []
  const names = new Set<string>()
  let topicId = image.nextTopicId
  for (const { name, numPartitions, configs } of request.topics) {
    const refusal = refuseNewTopic(image, name, numPartitions, configs, names)
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
      leaders: spread(topicId, 0, numPartitions, nodeCount),
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
    if (name === OFFSETS_TOPIC) return refuse(name, 'INVALID_TOPIC_EXCEPTION', `${name} is internal and cannot be deleted`)
    records.push({ type: 'topicDeleted', topicId: topic.topicId })
    return accept(name, topic.topicId)
  })
  return { records, verdicts }
}

/** Judges growth: a topic only ever gets more partitions. */
export function ruleCreatePartitions(image: MetadataImage, request: CreatePartitionsRequest, nodeCount: number): Ruling {
  const records: MetadataRecord[] = []
  const names = new Set<string>()
  const verdicts = request.topics.map(({ name, count }) => {
    const topic = image.topics.get(name)
    if (topic === undefined) return refuse(name, 'UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`)
    if (names.has(name)) return refuse(name, 'INVALID_REQUEST', `${name} stands twice in the request`)
    const present = topic.leaders.length
    if (!Number.isInteger(count) || count <= present || count > PARTITIONS_PER_TOPIC_MAX) {
      return refuse(
        name,
        'INVALID_PARTITIONS',
        `${name} has ${present} partitions; the new count must be ${present + 1} to ${PARTITIONS_PER_TOPIC_MAX}, not ${count}`,
      )
    }
    if (name === OFFSETS_TOPIC) return refuse(name, 'INVALID_PARTITIONS', `${name} keeps its partitions: groups are hashed to them`)
    names.add(name)
    records.push({ type: 'partitionsAdded', topicId: topic.topicId, leaders: spread(topic.topicId, present, count - present, nodeCount) })
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
  return { records: [{ type: 'topicConfigured', topicId: topic.topicId, configs }], verdicts: [accept(name, topic.topicId)] }
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
  if (!Number.isInteger(count) || count < 1 || count > PARTITIONS_PER_TOPIC_MAX) {
    return refuse(name, 'INVALID_PARTITIONS', `a topic has 1 to ${PARTITIONS_PER_TOPIC_MAX} partitions, not ${count}`)
  }
  const parsed = parseTopicConfig(configs)
  return parsed.ok ? null : refuse(name, 'INVALID_CONFIG', parsed.reason)
}

/** Leaders of consecutive partitions go round the nodes, beginning elsewhere for each topic. */
function spread(topicId: number, first: number, count: number, nodeCount: number): number[] {
  return Array.from({ length: count }, (_, i) => (topicId - 1 + first + i) % nodeCount)
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
