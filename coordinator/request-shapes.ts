/**
 * What the fields of a request to the coordinator may be: whoever sends it, other values are refused before a rule sees them. It does NOT say whether what they
 * ask for makes sense; that is the business of the rules.
 */
import type { Message } from '../protocol/messages/message.ts'
import type { VoterRequest } from '../protocol/messages/metadata.ts'

/** The kinds of requests that a coordinator answers. */
export type RequestKind =
  | VoterRequest['kind']
  | 'brokerHeartbeat'
  | 'registerBroker'
  | 'alterPartition'
  | 'metadata'
  | 'findCoordinator'
  | 'createTopics'
  | 'deleteTopics'
  | 'createPartitions'
  | 'incrementalAlterConfigs'
  | 'alterPartitionReassignments'
  | 'rebalance'
  | 'throttleReassignments'
  | 'unregisterBroker'
  | 'alterClientQuotas'
  | 'describeClientQuotas'
  | 'watchMetadata'
  | 'initProducerId'

type Check = (value: unknown) => boolean
type Shape = Readonly<Record<string, Check>>

const isText: Check = (value) => typeof value === 'string'
const isNumber: Check = (value) => typeof value === 'number'
const isBoolean: Check = (value) => typeof value === 'boolean'
const isWhole: Check = (value) => Number.isSafeInteger(value)
const isIndex: Check = (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isKeyType: Check = (value) => value === 'group' || value === 'transaction' || value === 'share'
const isShutDown: Check = (value) => value === 'no' || value === 'alone' || value === 'together'
const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

const SHAPES: Readonly<Record<RequestKind, Shape>> = {
  addRaftVoter: { node: isIndex },
  removeRaftVoter: { node: isIndex },
  brokerHeartbeat: { node: isIndex, brokerEpoch: isWhole, metadataOffset: isWhole, wantShutDown: isShutDown },
  registerBroker: {
    node: isIndex,
    incarnation: isWhole,
    rack: orNull(isText),
    previousBrokerEpoch: isWhole,
    isUnsyncedSafe: isBoolean,
  },
  alterPartition: {
    node: isIndex,
    brokerEpoch: isWhole,
    topicId: isIndex,
    partition: isIndex,
    leaderEpoch: isWhole,
    partitionEpoch: isWhole,
    isr: orNull(listOf(of({ node: isIndex, brokerEpoch: isWhole }))),
  },
  metadata: { topics: orNull(listOf(isText)) },
  findCoordinator: { keyType: isKeyType, key: isText },
  createTopics: {
    topics: listOf(of({ name: isText, numPartitions: isNumber, replicationFactor: isNumber, configs: isObject })),
    validateOnly: isBoolean,
  },
  deleteTopics: { topics: listOf(isText) },
  createPartitions: { topics: listOf(of({ name: isText, count: isNumber })) },
  incrementalAlterConfigs: { topic: isText, configs: isObject },
  alterPartitionReassignments: { partitions: listOf(of({ topic: isText, partition: isIndex, replicas: orNull(listOf(isIndex)) })) },
  rebalance: { drain: orNull(isIndex) },
  throttleReassignments: { bytesPerSecond: orNull(isNumber) },
  unregisterBroker: { node: isIndex, validateOnly: isBoolean },
  alterClientQuotas: {
    entries: listOf(of({ entity: isObject, ops: listOf(of({ key: isText, value: orNull(isNumber) })) })),
    validateOnly: isBoolean,
  },
  describeClientQuotas: { version: isWhole },
  watchMetadata: { metadataOffset: isWhole },
  initProducerId: {},
}

/** The first field of a request that is not what it should be; null if all are. */
export function malformedField(request: Extract<Message, { readonly kind: RequestKind }>): string | null {
  const values = new Map<string, unknown>(Object.entries(request))
  return Object.entries(SHAPES[request.kind]).find(([field, check]) => !check(values.get(field)))?.[0] ?? null
}

function orNull(check: Check): Check {
  return (value) => value === null || check(value)
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every((one) => check(one))
}

function of(shape: Shape): Check {
  return (value) => {
    if (!isObject(value) || value === null || value === undefined) return false
    const values = new Map<string, unknown>(Object.entries(value))
    return Object.entries(shape).every(([field, check]) => check(values.get(field)))
  }
}
