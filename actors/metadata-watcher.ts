/**
 * Tells an application what happens in the cluster: asks the active coordinator again and again for the metadata behind what it has, and makes events of it.
 * Its first answer is where it begins: what was before is nobody's news.
 */
import type { Address } from '../protocol/address.ts'
import { assert } from '../protocol/assert.ts'
import type { Message, MessageOf } from '../protocol/messages/message.ts'
import { applyWithEvents, eventsBetween } from '../coordinator/cluster-events.ts'
import { applyBatches, emptyImage } from '../coordinator/metadata.ts'
import type { MetadataBatch, MetadataImage } from '../coordinator/metadata.ts'
import type { Actor, Context, Outbox } from './actor.ts'
import {
  avoidCoordinator,
  coordinatorOf,
  followController,
  newCoordinatorFinder,
  nextCoordinator,
  replaceCoordinators,
} from './coordinator-finder.ts'
import type { CoordinatorFinder } from './coordinator-finder.ts'

/** What a watcher is started with. */
export interface WatcherConfig {
  readonly coordinatorNodes: readonly number[]
  /** Who hears of the events. */
  readonly client: Address
}

/** What a watcher knows. */
export interface WatcherState {
  readonly config: WatcherConfig
  readonly coordinators: CoordinatorFinder
  image: MetadataImage
  hasBegun: boolean
  /** Of the question under way; -1 during a pause. */
  correlationId: number
  timeoutAt: number
  nextId: number
}

/** A coordinator answers after a second at the latest; beyond that it is silent. */
const SILENCE_MILLIS = 2000

/** Pause before another coordinator is asked. */
const RETRY_MILLIS = 20

const TIMER = 'watch'

/** The behaviour of a watcher. */
export const actor: Actor<WatcherState, WatcherConfig> = {
  url: import.meta.url,
  start: (_self, config) => ({
    config,
    coordinators: newCoordinatorFinder(config.coordinatorNodes),
    image: emptyImage(),
    hasBegun: false,
    correlationId: -1,
    timeoutAt: -1,
    nextId: 1,
  }),
  receive(state: WatcherState, message: Message, context: Context, outbox: Outbox): void {
    switch (message.kind) {
      case 'started':
        return ask(state, context, outbox)
      case 'timerFired':
        return onTimer(state, context, outbox)
      case 'metadataWatched':
        return onWatched(state, message, context, outbox)
      case 'notController':
        if (message.correlationId !== state.correlationId) return
        followController(state.coordinators, context.from.node, message.controller)
        return askSoon(state, outbox)
      case 'undeliverable':
        if (message.correlationId !== state.correlationId) return
        nextCoordinator(state.coordinators)
        return askSoon(state, outbox)
      case 'votersChanged':
        return replaceCoordinators(state.coordinators, message.voters)
      case 'nodeDown':
        if (avoidCoordinator(state.coordinators, message.node)) askSoon(state, outbox)
        return
      default:
        assert(false, `a watcher does not understand ${message.kind}`)
    }
  },
}

function ask(state: WatcherState, { uptime }: Context, outbox: Outbox): void {
  state.correlationId = state.nextId++
  state.timeoutAt = uptime + SILENCE_MILLIS
  const message = {
    kind: 'watchMetadata',
    correlationId: state.correlationId,
    metadataOffset: state.hasBegun ? state.image.endOffset : -1,
  } as const
  outbox.push({ kind: 'send', to: coordinatorOf(state.coordinators), message })
  outbox.push({ kind: 'startTimer', timer: TIMER, afterMillis: SILENCE_MILLIS })
}

function askSoon(state: WatcherState, outbox: Outbox): void {
  state.correlationId = -1
  outbox.push({ kind: 'startTimer', timer: TIMER, afterMillis: RETRY_MILLIS })
}

function onTimer(state: WatcherState, context: Context, outbox: Outbox): void {
  if (state.correlationId >= 0) nextCoordinator(state.coordinators)
  ask(state, context, outbox)
}

function onWatched(state: WatcherState, message: MessageOf<'metadataWatched'>, context: Context, outbox: Outbox): void {
  if (message.correlationId !== state.correlationId) return
  const batches = JSON.parse(new TextDecoder().decode(message.records)) as MetadataBatch[]
  const events = message.isSnapshot || !state.hasBegun ? takeWhole(state, batches) : applyWithEvents(state.image, batches)
  // What follows the last of them holds no metadata.
  state.image.endOffset = Math.max(state.image.endOffset, message.endOffset)
  if (events.length > 0 && state.hasBegun)
    outbox.push({ kind: 'send', to: state.config.client, message: { kind: 'clusterEvents', events } })
  state.hasBegun = true
  ask(state, context, outbox)
}

function takeWhole(state: WatcherState, batches: readonly MetadataBatch[]): ReturnType<typeof eventsBetween> {
  const before = state.image
  state.image = emptyImage()
  applyBatches(state.image, batches)
  return eventsBetween(before, state.image)
}
