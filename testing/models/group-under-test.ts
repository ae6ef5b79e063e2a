/**
 * A consumer group of a simulated cluster for a model run: what the commands do to it, through the ordinary clients. A test may put functions of its own in the place of
 * these.
 */
import type { Consumer, ConsumerOptions, ConsumerRecord, ProducerOptions, RecordMetadata } from '../../edge/client/api.ts'
import { string } from '../../edge/client/serdes.ts'
import { PARTITIONS } from '../arbitraries.ts'
import type { ScenarioContext } from '../scenario.ts'
import { newGroupModel } from './group-model.ts'
import type { GroupModel } from './group-model.ts'
import { toSend } from './numbered-record.ts'
import type { NumberedRecord } from './numbered-record.ts'
import { DELIVERY_MILLIS } from './topic-under-test.ts'

/** The group, and the topic that it reads. */
export interface GroupUnderTestOptions {
  /** Default 'group-under-test'; the topic has the same name. */
  readonly group?: string
  /** Default 2; as many as the commands were drawn for. */
  readonly partitions?: number
  readonly replicationFactor?: number
  /** Default: synced before it is acknowledged, so that nothing that a fault does may lose a record. */
  readonly config?: Readonly<Record<string, unknown>>
  /** More options of the producer. */
  readonly producer?: Omit<ProducerOptions<string, string>, 'key' | 'value' | 'transactionalId'>
  /** More options of the members. Default: three records at a time, and soon out of the group when they do not answer. They commit when a command says so. */
  readonly consumer?: Omit<ConsumerOptions<string, string>, MemberOption>
}

type MemberOption = 'key' | 'value' | 'group' | 'topics' | 'autoCommit' | 'groupInstanceId' | 'onAssigned' | 'onRevoked' | 'onLost'

/** What hears of the partitions of a member. */
export interface MemberListener {
  readonly onAssigned: (partitions: readonly number[]) => void
  /** They were revoked, or lost. */
  readonly onGone: (partitions: readonly number[]) => void
}

/** The real group: what commands ask of it. Members have names, and are there from `join` to `leave`. */
export interface GroupReal {
  readonly context: ScenarioContext
  /** Rejects with REQUEST_TIMED_OUT if it may be there or not. */
  readonly send: (records: readonly NumberedRecord[]) => Promise<readonly RecordMetadata[]>
  readonly join: (member: string, listener: MemberListener) => Promise<void>
  readonly poll: (member: string) => Promise<readonly ConsumerRecord<string, string>[]>
  /** Commits all that the member was given. */
  readonly commit: (member: string) => Promise<void>
  readonly leave: (member: string) => Promise<void>
}

/** Both sides of a model run. */
export interface GroupUnderTest {
  readonly model: GroupModel
  readonly real: GroupReal
}

/** Longer than it takes to join. */
const POLL_MILLIS = 2000
const MEMBER = { maxPollRecords: 3, sessionTimeoutMillis: 6000, heartbeatIntervalMillis: 500, rebalanceTimeoutMillis: 5000 }

/** Makes a topic, and both sides of a model run for a group that reads it: `fc.asyncModelRun(() => groupUnderTest(context), commands)`. */
export async function groupUnderTest(context: ScenarioContext, options: GroupUnderTestOptions = {}): Promise<GroupUnderTest> {
  const { cluster } = context
  const { group = 'group-under-test', partitions = PARTITIONS, replicationFactor, config = { flush: 'commit' } } = options
  const factor = replicationFactor === undefined ? {} : { replicationFactor }
  await cluster.admin.createTopic(group, { partitions, config, ...factor, ifNotExists: true })
  const serdes = { key: string, value: string }
  const producer = cluster.producer<string, string>({ deliveryTimeoutMillis: DELIVERY_MILLIS, ...options.producer, ...serdes })
  const members = new Map<string, Consumer<string, string>>()
  const real: GroupReal = {
    context,
    send: (records) => producer.send(toSend(group, records)),
    join: async (member, listener) => {
      const read = { ...MEMBER, ...options.consumer, ...serdes, group, topics: [group], autoCommit: false, ...listeners(listener) }
      members.set(member, cluster.consumer<string, string>(read))
    },
    poll: async (member) => (await members.get(member)?.poll({ timeoutMillis: POLL_MILLIS })) ?? [],
    commit: async (member) => members.get(member)?.commit(),
    leave: async (member) => {
      await members.get(member)?.close()
      members.delete(member)
    },
  }
  return { model: newGroupModel(partitions), real }
}

function listeners({ onAssigned, onGone }: MemberListener): Pick<ConsumerOptions<string, string>, 'onAssigned' | 'onRevoked'> {
  return {
    onAssigned: (partitions) => onAssigned(partitions.map(({ partition }) => partition)),
    onRevoked: (partitions) => onGone(partitions.map(({ partition }) => partition)),
  }
}
