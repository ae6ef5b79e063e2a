/**
 * What administrators ask, in the very requests of the public client (edge/client/*admin.ts), and what the answers must be when everything has settled.
 */
import { coordinatorPartitionOf, OFFSETS_TOPIC, SHARE_TOPIC, TRANSACTIONS_TOPIC } from '../../coordinator/metadata.ts'
import { BROKER_ACTOR, groupsActor, replicaActor, sharesActor, transactorActor } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import { codeOf, errorOf, NONE } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../protocol/messages/fetch.ts'
import type { Message, Request } from '../../protocol/messages/message.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { ClientQuotaEntity } from '../../protocol/messages/quota.ts'
import { CLASSIC_GROUP } from '../classic-plan.ts'
import type { Cluster } from '../cluster.ts'
import { WANDERER_GROUP } from '../guest-plan.ts'
import { INSIDE_GROUP, SHARE_GROUP, sharedTopics } from '../plan.ts'
import { CLIENT_ID } from './quotas.ts'

/** A request without its correlation id. */
export type Asked = Request extends infer One ? (One extends Request ? Omit<One, 'correlationId'> : never) : never

/** A question to somebody; null: to the active coordinator. */
export interface Question {
  readonly to: Address | null
  readonly asked: Asked
  /** What is wrong with an answer when everything has settled; null: nothing. */
  readonly judge: (answer: Message) => string | null
}

/** What an administrator knows when it asks. */
export interface Knowledge {
  readonly cluster: Cluster
  /** Topics as the last answer has described them. */
  readonly topics: ReadonlyMap<string, TopicMetadata>
  /** Topics of applications, and how many partitions they have. */
  readonly wanted: () => ReadonlyMap<string, number>
  readonly endOf: (topic: string, partition: number) => number
}

/** A share group of which the inspector is the only member, now and then; nobody else minds if it is deleted. */
export const BROWSER_GROUP = 'browsers'

/** A user whom nobody is: whatever its quota is, nobody is bound by it. */
const AUDITOR: ClientQuotaEntity = { user: 'auditor' }
const AUDITOR_RATE = 12_345

/** Everything that may have a quota in a run. */
const ENTITIES: readonly ClientQuotaEntity[] = [AUDITOR, { group: WANDERER_GROUP }, { clientId: CLIENT_ID }, { clientId: null }]

const is = (isRight: boolean, wrong: () => string): string | null => (isRight ? null : wrong())

/** All topics, and all nodes: what there is is there, in sync, and led. */
export function everything({ cluster, wanted }: Knowledge): Question {
  return {
    to: null,
    asked: { kind: 'metadata', topics: null },
    judge: (answer) => {
      if (answer.kind !== 'metadataResponse') return `topics: ${answer.kind}`
      const names = answer.topics
        .filter(({ topic }) => !topic.startsWith('__'))
        .map(({ topic, partitions }) => `${topic}/${partitions.length}`)
      const due = [...wanted()].map(([topic, count]) => `${topic}/${count}`)
      const isSame = names.toSorted().join() === due.toSorted().join()
      const lame = answer.topics.find(({ partitions }) =>
        partitions.some(({ leader, isr, replicas }) => leader < 0 || isr.length < replicas.length),
      )
      const nodes = answer.brokers.filter(({ fenced }) => !fenced).length
      return (
        is(isSame, () => `topics are said to be ${names.join()}, not ${due.join()}`) ??
        is(lame === undefined, () => `${lame?.topic} is said to have too few in sync`) ??
        is(nodes === cluster.nodes.length, () => `${nodes} nodes are said to live`)
      )
    },
  }
}

/** Where a log begins and ends. */
export function offsets({ topics, endOf }: Knowledge, topic: string, partition: number, isEnd: boolean): Question | null {
  const known = topics.get(topic)
  const leader = known?.partitions[partition]?.leader ?? -1
  if (known === undefined || leader < 0) return null
  const timestamp = isEnd ? LATEST_TIMESTAMP : EARLIEST_TIMESTAMP
  return {
    to: { node: leader, actor: replicaActor(topic, partition) },
    asked: { kind: 'listOffsets', topicId: known.topicId, timestamp, isolationLevel: 'read_uncommitted' },
    judge: (answer) => {
      const offset = answer.kind === 'listOffsetsResponse' && answer.errorCode === NONE ? answer.offset : -1
      const end = endOf(topic, partition)
      const isRight = isEnd ? offset === end : offset >= 0 && offset <= end
      return is(
        isRight,
        () => `${topicPartitionName(topic, partition)} is said to ${isEnd ? 'end' : 'begin'} at ${offset}, and ends at ${end}`,
      )
    },
  }
}

/** How far the replicas of a partition are behind its leader: in the end nobody is. */
export function lags({ topics, endOf }: Knowledge, topic: string, partition: number): Question | null {
  const known = topics.get(topic)
  const { leader = -1, replicas = [] } = known?.partitions[partition] ?? {}
  if (known === undefined || leader < 0) return null
  return {
    to: { node: leader, actor: replicaActor(topic, partition) },
    asked: { kind: 'describePartition', topicId: known.topicId },
    judge: (answer) => {
      const told = answer.kind === 'describePartitionResponse' && answer.errorCode === NONE ? answer : null
      const behind = told?.lags.filter(({ lag }) => lag !== 0).map(({ node, lag }) => `${node} by ${lag}`)
      const isRight = told?.lags.length === replicas.length && behind?.length === 0 && told.highWatermark === endOf(topic, partition)
      return is(isRight, () => `${topicPartitionName(topic, partition)} ends at ${told?.highWatermark}, behind are ${behind?.join()}`)
    },
  }
}

/** Which producers have written to a partition: in the end none of them has a transaction open. */
export function producers({ topics }: Knowledge, topic: string, partition: number): Question | null {
  const known = topics.get(topic)
  const leader = known?.partitions[partition]?.leader ?? -1
  if (known === undefined || leader < 0) return null
  return {
    to: { node: leader, actor: replicaActor(topic, partition) },
    asked: { kind: 'describeProducers', topicId: known.topicId },
    judge: (answer) => {
      const told = answer.kind === 'describeProducersResponse' && answer.errorCode === NONE ? answer.producers : null
      const open = told?.find(({ currentTransactionStartOffset }) => currentTransactionStartOffset !== null)
      const name = topicPartitionName(topic, partition)
      return (
        is(told !== null, () => `${name}: nobody says who has written there`) ??
        is(open === undefined, () => `producer ${open?.producerId} is said to have a transaction open in ${name}`)
      )
    },
  }
}

/** Who keeps what is hashed there; null as long as nobody is known to. */
function keeper({ topics }: Knowledge, topic: string, partition: number, actor: string): Address | null {
  const node = topics.get(topic)?.partitions[partition]?.leader ?? -1
  return node < 0 ? null : { node, actor }
}

function partitionsOf({ topics }: Knowledge, topic: string): number[] {
  return Array.from(topics.get(topic)?.partitions ?? [], (_, partition) => partition)
}

/** Groups with members that are there. */
function membersOf(known: Knowledge): string[] {
  return known.cluster.groups.inside.map(({ name }) => name)
}

/** Which groups there are. */
export function groupLists(known: Knowledge): (Question | null)[] {
  const count = partitionsOf(known, OFFSETS_TOPIC).length
  return partitionsOf(known, OFFSETS_TOPIC).map((partition) => {
    const to = keeper(known, OFFSETS_TOPIC, partition, groupsActor(partition))
    const due = membersOf(known).filter((group) => coordinatorPartitionOf(group, count) === partition)
    const judge: Question['judge'] = (answer) => {
      const groups = answer.kind === 'listGroupsResponse' && answer.errorCode === NONE ? answer.groups.map(({ group }) => group) : []
      return is(
        due.every((group) => groups.includes(group)),
        () => `of the groups ${due.join()} only ${groups.join()} are told`,
      )
    }
    return to === null ? null : { to, asked: { kind: 'listGroups' }, judge }
  })
}

/** How each group is. */
export function groups(known: Knowledge): (Question | null)[] {
  const count = partitionsOf(known, OFFSETS_TOPIC).length
  return membersOf(known).map((group) => {
    const partition = coordinatorPartitionOf(group, count)
    const to = keeper(known, OFFSETS_TOPIC, partition, groupsActor(partition))
    const readsAll = group === INSIDE_GROUP || group === CLASSIC_GROUP
    const due = readsAll ? [...known.cluster.topics].reduce((sum, [, partitions]) => sum + partitions, 0) : -1
    const judge: Question['judge'] = (answer) => {
      if (answer.kind !== 'describeGroupResponse' || answer.errorCode !== NONE) return `${group} is not described`
      const { state, members } = answer
      const had = members.flatMap(({ assignment }) => assignment.filter(({ topic }) => known.cluster.topics.has(topic)))
      const assigned = had.reduce((sum, { partitions }) => sum + partitions.length, 0)
      return (
        is(state === 'stable', () => `${group} is said to be ${state}`) ??
        is(due < 0 || assigned === due, () => `members of ${group} are said to have ${assigned} of ${due} partitions`)
      )
    }
    return to === null ? null : { to, asked: { kind: 'describeGroup', group }, judge }
  })
}

/** Which share groups there are, and how far the one is that has members. */
export function shareGroups(known: Knowledge): (Question | null)[] {
  const { cluster, endOf } = known
  const isThere = cluster.plan.sharerCount > 0
  const partitions = partitionsOf(known, SHARE_TOPIC)
  const lists = partitions.map((partition): Question | null => {
    const to = keeper(known, SHARE_TOPIC, partition, sharesActor(partition))
    const isDue = isThere && coordinatorPartitionOf(SHARE_GROUP, partitions.length) === partition
    const judge: Question['judge'] = (answer) => {
      const told = answer.kind === 'listShareGroupsResponse' && answer.errorCode === NONE ? answer.groups.map(({ group }) => group) : null
      return is(told !== null && (!isDue || told.includes(SHARE_GROUP)), () => `share groups are said to be ${told?.join() ?? answer.kind}`)
    }
    return to === null ? null : { to, asked: { kind: 'listShareGroups' }, judge }
  })
  const describe = ofShareGroup(
    known,
    SHARE_GROUP,
    (group) => ({ kind: 'describeShareGroup', group }),
    (answer) => {
      if (answer.kind !== 'describeShareGroupResponse') return `${SHARE_GROUP}: ${answer.kind}`
      if (!isThere) return null
      const due = sharedTopics(cluster.plan).flatMap((topic) =>
        Array.from({ length: cluster.topics.get(topic) ?? 0 }, (_, partition) => `${topic}-${partition} at ${endOf(topic, partition)}`),
      )
      const told = answer.partitions.map(
        ({ topic, partition, startOffset, acquired }) => `${topic}-${partition} at ${startOffset + acquired}`,
      )
      return is(
        due.every((one) => told.includes(one)),
        () => `${SHARE_GROUP} is said to be in ${told.join()}, but it is in ${due.join()}`,
      )
    },
  )
  return [...lists, describe]
}

/** The share group that is the inspector's own goes, and is gone then. */
export function browsersGo(known: Knowledge): (Question | null)[] {
  const isGone = (answer: Message): boolean => 'errorCode' in answer && answer.errorCode === codeOf('GROUP_ID_NOT_FOUND')
  const deletion = ofShareGroup(
    known,
    BROWSER_GROUP,
    (group) => ({ kind: 'deleteShareGroup', group }),
    (answer) =>
      is(
        answer.kind === 'deleteShareGroupResponse' && (answer.errorCode === NONE || isGone(answer)),
        () => `${BROWSER_GROUP} is not deleted`,
      ),
  )
  const description = ofShareGroup(
    known,
    BROWSER_GROUP,
    (group) => ({ kind: 'describeShareGroup', group }),
    (answer) => is(isGone(answer), () => `${BROWSER_GROUP} is deleted, and there`),
  )
  return [deletion, description]
}

/** The inspector reads a record as a share group may, or leaves it. */
export function browse(known: Knowledge, visit: number, sessionEpoch: number, leaves: boolean): Question | null {
  const memberId = visit === 0 ? 'browser' : `browser ${visit}`
  return ofShareGroup(
    known,
    BROWSER_GROUP,
    (group) => ({
      ...({ kind: 'shareFetch', group, memberId, sessionEpoch, topics: ['orders'], reset: 'latest' } as const),
      ...({ isolationLevel: 'read_uncommitted', lockMillis: 200, deliveryCountLimit: 5, maxRecords: leaves ? 0 : 1 } as const),
      ...{ maxWaitMillis: 50, acknowledgements: [], leaves },
    }),
    () => null,
  )
}

function ofShareGroup(known: Knowledge, group: string, ask: (group: string) => Asked, judge: Question['judge']): Question | null {
  const count = partitionsOf(known, SHARE_TOPIC).length
  const partition = count === 0 ? -1 : coordinatorPartitionOf(group, count)
  const to = keeper(known, SHARE_TOPIC, partition, sharesActor(partition))
  return to === null ? null : { to, asked: ask(group), judge }
}

/** Which transactional ids there are: all that have begun, and none is open. */
export function transactions(known: Knowledge): (Question | null)[] {
  const { lives } = known.cluster.truth.transactions
  const partitions = partitionsOf(known, TRANSACTIONS_TOPIC)
  return partitions.map((partition) => {
    const to = keeper(known, TRANSACTIONS_TOPIC, partition, transactorActor(partition))
    const judge: Question['judge'] = (answer) => {
      if (answer.kind !== 'listTransactionsResponse' || answer.errorCode !== NONE) return 'transactions are not told'
      const open = answer.transactions.find(({ state }) => state === 'ongoing')
      const ids = new Set(answer.transactions.map(({ transactionalId }) => transactionalId))
      const due = lives
        .map(({ transactionalId }) => transactionalId)
        .filter((id) => coordinatorPartitionOf(id, partitions.length) === partition)
      return (
        is(open === undefined, () => `${open?.transactionalId} is said to be open`) ??
        is(
          due.every((id) => ids.has(id)),
          () => `of the transactional ids ${due.join()} only ${[...ids].join()} are told`,
        )
      )
    }
    return to === null ? null : { to, asked: { kind: 'listTransactions' }, judge }
  })
}

/** How a node is. */
export function node({ cluster }: Knowledge, index: number): Question {
  return {
    to: { node: index % cluster.nodes.length, actor: BROKER_ACTOR },
    asked: { kind: 'describeBroker' },
    judge: (answer) => is(answer.kind === 'brokerDescribed' && answer.isActive, () => `node ${index} is said not to be active`),
  }
}

/** Whether a node could go for good. */
export function farewell({ cluster }: Knowledge, index: number): Question {
  const one = index % cluster.nodes.length
  return {
    to: null,
    asked: { kind: 'unregisterBroker', node: one, validateOnly: true },
    judge: (answer) => {
      if (answer.kind !== 'adminResponse') return `node ${one}: ${answer.kind}`
      const image = cluster.latestImage()
      const hasReplicas = [...(image?.topics.values() ?? [])].some(({ partitions }) =>
        partitions.some(({ replicas }) => replicas.includes(one)),
      )
      const mayGo = !hasReplicas && !cluster.votersNow().includes(one)
      return is((answer.results[0]?.errorCode === NONE) === mayGo, () => `node ${one} ${mayGo ? 'may not' : 'may'} go, it is said`)
    },
  }
}

/** Another quota, of the wanderers or of a user whom nobody is. */
export function otherQuota(isOfGroup: boolean, rate: number | null): Question {
  return alterQuotas([{ entity: isOfGroup ? { group: WANDERER_GROUP } : AUDITOR, ops: [{ key: 'consumerByteRate', value: rate }] }])
}

/** No quotas any more. */
export function noQuotas(): Question {
  return alterQuotas(
    ENTITIES.map((entity) => ({
      entity,
      ops: [
        ...('group' in entity ? [] : [{ key: 'producerByteRate', value: null }]),
        { key: 'consumerByteRate', value: null },
        { key: 'requestPercentage', value: null },
      ],
    })),
  )
}

/** A quota that is set is seen, and is gone when it is taken away. */
export function quotasAreSeen(): Question[] {
  return [noQuotas(), quotas(''), otherQuota(false, AUDITOR_RATE), quotas(`auditor at ${AUDITOR_RATE}`), noQuotas(), quotas('')]
}

/** Which quotas there are; in the end these. */
export function quotas(due: string): Question {
  return {
    to: null,
    asked: { kind: 'describeClientQuotas', version: -1 },
    judge: (answer) => {
      const entries = answer.kind === 'clientQuotasDescribed' ? (answer.entries ?? []) : []
      const told = entries.map(({ entity, quotas: values }) => `${entity.user} at ${values.consumerByteRate}`).join()
      return is(told === due && answer.kind === 'clientQuotasDescribed', () => `quotas are said to be [${told}], not [${due}]`)
    },
  }
}

function alterQuotas(entries: Extract<Asked, { kind: 'alterClientQuotas' }>['entries']): Question {
  return { to: null, asked: { kind: 'alterClientQuotas', entries, validateOnly: false }, judge: accepted }
}

/** What reassignments may copy; null: what the nodes were started with. */
export function throttle(bytesPerSecond: number | null): Question {
  return { to: null, asked: { kind: 'throttleReassignments', bytesPerSecond }, judge: accepted }
}

/** Fewer partitions than there are: nobody is given that. */
export function fewerPartitions(topic: string): Question {
  const judge: Question['judge'] = (answer) => {
    const error = answer.kind === 'adminResponse' ? errorOf(answer.results[0]?.errorCode ?? NONE).name : answer.kind
    return is(error === 'INVALID_PARTITIONS', () => `fewer partitions: ${error}`)
  }
  return { to: null, asked: { kind: 'createPartitions', topics: [{ name: topic, count: 1 }] }, judge }
}

/** Where something is kept: a topic that is not there yet is made. */
export function coordinator(keyType: 'group' | 'share' | 'transaction'): Question {
  const judge: Question['judge'] = (answer) =>
    is(answer.kind === 'findCoordinatorResponse' && answer.errorCode === NONE, () => `nobody keeps what is of a ${keyType}`)
  return { to: null, asked: { kind: 'findCoordinator', keyType, key: 'inspector' }, judge }
}

function accepted(answer: Message): string | null {
  const refused = answer.kind === 'adminResponse' ? answer.results.find(({ errorCode }) => errorCode !== NONE) : undefined
  return is(answer.kind === 'adminResponse' && refused === undefined, () => refused?.errorMessage ?? answer.kind)
}
