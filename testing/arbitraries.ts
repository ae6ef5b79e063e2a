/**
 * What fast-check draws for a property about a cluster: keys that meet again, records, and fault plans that get smaller until nothing goes wrong any more. The caller hands
 * fast-check in: this package does not load it.
 */
import type * as FastCheck from 'fast-check'
import { FAULT_RANGES } from '../simulation/faults.ts'
import { SCENARIO_KINDS } from './scenario.ts'
import type { ScenarioFaultKind } from './scenario.ts'

/** fast-check, as `import fc from 'fast-check'` gives it. */
export type FastCheckApi = typeof FastCheck.default

/** A record as it is drawn: text, perhaps without a key, a value, or a partition of its own. */
export interface DrawnRecord {
  readonly key: string | null
  readonly value: string | null
  readonly partition?: number
}

/** What records are drawn from. */
export interface RecordArbitraryOptions {
  /** Partitions that a record may name. Default 2. */
  readonly partitions?: number
}

/** Partitions of a topic under test. */
export const PARTITIONS = 2

/** One in so many records goes where its key says, or anywhere. */
const NAMED_SHARE = 3

const VALUE_LENGTH_MAX = 12

/** Keys: few, so that they meet again, and now and then none, the empty one, or any text. */
export function keyArbitrary(fc: FastCheckApi): FastCheck.Arbitrary<string | null> {
  const usual = fc.constantFrom('a', 'b', 'c')
  return fc.oneof(
    { arbitrary: usual, weight: 6 },
    { arbitrary: fc.constantFrom(null, ''), weight: 1 },
    { arbitrary: fc.string(), weight: 1 },
  )
}

/** Records, tombstones among them. */
export function recordArbitrary(
  fc: FastCheckApi,
  { partitions = PARTITIONS }: RecordArbitraryOptions = {},
): FastCheck.Arbitrary<DrawnRecord> {
  const value = fc.option(fc.string({ maxLength: VALUE_LENGTH_MAX }), { freq: 8 })
  const placed = fc.record({ key: keyArbitrary(fc), value, partition: fc.nat(partitions - 1) })
  const free = fc.record({ key: keyArbitrary(fc), value })
  return fc.oneof({ arbitrary: placed, weight: NAMED_SHARE }, { arbitrary: free, weight: 1 })
}

/** Fault plans for the option `faults` of `simulate` and `property`: some of the kinds, from rare to frequent. The least of them is none. */
export function faultArbitrary(
  fc: FastCheckApi,
  kinds: readonly ScenarioFaultKind[] = SCENARIO_KINDS,
): FastCheck.Arbitrary<Partial<Record<ScenarioFaultKind, number>>> {
  const strengths = kinds.map((kind): [ScenarioFaultKind, FastCheck.Arbitrary<number>] => {
    const [weak, strong] = FAULT_RANGES[kind]
    return [kind, fc.nat(100).map((percent) => Math.round(weak + ((strong - weak) * percent) / 100))]
  })
  return fc.subarray(strengths).chain((chosen) => fc.record(Object.fromEntries(chosen)))
}
