/**
 * Every message that may cross from one actor to another. One union, so that a switch over `kind` is checked for completeness.
 */
import type {
  ActorCrashed,
  AskMember,
  Assign,
  Assigned,
  BeginTransaction,
  Chunk,
  CloseConsumer,
  Commit,
  CommitByHand,
  CommitResult,
  ConsumerClosed,
  ConsumerFailed,
  Delivered,
  FetchAgain,
  FetchMore,
  FinishTransaction,
  MemberAnswer,
  OffsetsCommitted,
  Pause,
  PositionReset,
  Progress,
  Released,
  Revoking,
  Seek,
  SendOffsets,
  SplitBatch,
  Submit,
  TooLarge,
  Subscribe,
  TransactionResult,
} from './client.ts'
import type {
  AlterPartitionRequest,
  AlterPartitionResponse,
  BrokerHeartbeat,
  BrokerHeartbeatResponse,
  BrokerRegistered,
  LeaderAndIsr,
  MetadataUpdate,
  RegisterBroker,
  ReplicaFailed,
  ReplicaStarted,
} from './broker.ts'
import type {
  HeartbeatRequest,
  HeartbeatResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from './classic-group.ts'
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  DescribePartitionRequest,
  DescribePartitionResponse,
  FetchRequest,
  FetchResponse,
  ListOffsetsRequest,
  ListOffsetsResponse,
} from './fetch.ts'
import type {
  DeleteGroupRequest,
  DescribeGroupRequest,
  DescribeGroupResponse,
  GroupChanged,
  GroupDeletionResponse,
  GroupHeartbeatRequest,
  GroupHeartbeatResponse,
  ListGroupsRequest,
  ListGroupsResponse,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetDeleteRequest,
  OffsetFetchRequest,
  OffsetFetchResponse,
} from './group.ts'
import type {
  BrokerDescribed,
  ConfigureReplica,
  DescribeBroker,
  Drain,
  Drained,
  Settle,
  Settled,
  LeaseExtended,
  NodeDown,
  VotersChanged,
  NotController,
  Resign,
  Resigned,
  Started,
  StopNode,
  TimerFired,
  Undeliverable,
} from './lifecycle.ts'
import type {
  AdminResponse,
  AlterConfigsRequest,
  ClusterEvents,
  CreatePartitionsRequest,
  CreateTopicsRequest,
  DeleteTopicsRequest,
  FindCoordinatorRequest,
  FindCoordinatorResponse,
  InitProducerIdRequest,
  InitProducerIdResponse,
  MetadataRequest,
  MetadataResponse,
  MetadataWatched,
  ReassignPartitionsRequest,
  RebalanceRequest,
  ThrottleRequest,
  UnregisterBrokerRequest,
  VoterRequest,
  WatchMetadata,
} from './metadata.ts'
import type { ProduceRequest, ProduceResponse } from './produce.ts'
import type {
  AlterClientQuotasRequest,
  ChargeQuota,
  ClientQuotasDescribed,
  DescribeClientQuotasRequest,
  DropRanges,
  JoinQuota,
  LeaveQuota,
  RequestTimed,
  Throttled,
  TimedOnRequest,
} from './quota.ts'
import type { QuorumMessage } from './quorum.ts'
import type {
  DeleteShareGroupRequest,
  DeleteShareGroupResponse,
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse,
  DescribeShareGroupRequest,
  DescribeShareGroupResponse,
  ListShareGroupsRequest,
  ListShareGroupsResponse,
  ShareFetchRequest,
  ShareFetchResponse,
} from './share.ts'
import type { StorageAnswer } from './storage.ts'
import type {
  AddPartitionToTransactionRequest,
  AddPartitionToTransactionResponse,
  EndTransactionRequest,
  EndTransactionResponse,
  InitTransactionsRequest,
  InitTransactionsResponse,
  DescribeProducersRequest,
  DescribeProducersResponse,
  ListTransactionsRequest,
  ListTransactionsResponse,
  TransactionalOffsetCommitRequest,
  TransactionMarked,
  WriteTransactionMarkerRequest,
  WriteTransactionMarkerResponse,
} from './transaction.ts'

/** What the public client says to the actors of its host, and hears from them. */
export type ClientMessage =
  | ActorCrashed
  | Submit
  | TooLarge
  | SplitBatch
  | Delivered
  | BeginTransaction
  | SendOffsets
  | FinishTransaction
  | TransactionResult
  | AskMember
  | MemberAnswer
  | OffsetsCommitted
  | CommitByHand
  | Subscribe
  | Assign
  | Progress
  | FetchAgain
  | FetchMore
  | Seek
  | Pause
  | Commit
  | Released
  | CloseConsumer
  | Assigned
  | Revoking
  | Chunk
  | PositionReset
  | CommitResult
  | ConsumerFailed
  | ConsumerClosed
  | ClusterEvents
  | JoinQuota
  | LeaveQuota
  | ChargeQuota
  | Throttled
  | DropRanges

/** What is asked across nodes and carries a correlation id. Clients may have each of them timed. */
export type Request = TimedOnRequest &
  (
    | ProduceRequest
    | FetchRequest
    | ListOffsetsRequest
    | DescribePartitionRequest
    | DeleteRecordsRequest
    | MetadataRequest
    | CreateTopicsRequest
    | DeleteTopicsRequest
    | CreatePartitionsRequest
    | AlterConfigsRequest
    | ReassignPartitionsRequest
    | RebalanceRequest
    | ThrottleRequest
    | UnregisterBrokerRequest
    | AlterClientQuotasRequest
    | DescribeClientQuotasRequest
    | VoterRequest
    | WatchMetadata
    | InitProducerIdRequest
    | RegisterBroker
    | BrokerHeartbeat
    | AlterPartitionRequest
    | FindCoordinatorRequest
    | DescribeBroker
    | Resign
    | GroupHeartbeatRequest
    | JoinGroupRequest
    | SyncGroupRequest
    | HeartbeatRequest
    | LeaveGroupRequest
    | OffsetCommitRequest
    | OffsetFetchRequest
    | DescribeGroupRequest
    | ListGroupsRequest
    | DeleteGroupRequest
    | OffsetDeleteRequest
    | InitTransactionsRequest
    | AddPartitionToTransactionRequest
    | EndTransactionRequest
    | WriteTransactionMarkerRequest
    | TransactionalOffsetCommitRequest
    | DescribeProducersRequest
    | ListTransactionsRequest
    | ShareFetchRequest
    | DescribeShareGroupRequest
    | DescribeShareGroupOffsetsRequest
    | ListShareGroupsRequest
    | DeleteShareGroupRequest
  )

/** What answers a request: same correlation id. */
export type Response =
  | ProduceResponse
  | FetchResponse
  | ListOffsetsResponse
  | DescribePartitionResponse
  | DeleteRecordsResponse
  | MetadataResponse
  | MetadataWatched
  | AdminResponse
  | ClientQuotasDescribed
  | InitProducerIdResponse
  | BrokerRegistered
  | BrokerHeartbeatResponse
  | AlterPartitionResponse
  | FindCoordinatorResponse
  | BrokerDescribed
  | Resigned
  | GroupHeartbeatResponse
  | JoinGroupResponse
  | SyncGroupResponse
  | HeartbeatResponse
  | LeaveGroupResponse
  | OffsetCommitResponse
  | OffsetFetchResponse
  | DescribeGroupResponse
  | ListGroupsResponse
  | GroupDeletionResponse
  | InitTransactionsResponse
  | AddPartitionToTransactionResponse
  | EndTransactionResponse
  | WriteTransactionMarkerResponse
  | DescribeProducersResponse
  | ListTransactionsResponse
  | ShareFetchResponse
  | DescribeShareGroupResponse
  | DescribeShareGroupOffsetsResponse
  | ListShareGroupsResponse
  | DeleteShareGroupResponse
  | Undeliverable
  | NotController

/** What hosts, brokers and the coordinator tell actors. */
export type LifecycleMessage =
  | Started
  | TimerFired
  | MetadataUpdate
  | ReplicaStarted
  | ReplicaFailed
  | LeaderAndIsr
  | ConfigureReplica
  | Drain
  | Drained
  | Settle
  | Settled
  | StopNode
  | NodeDown
  | VotersChanged
  | GroupChanged
  | TransactionMarked
  | LeaseExtended
  | RequestTimed

/** Everything that one actor may say to another. */
export type Message = ClientMessage | Request | Response | LifecycleMessage | QuorumMessage | StorageAnswer

/** The messages of some kinds. */
export type MessageOf<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>

/** Every kind of request; the type sees to it that none is forgotten. */
const REQUEST_KINDS: Readonly<Record<Request['kind'], true>> = {
  produce: true,
  fetch: true,
  listOffsets: true,
  describePartition: true,
  deleteRecords: true,
  metadata: true,
  createTopics: true,
  deleteTopics: true,
  createPartitions: true,
  incrementalAlterConfigs: true,
  alterPartitionReassignments: true,
  rebalance: true,
  throttleReassignments: true,
  unregisterBroker: true,
  alterClientQuotas: true,
  describeClientQuotas: true,
  addRaftVoter: true,
  removeRaftVoter: true,
  watchMetadata: true,
  registerBroker: true,
  brokerHeartbeat: true,
  alterPartition: true,
  initProducerId: true,
  findCoordinator: true,
  describeBroker: true,
  resign: true,
  listGroups: true,
  consumerGroupHeartbeat: true,
  joinGroup: true,
  syncGroup: true,
  heartbeat: true,
  leaveGroup: true,
  offsetCommit: true,
  offsetFetch: true,
  describeGroup: true,
  deleteGroup: true,
  offsetDelete: true,
  initTransactions: true,
  addPartitionToTransaction: true,
  endTransaction: true,
  writeTransactionMarker: true,
  transactionalOffsetCommit: true,
  describeProducers: true,
  listTransactions: true,
  shareFetch: true,
  describeShareGroup: true,
  describeShareGroupOffsets: true,
  listShareGroups: true,
  deleteShareGroup: true,
}

/** Whether somebody waits for an answer to the message. */
export function isRequest(message: Message): message is Request {
  return Object.hasOwn(REQUEST_KINDS, message.kind)
}

/** Whether its sender wants to hear how long a thread was busy with it. */
export function isTimed(message: Message): message is Request {
  return (message as TimedOnRequest).isTimed === true && isRequest(message)
}
