/**
 * What the active coordinator does for the nodes of the cluster: it hears their heartbeats, fences those that are silent or dead, sends everybody the
 * metadata that is committed, and lets leaders go back to where they are preferred. The rules are in coordinator/brokers.ts.
 */
import { BROKER_ACTOR } from '../protocol/address.ts'
import { codeOf, NONE } from '../protocol/errors.ts'
import type { ErrorName } from '../protocol/errors.ts'
import { topicPartitionName } from '../protocol/ids.ts'
import type { AlterPartitionRequest, BrokerHeartbeat, MetadataUpdate, RegisterBroker } from '../protocol/messages/broker.ts'
import {
  changeIsr,
  fenceBroker,
  preferLeaders,
  registerBroker,
  relieveLeader,
  shutDownBroker,
  shutDownTogether,
  unfenceBroker,
  withdrawReplica,
} from '../coordinator/brokers.ts'
import type { Incarnation } from '../coordinator/brokers.ts'
import { imageRecords, isLive } from '../coordinator/metadata.ts'
import type { MetadataBatch, MetadataImage, MetadataRecord } from '../coordinator/metadata.ts'
import { endOf } from '../coordinator/quorum-log.ts'
import type { Context, Outbox } from './actor.ts'
import { batchesBehind, reignBegin, seatVoters } from './coordinator-quorum.ts'
import type { QuorumSeat } from './coordinator-quorum.ts'

/** What nodes make the coordinator write; the last four it decides by itself. */
export type BrokerWrite =
  | RegisterBroker
  | AlterPartitionRequest
  | { readonly kind: 'shutDownBroker'; readonly correlationId: number; readonly node: number; readonly brokerEpoch: number }
  | { readonly kind: 'shutDownTogether'; readonly correlationId: -1; readonly nodes: readonly Incarnation[] }
  | { readonly kind: 'fenceBroker'; readonly correlationId: -1; readonly node: number }
  | { readonly kind: 'unfenceBroker'; readonly correlationId: -1; readonly node: number; readonly brokerEpoch: number }
  | { readonly kind: 'preferLeaders'; readonly correlationId: -1 }

/** A node, as its heartbeats show it. Not in the log: the next coordinator hears for itself. */
export interface BrokerSession {
  heardAt: number
  /** What it has been sent. */
  sentOffset: number
  /** It is about to be fenced or unfenced. */
  isChanging: boolean
  /** It waits for all others to stop with it: what it asked last. */
  stopping: BrokerHeartbeat | null
}

/** The sessions of all nodes. */
export interface BrokerSessions {
  readonly sessions: Map<number, BrokerSession>
  /** Nodes whose process has died, by the broker epoch that they had then: perhaps the coordinator that should have fenced them died with them. */
  readonly deaths: Map<number, number>
  /** When the sessions were looked at last. */
  lookedAt: number
  preferAt: number
  /** Losses that are committed below it were reported, or are somebody else's to report; -1 while the log is not open. */
  reportedOffset: number
}

/** Partitions whose leader goes home at once: each change is a short pause for its clients. */
const PREFERRED_MAX = 500

/** How often leaders are looked after; Kafka's leader.imbalance.check.interval.seconds is 300. */
const PREFER_MILLIS = 1000

/** Nobody has been heard yet. */
export function newBrokerSessions(): BrokerSessions {
  return { sessions: new Map(), deaths: new Map(), lookedAt: 0, preferAt: 0, reportedOffset: -1 }
}

/**
 * This coordinator becomes active: everybody has a whole session to be heard, and most likely all metadata that is older than its reign. Only the node of
 * the former leader was heard last when that one was: if it hangs, it must not be waited for once more.
 */
export function beginSessions(state: BrokerSessions, seat: QuorumSeat, context: Context): void {
  state.sessions.clear()
  state.lookedAt = context.uptime
  state.preferAt = context.uptime + PREFER_MILLIS
  const sentOffset = reignBegin(seat)
  for (const node of seat.image.brokers.keys()) state.sessions.set(node, newSession(heardAt(seat, node, context), sentOffset))
}

function heardAt({ quorum }: QuorumSeat, node: number, { uptime }: Context): number {
  return quorum?.leaderHeard === node ? Math.max(0, quorum.leaderHeardAt) : uptime
}

/** A node's process is dead. That is noted: whoever has to fence it may not be this coordinator, or not yet, and what it has sent before may come late. */
export function noteDeath(state: BrokerSessions, image: MetadataImage, node: number): void {
  const broker = image.brokers.get(node)
  if (broker !== undefined) state.deaths.set(node, broker.brokerEpoch)
}

/** Nodes that are dead and nobody has fenced: those that have not come back as another incarnation since. */
export function unfencedDead({ deaths }: BrokerSessions, image: MetadataImage): number[] {
  const nodes = [...deaths].filter(([node, brokerEpoch]) => isLive(image, node) && image.brokers.get(node)?.brokerEpoch === brokerEpoch)
  return nodes.map(([node]) => node).toSorted((a, b) => a - b)
}

/** The records of a write; or why it is refused. */
export function ruleBrokerWrite(image: MetadataImage, write: BrokerWrite): readonly MetadataRecord[] | ErrorName {
  switch (write.kind) {
    case 'registerBroker':
      // One that arrives twice has been done.
      return image.brokers.get(write.node)?.incarnation === write.incarnation ? [] : registerBroker(image, write)
    case 'alterPartition':
      return ruleAlterPartition(image, write)
    case 'shutDownBroker':
      return shutDownBroker(image, write.node, write.brokerEpoch)
    case 'shutDownTogether':
      return shutDownTogether(image, write.nodes)
    case 'fenceBroker':
      return fenceBroker(image, write.node)
    case 'unfenceBroker':
      // Another incarnation, perhaps a dead one whose registration was late, has not been heard yet.
      return image.brokers.get(write.node)?.brokerEpoch === write.brokerEpoch ? unfenceBroker(image, write.node) : []
    default:
      return preferLeaders(image, PREFERRED_MAX)
  }
}

function ruleAlterPartition(image: MetadataImage, request: AlterPartitionRequest): readonly MetadataRecord[] | ErrorName {
  const { node, topicId, partition, leaderEpoch, isr } = request
  if (image.brokers.get(node)?.brokerEpoch !== request.brokerEpoch) return 'STALE_BROKER_EPOCH'
  if (isr?.length === 0) return withdrawReplica(image, node, request)
  if (isr !== null) return changeIsr(image, { ...request, leader: node, isr })
  return relieveLeader(image, node, topicId, partition, leaderEpoch)
}

/** The node of a write is told what became of it. */
export function answerBrokerWrite(
  state: BrokerSessions,
  seat: QuorumSeat,
  write: BrokerWrite,
  error: ErrorName | null,
  outbox: Outbox,
): void {
  const errorCode = error === null ? NONE : codeOf(error)
  if (write.kind === 'shutDownBroker') return answerHeartbeat(seat, write, error, error === null, outbox)
  // Who is not answered asks again: somebody has come to life meanwhile.
  if (write.kind === 'shutDownTogether') return error === null ? answerTogether(state, seat, write.nodes, outbox) : undefined
  if (write.kind !== 'registerBroker' && write.kind !== 'alterPartition') return
  const { correlationId } = write
  const to = { node: write.node, actor: BROKER_ACTOR }
  if (write.kind === 'alterPartition')
    return outbox.push({ kind: 'send', to, message: { kind: 'alterPartitionResponse', correlationId, errorCode } })
  const brokerEpoch = error === null ? (seat.image.brokers.get(write.node)?.brokerEpoch ?? -1) : -1
  outbox.push({ kind: 'send', to, message: { kind: 'brokerRegistered', correlationId, errorCode, brokerEpoch } })
}

/** A node is alive. Answers, sends what it lacks, and returns what follows from it; if the node wants to stop, that answers, too, or (where it stops alone) instead. */
export function onBrokerHeartbeat(
  state: BrokerSessions,
  seat: QuorumSeat,
  heartbeat: BrokerHeartbeat,
  context: Context,
  outbox: Outbox,
): BrokerWrite | null {
  const { node, correlationId, brokerEpoch, metadataOffset, wantShutDown } = heartbeat
  const broker = seat.image.brokers.get(node)
  // What a dead incarnation has sent comes late; one that is not dead registers again.
  const isOver = broker?.brokerEpoch !== brokerEpoch || state.deaths.get(node) === brokerEpoch
  const error: ErrorName | null = broker === undefined ? 'BROKER_ID_NOT_REGISTERED' : isOver ? 'STALE_BROKER_EPOCH' : null
  if (error !== null || wantShutDown !== 'alone') answerHeartbeat(seat, heartbeat, error, false, outbox)
  if (error !== null || broker === undefined) return null
  const session = sessionOf(state, node, context.uptime)
  session.heardAt = context.uptime
  session.sentOffset = metadataOffset
  sendMetadata(seat, node, session, outbox)
  session.stopping = wantShutDown === 'together' ? heartbeat : null
  if (wantShutDown === 'alone') return { kind: 'shutDownBroker', correlationId, node, brokerEpoch }
  if (session.stopping !== null) return stopTogether(state, seat.image)
  if (!broker.fenced || broker.stopping || session.isChanging || metadataOffset < brokerEpoch) return null
  session.isChanging = true
  return { kind: 'unfenceBroker', correlationId: -1, node, brokerEpoch }
}

/** Nobody is live who does not want to stop: then all that want to may. */
function stopTogether({ sessions }: BrokerSessions, image: MetadataImage): BrokerWrite | null {
  const waits = (node: number): boolean => sessions.get(node)?.stopping?.brokerEpoch === image.brokers.get(node)?.brokerEpoch
  const brokers = [...image.brokers.values()]
  if (brokers.some(({ node }) => isLive(image, node) && !waits(node))) return null
  const nodes = brokers.filter(({ node }) => waits(node)).map(({ node, brokerEpoch }) => ({ node, brokerEpoch }))
  return { kind: 'shutDownTogether', correlationId: -1, nodes }
}

function answerTogether(state: BrokerSessions, seat: QuorumSeat, nodes: readonly Incarnation[], outbox: Outbox): void {
  for (const { node, brokerEpoch } of nodes) {
    const session = state.sessions.get(node)
    if (session?.stopping?.brokerEpoch !== brokerEpoch) continue
    answerHeartbeat(seat, session.stopping, null, true, outbox)
    session.stopping = null
  }
}

function answerHeartbeat(
  seat: QuorumSeat,
  { node, correlationId }: { readonly node: number; readonly correlationId: number },
  error: ErrorName | null,
  shouldShutDown: boolean,
  outbox: Outbox,
): void {
  const errorCode = error === null ? NONE : codeOf(error)
  const voters = error === null ? seatVoters(seat) : []
  const metadataOffset = seat.image.endOffset
  const message = { kind: 'brokerHeartbeatResponse', correlationId, errorCode, shouldShutDown, voters, metadataOffset } as const
  outbox.push({ kind: 'send', to: { node, actor: BROKER_ACTOR }, message })
}

/** Nodes that have been silent for too long, be they live or waited for since they stopped, and leaders that are not at home. */
export function dueBrokerWrites(state: BrokerSessions, image: MetadataImage, sessionMillis: number, context: Context): BrokerWrite[] {
  const due: BrokerWrite[] = []
  // Who has not looked for so long has not listened either.
  if (context.uptime - state.lookedAt > sessionMillis / 2) for (const session of state.sessions.values()) session.heardAt = context.uptime
  state.lookedAt = context.uptime
  for (const { node, fenced, resting } of image.brokers.values()) {
    const session = sessionOf(state, node, context.uptime)
    if ((fenced && !resting) || session.isChanging || context.uptime - session.heardAt < sessionMillis) continue
    session.isChanging = true
    due.push({ kind: 'fenceBroker', correlationId: -1, node })
  }
  if (context.uptime >= state.preferAt) {
    state.preferAt = context.uptime + PREFER_MILLIS
    due.push({ kind: 'preferLeaders', correlationId: -1 })
  }
  return due
}

/** When the next session is over, if nothing is heard until then; Infinity if there is none. */
export function millisToSessionEnd({ sessions }: BrokerSessions, image: MetadataImage, sessionMillis: number, { uptime }: Context): number {
  let millis = Infinity
  for (const [node, { heardAt: at, isChanging }] of sessions)
    if (isLive(image, node) && !isChanging) millis = Math.min(millis, at + sessionMillis - uptime)
  return Math.max(1, millis)
}

/** A fencing or unfencing is done, or has come to nothing. */
export function endBrokerWrite(state: BrokerSessions, write: BrokerWrite): void {
  const session = 'node' in write ? state.sessions.get(write.node) : undefined
  if (session !== undefined && (write.kind === 'fenceBroker' || write.kind === 'unfenceBroker')) session.isChanging = false
}

/** Records are committed: everybody is sent them, this node first, so that whoever asks it next finds them. */
export function publish(state: BrokerSessions, seat: QuorumSeat, outbox: Outbox): void {
  const self = seat.self.node
  const nodes = [...seat.image.brokers.keys()].toSorted((a, b) => (a === self ? -1 : b === self ? 1 : a - b))
  for (const node of nodes) {
    const session = state.sessions.get(node)
    if (session !== undefined) sendMetadata(seat, node, session, outbox)
  }
}

/**
 * What is lost by records is reported of the node whose disk had it, when they are committed, by whoever leads then: not only by whoever wrote them, who may lead no more.
 * (If that one has just reported it, and its successor has not heard that they are committed, it is reported twice.) What is in the log when that is opened is of another life.
 */
export function reportLosses(state: BrokerSessions, seat: QuorumSeat, isInCharge: boolean, outbox: Outbox): void {
  const { quorum, image } = seat
  if (quorum === null) return void (state.reportedOffset = -1)
  if (state.reportedOffset < 0) state.reportedOffset = endOf(quorum.log)
  if (image.endOffset <= state.reportedOffset) return
  const news = isInCharge ? (batchesBehind(seat, state.reportedOffset) ?? []) : []
  state.reportedOffset = image.endOffset
  for (const [, records] of news) reportLost(image, records, outbox)
}

function reportLost(image: MetadataImage, records: readonly MetadataRecord[], outbox: Outbox): void {
  const names = new Map<number, string[]>()
  for (const record of records) {
    if (record.type !== 'partitionChanged' || record.anew !== true) continue
    const { leader } = record.image
    const name = topicPartitionName(image.names.get(record.topicId) ?? '', record.partition)
    names.set(leader, [...(names.get(leader) ?? []), name])
  }
  for (const [node, lost] of names) {
    const reason = `what ${lost.join(', ')} held is lost with the disk of node ${node}, and nobody else has it: it begins anew with what is there now`
    outbox.push({ kind: 'report', node, reason })
  }
}

/** What whoever has everything below an offset lacks; everything, if that is not in the log any more. */
export function metadataBehind(seat: QuorumSeat, offset: number): Pick<MetadataUpdate, 'endOffset' | 'isSnapshot' | 'records'> {
  const { endOffset } = seat.image
  const behind = batchesBehind(seat, offset)
  const batches: readonly MetadataBatch[] = behind ?? [[endOffset, imageRecords(seat.image)]]
  const records = new TextEncoder().encode(JSON.stringify(batches))
  return { endOffset, isSnapshot: behind === null, records }
}

function sendMetadata(seat: QuorumSeat, node: number, session: BrokerSession, outbox: Outbox): void {
  const beginOffset = session.sentOffset
  if (beginOffset >= seat.image.endOffset) return
  const message: MetadataUpdate = { kind: 'metadataUpdate', beginOffset, ...metadataBehind(seat, beginOffset) }
  session.sentOffset = message.endOffset
  outbox.push({ kind: 'send', to: { node, actor: BROKER_ACTOR }, message })
}

function sessionOf(state: BrokerSessions, node: number, uptime: number): BrokerSession {
  const known = state.sessions.get(node)
  if (known !== undefined) return known
  const session = newSession(uptime, 0)
  state.sessions.set(node, session)
  return session
}

function newSession(uptime: number, sentOffset: number): BrokerSession {
  return { heardAt: uptime, sentOffset, isChanging: false, stopping: null }
}
