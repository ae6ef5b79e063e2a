import { describe, expect, test } from 'vitest'
import { isLive } from '../../coordinator/metadata.ts'
import { checkBatch, FIELD } from '../../protocol/record-batch.ts'
import { Cluster } from '../../simulation/cluster.ts'
import { breaksCrc, Damage } from '../../simulation/damage.ts'
import { Faults } from '../../simulation/faults.ts'
import { drawPlan } from '../../simulation/plan.ts'
import { brokerEpochOf } from '../../simulation/node-epochs.ts'
import { Random } from '../../simulation/random.ts'
import { newTruth } from '../../simulation/truth.ts'
import { ProducerWorkload } from '../../simulation/workloads/producer.ts'
import { AdminWorkload } from '../../simulation/workloads/topics.ts'
import { World } from '../../simulation/world.ts'
import { batchAt } from '../partitions/support.ts'

const BATCH = batchAt(10, 1)
/** Of the same size. */
const OTHER = batchAt(20, 1)

describe('harm to a batch', () => {
  test('shows at a flipped bit and at a sector of zeros, in the CRC or after it', () => {
    for (const at of [FIELD.crc, FIELD.attributes, BATCH.length - 1]) expect(breaksCrc(BATCH, at, Uint8Array.of(BATCH[at]! ^ 1))).toBe(true)
    for (const at of [FIELD.crc, FIELD.attributes]) expect(breaksCrc(BATCH, at, new Uint8Array(BATCH.length - at))).toBe(true)
  })

  test('shows with what another batch has after its CRC, and with its CRC and a part of what that covers', () => {
    expect(breaksCrc(BATCH, FIELD.attributes, OTHER.subarray(FIELD.attributes))).toBe(true)
    expect(breaksCrc(BATCH, FIELD.crc, OTHER.subarray(FIELD.crc, FIELD.recordCount))).toBe(true)
  })

  test('does not show with a CRC and all that it covers: that is a sound batch, at an offset where it never was', () => {
    const harmed = BATCH.slice()
    harmed.set(OTHER.subarray(FIELD.crc), FIELD.crc)
    expect(checkBatch(harmed, 0, harmed.length).ok).toBe(true)
    expect(breaksCrc(BATCH, FIELD.crc, OTHER.subarray(FIELD.crc))).toBe(false)
  })

  test('does not show where nothing changes', () => {
    expect(breaksCrc(BATCH, FIELD.crc, BATCH.subarray(FIELD.crc))).toBe(false)
  })
})

/** Nodes that have all of a topic. */
function running(nodeCount = 2, minInsyncReplicas = -1): Cluster {
  const quiet = drawPlan(1, { quiet: true })
  const topics = [{ name: 'orders', partitions: 1, replicationFactor: nodeCount, configs: { flush: 'commit', minInsyncReplicas } }]
  const none = { transactions: null, readers: null, classic: null, guests: null, quota: null, sharerCount: 0 }
  const plan = { ...quiet, ...none, topics, nodeCount }
  const world = new World(1)
  const cluster = new Cluster(world, plan, new Faults(1, plan.faults), newTruth(world, plan.acks))
  cluster.start()
  new AdminWorkload(cluster).start(() => new ProducerWorkload(cluster, 0).start())
  world.runUntil(5_000_000)
  return cluster
}

/** They have stopped together: they are fenced, and all count as in sync. */
function stoppedTogether(nodeCount = 2, minInsyncReplicas = -1): { readonly cluster: Cluster; readonly damage: Damage } {
  const cluster = running(nodeCount, minInsyncReplicas)
  const { world } = cluster
  for (const { host } of cluster.nodes) cluster.stopCleanly(host.node, false, 60_000_000)
  world.runUntil(10_000_000)
  return { cluster, damage: new Damage(cluster) }
}

describe('a node that is wiped', () => {
  test('is none whose copy is whole, although it counts as in sync until it presents itself: of two that have stopped together one is wiped, at most', () => {
    const { cluster, damage } = stoppedTogether()
    const { world, nodes, faults } = cluster
    const image = cluster.latestImage()!
    expect(nodes.map(({ host }) => [host.isUp, isLive(image, host.node)])).toEqual([
      [false, false],
      [false, false],
    ])
    expect(image.topics.get('orders')!.partitions[0]!.isr.toSorted((a, b) => a - b)).toEqual([0, 1])
    const had = nodes.map(({ disk }) => disk.logNames())
    for (const logs of had) expect(logs.some((log) => log.startsWith('orders-0'))).toBe(true)
    for (const node of [1, 0]) {
      damage.wipe(node)
      world.runUntil(world.nowMicros + 1_000_000)
    }
    expect([nodes[1]!.disk.logNames(), nodes[0]!.disk.logNames()]).toEqual([[], had[0]])
    expect(faults.counts.wipe).toBe(1)
  })

  test('stands for nothing, whoever asks: no bit flips in a copy that it would have to make good', () => {
    const rotsOnNode0 = (isWiped: boolean): boolean => {
      const { cluster, damage } = stoppedTogether(3, 2)
      if (isWiped) damage.wipe(1)
      cluster.world.runUntil(cluster.world.nowMicros + 1_000_000)
      expect(cluster.faults.counts.wipe).toBe(isWiped ? 1 : 0)
      return new Damage(cluster).rotSlyly(0, new Random(1, 'test')) !== false
    }
    expect([rotsOnNode0(false), rotsOnNode0(true)]).toEqual([true, false])
  })

  test('stands for nothing either when it is unfenced after that, by a write that was under way when it died', () => {
    const wipes = (since: number): number => {
      const { cluster, damage } = stoppedTogether(2)
      const { world, faults } = cluster
      const { brokers } = cluster.latestImage()!
      const broker = brokers.get(1)!
      brokers.set(1, { ...broker, brokerEpoch: broker.brokerEpoch + 1 })
      damage.wipe(1)
      brokers.set(1, { ...broker, brokerEpoch: broker.brokerEpoch + since, activeEpoch: broker.brokerEpoch + since })
      damage.wipe(0)
      world.runUntil(world.nowMicros + 1_000_000)
      return faults.counts.wipe
    }
    // Another registration is that of a life that has been back.
    expect([wipes(1), wipes(2)]).toEqual([1, 2])
  })

  test('is none where only one more has a whole copy, while another one has lost a log, and is counted on as before', () => {
    const { cluster, damage } = stoppedTogether(3)
    const { world, nodes, faults } = cluster
    expect(cluster.latestImage()!.topics.get('orders')!.partitions[0]!.isr).toHaveLength(3)
    const had = nodes[1]!.disk.logNames()
    damage.loseLog(0, new Random(1, 'test'), { atMicros: 0, state: null })
    world.runUntil(world.nowMicros + 1_000_000)
    damage.wipe(1)
    world.runUntil(world.nowMicros + 1_000_000)
    expect([faults.counts.lostLog, faults.counts.wipe]).toEqual([1, 0])
    expect(nodes[1]!.disk.logNames()).toEqual(had)
  })

  test('is waited for before partitions are added: a write that was under way may have it count as live, alone', () => {
    const cluster = running()
    const { world, truth } = cluster
    const admin = new AdminWorkload(cluster)
    admin.start(() => undefined)
    world.runUntil(world.nowMicros + 1_000_000)
    truth.unknownEpochs.set(1, brokerEpochOf(cluster.latestImage(), 1))
    admin.addPartition(new Random(1, 'test'))
    const countLater = (): number | undefined => {
      world.runUntil(world.nowMicros + 1_000_000)
      return cluster.latestImage()?.topics.get('orders')?.partitions.length
    }
    expect(countLater()).toBe(1)
    truth.unknownEpochs.clear()
    expect(countLater()).toBe(2)
  })
})

describe('a node that has lost power', () => {
  test('has not been back when it is unfenced by a write that was under way when it died, but when it is in a later registration', () => {
    const cluster = running()
    const { brokers } = cluster.latestImage()!
    const broker = brokers.get(1)!
    const [former, next] = [broker.brokerEpoch + 1, broker.brokerEpoch + 2]
    brokers.set(1, { ...broker, brokerEpoch: former })
    expect(cluster.isPowerless(1)).toBe(false)
    cluster.crash(1, true)
    expect(cluster.isPowerless(1)).toBe(true)
    brokers.set(1, { ...broker, brokerEpoch: former, activeEpoch: former })
    expect(cluster.isPowerless(1)).toBe(true)
    brokers.set(1, { ...broker, brokerEpoch: next, activeEpoch: former })
    expect(cluster.isPowerless(1)).toBe(true)
    brokers.set(1, { ...broker, brokerEpoch: next, activeEpoch: next })
    expect(cluster.isPowerless(1)).toBe(false)
  })
})

describe('a replica that loses its log', () => {
  test('is none of a topic where one in sync is enough: who has all leaves, and is not eligible, and the one that has nothing leads', () => {
    const lostFrom = (minInsyncReplicas: number): string[] => {
      const { cluster, damage } = stoppedTogether(3, minInsyncReplicas)
      for (let draw = 0; draw < 20; draw++) damage.loseLog(0, new Random(draw, 'test'), { atMicros: 0, state: null })
      return [...cluster.truth.lostLogs].map((lost) => lost.replace(/-.*/, ''))
    }
    expect(lostFrom(-1)).toContain('0/orders')
    expect(lostFrom(1)).not.toContain('0/orders')
  })
})
