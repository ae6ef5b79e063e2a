/**
 * The package's main entry: `import { open } from 'odradek'`.
 */
export { open } from './cluster.ts'
export { bytes, json, msgpack, string } from './serdes.ts'
export type { Serde } from './serdes.ts'
export { KafkaError } from '../../protocol/errors.ts'
export type { ErrorName } from '../../protocol/errors.ts'
export type {
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
export type {
  Cluster,
  ClusterEvent,
  ClusterEventDetails,
  ClusterListener,
  ClusterOptions,
  Consumer,
  ConsumerBatch,
  ConsumerOptions,
  ConsumerRecord,
  OffsetToCommit,
  Partitioner,
  Polling,
  Producer,
  ProducerOptions,
  ProducerRecord,
  RecordMetadata,
  SendOptions,
  Waiting,
} from './api.ts'
export type { GroupDescription, GroupLag } from './group-description.ts'
export type { Guarantee, Outlet, ProcessHandler, ProcessOptions } from './process-api.ts'
export type { ListOffsetsOptions } from './offset-lookup.ts'
export type { PartitionListener } from './releases.ts'
export type { Acks } from '../../protocol/messages/produce.ts'
export type { ClassicAssignorName } from '../../protocol/messages/classic-group.ts'
export type { AssignorName, CommittedOffset, GroupListing, GroupProtocolName, GroupStateName } from '../../protocol/messages/group.ts'
export type { IsolationLevel } from '../../protocol/messages/fetch.ts'
export type { ClientQuota, ClientQuotaEntity, ClientQuotaKey, ClientQuotaValues } from '../../protocol/messages/quota.ts'
export type { ProducerDescription, TransactionDescription, TransactionStateName } from '../../protocol/messages/transaction.ts'
export type {
  Acknowledgement,
  RefusedAcknowledgement,
  ShareConsumer,
  ShareConsumerOptions,
  ShareGroupDescription,
  SharePartitionLag,
  ShareRecord,
} from './share-api.ts'
export type { ShareGroupListing, ShareGroupStateName, ShareMemberDescription } from '../../protocol/messages/share.ts'
export type { Compression } from '../../protocol/compression.ts'
export type { RecordHeader } from '../../protocol/record-batch.ts'
export type { TopicConfig } from '../../protocol/topic-config.ts'
export type { TopicPartition } from '../../protocol/ids.ts'
