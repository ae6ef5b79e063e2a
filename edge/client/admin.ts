/**
 * Administration: topics, partitions, settings, groups; nodes are in node-admin.ts. Each call is one request to the coordinator, a leader or a group.
 */
import { BROKER_ACTOR } from '../../protocol/address.ts'
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { CommittedOffset, TopicOffset } from '../../protocol/messages/group.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type {
  Admin,
  ClusterDescription,
  CreateTopicOptions,
  GroupDescription,
  OffsetToCommit,
  Reassignment,
  RecordsToDelete,
  TopicDescription,
  Waiting,
} from './api.ts'
import {
  checkGroup,
  checkName,
  checkNode,
  checkPartition,
  checkReplicas,
  offsetsToAlter,
  plainConfig,
  recordsToDelete,
  timestampToList,
} from './arguments.ts'
import { groupsInLog } from './group-scan.ts'
import { NodeAdmin } from './node-admin.ts'
import type { NodeActions } from './node-admin.ts'
import { checkOptions } from './options.ts'
import type { OptionRule } from './options.ts'
import { throwIfError } from './requests.ts'
import type { Asked, Requests } from './requests.ts'

const CREATE_TOPIC_RULES: Readonly<Record<keyof CreateTopicOptions, OptionRule>> = {
  partitions: { kind: 'any' },
  replicationFactor: { kind: 'any' },
  config: { kind: 'object' },
  ifNotExists: { kind: 'boolean', default: false },
}

const LIST_TOPICS_RULES: Readonly<Record<'internal', OptionRule>> = { internal: { kind: 'boolean', default: false } }

/** The `admin` of a cluster. */
export class AdminClient implements Admin {
  readonly #requests: Requests
  readonly #actions: NodeActions
  readonly #nodeAdmin: NodeAdmin

  constructor(requests: Requests, actions: NodeActions) {
    this.#requests = requests
    this.#actions = actions
    this.#nodeAdmin = new NodeAdmin(requests, actions)
  }

  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<void> {
    checkName(name)
    checkOptions('createTopic', options, CREATE_TOPIC_RULES)
    const { partitions = 1, replicationFactor = -1, config = {}, ifNotExists = false } = options
    if (!Number.isInteger(partitions))
      throw new KafkaError('INVALID_PARTITIONS', `partitions must be a whole number, not ${String(partitions)}`)
    if (options.replicationFactor !== undefined && !(Number.isInteger(replicationFactor) && replicationFactor >= 1))
      throw new KafkaError(
        'INVALID_REPLICATION_FACTOR',
        `replicationFactor must be a whole number from 1 on, not ${String(replicationFactor)}`,
      )
    const asked: Asked = {
      kind: 'createTopics',
      topics: [{ name, numPartitions: partitions, replicationFactor, configs: plainConfig(config) }],
      validateOnly: false,
    }
    await this.#change(asked, 'TOPIC_ALREADY_EXISTS', ifNotExists)
  }

  async deleteTopic(name: string): Promise<void> {
    checkName(name)
    await this.#change({ kind: 'deleteTopics', topics: [name] }, 'UNKNOWN_TOPIC_OR_PARTITION')
  }

  async listTopics(options: { readonly internal?: boolean } = {}): Promise<string[]> {
    checkOptions('listTopics', options, LIST_TOPICS_RULES)
    const { internal = false } = options
    const { topics } = await this.#requests.askCoordinator({ kind: 'metadata', topics: null }, 'metadataResponse')
    return topics.map((topic) => topic.topic).filter((name) => internal || !name.startsWith('__'))
  }

  async describeTopic(name: string): Promise<TopicDescription> {
    checkName(name)
    const topic = await this.#requests.topic(name)
    const begins = await this.#offsetsOf(topic, EARLIEST_TIMESTAMP)
    const ends = await this.#offsetsOf(topic, LATEST_TIMESTAMP)
    const partitions = topic.partitions.map((one) => ({
      ...one,
      beginOffset: begins.get(one.partition) ?? 0,
      endOffset: ends.get(one.partition) ?? 0,
    }))
    if (topic.config === null) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`)
    return { name, topicId: topic.topicId, config: topic.config, partitions }
  }

  async createPartitions(name: string, count: number): Promise<void> {
    checkName(name)
    if (!Number.isInteger(count))
      throw new KafkaError('INVALID_PARTITIONS', `the count of partitions must be a whole number, not ${String(count)}`)
    await this.#change({ kind: 'createPartitions', topics: [{ name, count }] })
  }

  async alterConfig(name: string, config: Readonly<Record<string, unknown>>): Promise<void> {
    checkName(name)
    await this.#change({ kind: 'incrementalAlterConfigs', topic: name, configs: plainConfig(config) })
  }

  async listOffsets(name: string, timestamp: number | 'earliest' | 'latest'): Promise<Map<number, number>> {
    checkName(name)
    const wanted = timestampToList(timestamp)
    return this.#offsetsOf(await this.#requests.topic(name), wanted)
  }

  async deleteRecords(partitions: readonly RecordsToDelete[]): Promise<Map<string, number>> {
    const starts = new Map<string, number>()
    for (const { topic: name, partition, beforeOffset } of recordsToDelete(partitions)) {
      const topic = await this.#requests.topic(name)
      const { topicId } = topic
      const asked: Asked = { kind: 'deleteRecords', topicId, beforeOffset }
      const response = await this.#requests.askLeader(topic, partition, asked, 'deleteRecordsResponse')
      throwIfError(response.errorCode, response.errorMessage)
      starts.set(topicPartitionName(name, partition), response.logStartOffset)
    }
    return starts
  }

  describeCluster(): Promise<ClusterDescription> {
    return this.#nodeAdmin.describeCluster()
  }

  async reassign(name: string, partition: number, replicas: readonly number[] | null): Promise<void> {
    checkName(name)
    checkPartition(partition)
    checkReplicas(replicas)
    await this.#change({ kind: 'alterPartitionReassignments', partitions: [{ topic: name, partition, replicas }] })
  }

  listReassignments(): Promise<Reassignment[]> {
    return this.#nodeAdmin.listReassignments()
  }

  rebalance(options: Waiting = {}): Promise<void> {
    return this.#nodeAdmin.rebalance(null, options)
  }

  async drainNode(node: number, options: Waiting = {}): Promise<void> {
    checkNode(node)
    await this.#nodeAdmin.rebalance(node, options)
  }

  throttleReassignments(bytesPerSecond: number | null): Promise<void> {
    return this.#nodeAdmin.throttleReassignments(bytesPerSecond)
  }

  removeNode(node: number): Promise<void> {
    return this.#nodeAdmin.removeNode(node)
  }

  addVoter(node: number): Promise<void> {
    return this.#nodeAdmin.addVoter(node)
  }

  removeVoter(node: number): Promise<void> {
    return this.#nodeAdmin.removeVoter(node)
  }

  async listGroups(): Promise<string[]> {
    const groups = await groupsInLog(this.#requests)
    for (const group of await this.#runningGroups()) groups.add(group)
    return [...groups].toSorted()
  }

  async describeGroup(group: string): Promise<GroupDescription> {
    checkGroup(group)
    // Asking a group starts its actor: one that nobody has heard of stays unheard of.
    const isKnown = (await this.#runningGroups()).has(group) || (await groupsInLog(this.#requests)).has(group)
    if (!isKnown) throw unknownGroup(group)
    const { errorCode, state, epoch, members, offsets } = await this.#requests.askGroup(
      group,
      { kind: 'describeGroup' },
      'describeGroupResponse',
    )
    throwIfError(errorCode, null)
    if (members.length === 0 && offsets.length === 0) throw unknownGroup(group)
    return { group, state, epoch, members, offsets }
  }

  async alterGroupOffsets(group: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    checkGroup(group)
    const ofTopics: TopicOffset[] = []
    for (const one of offsetsToAlter(offsets)) {
      const topic = await this.#requests.topic(one.topic)
      this.#requests.leaderOf(topic, one.partition)
      ofTopics.push({ ...one, topicId: topic.topicId })
    }
    const response = await this.#requests.askGroup(
      group,
      { kind: 'offsetCommit', memberId: '', memberEpoch: -1, offsets: ofTopics },
      'offsetCommitResponse',
    )
    throwIfError(response.errorCode, response.errorMessage)
  }

  async resetGroupOffsets(group: string, topic: string, to: number | 'earliest' | 'latest'): Promise<CommittedOffset[]> {
    checkGroup(group)
    checkName(topic)
    const wanted = timestampToList(to)
    const metadata = await this.#requests.topic(topic)
    const found = await this.#offsetsOf(metadata, wanted)
    const ends = await this.#offsetsOf(metadata, LATEST_TIMESTAMP)
    const offsets = metadata.partitions.map(({ partition }) => {
      const offset = found.get(partition) ?? ends.get(partition) ?? 0
      return { topic, partition, offset, metadata: '' }
    })
    await this.alterGroupOffsets(group, offsets)
    return offsets
  }

  /**
   * Sends a change of one topic. `done` is the error that says that it is as it should be: no failure if that is tolerated, or if an attempt
   * got no answer, for then that attempt may have done it.
   */
  async #change(asked: Asked, done: ErrorName | null = null, isDoneTolerated: boolean = false): Promise<void> {
    let isDoneFine = isDoneTolerated
    const { results } = await this.#requests.askCoordinator(asked, 'adminResponse', () => (isDoneFine = true))
    const { errorCode, errorMessage } = results[0] ?? { errorCode: NONE, errorMessage: null }
    if (isDoneFine && errorOf(errorCode).name === done) return
    throwIfError(errorCode, errorMessage)
  }

  /** Groups whose actors run, on any node. */
  async #runningGroups(): Promise<Set<string>> {
    const groups = new Set<string>()
    for (const node of this.#actions.ids()) {
      const listed = await this.#requests.ask({ node, actor: BROKER_ACTOR }, { kind: 'listGroups' }, 'groupsListed')
      for (const group of listed.groups) groups.add(group)
    }
    return groups
  }

  async #offsetsOf(topic: TopicMetadata, timestamp: number): Promise<Map<number, number>> {
    const { topicId } = topic
    const responses = await Promise.all(
      topic.partitions.map(({ partition }) =>
        this.#requests.askLeader(topic, partition, { kind: 'listOffsets', topicId, timestamp }, 'listOffsetsResponse'),
      ),
    )
    const offsets = new Map<number, number>()
    responses.forEach(({ errorCode, errorMessage, offset }, partition) => {
      throwIfError(errorCode, errorMessage)
      if (offset >= 0) offsets.set(partition, offset)
    })
    return offsets
  }
}

function unknownGroup(group: string): KafkaError {
  return new KafkaError('GROUP_ID_NOT_FOUND', `there is no group ${JSON.stringify(group)}: nobody is in it, and it has not committed`)
}
