/**
 * The contract between behaviours and hosts. A behaviour takes one message and returns data that says what to do: it never
 * waits, never reads a clock and never touches a file. That is why the same source runs on a worker thread, on the
 * caller's thread and in the simulator.
 */
import type { Address } from '../protocol/address.ts'
import type { Message } from '../protocol/messages/message.ts'
import type { Effect } from './effect.ts'

export type { Address } from '../protocol/address.ts'

/** What a behaviour may know of the world while it handles one message: values, not functions. Reused: do not keep it. */
export interface Context {
  /** Who sent the message; the actor itself for timers, storage answers and `started`. */
  readonly from: Address
  /** Wall clock, milliseconds since 1970. May step; for timestamps only. */
  readonly now: number
  /** Monotonic clock, milliseconds; for deadlines. */
  readonly uptime: number
  /** A fresh unsigned 32-bit draw per message. */
  readonly random: number
}

/** Where a behaviour puts its effects; executed in order after `receive` returns. */
export interface Outbox {
  push(effect: Effect): void
}

/** A behaviour: functions over an explicit, plain-data state. A host calls `receive` with one message at a time. */
export interface Actor<State, Config> {
  /** Where a host loads this behaviour from: always `import.meta.url`. The module exports it under the name `actor`. */
  readonly url: string
  /** The first state. The host then delivers `started`. */
  start(self: Address, config: Config): State
  /** Handles one message to completion. May change `state` in place, may push effects; does nothing else. */
  receive(state: State, message: Message, context: Context, outbox: Outbox): void
}
