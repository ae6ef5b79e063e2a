/**
 * What the active coordinator writes into the metadata log: which request is judged next, by which rule, and what an administrator is answered. When it is
 * judged, and that it is committed before it is answered, is the business of coordinator.ts.
 */
import type { Address } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type {
  AlterConfigsRequest,
  CreatePartitionsRequest,
  CreateTopicsRequest,
  DeleteTopicsRequest,
  InitProducerIdRequest,
  ReassignPartitionsRequest,
  RebalanceRequest,
  ThrottleRequest,
  UnregisterBrokerRequest,
} from '../protocol/messages/metadata.ts'
import type { AlterClientQuotasRequest } from '../protocol/messages/quota.ts'
import { ruleAlterConfigs, ruleCreatePartitions, ruleCreateTopics, ruleDeleteTopics, ruleReassign } from '../coordinator/administration.ts'
import type { Ruling, Verdict } from '../coordinator/administration.ts'
import type { MetadataImage } from '../coordinator/metadata.ts'
import { ruleRebalance, ruleThrottle, ruleUnregisterBroker } from '../coordinator/node-changes.ts'
import { ruleAlterClientQuotas } from '../coordinator/quotas.ts'
import { ruleBrokerWrite } from './coordinator-brokers.ts'
import type { BrokerWrite } from './coordinator-brokers.ts'
import { seatVoters } from './coordinator-quorum.ts'
import type { QuorumSeat } from './coordinator-quorum.ts'

/** What makes the coordinator write. */
export type WriteRequest =
  | CreateTopicsRequest
  | DeleteTopicsRequest
  | CreatePartitionsRequest
  | AlterConfigsRequest
  | ReassignPartitionsRequest
  | RebalanceRequest
  | ThrottleRequest
  | UnregisterBrokerRequest
  | AlterClientQuotasRequest
  | InitProducerIdRequest
  | BrokerWrite

/** A write that waits for its turn, or (the first) for the log. `from` null: the coordinator's own. */
export interface QueuedWrite {
  readonly from: Address | null
  readonly request: WriteRequest
}

/** Rulings in the log that are not committed yet: those on the first writes of the queue. */
export interface OpenWrite {
  readonly rulings: readonly Ruling[]
  /** It counts when the image goes so far. */
  readonly endOffset: number
  /** The first producer id that the image had not reserved. */
  readonly nextProducerId: number
}

/** Producer ids are reserved in the log by blocks. */
const PRODUCER_ID_BLOCK = 1000

/** Changes of partitions that are written together: when a node dies or comes back, each of its partitions asks for one. */
const TOGETHER_MAX = 1000

/** What is judged next, and written together: one write, or as many changes of different partitions as follow each other. None of them depends on another. */
export function firstWrites(queue: readonly QueuedWrite[]): QueuedWrite[] {
  const partitions = new Set<string>()
  for (const { request } of queue) {
    if (request.kind !== 'alterPartition' || partitions.size === TOGETHER_MAX) break
    const key = `${request.topicId}/${request.partition}`
    if (partitions.has(key)) break
    partitions.add(key)
  }
  return queue.slice(0, Math.max(1, partitions.size))
}

/** Judges a write against what is committed. */
export function ruleWrite(seat: QuorumSeat, request: WriteRequest, defaultReplicationFactor: number): Ruling {
  const { image } = seat
  switch (request.kind) {
    case 'createTopics':
      return ruleCreateTopics(image, request, defaultReplicationFactor)
    case 'deleteTopics':
      return ruleDeleteTopics(image, request)
    case 'createPartitions':
      return ruleCreatePartitions(image, request)
    case 'incrementalAlterConfigs':
      return ruleAlterConfigs(image, request)
    case 'alterPartitionReassignments':
      return ruleReassign(image, request)
    case 'rebalance':
      return ruleRebalance(image, request, defaultReplicationFactor)
    case 'throttleReassignments':
      return ruleThrottle(image, request)
    case 'unregisterBroker':
      return ruleUnregisterBroker(image, request, seatVoters(seat))
    case 'alterClientQuotas':
      return ruleAlterClientQuotas(image, request)
    case 'initProducerId':
      return { records: [{ type: 'producerIdsReserved', nextProducerId: image.nextProducerId + PRODUCER_ID_BLOCK }], verdicts: [] }
    default:
      return ruleNodes(image, request)
  }
}

/** The answer to an administrator. */
export function adminResponse(correlationId: number, verdicts: readonly Verdict[]): MessageOf<'adminResponse'> {
  const results = verdicts.map(({ name, topicId, error, reason }) => ({
    name,
    topicId,
    errorCode: error === null ? NONE : codeOf(error),
    errorMessage: reason,
  }))
  return { kind: 'adminResponse', correlationId, results }
}

/** Nodes have no names: the verdict, if there is one, is why nothing is written. */
function ruleNodes(image: MetadataImage, request: BrokerWrite): Ruling {
  const ruled = ruleBrokerWrite(image, request)
  if (typeof ruled !== 'string') return { records: ruled, verdicts: [] }
  return { records: [], verdicts: [{ name: '', topicId: -1, error: ruled, reason: null }] }
}
