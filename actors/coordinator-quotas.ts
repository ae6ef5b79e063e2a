/**
 * Who asks the coordinator for the quotas of clients: administrators are answered at once; keepers of quotas (quotas.ts) wait until they change, or a while, and ask
 * again. Versions are offsets of the metadata log, as this coordinator saw quotas change: those of another one only make a keeper hear what it knows.
 */
import type { Address } from '../protocol/address.ts'
import type { MessageOf } from '../protocol/messages/message.ts'
import { sortedQuotas } from '../coordinator/quotas.ts'
import type { ClientQuotas } from '../coordinator/quotas.ts'
import type { Context, Outbox } from './actor.ts'
import { controllerOf } from './coordinator-quorum.ts'
import type { QuorumSeat } from './coordinator-quorum.ts'

/** Somebody who waits for quotas to change. */
interface QuotaWatcher {
  readonly from: Address
  readonly correlationId: number
  readonly version: number
  readonly deadline: number
}

/** What a coordinator knows of those who ask. */
export interface QuotaWatch {
  readonly watchers: QuotaWatcher[]
  /** The quotas of this version; null before anybody asked. */
  quotas: ClientQuotas | null
  version: number
}

/** Whoever waits knows after so long at the latest that the coordinator lives. */
const WATCH_MILLIS = 2000

/** Watchers at a time; the oldest is answered when there are more. */
const WATCHERS_MAX = 100

/** Nobody has asked yet. */
export function newQuotaWatch(): QuotaWatch {
  return { watchers: [], quotas: null, version: -1 }
}

/** Somebody asks; `answerQuotas` follows. */
export function addQuotaWatcher(watch: QuotaWatch, request: MessageOf<'describeClientQuotas'>, context: Context): void {
  const { correlationId, version } = request
  watch.watchers.push({ from: context.from, correlationId, version, deadline: context.uptime + WATCH_MILLIS })
}

/** Something has happened: whoever need not wait any longer is answered, or, by a coordinator that does not lead, sent away. */
export function answerQuotas(watch: QuotaWatch, seat: QuorumSeat, { uptime }: Context, outbox: Outbox): void {
  if (watch.watchers.length === 0) return
  const { quotas, endOffset } = seat.image
  if (watch.quotas !== quotas) watch.version = endOffset
  watch.quotas = quotas
  const { version } = watch
  const waiting = watch.watchers.splice(0)
  const surplus = waiting.length - WATCHERS_MAX
  waiting.forEach((one, i) => {
    const { from: to, correlationId } = one
    if (!seat.isActive) {
      const message = { kind: 'notController', correlationId, controller: controllerOf(seat), isUncertain: false } as const
      outbox.push({ kind: 'send', to, message })
    } else if (one.version !== version || i < surplus || uptime >= one.deadline) {
      const entries = one.version === version ? null : sortedQuotas(quotas)
      outbox.push({ kind: 'send', to, message: { kind: 'clientQuotasDescribed', correlationId, version, entries } })
    } else watch.watchers.push(one)
  })
}
