/**
 * Which seeds have a share group, which of those keep to a quota, and where its coordinator is succeeded often. All streams are their own: what other seeds do stays as it is.
 */
import { Random } from './random.ts'

/** The highest rates of each member of the group. */
export interface ShareQuota {
  /** Low enough that a member would like more. */
  readonly consumerByteRate: number
  /** In per cent of a thread; null: the time of requests is not limited. */
  readonly requestPercentage: number | null
}

/** A group whose coordinator is succeeded often. */
export interface ShareSuccession {
  /** Mean time from one to the next. */
  readonly pauseMillis: number
  /** Its members take so long at most for what they are given. */
  readonly handlingMillis: number
}

/** The share group of a run. */
export interface SharePlan {
  /** Its members; 0: there is none. */
  readonly sharerCount: number
  /** What they keep to; null: nobody limits them. */
  readonly shareQuota: ShareQuota | null
  /** Null: no more often than others. */
  readonly shareSuccession: ShareSuccession | null
}

/** Of so many seeds one has a share group; */
const GROUP_SHARE = 4
/** of so many share groups one keeps to a quota. */
const QUOTA_SHARE = 5
/** in one of so many their coordinators are succeeded often. */
const SUCCESSION_SHARE = 4
const SUCCESSION_CHOSEN = 1

/** The share group of a seed, of one to three members; `isCertain`: there is one in any case. */
export function drawSharing(seed: number, isCertain: boolean): SharePlan {
  const random = new Random(seed, 'sharers')
  if (random.below(GROUP_SHARE) > 0 && !isCertain) return { sharerCount: 0, shareQuota: null, shareSuccession: null }
  const sharerCount = random.between(1, 3)
  const shareSuccession = drawSuccession(seed)
  return { sharerCount: shareSuccession === null ? sharerCount : Math.max(2, sharerCount), shareQuota: drawQuota(seed), shareSuccession }
}

function drawSuccession(seed: number): ShareSuccession | null {
  const random = new Random(seed, 'share-plan/succession')
  if (random.below(SUCCESSION_SHARE) !== SUCCESSION_CHOSEN) return null
  return { pauseMillis: random.pick([600, 1500]), handlingMillis: random.pick([300, 700]) }
}

function drawQuota(seed: number): ShareQuota | null {
  const random = new Random(seed, 'share-plan/quota')
  if (random.below(QUOTA_SHARE) > 0) return null
  return { consumerByteRate: random.pick([500, 1000, 3000]), requestPercentage: random.pick([null, 0.05, 0.1]) }
}
