/**
 * How a client without an actor of its own keeps to its quotas: it asks to pass before it asks for more, says what it has been given, and what its questions took. The
 * rest is as for others (actors/client-quota.ts), with the keeper of this host.
 */
import { chargeQuota, gateDue, joinQuota, newClientQuota, onRequestTimed, onThrottled } from '../../actors/client-quota.ts'
import type { ClientQuotaState } from '../../actors/client-quota.ts'
import type { Effect } from '../../actors/effect.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { JoinQuota, RequestTimed } from '../../protocol/messages/quota.ts'
import type { Engine } from './engine.ts'

/** Who pays at a gate. */
export interface GateIdentity {
  /** Unique on the host. */
  readonly name: string
  readonly clientId: string | null
  readonly group: string | null
  readonly key: JoinQuota['key']
  /** How long a question waits at most that does not ask to pass; 0 for one whose records or session would be lost meanwhile. */
  readonly patienceMillis: number
}

/** Whose clients they are, as far as a gate needs to know. */
export type GateEngine = Pick<Engine, 'host' | 'loop' | 'quotas'>

/** See the header. */
export class QuotaGate {
  readonly #engine: GateEngine
  readonly #port: Address
  readonly #quota: ClientQuotaState | null
  readonly #outbox: { push(effect: Effect): void }
  readonly #identity: GateIdentity
  /** Those who wait to pass. */
  readonly #waiting: Set<() => void> = new Set()
  #isOpen = true

  constructor(engine: GateEngine, identity: GateIdentity) {
    this.#engine = engine
    this.#identity = identity
    this.#port = engine.host.openPort(`${identity.name}/quota`, (message) => this.#onMessage(message))
    this.#outbox = { push: (effect) => this.#push(effect) }
    this.#quota = newClientQuota({ ...engine.quotas, clientId: identity.clientId })
  }

  /** Says who it is; before, and until it is answered, it asks for no time. Its keeper must be there. */
  join(): void {
    const { key, group, clientId } = this.#identity
    joinQuota({ ...this.#engine.quotas, clientId }, key, group, this.#outbox)
    this.#engine.loop.kick()
  }

  /** Its requests are to be timed. */
  get isTimed(): boolean {
    return this.#quota?.isTimed === true
  }

  /** Waits until it may ask for more, but no longer than that; false if it may not. */
  async pass(waitMillis: number): Promise<boolean> {
    const deadline = performance.now() + waitMillis
    while (this.#isOpen) {
      const now = performance.now()
      const due = gateDue(this.#quota, now)
      if (due <= now) return true
      if (now >= deadline) return false
      await this.#news(Math.ceil(Math.min(due, deadline) - now))
    }
    return false
  }

  /** Waits as long as a question does that is asked in any case. */
  async admit(): Promise<void> {
    const { patienceMillis } = this.#identity
    if (patienceMillis > 0) await this.pass(patienceMillis)
  }

  /** It has been given so much. */
  charge(sizeBytes: number): void {
    if (chargeQuota(this.#quota, sizeBytes, this.#outbox)) this.#engine.loop.kick()
  }

  /** A request of its has taken so long. */
  onTimed(timed: RequestTimed): void {
    onRequestTimed(this.#quota, timed, this.#outbox)
    this.#engine.loop.kick()
  }

  /** Whoever waits does so no longer. */
  close(): void {
    this.#isOpen = false
    this.#wake()
    this.#outbox.push({ kind: 'send', to: this.#engine.quotas.keeper, message: { kind: 'leaveQuota' } })
    this.#engine.host.closePort(this.#port.actor)
  }

  #news(millis: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, millis)
    this.#waiting.add(resolve)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(resolve)
    })
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }

  #onMessage(message: Message): void {
    if (message.kind !== 'throttled') return
    onThrottled(this.#quota, message, performance.now())
    this.#wake()
  }

  #push(effect: Effect): void {
    if (effect.kind === 'send') this.#engine.host.post(effect.to, this.#port, effect.message)
  }
}
