/**
 * Administration: topics, partitions, settings; nodes are in node-admin.ts, groups in group-admin.ts. Each call is one request to the coordinator or a leader.
 */
import { isInternalTopic } from '../../protocol/topic-name.ts'
import { errorOf, KafkaError, NONE } from '../../protocol/errors.ts'
import type { ErrorName } from '../../protocol/errors.ts'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { CommittedOffset, GroupListing } from '../../protocol/messages/group.ts'
import type { ShareGroupListing } from '../../protocol/messages/share.ts'
import type { ClientQuota, ClientQuotaEntity } from '../../protocol/messages/quota.ts'
import type { ProducerDescription, TransactionDescription } from '../../protocol/messages/transaction.ts'
import type {
  Admin,
  ClientQuotaChange,
  ClusterDescription,
  CreateTopicOptions,
  HangingTransaction,
  PartitionBegin,
  Reassignment,
  RebalanceOptions,
  RecordsToDelete,
  TopicDescription,
  TransactionToAbort,
} from './admin-api.ts'
import type { OffsetToCommit, Waiting } from './api.ts'
import {
  checkName,
  checkNode,
  checkPartition,
  checkPartitions,
  checkReplicas,
  checkWaiting,
  plainConfig,
  recordsToDelete,
  timestampToList,
  transactionToAbort,
} from './arguments.ts'
import { GroupAdmin } from './group-admin.ts'
import type { GroupDescription } from './group-description.ts'
import { ledPartitions } from './led-partitions.ts'
import { NodeAdmin } from './node-admin.ts'
import type { NodeActions } from './node-admin.ts'
import { offsetsOf } from './offset-lookup.ts'
import type { ListOffsetsOptions } from './offset-lookup.ts'
import { checkOptions, describe } from './options.ts'
import type { OptionRule } from './options.ts'
import { deleteRecords } from './record-deletion.ts'
import { throwIfError } from './requests.ts'
import type { Asked } from './request-port.ts'
import type { Requests } from './requests.ts'
import type { ShareGroupDescription } from './share-api.ts'
import { ShareGroupAdmin } from './share-group-admin.ts'
import { alterClientQuotas, describeClientQuotas } from './quota-admin.ts'
import { abortTransaction, describeProducers, findHangingTransactions, listTransactions } from './transaction-admin.ts'

const CREATE_TOPIC_RULES: Readonly<Record<keyof CreateTopicOptions, OptionRule>> = {
  partitions: { kind: 'any' },
  replicationFactor: { kind: 'any' },
  config: { kind: 'object' },
  ifNotExists: { kind: 'boolean', default: false },
}

const LIST_TOPICS_RULES: Readonly<Record<'internal', OptionRule>> = { internal: { kind: 'boolean', default: false } }

const LIST_OFFSETS_RULES: Readonly<Record<keyof ListOffsetsOptions, OptionRule>> = {
  isolationLevel: { kind: 'choice', values: ['read_uncommitted', 'read_committed'], default: 'read_uncommitted' },
  partitions: { kind: 'any' },
}

const REBALANCE_RULES: Readonly<Record<keyof RebalanceOptions, OptionRule>> = {
  by: { kind: 'choice', values: ['replicas', 'bytes'], default: 'replicas' },
  signal: { kind: 'signal' },
}

/** The `admin` of a cluster. */
export class AdminClient implements Admin {
  readonly #requests: Requests
  readonly #nodeAdmin: NodeAdmin
  readonly #groupAdmin: GroupAdmin
  readonly #shareGroupAdmin: ShareGroupAdmin

  constructor(requests: Requests, actions: NodeActions) {
    this.#requests = requests
    this.#nodeAdmin = new NodeAdmin(requests, actions)
    this.#groupAdmin = new GroupAdmin(requests)
    this.#shareGroupAdmin = new ShareGroupAdmin(requests)
  }

  async createTopic(name: string, options: CreateTopicOptions = {}): Promise<void> {
    checkName(name)
    checkOptions('createTopic', options, CREATE_TOPIC_RULES)
    if (isInternalTopic(name)) throw new KafkaError('INVALID_TOPIC_EXCEPTION', `${name} is internal: it is made when it is needed`)
    const { partitions = 1, replicationFactor = -1, config = {}, ifNotExists = false } = options
    if (!Number.isInteger(partitions))
      throw new KafkaError('INVALID_PARTITIONS', `partitions must be a whole number, not ${describe(partitions)}`)
    if (options.replicationFactor !== undefined && !(Number.isInteger(replicationFactor) && replicationFactor >= 1))
      throw new KafkaError(
        'INVALID_REPLICATION_FACTOR',
        `replicationFactor must be a whole number from 1 on, not ${describe(replicationFactor)}`,
      )
    const asked: Asked = {
      kind: 'createTopics',
      topics: [{ name, numPartitions: partitions, replicationFactor, configs: plainConfig(config) }],
      validateOnly: false,
    }
    await this.#change(asked, 'TOPIC_ALREADY_EXISTS', undefined, ifNotExists)
  }

  async deleteTopic(name: string): Promise<void> {
    checkName(name)
    await this.#change({ kind: 'deleteTopics', topics: [name] }, 'UNKNOWN_TOPIC_OR_PARTITION')
  }

  async listTopics(options: { readonly internal?: boolean } = {}): Promise<string[]> {
    checkOptions('listTopics', options, LIST_TOPICS_RULES)
    const { internal = false } = options
    const { topics } = await this.#requests.metadata(null)
    return topics.map((topic) => topic.topic).filter((name) => internal || !isInternalTopic(name))
  }

  async describeTopic(name: string): Promise<TopicDescription> {
    checkName(name)
    const topic = await this.#requests.topic(name)
    if (topic.config === null) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic ${JSON.stringify(name)}`)
    const led = await ledPartitions(this.#requests, topic)
    const unled = { beginOffset: null, endOffset: null, lags: [], sizeBytes: null }
    const partitions = topic.partitions.map((one, index) => ({ ...one, ...(led[index] ?? unled) }))
    return { name, topicId: topic.topicId, config: topic.config, partitions }
  }

  async createPartitions(name: string, count: number): Promise<void> {
    checkName(name)
    if (!Number.isInteger(count))
      throw new KafkaError('INVALID_PARTITIONS', `the count of partitions must be a whole number, not ${describe(count)}`)
    const isDone = async (): Promise<boolean> => (await this.#requests.topic(name)).partitions.length === count
    await this.#change({ kind: 'createPartitions', topics: [{ name, count }] }, 'INVALID_PARTITIONS', isDone)
  }

  async alterConfig(name: string, config: Readonly<Record<string, unknown>>): Promise<void> {
    checkName(name)
    await this.#change({ kind: 'incrementalAlterConfigs', topic: name, configs: plainConfig(config) })
  }

  async listOffsets(
    name: string,
    timestamp: number | 'earliest' | 'latest',
    options: ListOffsetsOptions = {},
  ): Promise<Map<number, number>> {
    checkName(name)
    checkOptions('listOffsets', options, LIST_OFFSETS_RULES)
    checkPartitions(options.partitions)
    const wanted = timestampToList(timestamp)
    return offsetsOf(this.#requests, await this.#requests.topic(name), wanted, options)
  }

  async deleteRecords(partitions: readonly RecordsToDelete[]): Promise<PartitionBegin[]> {
    return deleteRecords(this.#requests, recordsToDelete(partitions))
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

  async rebalance(options: RebalanceOptions = {}): Promise<void> {
    checkOptions('rebalance', options, REBALANCE_RULES)
    await this.#nodeAdmin.rebalance(options, options.by ?? 'replicas')
  }

  async drainNode(node: number, options: Waiting = {}): Promise<void> {
    checkNode(node)
    checkWaiting('drainNode', options)
    await this.#nodeAdmin.drain(node, options)
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

  listGroups(): Promise<GroupListing[]> {
    return this.#groupAdmin.listGroups()
  }

  describeGroup(group: string): Promise<GroupDescription> {
    return this.#groupAdmin.describeGroup(group)
  }

  alterGroupOffsets(group: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    return this.#groupAdmin.alterGroupOffsets(group, offsets)
  }

  resetGroupOffsets(group: string, topic: string, to: number | 'earliest' | 'latest'): Promise<CommittedOffset[]> {
    return this.#groupAdmin.resetGroupOffsets(group, topic, to)
  }

  deleteGroup(group: string): Promise<void> {
    return this.#groupAdmin.deleteGroup(group)
  }

  deleteGroupOffsets(group: string, partitions: readonly TopicPartition[]): Promise<void> {
    return this.#groupAdmin.deleteGroupOffsets(group, partitions)
  }

  listShareGroups(): Promise<ShareGroupListing[]> {
    return this.#shareGroupAdmin.list()
  }

  describeShareGroup(group: string): Promise<ShareGroupDescription> {
    return this.#shareGroupAdmin.describe(group)
  }

  deleteShareGroup(group: string): Promise<void> {
    return this.#shareGroupAdmin.delete(group)
  }

  listTransactions(): Promise<TransactionDescription[]> {
    return listTransactions(this.#requests)
  }

  async describeProducers(topic: string, partition: number): Promise<ProducerDescription[]> {
    checkName(topic)
    checkPartition(partition)
    return describeProducers(this.#requests, await this.#requests.topic(topic), partition)
  }

  async findHangingTransactions(topic?: string): Promise<HangingTransaction[]> {
    if (topic !== undefined) checkName(topic)
    return findHangingTransactions(this.#requests, topic ?? null)
  }

  async abortTransaction(transaction: TransactionToAbort): Promise<void> {
    await abortTransaction(this.#requests, transactionToAbort(transaction))
  }

  alterClientQuotas(entity: ClientQuotaEntity, quotas: ClientQuotaChange): Promise<void> {
    return alterClientQuotas(this.#requests, entity, quotas)
  }

  describeClientQuotas(filter: ClientQuotaEntity = {}): Promise<ClientQuota[]> {
    return describeClientQuotas(this.#requests, filter)
  }

  /**
   * Sends a change of one topic. `done` is the error that says that it is as it should be (where that can have other reasons, `isDone` says so): no failure if that is tolerated, or
   * if an attempt got no answer, for then that attempt may have done it.
   */
  async #change(
    asked: Asked,
    done: ErrorName | null = null,
    isDone: () => Promise<boolean> = () => Promise.resolve(true),
    isDoneTolerated: boolean = false,
  ): Promise<void> {
    let isDoneFine = isDoneTolerated
    const { results } = await this.#requests.askCoordinator(asked, 'adminResponse', () => (isDoneFine = true))
    const { errorCode, errorMessage } = results[0] ?? { errorCode: NONE, errorMessage: null }
    if (isDoneFine && errorOf(errorCode).name === done && (await isDone())) return
    throwIfError(errorCode, errorMessage)
  }
}
