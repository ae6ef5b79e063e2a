/**
 * Which seeds have a group that speaks the classic protocol, and how. It is one more group that reads all topics, beside the one that speaks KIP-848; in half of these seeds the
 * members that process records (readers, the pipeline) speak it, too. Its stream is its own: what other seeds do stays as it is.
 */
import type { ClassicAssignorName } from '../protocol/messages/classic-group.ts'
import { Random } from './random.ts'

/** The classic group of a run. */
export interface ClassicPlan {
  /** By member: what it speaks, what it likes best first. */
  readonly assignors: readonly (readonly ClassicAssignorName[])[]
  /** Members come back under the name that they had (KIP-345). */
  readonly isStatic: boolean
  /** By member: it subscribes to a pattern that matches all topics, not to their names. */
  readonly hasPattern: readonly boolean[]
  /** What the members of other groups that process records speak; null: KIP-848. */
  readonly processing: readonly ClassicAssignorName[] | null
  /** Mean time between two deaths of a member, and until it lives again: shorter or longer than the group takes to notice. */
  readonly crashMillis: number
  readonly restartMillis: number
  /** A member that must let go takes so long now and then, on average, in which its group may go on without it; 0: never. */
  readonly releaseMillis: number
  /** Members leave rather than die, and come back soon: the group hardly ever rests. */
  readonly isRestless: boolean
}

/** Who a member of the classic group is. */
export interface ClassicIdentity {
  readonly assignors: readonly ClassicAssignorName[]
  readonly instanceId: string | null
  readonly hasPattern: boolean
  /** It lives again after so long on average. */
  readonly restartMillis: number
  /** It takes so long now and then to let go, on average; 0: never. */
  readonly releaseMillis: number
  /** It leaves, rather than to die. */
  readonly isRestless: boolean
}

/** The group. */
export const CLASSIC_GROUP = 'joiner'

/** Of so many seeds one has it. */
const SHARE = 4

/** Of so many seeds with one, it hardly ever rests in one. */
const RESTLESS_SHARE = 3

/** What members speak: mostly all the same; or each something else, and one protocol in common. */
const CHOICES: readonly (readonly (readonly ClassicAssignorName[])[])[] = [
  [['range']],
  [['roundrobin']],
  [['sticky']],
  [['cooperative-sticky']],
  [['cooperative-sticky']],
  [['cooperative-sticky', 'range'], ['cooperative-sticky']],
  [
    ['sticky', 'range'],
    ['range', 'roundrobin'],
  ],
]

const PROCESSING: readonly (readonly ClassicAssignorName[] | null)[] = [null, null, ['range'], ['cooperative-sticky']]

/** Whether the members of other groups that process records speak the classic protocol. */
export function speaksClassic(plan: ClassicPlan | null): boolean {
  return plan !== null && plan.processing !== null
}

/** The classic group of a seed; null: it has none. */
export function drawClassic(seed: number, isCertain: boolean): ClassicPlan | null {
  const random = new Random(seed, 'classic')
  if (random.below(SHARE) > 0 && !isCertain) return null
  const choice = random.pick(CHOICES)
  const size = random.between(2, 3)
  const plan: ClassicPlan = {
    assignors: Array.from({ length: size }, (_, index) => choice[index % choice.length] ?? []),
    isStatic: random.below(2) === 0,
    hasPattern: Array.from({ length: size }, () => random.below(4) === 0),
    processing: random.pick(PROCESSING),
    crashMillis: random.pick([1000, 3000, 10_000]),
    restartMillis: random.pick([400, 2000, 4000]),
    releaseMillis: new Random(seed, 'classic/letting-go').pick([0, 0, 5000]),
    isRestless: false,
  }
  const restless = new Random(seed, 'classic/haste')
  return restless.below(RESTLESS_SHARE) !== 1 ? plan : withoutRest(restless, plan)
}

/** Those that have names are not missed when they leave: mostly they have none. */
function withoutRest(random: Random, plan: ClassicPlan): ClassicPlan {
  return {
    ...plan,
    isStatic: plan.isStatic && random.below(2) === 0,
    crashMillis: random.pick([500, 1500, 3000]),
    restartMillis: random.pick([100, 400, 1000]),
    releaseMillis: random.pick([0, 3000, 6000, 6000]),
    isRestless: true,
  }
}
