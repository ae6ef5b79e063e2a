/**
 * Laws for what came of records: each throws a LawError that says what is wrong with which of them, or returns. They compare by identity of primitive values, so give
 * them keys (an order's number), not objects.
 */

/** A law does not hold. */
export class LawError extends Error {
  override readonly name: string = 'LawError'
}

/** Items that an error names, at most. */
const NAMED_MAX = 5

/** Everything that was sent was seen. */
export function noLoss<Item>(sent: Iterable<Item>, seen: Iterable<Item>): void {
  const known = new Set(seen)
  const missing = [...new Set(sent)].filter((item) => !known.has(item))
  if (missing.length > 0) throw new LawError(`${missing.length} of those that were sent were never seen: ${named(missing)}`)
}

/** Nothing was seen twice. */
export function noDuplicates<Item>(seen: Iterable<Item>): void {
  const known = new Set<Item>()
  const twice = new Set<Item>()
  for (const item of seen) {
    if (known.has(item)) twice.add(item)
    known.add(item)
  }
  if (twice.size > 0) throw new LawError(`${twice.size} were seen more than once: ${named([...twice])}`)
}

/** Everything that was sent was seen, once, and nothing else was. */
export function exactlyOnce<Item>(sent: Iterable<Item>, seen: Iterable<Item>): void {
  const [all, found] = [[...sent], [...seen]]
  noLoss(all, found)
  noDuplicates(found)
  noStrangers(new Set(all), found)
}

function noStrangers<Item>(known: { has(item: Item): boolean }, found: Iterable<Item>): void {
  const strangers = [...found].filter((item) => !known.has(item))
  if (strangers.length > 0) throw new LawError(`${strangers.length} were seen that nobody sent: ${named(strangers)}`)
}

/** Those with the same key were first seen in the order in which they were sent, and nothing was that nobody sent. What is seen again later may be out of order. */
export function ordered<Item>(sent: Iterable<Item>, seen: Iterable<Item>, keyOf: (item: Item) => unknown = () => null): void {
  const ranks = new Map<Item, number>()
  for (const item of sent) if (!ranks.has(item)) ranks.set(item, ranks.size)
  const found = new Set(seen)
  noStrangers(ranks, found)
  const highest = new Map<unknown, Item>()
  for (const item of found) {
    const key = keyOf(item)
    const before = highest.get(key)
    if (before !== undefined && ranks.get(item)! < ranks.get(before)!)
      throw new LawError(`${String(item)} was sent before ${String(before)}, and seen after it`)
    highest.set(key, item)
  }
}

/** Of the items of each transaction, all were seen, or none. */
export function atomicTransactions<Item>(transactions: Iterable<Iterable<Item>>, seen: Iterable<Item>): void {
  const known = new Set(seen)
  for (const transaction of transactions) {
    const items = [...transaction]
    const missing = items.filter((item) => !known.has(item))
    if (missing.length > 0 && missing.length < items.length)
      throw new LawError(`a transaction is torn: ${named(missing)} was not seen, but the rest of ${named(items)} was`)
  }
}

/** Waits until a condition holds. Throws a LawError if it does not within so many (virtual) milliseconds. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  {
    clock,
    withinMillis = 60_000,
  }: { readonly clock: { readonly uptime: number; sleep(millis: number): Promise<void> }; readonly withinMillis?: number },
): Promise<void> {
  const deadline = clock.uptime + withinMillis
  while (!(await holds())) {
    if (clock.uptime >= deadline) throw new LawError(`${what}: not within ${withinMillis} ms`)
    await clock.sleep(LOOK_MILLIS)
  }
}

const LOOK_MILLIS = 50

function named(items: readonly unknown[]): string {
  const shown = items.slice(0, NAMED_MAX).map(String).join(', ')
  return items.length > NAMED_MAX ? `${shown}, …` : shown
}
