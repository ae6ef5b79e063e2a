// Runs one behaviour: a state, a clock that the test sets, and what each message makes it do.

import type { Actor } from '../../actors/actor.ts'
import type { Effect, SendEffect } from '../../actors/effect.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import { describeEffect } from './describe.ts'

/** Who speaks to the actor when a test does not say otherwise. */
export const CLIENT: Address = { node: -1, actor: 'client' }

/** One actor and its surroundings. */
export interface Stage<State> {
  readonly self: Address
  readonly state: State
  /** Wall clock; timers go by `uptime`. */
  now: number
  uptime: number
  random: number
  /** Hands over a message; the effects, in order. */
  deliver(message: Message, from?: Address): Effect[]
}

/** Starts an actor; nothing is delivered yet, not even `started`. */
export function stageOf<State, Config>(actor: Actor<State, Config>, self: Address, config: Config): Stage<State> {
  const state = actor.start(self, config)
  const stage: Stage<State> = {
    self,
    state,
    now: 1_000_000,
    uptime: 0,
    random: 0,
    deliver(message, from = CLIENT): Effect[] {
      const { now, uptime, random } = stage
      const effects: Effect[] = []
      actor.receive(state, message, { from, now, uptime, random }, { push: (effect) => void effects.push(effect) })
      return effects
    },
  }
  return stage
}

/** Effects as lines. */
export function lines(effects: readonly Effect[]): string[] {
  return effects.map(describeEffect)
}

/** The messages of one kind among the effects. */
export function sent<Kind extends Message['kind']>(effects: readonly Effect[], kind: Kind): MessageOf<Kind>[] {
  const messages = effects.filter((effect): effect is SendEffect => effect.kind === 'send').map(({ message }) => message)
  return messages.filter((message): message is MessageOf<Kind> => message.kind === kind)
}

/** The only message of that kind. */
export function sentOne<Kind extends Message['kind']>(effects: readonly Effect[], kind: Kind): MessageOf<Kind> {
  const [message, ...more] = sent(effects, kind)
  if (message === undefined || more.length > 0)
    throw new Error(`${more.length + (message === undefined ? 0 : 1)} messages ${kind}: ${lines(effects).join('; ')}`)
  return message
}
