/**
 * Which seeds have guests, and what goes on there beside everything else: an inspector asks what administrators ask (workloads/inspector.ts), and wanderers read as applications may that
 * pause, seek, change their minds and commit what they like (workloads/wanderer.ts). What else the product does, and other seeds do not, is there as well: all clients keep to a quota,
 * brokers hear of deaths, and a node that does not vote starts without a coordinator. Their stream is their own: what other seeds do stays as it is.
 */
import type { ClassicAssignorName } from '../protocol/messages/classic-group.ts'
import type { PlannedQuota } from './plan.ts'
import { Random } from './random.ts'

/** A member of the wanderers' group, through all its lives. */
export interface PlannedWanderer {
  /** What it speaks; null: KIP-848. */
  readonly assignors: readonly ClassicAssignorName[] | null
  /** Mean time between two whims. */
  readonly whimMillis: number
}

/** The guests of a run. */
export interface GuestPlan {
  /** Mean time between two questions of the inspector. */
  readonly askMillis: number
  readonly wanderers: readonly PlannedWanderer[]
  /** Mean time between two questions of the inspector how far replicas are behind; null: it does not ask. */
  readonly lagMillis: number | null
  /** Where the seed has none of its own. */
  readonly quota: PlannedQuota
}

/** The group of the wanderers. */
export const WANDERER_GROUP = 'wanderers'

/** Of so many seeds one has guests. */
const SHARE = 6

/** In so many seeds with guests there is one whose inspector asks how far replicas are behind. */
const LAG_SHARE = 3

/** The guests of a seed; null: it has none. */
export function drawGuests(seed: number): GuestPlan | null {
  const random = new Random(seed, 'guests')
  if (random.below(SHARE) > 0) return null
  const assignors = random.pick<readonly ClassicAssignorName[] | null>([null, ['range'], ['cooperative-sticky']])
  const wanderers = Array.from({ length: random.between(1, 3) }, () => ({ assignors, whimMillis: random.pick([30, 100, 400]) }))
  const producerByteRate = random.pick([800, 1600, 6400])
  const quota: PlannedQuota = {
    producerByteRate,
    consumerByteRate: producerByteRate * random.pick([2, 4]),
    requestPercentage: random.pick([null, 0.1, 0.2]),
    isDefault: random.below(2) === 0,
  }
  return { askMillis: random.pick([20, 50, 150]), wanderers, lagMillis: drawLagMillis(seed), quota }
}

function drawLagMillis(seed: number): number | null {
  const random = new Random(seed, 'guests/lags')
  return random.below(LAG_SHARE) > 0 ? null : random.pick([20, 100])
}
