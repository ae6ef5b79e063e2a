/**
 * The actors of one recorded thread, run again: outside of any thread, host or disk, each is given what it was given, with the time and the chance of then. Behaviours are
 * those of the simulator; what they assert of their own state holds here, too. What checkers of a whole simulated cluster look at is not there.
 */
import type { Address } from '../../actors/actor.ts'
import type { Effect } from '../../actors/effect.ts'
import { KafkaError } from '../../protocol/errors.ts'
import type { Entry, SpawnedEntry, StepEntry } from '../../protocol/recording/entries.ts'
import { behaviourNamed } from '../behaviours.ts'
import type { Behaviour } from '../behaviours.ts'
import { bothOf, compareOutcomes } from './difference.ts'
import type { Difference, LiveOutcome } from './difference.ts'

interface ReplayedActor {
  readonly behaviour: Behaviour
  state: unknown
}

/** The first message of which something else comes now. */
export interface Divergence {
  readonly thread: string
  readonly actor: Address
  /** Which input of the thread, from 1; that at which the actor was started, where its start throws. */
  readonly input: number
  /** Null: the start of the actor. */
  readonly step: StepEntry | null
  readonly difference: Difference
}

/** What one input has come to. `step` null: an actor could not be started. */
export interface ReplayedStep {
  readonly input: number
  readonly step: StepEntry | null
  readonly effects: readonly Effect[]
  readonly divergence: Divergence | null
}

/** One thread. See the header. */
export class ReplayedThread {
  /** `thread 1`, and which life of it, if not the first. */
  readonly name: string
  /** Actors that were started, each time counted. */
  actorCount = 0
  /** Messages that were given to actors: all of them, and those that were replayed. */
  inputCount = 0
  replayedCount = 0
  /** What came of these. */
  effectCount = 0
  readonly #isWanted: (actor: Address) => boolean
  readonly #actors: Map<string, ReplayedActor> = new Map()

  /** `isWanted` leaves actors out: each is on its own, and the others are the same without it. */
  constructor(name: string, isWanted: (actor: Address) => boolean) {
    this.name = name
    this.#isWanted = isWanted
  }

  /** Does what was done then. Null if there is nothing to tell of: no input, or not one that is wanted. Throws UNSUPPORTED_FORMAT_VERSION for an actor that this code does not have. */
  apply(entry: Entry): ReplayedStep | null {
    if (entry.kind === 'step') this.inputCount++
    if (!this.#isWanted(entry)) return null
    switch (entry.kind) {
      case 'spawned':
        return this.#spawn(entry)
      case 'stopped':
        this.#actors.delete(keyOf(entry))
        return null
      default:
        return this.#step(entry)
    }
  }

  #spawn(entry: SpawnedEntry): ReplayedStep | null {
    const behaviour = behaviourNamed(entry.behaviour)
    const actor = { node: entry.node, actor: entry.actor }
    if (behaviour === undefined)
      throw new KafkaError(
        'UNSUPPORTED_FORMAT_VERSION',
        `${this.name} ran ${entry.actor}, a ${entry.behaviour}, which this version does not have`,
      )
    this.actorCount++
    try {
      this.#actors.set(keyOf(entry), { behaviour, state: behaviour.start(actor, entry.config) })
      return null
    } catch (error) {
      const difference = { effect: null, field: '', ...bothOf('starts', `throws: ${messageOf(error)}`) }
      const input = this.inputCount + 1
      return { input, step: null, effects: [], divergence: { thread: this.name, actor, input, step: null, difference } }
    }
  }

  #step(step: StepEntry): ReplayedStep {
    const key = keyOf(step)
    const actor = this.#actors.get(key)
    if (actor === undefined) throw new KafkaError('CORRUPT_MESSAGE', `${this.name} gives ${key} a message before it is started`)
    const outcome = receive(actor, step)
    this.replayedCount++
    const effects = 'thrown' in outcome ? [] : outcome.effects
    this.effectCount += effects.length
    const difference = compareOutcomes(step.outcome, outcome)
    const address = { node: step.node, actor: step.actor }
    const divergence = difference === null ? null : { thread: this.name, actor: address, input: this.inputCount, step, difference }
    return { input: this.inputCount, step, effects, divergence }
  }
}

function receive({ behaviour, state }: ReplayedActor, { message, context }: StepEntry): LiveOutcome {
  const effects: Effect[] = []
  try {
    behaviour.receive(state, message, context, effects)
    return { effects }
  } catch (error) {
    return { thrown: messageOf(error) }
  }
}

function keyOf({ node, actor }: Address): string {
  return `${actor}@${node}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
