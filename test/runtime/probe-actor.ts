/**
 * An actor that writes down what it hears and does what it is told: the topics of a `subscribe` are its orders, for example
 * `send other`, `timer tea 0`, `spawn child`, `load replica 1`, `stop child`, `break`, `throw`, `list`, `sync`. It answers `drain` and `stopNode`, so it can stand in for a broker.
 */
import type { Actor, Context, Outbox } from '../../actors/actor.ts'
import type { Address } from '../../protocol/address.ts'
import { InvariantViolation } from '../../protocol/assert.ts'
import type { Message } from '../../protocol/messages/message.ts'

/** A behaviour that no host has loaded beforehand: what `load` spawns. */
const LATE = new URL('../../actors/replica.ts', import.meta.url).href

/** What a probe knows. */
export interface ProbeState {
  readonly self: Address
  /** Kinds of messages, in order; timers by name, senders of a `pause`. */
  readonly heard: string[]
}

/** The behaviour. */
export const actor: Actor<ProbeState, unknown> = {
  url: import.meta.url,
  start: (self) => ({ self, heard: [] }),
  receive(state: ProbeState, message: Message, context: Context, outbox: Outbox): void {
    state.heard.push(nameOf(message, context))
    if (message.kind === 'drain' || message.kind === 'stopNode')
      outbox.push({ kind: 'send', to: context.from, message: { kind: 'drained', isSynced: true } })
    if (message.kind === 'listGroups')
      outbox.push({
        kind: 'send',
        to: context.from,
        message: {
          kind: 'listGroupsResponse',
          correlationId: message.correlationId,
          errorCode: 0,
          groups: state.heard.map((group) => ({ group, state: 'empty' })),
        },
      })
    if (message.kind === 'subscribe') for (const order of message.topics) obey(state.self, order, outbox)
  },
}

function nameOf(message: Message, { from }: Context): string {
  if (message.kind === 'timerFired') return `timer ${message.timer}`
  return message.kind === 'pause' ? `pause from ${from.node}/${from.actor}` : message.kind
}

function obey({ node, actor: self }: Address, order: string, outbox: Outbox): void {
  const [verb, name = self, argument = '0'] = order.split(' ')
  const pause: Message = { kind: 'pause', partitions: [], paused: true }
  if (verb === 'send') outbox.push({ kind: 'send', to: { node: Number(argument), actor: name }, message: pause })
  if (verb === 'ask')
    outbox.push({ kind: 'send', to: { node: Number(argument), actor: name }, message: { kind: 'listGroups', correlationId: 9 } })
  if (verb === 'timer') outbox.push({ kind: 'startTimer', timer: name, afterMillis: Number(argument) })
  if (verb === 'cancel') outbox.push({ kind: 'cancelTimer', timer: name })
  if (verb === 'spawn') outbox.push({ kind: 'spawn', actor: name, url: import.meta.url, config: node })
  if (verb === 'load') outbox.push({ kind: 'spawn', actor: name, url: LATE, config: { partition: Number(argument), topicConfig: {} } })
  if (verb === 'stop') outbox.push({ kind: 'stop', actor: name })
  if (verb === 'list') outbox.push({ kind: 'list', log: 't-0.1', token: 1 })
  if (verb === 'append') outbox.push({ kind: 'append', log: 't-0.1', file: 'a', position: 0, bytes: new Uint8Array(3), token: 2 })
  if (verb === 'sync') outbox.push({ kind: 'sync', log: 't-0.1', file: 'a', token: 3 })
  if (verb === 'report') outbox.push({ kind: 'report', node: 7, reason: 'all is lost' })
  if (verb === 'fatal') outbox.push({ kind: 'fatal', reason: 'no room' })
  if (verb === 'break') throw new InvariantViolation('X1 on purpose')
  if (verb === 'throw') throw new RangeError('on purpose')
}
