/**
 * How a node joins the cluster and stays in it (KIP-631): it reads which incarnation its directory remembers, registers as a new one with the active
 * coordinator, writes that down, and sends heartbeats. Which coordinator is active it learns by asking.
 *
 * The directory `__broker-0.0` holds `registration-0` and `registration-1`, which take turns: JSON { brokerEpoch, bootId, clean }. A torn one does not parse.
 */
import { COORDINATOR_ACTOR } from '../protocol/address.ts'
import { errorOf, NONE } from '../protocol/errors.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import type { StorageAnswer } from '../protocol/messages/storage.ts'
import type { Context, Outbox } from './actor.ts'
import type { BrokerState, WrittenRegistration } from './broker-state.ts'

/** The broker's own log directory. */
export const BROKER_LOG = '__broker-0.0'

/** A request to the coordinator that is not answered is given up after so long. */
const REQUEST_MILLIS = 200

/** A node that is silent for the time of so many is fenced, and others lead what it led. */
const HEARTBEATS_PER_LEASE = 4

/** Pause before another coordinator is asked. */
const RETRY_MILLIS = 10

/** They take turns. */
const FILES = 2

/** Instead of a token: the disk failed, and is tried again soon. */
const UNREADABLE = -2

/** Instead of a token: the newest registration could not be synced, and is written once more soon. */
const UNPROVED = -3

/** More than enough for a registration. */
const REGISTRATION_BYTES_MAX = 4096

/** Asks the disk which incarnation this node was. */
export function findRegistrations(state: BrokerState, outbox: Outbox): void {
  state.written.length = 0
  state.reading = state.nextToken++
  outbox.push({ kind: 'list', log: BROKER_LOG, token: state.reading })
}

/** The disk has answered; what is of no interest changes nothing. */
export function onRegistrationStorage(state: BrokerState, message: StorageAnswer, context: Context, outbox: Outbox): void {
  if (message.token === state.reading) return onFound(state, message, context, outbox)
  if (message.kind === 'storageDone' && message.token === state.recording - 1) state.isRecordTorn = message.error !== null
  if (message.kind !== 'synced' || message.token !== state.recording) return
  state.recording = -1
  // Who cannot say who it was must not be taken for who it is: it tries again, fenced until then; the other file has the last word meanwhile.
  if (message.error !== null || state.isRecordTorn) return recordAgain(state, outbox)
  state.nextFile = otherFile(state.nextFile)
  talk(state, context, outbox)
}

function recordAgain(state: BrokerState, outbox: Outbox): void {
  state.recording = UNREADABLE
  arm(RETRY_MILLIS, outbox)
}

/** A file that is there and cannot be read is not the same as one that is not there: begins anew. */
function onFound(state: BrokerState, message: StorageAnswer, context: Context, outbox: Outbox): void {
  const { written } = state
  if (message.kind === 'synced') return onProved(state, message.error === null, context, outbox)
  if (message.kind === 'storageDone') return onWrittenAgain(state, message.error === null, outbox)
  if (message.kind === 'logsListed' || message.error !== null) return findAgain(state, outbox)
  if (message.kind === 'listed') state.files = message.files.map(({ name }) => name)
  if (message.kind === 'readCompleted') written.push(parse(message.records))
  while (written.length < FILES && !state.files.includes(fileOf(written.length))) written.push(null)
  if (written.length === FILES) return onAllRead(state, context, outbox)
  state.reading = state.nextToken++
  const file = fileOf(written.length)
  outbox.push({ kind: 'read', log: BROKER_LOG, file, position: 0, sizeBytes: REGISTRATION_BYTES_MAX, token: state.reading })
}

function findAgain(state: BrokerState, outbox: Outbox): void {
  state.reading = UNREADABLE
  arm(RETRY_MILLIS, outbox)
}

function onAllRead(state: BrokerState, context: Context, outbox: Outbox): void {
  const { written, config } = state
  let newest = -1
  state.reading = -1
  written.forEach((one, file) => {
    if (one === null || one.brokerEpoch < state.previousBrokerEpoch) return
    // The last word of an incarnation is that it stopped cleanly.
    if (one.brokerEpoch === state.previousBrokerEpoch && !one.clean) return
    state.previousBrokerEpoch = one.brokerEpoch
    state.isUnsyncedSafe = one.clean || one.bootId === config.bootId
    state.nextFile = otherFile(file)
    newest = file
  })
  // The word that it stopped cleanly may be in the page cache only, unless the machine has started since: what the incarnation wrote at its beginning is durable, and need not be proved.
  const clean = written.findIndex((one, file) => one?.clean === true && written[otherFile(file)]?.brokerEpoch === one.brokerEpoch)
  if (clean >= 0 && written[clean]?.bootId === config.bootId) state.nextFile = clean
  else if (written[newest]?.bootId === config.bootId) return prove(state, newest, outbox)
  talk(state, context, outbox)
}

/** The newest file may be in the page cache only, too: the other one is written over when that is certain not to be. */
function prove(state: BrokerState, file: number, outbox: Outbox): void {
  state.reading = state.nextToken++
  outbox.push({ kind: 'sync', log: BROKER_LOG, file: fileOf(file), token: state.reading })
}

/** A sync that fails does not say whether the file was durable all the same: so neither file is written over, unless there is nothing in the other one. */
function onProved(state: BrokerState, isDurable: boolean, context: Context, outbox: Outbox): void {
  if (!isDurable && state.written[state.nextFile] !== null) return proveLater(state, outbox)
  state.reading = -1
  talk(state, context, outbox)
}

function proveLater(state: BrokerState, outbox: Outbox): void {
  state.reading = UNPROVED
  arm(RETRY_MILLIS, outbox)
}

/** The disk says only once that a sync has failed, and later ones prove nothing, unless what they speak of is written first: in its place, as it was. */
function writeAgain(state: BrokerState, outbox: Outbox): void {
  const file = otherFile(state.nextFile)
  state.reading = state.nextToken++
  outbox.push({
    kind: 'rewrite',
    log: BROKER_LOG,
    file: fileOf(file),
    position: 0,
    bytes: encode(state.written[file] ?? null),
    token: state.reading,
  })
}

function onWrittenAgain(state: BrokerState, isWritten: boolean, outbox: Outbox): void {
  if (isWritten) prove(state, otherFile(state.nextFile), outbox)
  else proveLater(state, outbox)
}

/** What is to be said to the coordinator now. */
export function talk(state: BrokerState, context: Context, outbox: Outbox): void {
  const { config, self } = state
  if (state.reading === UNREADABLE) return findRegistrations(state, outbox)
  if (state.reading === UNPROVED) return writeAgain(state, outbox)
  if (state.recording === UNREADABLE) return record(state, false, outbox)
  if (state.reading >= 0 || state.recording >= 0) return
  if (state.correlationId >= 0 && context.uptime < state.timeoutAt) return arm(state.timeoutAt - context.uptime, outbox)
  if (state.correlationId >= 0) rotate(state, -1)
  state.correlationId = state.nextToken++
  state.timeoutAt = context.uptime + REQUEST_MILLIS
  const { correlationId, incarnation, brokerEpoch, previousBrokerEpoch, isUnsyncedSafe, image } = state
  const wantShutDown = state.stop?.step === 'asking' ? state.stop.manner : 'no'
  const message: Message =
    brokerEpoch < 0
      ? { kind: 'registerBroker', correlationId, node: self.node, incarnation, rack: config.rack, previousBrokerEpoch, isUnsyncedSafe }
      : { kind: 'brokerHeartbeat', correlationId, node: self.node, brokerEpoch, metadataOffset: image.endOffset, wantShutDown }
  outbox.push({ kind: 'send', to: { node: state.controller, actor: COORDINATOR_ACTOR }, message })
  arm(REQUEST_MILLIS, outbox)
}

/** The coordinator has registered this node, or not. */
export function onRegistered(state: BrokerState, message: MessageOf<'brokerRegistered'>, outbox: Outbox): void {
  if (message.correlationId !== state.correlationId) return
  state.correlationId = -1
  if (message.errorCode !== NONE) return askElsewhere(state, -1, outbox)
  state.brokerEpoch = message.brokerEpoch
  noteHeard(state, message.brokerEpoch)
  record(state, false, outbox)
}

/** The coordinator has heard this node, or does not know it any more. Returns whether a node that wants to stop may do so. */
export function onHeartbeatAnswer(
  state: BrokerState,
  message: MessageOf<'brokerHeartbeatResponse'>,
  context: Context,
  outbox: Outbox,
): boolean {
  const mayStop = message.shouldShutDown && hasAsked(state, message.correlationId)
  if (message.correlationId !== state.correlationId) return mayStop
  state.correlationId = -1
  if (message.errorCode === NONE) {
    if (message.voters.length > 0) state.voters = message.voters
    if (state.stop?.step !== 'asking') noteHeard(state, message.metadataOffset)
    arm(state.config.heartbeatMillis, outbox)
    return mayStop
  }
  const { name } = errorOf(message.errorCode)
  const isOver = name === 'STALE_BROKER_EPOCH' || name === 'BROKER_ID_NOT_REGISTERED'
  if (isOver && state.stop !== null) return true
  // A registration of this id has overtaken this one: begins anew as another incarnation, which has all that this one had.
  if (isOver) registerAgain(state, context, outbox)
  else askElsewhere(state, -1, outbox)
  return false
}

/** Whether a heartbeat has asked to stop. Where all stop together, any of those may be answered once more, when the last node has asked. */
function hasAsked({ stop, nextToken }: BrokerState, correlationId: number): boolean {
  return stop?.step === 'asking' && correlationId >= stop.askedFrom && correlationId < nextToken
}

/** The request that was answered had been sent then; the coordinator waits longer than that for the next. */
function noteHeard(state: BrokerState, metadataOffset: number): void {
  const sentAt = state.timeoutAt - REQUEST_MILLIS
  state.heard = { until: sentAt + HEARTBEATS_PER_LEASE * state.config.heartbeatMillis, metadataOffset }
}

function registerAgain(state: BrokerState, context: Context, outbox: Outbox): void {
  state.incarnation = context.random
  state.previousBrokerEpoch = state.brokerEpoch
  state.isUnsyncedSafe = true
  state.brokerEpoch = -1
  talk(state, context, outbox)
}

/** Nobody is there, or somebody who is not active (and says who is, -1 if it does not know). False if it is about something else. */
export function onNoCoordinator(state: BrokerState, correlationId: number, hint: number, outbox: Outbox): boolean {
  if (correlationId !== state.correlationId) return false
  state.correlationId = -1
  askElsewhere(state, hint, outbox)
  return true
}

/** Where to look for the active coordinator next: where somebody says it is, or at the next voter. */
export function rotate(state: BrokerState, hint: number): void {
  const { voters } = state
  const at = voters.indexOf(state.controller)
  state.controller = hint >= 0 && hint !== state.controller ? hint : (voters[(at + 1) % voters.length] ?? 0)
}

/** Writes down who this node is, durably. */
export function record(state: BrokerState, clean: boolean, outbox: Outbox): void {
  const { brokerEpoch, config } = state
  const written: WrittenRegistration = { brokerEpoch, bootId: config.bootId, clean }
  const file = fileOf(state.nextFile)
  const bytes = encode(written)
  outbox.push({ kind: 'replace', log: BROKER_LOG, file, bytes, token: state.nextToken++ })
  state.recording = state.nextToken++
  outbox.push({ kind: 'sync', log: BROKER_LOG, file, token: state.recording })
}

function askElsewhere(state: BrokerState, hint: number, outbox: Outbox): void {
  rotate(state, hint)
  arm(RETRY_MILLIS, outbox)
}

function arm(afterMillis: number, outbox: Outbox): void {
  outbox.push({ kind: 'startTimer', timer: 'coordinator', afterMillis })
}

function otherFile(file: number): number {
  return (file + 1) % FILES
}

function fileOf(file: number): string {
  return `registration-${file}`
}

function encode(written: WrittenRegistration | null): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(written))
}

function parse(bytes: Uint8Array | null): WrittenRegistration | null {
  try {
    return JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array(0))) as WrittenRegistration
  } catch {
    return null
  }
}
