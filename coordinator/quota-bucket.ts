/**
 * A token bucket: it fills at a rate, up to what flows in BURST_MILLIS. Whoever takes more than there is pays afterwards: tokens go below zero, and nobody who shares the
 * bucket goes on before they are back. So nothing is taken in any span of time beyond the burst, what flows in meanwhile, and one last piece for each who shares it; and
 * who always has something to take gets the rate, whatever the sizes.
 */

/** Tokens are bytes, or microseconds of a thread; times are uptimes in milliseconds. */
export interface TokenBucket {
  tokens: number
  perSecond: number
  at: number
}

/** What a bucket holds when it is full. Short, so that the rate holds over seconds; long enough to make up for a thread that is late. */
export const BURST_MILLIS = 100

/** What may be taken from a full bucket. */
export function burstOf(perSecond: number): number {
  return Math.max(1, Math.floor((perSecond * BURST_MILLIS) / 1000))
}

/** A full bucket. */
export function newBucket(perSecond: number, uptime: number): TokenBucket {
  return { tokens: burstOf(perSecond), perSecond, at: uptime }
}

/** What has flown in so far is in it. */
export function refill(bucket: TokenBucket, uptime: number): void {
  const gained = (bucket.perSecond * Math.max(0, uptime - bucket.at)) / 1000
  bucket.tokens = Math.min(burstOf(bucket.perSecond), bucket.tokens + gained)
  bucket.at = Math.max(bucket.at, uptime)
}

/** From now on it fills at another rate. */
export function changeRate(bucket: TokenBucket, perSecond: number, uptime: number): void {
  refill(bucket, uptime)
  bucket.perSecond = perSecond
  bucket.tokens = Math.min(burstOf(perSecond), bucket.tokens)
}

/** Takes what was sent, read or spent already. */
export function take(bucket: TokenBucket, count: number, uptime: number): void {
  refill(bucket, uptime)
  bucket.tokens -= count
}

/** How long nothing more may be taken, in whole milliseconds, as of the last refill. */
export function millisToCredit({ tokens, perSecond }: TokenBucket): number {
  return tokens >= 0 ? 0 : Math.ceil((-tokens / perSecond) * 1000)
}

/** Nobody could tell it from a new one. */
export function isFull({ tokens, perSecond }: TokenBucket): boolean {
  return tokens >= burstOf(perSecond)
}
