/**
 * What a reader wants to see: families of messages, an actor or a lane, a partition. The answer is one byte for each message and each step: 1 is seen.
 */
import { FAMILIES } from '../families.ts'
import type { Family } from '../families.ts'
import { hostName } from './run.ts'
import type { Run } from './run.ts'

/** What is wanted. */
export interface Filter {
  readonly hidden: ReadonlySet<Family>
  /** Part of the name of an actor or a lane; '' is everybody. */
  readonly actor: string
  /** Only what is about it; null: all of them. */
  readonly partition: string | null
}

/** What is seen. */
export interface Mask {
  readonly flights: Uint8Array
  readonly steps: Uint8Array
}

/** Timers tell least, and there are most of them. */
export const FIRST_FILTER: Filter = { hidden: new Set<Family>(['timers']), actor: '', partition: null }

/** Works out what is seen. */
export function maskOf(run: Run, filter: Filter): Mask {
  const { flights, steps } = run.timeline
  const shown = FAMILIES.map((family) => !filter.hidden.has(family))
  const isWanted = actorTest(run, filter.actor)
  const isAbout = partitionTest(run, filter.partition)
  return {
    flights: Uint8Array.from(flights.sentAt, (_, i) => {
      if (shown[run.flights.family[i]!] !== true) return 0
      const [from, to] = [flights.fromActor[i]!, flights.toActor[i]!]
      if (!isWanted(from, flights.from[i]!) && !isWanted(to, flights.to[i]!)) return 0
      return isAbout(from, to, flights.body[i]!) ? 1 : 0
    }),
    steps: Uint8Array.from(steps.at, (_, i) => {
      if (shown[run.steps.family[i]!] !== true) return 0
      const [from, to, host] = [steps.fromActor[i]!, steps.toActor[i]!, steps.host[i]!]
      if (!isWanted(from, host) && !isWanted(to, host)) return 0
      return isAbout(from, to, steps.body[i]!) ? 1 : 0
    }),
  }
}

type ActorTest = (actor: number, host: number) => boolean

function actorTest(run: Run, text: string): ActorTest {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return () => true
  const known = new Map<string, boolean>()
  return (actor, host) => {
    const key = `${actor} ${host}`
    const before = known.get(key)
    if (before !== undefined) return before
    const name = `${run.timeline.actors[actor] ?? ''}@${host} ${hostName(run, host)}`.toLowerCase()
    const isWanted = name.includes(wanted)
    known.set(key, isWanted)
    return isWanted
  }
}

function partitionTest({ timeline: { actors, bodies } }: Run, name: string | null): (from: number, to: number, body: number) => boolean {
  if (name === null) return () => true
  const cut = name.lastIndexOf('-')
  const [topic, partition] = [name.slice(0, cut), name.slice(cut + 1)]
  const isReplica = actors.map((actor) => actor === `replica/${name}`)
  const words = [`"topic":"${topic}"`, `"name":"${topic}"`]
  const names = bodies.map((body) => words.some((word) => body.includes(word)) && new RegExp(`"partition":${partition}\\b`).test(body))
  return (from, to, body) => isReplica[from] === true || isReplica[to] === true || names[body] === true
}
