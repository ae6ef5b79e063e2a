/**
 * Which seeds have a share group, and which of those keep to a quota. Both streams are their own: what other seeds do stays as it is.
 */
import { Random } from './random.ts'

/** The highest rates of each member of the group. */
export interface ShareQuota {
  /** Low enough that a member would like more. */
  readonly consumerByteRate: number
  /** In per cent of a thread; null: the time of requests is not limited. */
  readonly requestPercentage: number | null
}

/** The share group of a run. */
export interface SharePlan {
  /** Its members; 0: there is none. */
  readonly sharerCount: number
  /** What they keep to; null: nobody limits them. */
  readonly shareQuota: ShareQuota | null
}

/** Of so many seeds one has a share group; */
const GROUP_SHARE = 4
/** of so many share groups one keeps to a quota. */
const QUOTA_SHARE = 5

/** The share group of a seed, of one to three members; `isCertain`: there is one in any case. */
export function drawSharing(seed: number, isCertain: boolean): SharePlan {
  const random = new Random(seed, 'sharers')
  if (random.below(GROUP_SHARE) > 0 && !isCertain) return { sharerCount: 0, shareQuota: null }
  return { sharerCount: random.between(1, 3), shareQuota: drawQuota(seed) }
}

function drawQuota(seed: number): ShareQuota | null {
  const random = new Random(seed, 'share-plan/quota')
  if (random.below(QUOTA_SHARE) > 0) return null
  return { consumerByteRate: random.pick([500, 1000, 3000]), requestPercentage: random.pick([null, 0.05, 0.1]) }
}
