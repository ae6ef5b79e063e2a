/**
 * Which seeds have ambushes, and of what manner: trouble that does not come by chance, but at a moment that is rare in the run. Faults at drawn times hit what takes long; a moment between two messages
 * they hardly ever hit twice in a row. Their stream is their own: what other seeds do stays as it is.
 */
import { Random } from './random.ts'

/** What happens at such a moment. */
export type Manner =
  /** What the disk of the host does, and what its actors say to each other, takes its time, so that the moment lasts. */
  | 'linger'
  /** What the actor has been sent from elsewhere comes once more. */
  | 'again'
  /** The actor is asked what others like it have been asked. */
  | 'asked'
  /** The host dies, and another one, perhaps, when it is back. */
  | 'death'
  /** Another node dies: who has spoken last, if it was one. */
  | 'bereft'
  /** The host neither hears other nodes nor is heard by them. */
  | 'alone'
  /** The host sleeps, for longer than its session, perhaps. */
  | 'asleep'

/** The ambushes of a run. */
export interface AmbushPlan {
  readonly manners: readonly Manner[]
  /** Between two, on average, in microseconds. */
  readonly pauseMicros: number
}

/** Of so many seeds one has them. */
const SHARE = 5

const MANNERS: readonly Manner[] = ['linger', 'again', 'asked', 'death', 'bereft', 'alone', 'asleep']

/** Between two, on average, in microseconds. */
const PAUSES_MICROS = [300_000, 1_000_000, 3_000_000] as const

/** The ambushes of a seed; null: it has none. Which manners it has is drawn one by one (swarm testing: Groce et al. 2012). */
export function drawAmbushes(seed: number, share: number = SHARE): AmbushPlan | null {
  const random = new Random(seed, 'ambushes')
  if (random.below(share) > 0) return null
  const drawn = MANNERS.filter(() => random.below(2) === 0)
  return { manners: drawn.length > 0 ? drawn : [random.pick(MANNERS)], pauseMicros: random.pick(PAUSES_MICROS) }
}
