// Messages and effects in one short line each, for expectations and transcripts. What a reader needs is in the line; the rest is in the types.

import type { Effect } from '../../actors/effect.ts'
import type { Address } from '../../protocol/address.ts'
import { errorOf, NONE } from '../../protocol/errors.ts'
import type { CommittedOffset, TopicPartitions } from '../../protocol/messages/group.ts'
import type { Message } from '../../protocol/messages/message.ts'
import * as batch from '../../protocol/record-batch.ts'

/** One effect, for example `append 0.log at 0: 75 bytes` or `to client: delivered #1 at offset 0`. */
export function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'send':
      return `to ${describeAddress(effect.to)}: ${describeMessage(effect.message)}`
    case 'append':
      return `append ${shortName(effect.file)} at ${effect.position}: ${effect.bytes.length} bytes`
    case 'rewrite':
      return `rewrite ${shortName(effect.file)} at ${effect.position}: ${effect.bytes.length} bytes`
    case 'read':
      return `read ${shortName(effect.file)} at ${effect.position}: ${effect.sizeBytes} bytes`
    case 'sync':
      return `sync ${shortName(effect.file)}`
    case 'truncate':
      return `truncate ${shortName(effect.file)} to ${effect.sizeBytes}`
    case 'replace':
      return `replace ${shortName(effect.file)}`
    case 'remove':
      return effect.files === null ? `remove all of ${effect.log}` : `remove ${effect.files.map(shortName).join(' ')}`
    case 'rename':
      return `rename ${effect.renames.map(({ from, to }) => `${shortName(from)} to ${shortName(to)}`).join(' ')}`
    case 'compact':
      return `compact ${effect.order.inputs.map(({ file }) => shortName(file)).join(' ')}`
    case 'list':
    case 'listLogs':
      return effect.kind
    case 'startTimer':
      return `timer ${effect.timer} in ${effect.afterMillis} ms`
    case 'cancelTimer':
      return `no timer ${effect.timer}`
    case 'spawn':
    case 'stop':
      return `${effect.kind} ${effect.actor}`
    case 'fatal':
      return `fatal: ${effect.reason}`
    case 'report':
      return `report of node ${effect.node}: ${effect.reason}`
  }
}

/** An actor without its node, which no test needs. */
export function describeAddress({ actor }: Address): string {
  return actor
}

/** `00000000000000000042.log` as `42.log`. */
export function shortName(file: string): string {
  return file.replace(/^0{1,19}/, '')
}

/** One message, for example `produceResponse #3 at offset 0` or `fetchResponse #4 OFFSET_OUT_OF_RANGE`. */
export function describeMessage(message: Message): string {
  const id = 'correlationId' in message ? ` #${message.correlationId}` : 'token' in message ? ` #${message.token}` : ''
  const error = 'errorCode' in message && message.errorCode !== NONE ? ` ${errorOf(message.errorCode).name}` : null
  return `${message.kind}${id}${error ?? detail(message)}`
}

function detail(message: Message): string {
  const ofClients = clientDetail(message) ?? transactionDetail(message)
  return ofClients ?? logDetail(message) ?? groupDetail(message) ?? quorumDetail(message) ?? brokerDetail(message) ?? ''
}

function transactionDetail(message: Message): string | null {
  switch (message.kind) {
    case 'finishTransaction':
      return `: ${message.committed ? 'commit' : 'abort'}`
    case 'endTransaction':
    case 'writeTransactionMarker':
      return `: ${message.committed ? 'commit' : 'abort'} for producer ${message.producerId}, epoch ${message.producerEpoch}`
    case 'addPartitionToTransaction':
      return `: ${nameOf(message)} for producer ${message.producerId}, epoch ${message.producerEpoch}`
    case 'initTransactionsResponse':
    case 'endTransactionResponse':
      return `: go on as producer ${message.producerId}, epoch ${message.producerEpoch}`
    default:
      return null
  }
}

function quorumDetail(message: Message): string | null {
  switch (message.kind) {
    case 'quorumVote':
      return `${message.preVote ? ' (pre-vote)' : ''} in epoch ${message.epoch}: my log ends at ${message.endOffset} of epoch ${message.lastEpoch}`
    case 'quorumVoteResponse':
      return `${message.preVote ? ' (pre-vote)' : ''} in epoch ${message.epoch}: ${message.voteGranted ? 'yes' : 'no'}`
    case 'quorumEndEpoch':
      return ` ${message.epoch}: next shall lead ${message.successors.join(', or ')}`
    case 'quorumAppend': {
      const what = message.records === null ? 'nothing new' : `batches: ${batch.walkBatches(message.records).length}`
      return ` in epoch ${message.epoch} from ${message.prevOffset}: ${what}, committed ${message.highWatermark}`
    }
    case 'quorumAppendResponse':
      return ` in epoch ${message.epoch}: ${message.isMatch ? 'synced up to' : 'go on at'} ${message.endOffset}`
    case 'notController':
      return `: ask node ${message.controller}`
    default:
      return null
  }
}

function brokerDetail(message: Message): string | null {
  switch (message.kind) {
    case 'registerBroker':
      return ` of node ${message.node}, ${message.previousBrokerEpoch < 0 ? 'which is empty' : `last in broker epoch ${message.previousBrokerEpoch}`}`
    case 'brokerRegistered':
      return ` in broker epoch ${message.brokerEpoch}`
    case 'brokerHeartbeat':
      return ` of node ${message.node} in broker epoch ${message.brokerEpoch}, has metadata up to ${message.metadataOffset}`
    case 'metadataUpdate':
      return message.isSnapshot ? ` all up to ${message.endOffset}` : ` from ${message.beginOffset} to ${message.endOffset}`
    case 'alterPartition':
      return message.isr === null ? ': somebody else should lead' : `: in sync ${message.isr.map(({ node }) => node).join(' ')}`
    case 'leaderAndIsr':
      return `: ${message.leader < 0 ? 'nobody' : `node ${message.leader}`} leads in epoch ${message.leaderEpoch}, in sync ${message.isr.join(' ')}`
    default:
      return null
  }
}

function clientDetail(message: Message): string | null {
  switch (message.kind) {
    case 'submit':
      return ` for ${message.topic}-${message.partition}: ${count(batch.recordCount(message.records, 0), 'record')}`
    case 'delivered':
      return ` at offset ${message.baseOffset}`
    case 'subscribe':
      return ` ${message.topics.join(' ')}`
    case 'assign':
      return ` ${message.partitions.map(nameOf).join(' ')}`
    case 'assigned':
      return ` ${message.partitions.map((one) => `${nameOf(one)} from ${one.position}`).join(' ')}`
    case 'revoking':
      return ` ${message.partitions.map(nameOf).join(' ')}${message.lost ? ' (lost)' : ''}`
    case 'released':
      return ` ${message.partitions.map(nameOf).join(' ')}`
    case 'progress':
    case 'positionReset':
      return ` ${nameOf(message)} to ${message.position}`
    case 'seek':
    case 'fetchAgain':
    case 'fetchMore':
      return ` ${nameOf(message)} from ${message.offset}`
    case 'chunk':
      return ` ${nameOf(message)} from ${message.fetchOffset}: ${payload(message)}`
    case 'consumerFailed':
      return ` ${message.topic}-${message.partition}`
    default:
      return null
  }
}

function logDetail(message: Message): string | null {
  switch (message.kind) {
    case 'produce': {
      const { records } = message
      const numbers =
        batch.producerId(records, 0) < 0 ? '' : ` numbered ${batch.producerEpoch(records, 0)}/${batch.baseSequence(records, 0)}`
      return `: ${count(batch.recordCount(records, 0), 'record')}${numbers}`
    }
    case 'produceResponse':
      return ` at offset ${message.baseOffset}`
    case 'fetch':
      return ` from ${message.fetchOffset}`
    case 'fetchResponse':
      return ` up to ${message.highWatermark}: ${payload(message)}`
    case 'listOffsetsResponse':
      return ` offset ${message.offset}`
    case 'timerFired':
      return ` ${message.timer}`
    case 'synced':
      return message.error === null
        ? ` ${shortName(message.file)}: ${message.sizeBytes} bytes`
        : ` ${shortName(message.file)}: ${message.error}`
    case 'appended':
    case 'storageDone':
      return message.error === null ? '' : `: ${message.error}`
    case 'readCompleted':
      return message.records === null ? `: ${message.error}` : `: ${message.records.length} bytes`
    case 'initProducerIdResponse':
      return ` id ${message.producerId}`
    default:
      return null
  }
}

function groupDetail(message: Message): string | null {
  switch (message.kind) {
    case 'consumerGroupHeartbeat':
      return ` of ${message.memberId}, epoch ${message.memberEpoch}, owns ${lists(message.ownedPartitions)}`
    case 'consumerGroupHeartbeatResponse':
      return ` epoch ${message.memberEpoch}, may have ${lists(message.assignment)}`
    case 'offsetCommit':
      return ` of ${message.memberId}, epoch ${message.memberEpoch}: ${offsets(message.offsets)}`
    case 'offsetFetch':
      return ` of ${message.partitions === null ? 'all' : lists(message.partitions)}`
    case 'offsetFetchResponse':
      return `: ${offsets(message.offsets)}`
    case 'metadata':
      return ` of ${message.topics?.join(' ') ?? 'all'}`
    case 'findCoordinator':
      return ` of ${message.key}`
    case 'findCoordinatorResponse':
      return ` node ${message.node}`
    default:
      return null
  }
}

function payload(message: { readonly range: unknown; readonly records: Uint8Array | null }): string {
  if (message.records !== null) return `${message.records.length} bytes`
  const { range } = message as { range: { readonly path: string; readonly position: number; readonly sizeBytes: number } | null }
  return range === null
    ? 'nothing'
    : `${shortName(range.path.slice(range.path.indexOf('/') + 1))} at ${range.position}: ${range.sizeBytes} bytes`
}

function nameOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`
}

function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`
}

function lists(topics: readonly TopicPartitions[]): string {
  const names = topics.flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}-${partition}`))
  return names.length === 0 ? 'nothing' : names.join(' ')
}

function offsets(committed: readonly CommittedOffset[]): string {
  return committed.length === 0 ? 'none' : committed.map((one) => `${nameOf(one)} at ${one.offset}`).join(', ')
}
