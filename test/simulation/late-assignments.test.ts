// Members that have asked to be closed: what their group gives them after that is none of theirs, as the public client's goodbye has it (edge/client/releases.ts).

import { describe, expect, test } from 'vitest'
import { newGroupTruth } from '../../simulation/checkers/groups.ts'
import type { GroupTruth } from '../../simulation/checkers/groups.ts'
import { Cluster, SESSION_MILLIS } from '../../simulation/cluster.ts'
import { Faults } from '../../simulation/faults.ts'
import { drawPlan, INSIDE_GROUP } from '../../simulation/plan.ts'
import { newTruth } from '../../simulation/truth.ts'
import { ConsumerWorkload } from '../../simulation/workloads/consumer.ts'
import { GroupMember } from '../../simulation/workloads/group-member.ts'
import { World } from '../../simulation/world.ts'

const PLACE = { topic: 'orders', partition: 0 }

/** A cluster without nodes: nobody gives partitions but the test. */
function alone(seed: number): { readonly cluster: Cluster; readonly group: GroupTruth } {
  const plan = { ...drawPlan(seed, { quiet: true }), guests: null, quota: null, instanceIds: [null] }
  const world = new World(seed)
  const truth = newTruth(world, plan.acks)
  const cluster = new Cluster(world, plan, new Faults(seed, plan.faults), truth)
  return { cluster, group: newGroupTruth(truth, INSIDE_GROUP, SESSION_MILLIS) }
}

/** Its consumer, which says nothing else any more, tells the only client that a partition is its own. */
function assign({ clients, world }: Cluster): void {
  const host = [...clients].at(-1)!
  const [from, to] = [
    { node: host.node, actor: 'consumer' },
    { node: host.node, actor: 'client' },
  ] as const
  host.attach(from.actor, { receive: () => undefined })
  host.send(from, to, { kind: 'assigned', partitions: [{ ...PLACE, position: 0, session: 1 }] })
  world.runUntil(world.nowMicros + 1000)
}

function believers({ partitions }: GroupTruth): string[] {
  return [...(partitions.get('orders-0')?.believers.keys() ?? [])]
}

describe('a member that has asked to be closed', () => {
  test('does not take what it was given meanwhile', () => {
    const { cluster, group } = alone(1)
    const identity = { purpose: 'reader', index: 0, group, topic: PLACE.topic, isolationLevel: 'read_uncommitted' } as const
    const nothing = (): void => undefined
    const member = new GroupMember(cluster, identity, {
      ...{ begin: nothing, end: nothing, hear: () => false, handle: nothing, isWaiting: () => true, lose: nothing },
      revoking: (_, then) => then(),
      stop: (then) => then(),
    })
    member.start()
    assign(cluster)
    expect(believers(group)).toEqual(['reader-0-1'])
    member.leave()
    assign(cluster)
    expect([believers(group), member.held.size]).toEqual([[], 0])
    member.end()
    member.start()
    assign(cluster)
    expect(believers(group)).toEqual(['reader-0-2'])
  })

  test('does not take it either if it commits automatically', () => {
    // Three seeds of four: it dies instead of leaving.
    const left = [1, 2, 3, 4, 5, 6, 7, 8].filter((seed) => {
      const { cluster, group } = alone(seed)
      const member = new ConsumerWorkload(cluster, 1, group)
      member.start()
      assign(cluster)
      expect(believers(group)).toEqual(['member-1-1'])
      member.crash()
      if (!member.isAlive) return false
      assign(cluster)
      expect([believers(group), member.positionOf('orders-0')]).toEqual([[], -1])
      return true
    })
    expect(left.length).toBeGreaterThan(0)
  })
})
