/**
 * Finds text in what was said: in kinds, in bodies, in names of actors and in faults. Every word must be there. Hits are in the order of time.
 */
import { hostName } from './run.ts'
import type { Run } from './run.ts'
import type { Mask } from './filter.ts'
import type { Thing } from './thing.ts'

/** Something that was found. */
export interface Hit {
  readonly at: number
  readonly thing: Thing
}

/** All hits among what is seen. */
export function search(run: Run, mask: Mask, text: string): Hit[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  if (words.length === 0) return []
  const { flights, steps, faults } = run.timeline
  const matches = saidTest(run, words)
  const hits: Hit[] = []
  for (let i = 0; i < run.flights.count; i++) {
    if (mask.flights[i] === 0) continue
    const said = {
      kind: flights.kind[i]!,
      body: flights.body[i]!,
      actors: [flights.fromActor[i]!, flights.toActor[i]!],
      hosts: [flights.from[i]!, flights.to[i]!],
    }
    if (matches(said)) hits.push({ at: flights.sentAt[i]!, thing: { of: 'flight', index: i } })
  }
  for (let i = 0; i < run.steps.count; i++) {
    if (mask.steps[i] === 0) continue
    const said = { kind: steps.kind[i]!, body: steps.body[i]!, actors: [steps.fromActor[i]!, steps.toActor[i]!], hosts: [steps.host[i]!] }
    if (matches(said)) hits.push({ at: steps.at[i]!, thing: { of: 'step', index: i } })
  }
  faults.forEach(({ kind, text: more, begin }, index) => {
    if (hasAll(`fault ${kind} ${more}`.toLowerCase(), words)) hits.push({ at: begin, thing: { of: 'fault', index } })
  })
  return hits.toSorted((a, b) => a.at - b.at)
}

/** The index of the hit that follows a time, or comes before it; -1 if there is none. Behind the last comes the first. */
export function nextHit(hits: readonly Hit[], current: number, step: 1 | -1): number {
  return hits.length === 0 ? -1 : (current + step + hits.length) % hits.length
}

/** The first hit from a time on, or the first of all. */
export function firstHit(hits: readonly Hit[], time: number): number {
  const index = hits.findIndex(({ at }) => at >= time)
  return index < 0 && hits.length > 0 ? 0 : index
}

interface Said {
  readonly kind: number
  readonly body: number
  readonly actors: readonly number[]
  readonly hosts: readonly number[]
}

/** Texts come again and again: each is looked at once for each word. */
function saidTest(run: Run, words: readonly string[]): (said: Said) => boolean {
  const { kinds, bodies, actors } = run.timeline
  const tests = words.map((word) => ({
    kinds: kinds.map(({ name }) => name.toLowerCase().includes(word)),
    bodies: bodies.map((body) => body.toLowerCase().includes(word)),
    actors: actors.map((actor) => actor.toLowerCase().includes(word)),
    hosts: new Map([...run.laneOf.keys()].map((host) => [host, hostName(run, host).toLowerCase().includes(word)])),
  }))
  return ({ kind, body, actors: from, hosts }) =>
    tests.every(
      (one) =>
        one.kinds[kind] === true ||
        one.bodies[body] === true ||
        from.some((actor) => one.actors[actor]) ||
        hosts.some((host) => one.hosts.get(host)),
    )
}

function hasAll(text: string, words: readonly string[]): boolean {
  return words.every((word) => text.includes(word))
}
