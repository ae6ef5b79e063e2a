/**
 * What a coordinator answers to a request that makes no sense: INVALID_REQUEST, in the answer that the kind of request has.
 */
import { unreachable } from '../protocol/assert.ts'
import { codeOf } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { RequestKind } from '../coordinator/request-shapes.ts'

const INVALID = codeOf('INVALID_REQUEST')

/** The answer to a request whose `field` is not what it should be; null where the answer cannot say so, and nobody is to be told anything else. */
export function refusalOf({ kind, correlationId }: MessageOf<RequestKind>, field: string): Message | null {
  switch (kind) {
    case 'brokerHeartbeat':
      return { kind: 'brokerHeartbeatResponse', correlationId, errorCode: INVALID, shouldShutDown: false, voters: [], metadataOffset: 0 }
    case 'registerBroker':
      return { kind: 'brokerRegistered', correlationId, errorCode: INVALID, brokerEpoch: -1 }
    case 'alterPartition':
      return { kind: 'alterPartitionResponse', correlationId, errorCode: INVALID }
    case 'findCoordinator':
      return { kind: 'findCoordinatorResponse', correlationId, errorCode: INVALID, node: -1, partition: -1, topicId: -1 }
    case 'initProducerId':
      return { kind: 'initProducerIdResponse', correlationId, errorCode: INVALID, producerId: -1, producerEpoch: -1 }
    case 'metadata':
    case 'watchMetadata':
    case 'describeClientQuotas':
      return null
    case 'addRaftVoter':
    case 'removeRaftVoter':
    case 'createTopics':
    case 'deleteTopics':
    case 'createPartitions':
    case 'incrementalAlterConfigs':
    case 'alterPartitionReassignments':
    case 'rebalance':
    case 'throttleReassignments':
    case 'unregisterBroker':
    case 'alterClientQuotas': {
      const errorMessage = `the request ${kind} has no such ${field}`
      return { kind: 'adminResponse', correlationId, results: [{ name: '', topicId: -1, errorCode: INVALID, errorMessage }] }
    }
    default:
      return unreachable(kind)
  }
}
