/**
 * Who waits for the metadata to change: applications that want to hear of it. Each asks with the offset that it has, is answered as soon as there is more
 * or after a while, and asks again.
 */
import type { Address } from '../protocol/address.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import type { Context, Outbox } from './actor.ts'
import { metadataBehind } from './coordinator-brokers.ts'
import { controllerOf } from './coordinator-quorum.ts'
import type { QuorumSeat } from './coordinator-quorum.ts'

/** Somebody who waits. */
export interface MetadataWatcher {
  readonly from: Address
  readonly correlationId: number
  readonly metadataOffset: number
  /** Uptime at which it is answered that there is nothing. */
  readonly deadline: number
}

/** Whoever waits knows after so long at the latest that the coordinator lives. */
const WATCH_MILLIS = 1000

/** Watchers at a time; the oldest is answered when there are more. */
const WATCHERS_MAX = 100

/** Somebody begins to wait; `answerWatchers` follows. */
export function addWatcher(watchers: MetadataWatcher[], request: MessageOf<'watchMetadata'>, context: Context): void {
  const { correlationId, metadataOffset } = request
  watchers.push({ from: context.from, correlationId, metadataOffset, deadline: context.uptime + WATCH_MILLIS })
}

/** Something has happened: whoever need not wait any longer is answered, or, by a coordinator that does not lead, sent away. */
export function answerWatchers(watchers: MetadataWatcher[], seat: QuorumSeat, { uptime }: Context, outbox: Outbox): void {
  const waiting = watchers.splice(0)
  const surplus = waiting.length - WATCHERS_MAX
  waiting.forEach((one, i) => {
    const { from: to, correlationId, metadataOffset, deadline } = one
    const isOver = i < surplus || uptime >= deadline || seat.image.endOffset > metadataOffset
    if (!seat.isActive) {
      const message = { kind: 'notController', correlationId, controller: controllerOf(seat), isUncertain: false } as const
      outbox.push({ kind: 'send', to, message })
    } else if (isOver) {
      outbox.push({ kind: 'send', to, message: { kind: 'metadataWatched', correlationId, ...metadataBehind(seat, metadataOffset) } })
    } else watchers.push(one)
  })
}
