// One partition in the metadata: who is elected, who leaves and joins the ISR, who stays eligible, and how a partition moves (KIP-455, KIP-497, KIP-966).

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  minInsyncOf,
  newPartition,
  NO_LEADER,
  withIsr,
  withLeader,
  withoutLoser,
  withoutNode,
  withOtherLeader,
  withPreferredLeader,
  withTarget,
  withTargetReached,
  withoutUnwanted,
} from '../../coordinator/partition-image.ts'
import type { Electorate, PartitionImage } from '../../coordinator/partition-image.ts'
import { partitionOf } from './support.ts'

/** These nodes are live. */
function electorate(live: readonly number[], changes: Partial<Electorate> = {}): Electorate {
  return { isLive: (node) => live.includes(node), isResting: () => false, minInsync: 1, unclean: false, ...changes }
}

/** A partition that nobody leads. */
function leaderless(replicas: readonly number[], changes: Partial<PartitionImage> = {}): PartitionImage {
  return partitionOf(replicas, { leader: NO_LEADER, leaderEpoch: 3, partitionEpoch: 5, ...changes })
}

describe('a new partition', () => {
  test('is led by the first live replica, and all that are live are in sync: there is nothing yet', () => {
    expect(newPartition([2, 0, 1], (node) => node !== 2)).toEqual(partitionOf([2, 0, 1], { isr: [0, 1], leader: 0 }))
  })

  test('of nodes none of which is live waits for the first', () => {
    expect(newPartition([2, 0], () => false)).toEqual(partitionOf([2, 0], { isr: [2], leader: NO_LEADER }))
  })
})

test.each([
  [-1, 1, 1],
  [-1, 2, 2],
  [-1, 3, 2],
  [-1, 4, 3],
  [-1, 5, 3],
  [1, 3, 1],
  [2, 3, 2],
  [3, 2, 2],
  [2, 0, 1],
])('minInsyncReplicas %d of %d replicas asks for %d in sync', (setting, replicas, count) => {
  expect(minInsyncOf(setting, replicas)).toBe(count)
})

describe('an election', () => {
  test('goes to the first replica, in order of preference, that is live and in sync', () => {
    const partition = leaderless([2, 0, 1, 3], { isr: [0, 1] })
    const led = { ...partition, leader: 1, leaderEpoch: 4, partitionEpoch: 6 }
    expect(withLeader(partition, electorate([1, 2, 3], { isResting: (node) => node === 0 }))).toEqual(led)
    expect(withLeader(partition, electorate([0, 1]))?.leader).toBe(0)
    // Who is neither live nor expected is not in sync any more.
    expect(withLeader(partition, electorate([1, 2, 3]))).toEqual({ ...led, isr: [1] })
    expect(withLeader(partition, electorate([1, 2, 3], { minInsync: 2 }))).toEqual({ ...led, isr: [1], elr: [0] })
  })

  test('goes to one that is eligible when nobody in sync is live, and that one is the whole ISR: the others are eligible while it is too small', () => {
    const partition = leaderless([2, 0, 1], { isr: [2], elr: [0, 1] })
    expect(withLeader(partition, electorate([0, 1], { minInsync: 2 }))).toEqual({
      ...partition,
      leader: 0,
      isr: [0],
      elr: [2, 1],
      leaderEpoch: 4,
      partitionEpoch: 6,
    })
    expect(withLeader(partition, electorate([0, 1]))).toMatchObject({ isr: [0], elr: [] })
  })

  test('goes to any live replica only where the topic allows that', () => {
    const partition = leaderless([2, 0, 1], { isr: [2] })
    expect(withLeader(partition, electorate([0, 1]))).toBeNull()
    expect(withLeader(partition, electorate([1], { unclean: true }))).toEqual({
      ...partition,
      leader: 1,
      isr: [1],
      leaderEpoch: 4,
      partitionEpoch: 6,
    })
    // But not while somebody can lead without a loss.
    expect(withLeader(partition, electorate([0, 2], { unclean: true }))).toMatchObject({ leader: 2, isr: [2] })
    expect(withLeader(leaderless([2, 0, 1], { isr: [2], elr: [1] }), electorate([0, 1], { unclean: true }))).toMatchObject({
      leader: 1,
      isr: [1],
    })
  })

  test('does not take place where there is a leader, nor where nobody is live, nor where somebody who may lead without a loss may be back soon', () => {
    expect(withLeader(partitionOf([0, 1]), electorate([0, 1]))).toBeNull()
    expect(withLeader(leaderless([0, 1]), electorate([], { unclean: true }))).toBeNull()
    const resting = electorate([1], { unclean: true, isResting: (node) => node === 2 })
    expect(withLeader(leaderless([2, 1], { isr: [2] }), resting)).toBeNull()
    expect(withLeader(leaderless([0, 1, 2], { isr: [0], elr: [2] }), resting)).toBeNull()
  })
})

describe('the preferred leader', () => {
  test('leads again when it is in sync and live', () => {
    const partition = partitionOf([0, 1], { leader: 1 })
    expect(withPreferredLeader(partition, electorate([0, 1]))).toEqual({ ...partition, leader: 0, leaderEpoch: 1, partitionEpoch: 1 })
    expect(withPreferredLeader(partition, electorate([1]))).toBeNull()
    expect(withPreferredLeader({ ...partition, isr: [1] }, electorate([0, 1]))).toBeNull()
  })

  test('is not elected where it leads, or where nobody does', () => {
    expect(withPreferredLeader(partitionOf([0, 1]), electorate([0, 1]))).toBeNull()
    expect(withPreferredLeader(leaderless([0, 1]), electorate([0, 1]))).toBeNull()
  })
})

describe('a node that is fenced', () => {
  test('leaves the ISR; who follows goes on following', () => {
    const partition = partitionOf([0, 1, 2])
    expect(withoutNode(partition, 1, electorate([0, 2]))).toEqual({ ...partition, isr: [0, 2], partitionEpoch: 1 })
  })

  test('leads no more', () => {
    const partition = partitionOf([0, 1, 2])
    expect(withoutNode(partition, 0, electorate([1, 2]))).toEqual({
      ...partition,
      isr: [1, 2],
      leader: 1,
      leaderEpoch: 1,
      partitionEpoch: 1,
    })
  })

  test('stays in the ISR when it is the last one there: only it has everything', () => {
    const partition = partitionOf([0, 1], { isr: [0] })
    expect(withoutNode(partition, 0, electorate([1]))).toEqual({ ...partition, leader: NO_LEADER, leaderEpoch: 1, partitionEpoch: 1 })
    expect(withoutNode(leaderless([0, 1], { isr: [0] }), 0, electorate([1]))).toBeNull()
  })

  test('that is the last one gives way to another where the topic allows that', () => {
    const changed = withoutNode(partitionOf([0, 1], { isr: [0] }), 0, electorate([1], { unclean: true }))
    expect(changed).toMatchObject({ isr: [1], leader: 1, leaderEpoch: 1 })
  })

  test('that is the last one gives way to one that is eligible', () => {
    const changed = withoutNode(partitionOf([0, 1, 2], { isr: [0], elr: [1] }), 0, electorate([1, 2], { minInsync: 2 }))
    expect(changed).toMatchObject({ isr: [1], leader: 1, leaderEpoch: 1 })
  })

  test('and is out of sync already changes nothing', () => {
    expect(withoutNode(partitionOf([0, 1], { isr: [0] }), 1, electorate([0]))).toBeNull()
  })

  test('stays eligible if the ISR becomes smaller than it has to be, and only then: the high watermark stands still (KIP-966)', () => {
    const two = electorate([0, 2], { minInsync: 2 })
    expect(withoutNode(partitionOf([0, 1, 2]), 1, two)).toMatchObject({ isr: [0, 2], elr: [] })
    expect(withoutNode(partitionOf([0, 1, 2], { isr: [0, 1] }), 1, two)).toMatchObject({ isr: [0], elr: [1] })
    expect(withoutNode(partitionOf([0, 1, 2], { isr: [0, 2], elr: [1] }), 2, electorate([0], { minInsync: 3 }))).toMatchObject({
      isr: [0],
      elr: [1, 2],
    })
  })
})

describe('a node that may have lost what it had', () => {
  test('is neither in sync nor eligible any more', () => {
    expect(withoutLoser(partitionOf([0, 1, 2]), 1, electorate([0, 2]), true)).toMatchObject({ isr: [0, 2], elr: [], leader: 0 })
    const eligible = partitionOf([0, 1, 2], { isr: [0], elr: [1, 2] })
    expect(withoutLoser(eligible, 1, electorate([0, 2]), true)).toMatchObject({ isr: [0], elr: [2], leader: 0, leaderEpoch: 0 })
  })

  test('leads no more', () => {
    expect(withoutLoser(partitionOf([0, 1]), 0, electorate([1]), true)).toMatchObject({ isr: [1], leader: 1, leaderEpoch: 1 })
  })

  test('gives way to one that is eligible, or waits for it', () => {
    const partition = leaderless([0, 1], { isr: [0], elr: [1] })
    expect(withoutLoser(partition, 0, electorate([1]), true)).toMatchObject({ isr: [1], elr: [], leader: 1 })
    expect(withoutLoser(partition, 0, electorate([]), true)).toMatchObject({ isr: [], elr: [1], leader: NO_LEADER })
  })

  test('and is the last one stays if there may be something left of it; else nobody is in sync', () => {
    const partition = leaderless([0, 1], { isr: [0] })
    expect(withoutLoser(partition, 0, electorate([1]), true)).toBeNull()
    expect(withoutLoser(partition, 0, electorate([1]), false)).toMatchObject({ isr: [], elr: [], leader: NO_LEADER })
    expect(withoutLoser(partition, 0, electorate([1], { unclean: true }), false)).toMatchObject({ isr: [1], leader: 1 })
  })

  test('and had nothing that anybody relied on changes nothing', () => {
    expect(withoutLoser(partitionOf([0, 1], { isr: [0] }), 1, electorate([0]), false)).toBeNull()
  })
})

describe('a proposed ISR', () => {
  test('is taken in the order of the replicas', () => {
    expect(withIsr(partitionOf([2, 0, 1], { isr: [2] }), [1, 2, 0], 1)).toMatchObject({ isr: [2, 0, 1], leaderEpoch: 0, partitionEpoch: 1 })
  })

  test('that is too small leaves those eligible who leave it, until it is large enough again', () => {
    const small = withIsr(partitionOf([0, 1, 2]), [0], 2)
    expect(small).toMatchObject({ isr: [0], elr: [1, 2] })
    expect(withIsr(small, [0, 1], 2)).toMatchObject({ isr: [0, 1], elr: [] })
    expect(withIsr(small, [0, 1], 3)).toMatchObject({ isr: [0, 1], elr: [2] })
  })

  test('always has the leader', () => {
    expect(() => withIsr(partitionOf([0, 1]), [1], 1)).toThrow('E1')
  })
})

describe('a leader that asks to be relieved', () => {
  test('is followed by another that is in sync and live', () => {
    expect(withOtherLeader(partitionOf([0, 1, 2]), electorate([0, 2]))).toMatchObject({ leader: 2, isr: [0, 1, 2], leaderEpoch: 1 })
  })

  test('is never followed by one that has less, whatever the topic allows', () => {
    expect(withOtherLeader(partitionOf([0, 1], { isr: [0] }), electorate([0, 1], { unclean: true }))).not.toMatchObject({ leader: 1 })
  })
})

describe('a reassignment', () => {
  test('keeps the old replicas until the new ones are in sync, and leads from where it led', () => {
    const moving = withTarget(partitionOf([0, 1]), [2, 1])
    expect(moving).toEqual(partitionOf([2, 1, 0], { isr: [0, 1], leader: 0, adding: [2], removing: [0], partitionEpoch: 1 }))
    const live = electorate([0, 1, 2])
    expect(withTargetReached(moving, live)).toBeNull()
    const reached = withTargetReached(withIsr(moving, [0, 1, 2], 1), live)
    expect(reached).toMatchObject({ replicas: [2, 1], isr: [2, 1], leader: 2, leaderEpoch: 1, adding: [], removing: [] })
  })

  test('that only adds ends with the same leader', () => {
    const moving = withTarget(partitionOf([0]), [0, 1, 2])
    expect(moving).toMatchObject({ replicas: [0, 1, 2], isr: [0], adding: [1, 2], removing: [] })
    const live = electorate([0, 1, 2])
    expect(withTargetReached(withIsr(moving, [0, 1], 1), live)).toBeNull()
    expect(withTargetReached(withIsr(moving, [0, 1, 2], 1), live)).toMatchObject({ leader: 0, leaderEpoch: 0, adding: [] })
  })

  test('that takes a replica away ends in a new leader epoch: what that one says late does not count when it is given the partition again', () => {
    const moving = withIsr(withTarget(partitionOf([0, 1]), [0, 2]), [0, 1, 2], 1)
    expect(withTargetReached(moving, electorate([0, 1, 2]))).toMatchObject({ replicas: [0, 2], leader: 0, leaderEpoch: 1 })
  })

  test('does not end while too few would be in sync', () => {
    // Node 1 is out of sync: without node 0 there would be one less than there has to be.
    const moving = withIsr(withTarget(partitionOf([0, 1]), [1, 2]), [0, 2], 2)
    expect(withTargetReached(moving, electorate([0, 1, 2], { minInsync: 2 }))).toBeNull()
    expect(withTargetReached(withIsr(moving, [0, 1, 2], 2), electorate([0, 1, 2], { minInsync: 2 }))).toMatchObject({ replicas: [1, 2] })
  })

  test('does not end while none of those that stay could lead', () => {
    const moving = withIsr(withTarget(partitionOf([0]), [1]), [0, 1], 1)
    expect(withTargetReached(moving, electorate([0]))).toBeNull()
  })

  test('that begins while another one is under way replaces it', () => {
    const moving = withTarget(withTarget(partitionOf([0, 1]), [2, 1]), [3, 1])
    expect(moving).toMatchObject({ replicas: [3, 1, 2, 0], adding: [3, 2], removing: [2, 0], partitionEpoch: 2 })
    expect(withoutUnwanted(moving)).toMatchObject({
      replicas: [3, 1, 0],
      isr: [0, 1],
      adding: [3],
      removing: [0],
      leader: 0,
    })
  })

  test('to the same replicas in another order changes who is preferred, and nothing else', () => {
    const moving = withTarget(partitionOf([0, 1]), [1, 0])
    expect(moving).toEqual(partitionOf([1, 0], { isr: [0, 1], leader: 0, partitionEpoch: 1 }))
    expect(withTargetReached(moving, electorate([0, 1]))).toBeNull()
  })
})

// ── whatever happens ──

const NODES = [0, 1, 2, 3]
const node = fc.nat(3)
const event = fc.oneof(
  fc.record({ kind: fc.constantFrom('fence' as const, 'unfence' as const, 'prefer' as const, 'relieve' as const), node }),
  fc.record({ kind: fc.constant('lose' as const), node, mayBeLast: fc.boolean() }),
  fc.record({ kind: fc.constant('isr' as const), isr: fc.uniqueArray(node, { maxLength: 4 }) }),
  fc.record({ kind: fc.constant('give up' as const) }),
  fc.record({ kind: fc.constant('move' as const), target: fc.uniqueArray(node, { minLength: 1, maxLength: 4 }) }),
)
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never

/** The replicas that giving up leaves, in ascending order. */
function presentOf({ replicas, adding }: PartitionImage): number[] {
  return replicas.filter((id) => !adding.includes(id)).toSorted((a, b) => a - b)
}

/** The partition after an event, as the rules of nodes call the rules of partitions; changes `live`. */
function after(
  partition: PartitionImage,
  one: Event,
  live: Set<number>,
  settings: Omit<Electorate, 'isLive' | 'isResting'>,
): PartitionImage {
  const world: Electorate = { ...settings, isLive: (id) => live.has(id), isResting: () => false }
  switch (one.kind) {
    case 'fence':
      live.delete(one.node)
      return partition.replicas.includes(one.node) ? (withoutNode(partition, one.node, world) ?? partition) : partition
    case 'unfence':
      live.add(one.node)
      return partition.replicas.includes(one.node) ? (withLeader(partition, world) ?? partition) : partition
    case 'lose': {
      live.delete(one.node)
      const lost = withoutLoser(partition, one.node, world, one.mayBeLast) ?? partition
      return withoutNode(lost, one.node, world) ?? lost
    }
    case 'prefer':
      return withPreferredLeader(partition, world) ?? partition
    case 'relieve':
      return partition.leader < 0 ? partition : withOtherLeader(partition, world)
    case 'isr': {
      if (partition.leader < 0) return partition
      const isr = partition.replicas.filter((id) => id === partition.leader || (one.isr.includes(id) && live.has(id)))
      const changed = withIsr(partition, isr, settings.minInsync)
      return withTargetReached(changed, world) ?? changed
    }
    case 'move':
    case 'give up': {
      const moving = withTarget(partition, one.kind === 'move' ? one.target : presentOf(partition))
      return withTargetReached(moving, world) ?? withoutUnwanted(moving) ?? moving
    }
  }
}

test('whatever happens, a leader is in sync and live, epochs never go back, and nobody is in two places', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), fc.boolean(), (events, minInsync, unclean) => {
      const live = new Set(NODES)
      let partition = newPartition([0, 1, 2], () => true)
      let isAllLost = false
      for (const one of events) {
        const before = partition
        partition = after(before, one, live, { minInsync, unclean })
        isAllLost = one.kind === 'lose' && !one.mayBeLast ? isAllLost || partition.isr.length + partition.elr.length === 0 : isAllLost
        expectSound(partition)
        // Only a move that ends changes what giving it up leaves.
        if (partition.adding.length + partition.removing.length > 0) expect(presentOf(partition)).toEqual(presentOf(before))
        if (partition.leader >= 0) expect(live.has(partition.leader)).toBe(true)
        if (!isAllLost) expect([...partition.isr, ...partition.elr]).not.toEqual([])
        if (partition === before) continue
        expect(partition.partitionEpoch).toBeGreaterThan(before.partitionEpoch)
        expect(partition.leaderEpoch).toBeGreaterThanOrEqual(before.leaderEpoch)
        if (partition.leader !== before.leader) expect(partition.leaderEpoch).toBeGreaterThan(before.leaderEpoch)
      }
    }),
    { numRuns: 2000 },
  )
})

test('whatever happens, nobody leads who has not been in sync or eligible since, unless the topic allows that', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), (events, minInsync) => {
      const live = new Set(NODES)
      let partition = newPartition([0, 1, 2], () => true)
      for (const one of events) {
        const before = partition
        partition = after(before, one, live, { minInsync, unclean: false })
        const joined = one.kind === 'isr' ? one.isr : []
        const mayLead = [...before.isr, ...before.elr, ...joined]
        if (partition.leader >= 0) expect(mayLead).toContain(partition.leader)
        for (const id of [...partition.isr, ...partition.elr]) expect(mayLead).toContain(id)
      }
    }),
    { numRuns: 2000 },
  )
})

function expectSound({ replicas, isr, elr, leader, adding, removing }: PartitionImage): void {
  expect(new Set(replicas).size).toBe(replicas.length)
  expect(replicas).toEqual(expect.arrayContaining([...isr, ...elr, ...adding, ...removing]))
  expect(isr.filter((id) => elr.includes(id))).toEqual([])
  expect(new Set([...isr, ...elr]).size).toBe(isr.length + elr.length)
  if (leader !== NO_LEADER) expect(isr).toContain(leader)
}
