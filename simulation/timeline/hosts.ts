/**
 * The lanes of a timeline while they come into being: nodes by their number, clients by what they play, through all their lives.
 */
import type { DeathKind } from '../onlooker.ts'
import type { Lane, Life, Span } from './model.ts'

type Open<Of> = { -readonly [Name in keyof Of]: Of[Name] }

interface OpenLane {
  readonly name: string
  readonly isNode: boolean
  readonly lives: Open<Life>[]
  readonly pauses: Open<Span>[]
  readonly notes: { readonly at: number; readonly text: string }[]
}

/** All hosts of a run. */
export class Hosts {
  readonly #lanes: Map<string, OpenLane> = new Map()
  readonly #byHost: Map<number, OpenLane> = new Map()

  booted(at: number, host: number, role: string | null): void {
    const name = role ?? `node ${host}`
    const lane = this.#lanes.get(name) ?? { name, isNode: host >= 0, lives: [], pauses: [], notes: [] }
    this.#lanes.set(name, lane)
    this.#byHost.set(host, lane)
    lane.lives.push({ host, begin: at, end: -1, how: null })
  }

  died(at: number, host: number, how: DeathKind): void {
    const lane = this.#byHost.get(host)
    const life = lane?.lives.findLast((one) => one.host === host && one.how === null)
    if (lane === undefined || life === undefined) return
    life.end = at
    life.how = how
    endPause(lane, at)
  }

  /** `until` may be now: then a pause ends. */
  paused(at: number, host: number, until: number): void {
    const lane = this.#byHost.get(host)
    if (lane === undefined) return
    endPause(lane, at)
    if (until > at) lane.pauses.push({ begin: at, end: until })
  }

  noted(at: number, host: number, text: string): void {
    this.#byHost.get(host)?.notes.push({ at, text })
  }

  /** Nodes first, then clients in the order in which they came. */
  lanes(): Lane[] {
    const lanes = [...this.#lanes.values()]
    return [...lanes.filter(({ isNode }) => isNode), ...lanes.filter(({ isNode }) => !isNode)]
  }
}

function endPause({ pauses }: OpenLane, at: number): void {
  const last = pauses.at(-1)
  if (last !== undefined && last.end > at) last.end = at
}
