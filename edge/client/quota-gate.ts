/**
 * How a client without an actor of its own keeps to its quotas: it asks to pass before it asks for more, and says what it has been given. The rest is as for others
 * (actors/client-quota.ts), with the keeper of this host.
 */
import { chargeQuota, isMuted, joinQuota, newClientQuota, onRequestTimed, onThrottled } from '../../actors/client-quota.ts'
import type { ClientQuotaState } from '../../actors/client-quota.ts'
import type { Effect } from '../../actors/effect.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import type { RequestTimed } from '../../protocol/messages/quota.ts'
import type { Engine } from './engine.ts'

/** See the header. */
export class QuotaGate {
  readonly #engine: Engine
  readonly #port: Address
  readonly #quota: ClientQuotaState | null
  readonly #outbox: { push(effect: Effect): void }
  /** Somebody waits to pass. */
  #wake: () => void = () => undefined
  #isOpen = true

  /** A consumer of that name and group. */
  constructor(engine: Engine, name: string, clientId: string | null, group: string) {
    this.#engine = engine
    this.#port = engine.host.openPort(`${name}/quota`, (message) => this.#onMessage(message))
    this.#outbox = { push: (effect) => this.#push(effect) }
    const identity = { ...engine.quotas, clientId }
    this.#quota = newClientQuota(identity)
    joinQuota(identity, 'consumerByteRate', group, this.#outbox)
    engine.loop.kick()
  }

  /** Its requests are to be timed. */
  get isTimed(): boolean {
    return this.#quota?.isTimed === true
  }

  /** Waits until it may ask for more, but no longer than that; false if it may not. */
  async pass(waitMillis: number): Promise<boolean> {
    const deadline = performance.now() + waitMillis
    for (let now = performance.now(); this.#isOpen && isMuted(this.#quota, now); now = performance.now()) {
      if (now >= deadline) return false
      const { mutedUntil = 0 } = this.#quota ?? {}
      await this.#news(Math.ceil(Math.min(mutedUntil > now ? mutedUntil : deadline, deadline) - now))
    }
    return this.#isOpen
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
    this.#wake = resolve
    return promise.finally(() => clearTimeout(timer))
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
