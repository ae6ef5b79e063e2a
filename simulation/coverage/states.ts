/**
 * What can be met in a simulation, as far as it can be counted: for each kind of actor a few states, named by a look at its state, and the kinds of messages that its
 * behaviour has a case for. A pair of both is covered when such a message has come to an actor in such a state. Looking changes nothing.
 */
import { actor as broker } from '../../actors/broker.ts'
import type { BrokerState } from '../../actors/broker-state.ts'
import { actor as consumer } from '../../actors/consumer.ts'
import { hasJoined, isSubscribed } from '../../actors/consumer-state.ts'
import type { ConsumerState } from '../../actors/consumer-state.ts'
import { actor as coordinator } from '../../actors/coordinator.ts'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import { actor as groups } from '../../actors/groups.ts'
import type { GroupsState } from '../../actors/groups-state.ts'
import { actor as producer } from '../../actors/producer.ts'
import type { ProducerState } from '../../actors/producer-state.ts'
import { actor as quotas } from '../../actors/quotas.ts'
import type { QuotasState } from '../../actors/quotas.ts'
import { actor as replica } from '../../actors/replica.ts'
import { actor as shares } from '../../actors/shares.ts'
import type { SharesState } from '../../actors/shares-state.ts'
import { actor as transactor } from '../../actors/transactor.ts'
import type { TransactorState } from '../../actors/transactor-state.ts'
import { isLive } from '../../coordinator/metadata.ts'
import type { ReplicaState } from '../../partitions/replica-state.ts'
import type { Message } from '../../protocol/messages/message.ts'

/** A kind of message. */
export type Kind = Message['kind']

/** A kind of actor, and what can be met of it. */
export interface Charted<State = unknown> {
  readonly name: string
  readonly url: string
  readonly states: readonly string[]
  /** The kinds of messages that its behaviour has a case for. */
  readonly kinds: readonly Kind[]
  /** One of `states`. */
  stateOf(state: State): string
}

/** What the disk answers. */
const STORAGE = 'appended synced readCompleted storageDone listed logsListed'

const replicas: Charted<ReplicaState> = {
  name: 'replica',
  url: replica.url,
  states: ['recovering', 'settling', 'idle', 'leading', 'rollingBack', 'following', 'failed', 'draining'],
  kinds: kinds(
    'started leaderAndIsr produce fetch fetchResponse writeTransactionMarker addPartitionToTransactionResponse',
    'undeliverable nodeDown alterPartitionResponse listOffsets describePartition deleteRecords findCoordinatorResponse offsetFetchResponse',
    'describeProducers describeShareGroupOffsetsResponse configureReplica settle drain timerFired compacted',
    STORAGE,
  ),
  stateOf: ({ isDraining, phase }) => (isDraining ? 'draining' : phase),
}

const coordinators: Charted<CoordinatorState> = {
  name: 'coordinator',
  url: coordinator.url,
  states: ['opening', 'failed', 'follower', 'prospective', 'candidate', 'leader', 'active'],
  kinds: kinds(
    'started timerFired nodeDown quorumVote quorumVoteResponse quorumEndEpoch quorumAppend quorumAppendResponse',
    'quorumSnapshot quorumSnapshotResponse brokerHeartbeat registerBroker alterPartition metadata findCoordinator',
    'createTopics deleteTopics createPartitions incrementalAlterConfigs alterPartitionReassignments rebalance',
    'throttleReassignments unregisterBroker alterClientQuotas describeClientQuotas addRaftVoter removeRaftVoter',
    'watchMetadata initProducerId',
    STORAGE,
  ),
  stateOf: ({ seat: { failure, quorum, isActive } }) => {
    if (failure !== null) return 'failed'
    if (quorum === null) return 'opening'
    return isActive ? 'active' : quorum.role
  },
}

const brokers: Charted<BrokerState> = {
  name: 'broker',
  url: broker.url,
  states: ['unregistered', 'fenced', 'active', 'stopping'],
  kinds: kinds(
    'started timerFired brokerRegistered brokerHeartbeatResponse metadataUpdate replicaStarted replicaFailed',
    'alterPartition alterPartitionResponse undeliverable notController logsListed listed readCompleted synced',
    'storageDone nodeDown describeBroker findCoordinator stopNode settled drained resigned',
  ),
  stateOf: ({ stop, brokerEpoch, image, self }) => {
    if (stop !== null) return 'stopping'
    if (brokerEpoch < 0) return 'unregistered'
    return isLive(image, self.node) ? 'active' : 'fenced'
  },
}

const groupCoordinators: Charted<GroupsState> = {
  name: 'groups',
  url: groups.url,
  states: ['loading', 'checking', 'active'],
  kinds: kinds(
    'started timerFired notController undeliverable leaseExtended votersChanged fetchResponse produceResponse transactionMarked',
    'metadataResponse consumerGroupHeartbeat joinGroup syncGroup heartbeat leaveGroup offsetCommit',
    'transactionalOffsetCommit offsetFetch describeGroup listGroups deleteGroup offsetDelete resign',
  ),
  stateOf: ({ log, checked }) => (log.loaded ? (checked ? 'active' : 'checking') : 'loading'),
}

const shareCoordinators: Charted<SharesState> = {
  name: 'shares',
  url: shares.url,
  states: ['barrier', 'loading', 'active'],
  kinds: kinds(
    'started timerFired leaseExtended votersChanged produceResponse fetchResponse metadataResponse notController undeliverable',
    'shareFetch describeShareGroup describeShareGroupOffsets listShareGroups deleteShareGroup',
  ),
  stateOf: ({ phase }) => phase,
}

const transactors: Charted<TransactorState> = {
  name: 'transactor',
  url: transactor.url,
  states: ['barrier', 'loading', 'active', 'deposed'],
  kinds: kinds(
    'started timerFired leaseExtended initTransactions addPartitionToTransaction endTransaction listTransactions',
    'produceResponse fetchResponse writeTransactionMarkerResponse metadataResponse initProducerIdResponse',
    'notController undeliverable nodeDown votersChanged',
  ),
  stateOf: ({ phase }) => phase,
}

const producers: Charted<ProducerState> = {
  name: 'producer',
  url: producer.url,
  states: ['unnamed', 'named', 'starting', 'idle', 'open', 'ending', 'fatal'],
  kinds: kinds(
    'started submit splitBatch produceResponse undeliverable notController metadataResponse initProducerIdResponse',
    'beginTransaction sendOffsets finishTransaction findCoordinatorResponse initTransactionsResponse',
    'endTransactionResponse offsetCommitResponse nodeDown votersChanged throttled requestTimed timerFired',
  ),
  stateOf: ({ transaction, producerId }) => {
    if (transaction === null) return producerId < 0 ? 'unnamed' : 'named'
    return transaction.fatal === null ? transaction.phase : 'fatal'
  },
}

const consumers: Charted<ConsumerState> = {
  name: 'consumer',
  url: consumer.url,
  states: ['alone', 'finding', 'joining', 'member', 'revoking', 'lost', 'leaving', 'closing'],
  kinds: kinds(
    'started throttled requestTimed subscribe assign progress fetchMore fetchAgain seek pause commit askMember commitByHand',
    'offsetsCommitted released closeConsumer nodeDown votersChanged timerFired metadataResponse fetchResponse listOffsetsResponse',
    'findCoordinatorResponse consumerGroupHeartbeatResponse joinGroupResponse syncGroupResponse heartbeatResponse',
    'leaveGroupResponse groupChanged offsetFetchResponse offsetCommitResponse undeliverable notController',
  ),
  stateOf: (state) => {
    const { closing, membership, partitions } = state
    if (membership.step === 'leaving') return 'leaving'
    if (closing >= 0) return 'closing'
    if (!isSubscribed(state) && !hasJoined(state)) return 'alone'
    if (membership.step !== 'ready') return membership.step
    if (membership.lost) return 'lost'
    if (membership.memberEpoch <= 0) return 'joining'
    for (const { phase } of partitions.values()) if (phase === 'revoking') return 'revoking'
    return 'member'
  },
}

const keepers: Charted<QuotasState> = {
  name: 'quotas',
  url: quotas.url,
  states: ['asking', 'keeping'],
  kinds: kinds(
    'started timerFired clientQuotasDescribed notController undeliverable nodeDown votersChanged joinQuota chargeQuota leaveQuota',
  ),
  stateOf: ({ quotas: known }) => (known === null ? 'asking' : 'keeping'),
}

/** Every kind of actor. */
export const CHART = [
  replicas,
  coordinators,
  brokers,
  groupCoordinators,
  shareCoordinators,
  transactors,
  producers,
  consumers,
  keepers,
] as readonly unknown[] as readonly Charted[]

/** Kinds by their names; that each is one, and none is missing, is tested against the behaviours. */
function kinds(...names: readonly string[]): readonly Kind[] {
  return names.flatMap((some) => some.split(' ')) as Kind[]
}
