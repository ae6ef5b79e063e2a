// What a coordinator knows of nodes when it follows another one to the lead: those that died with it, and its own, which may hang.

import { describe, expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { encodeMetadataRecord, isLive, OFFSETS_TOPIC } from '../../coordinator/metadata.ts'
import { dataBatch } from '../../coordinator/quorum-records.ts'
import type { MetadataImage, MetadataRecord } from '../../coordinator/metadata.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import { coordinatorOn, diskWith, tell, work } from './coordinator-support.ts'
import type { CoordinatorStage } from './coordinator-support.ts'
import { sentOne } from './stage.ts'

const LEADER = { node: 0, actor: 'coordinator' }
const SESSION_MILLIS = 1000

/** Voters 1 and 2, who follow node 0 since `uptime`; it leads partition 0 of topic t. */
class Followers {
  readonly stages: Map<number, CoordinatorStage> = new Map()
  /** Of node 1. */
  readonly reports: string[] = []
  uptime = 5000

  constructor() {
    const state = topicWith(OFFSETS_TOPIC, 2, [partitionOf([0, 1])])
    const records = [...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([0, 1])]), state]
    for (const node of [1, 2]) {
      const one = coordinatorOn(diskWith(records), { voters: [0, 1, 2], sessionTimeoutMillis: SESSION_MILLIS }, node)
      this.stages.set(node, one)
      this.tell(node, { kind: 'started' })
      const end = one.stage.state.seat.quorum?.log.batches.at(-1)?.endOffset ?? -1
      const append: Message = { kind: 'quorumAppend', epoch: 3, prevOffset: end, prevEpoch: 0, highWatermark: end, records: null }
      this.tell(node, append, LEADER)
    }
  }

  /** Hands over a message, and everything that follows from it among the voters. */
  tell(node: number, message: Message, from?: { readonly node: number; readonly actor: string }): void {
    const one = this.stages.get(node)
    if (one === undefined) return
    one.stage.uptime = this.uptime
    const effects: Effect[] = [...tell(one, message, from), ...work(one)]
    for (const effect of effects) {
      if (effect.kind === 'report' && node === 1) this.reports.push(effect.reason)
      if (effect.kind === 'send' && effect.to.actor === 'coordinator') this.tell(effect.to.node, effect.message, { ...LEADER, node })
    }
  }

  /** Node 0 writes a record; the others may not hear that it is committed. */
  write(record: MetadataRecord, isCommitted: boolean): void {
    const end = this.stages.get(1)!.stage.state.seat.quorum!.log.batches.at(-1)!.endOffset
    const { bytes } = dataBatch({ baseOffset: end, epoch: 3, now: 0 }, [encodeMetadataRecord(record)])
    const about = { kind: 'quorumAppend', epoch: 3 } as const
    for (const node of [1, 2]) {
      this.tell(node, { ...about, prevOffset: end, prevEpoch: 0, highWatermark: end, records: bytes }, LEADER)
      if (isCommitted) this.tell(node, { ...about, prevOffset: end + 1, prevEpoch: 3, highWatermark: end + 1, records: null }, LEADER)
    }
  }

  /** Time passes until node 1 stands for election, if it has heard nothing. */
  elect(): void {
    this.uptime = this.stages.get(1)?.stage.state.seat.quorum?.electionAt ?? 0
    this.tell(1, { kind: 'timerFired', timer: 'quorum' })
  }

  get image(): MetadataImage {
    return this.stages.get(1)!.stage.state.seat.image
  }
}

describe('a coordinator that begins to lead', () => {
  test('fences the node whose death it heard of before: nobody else will', () => {
    const followers = new Followers()
    for (const node of [1, 2]) followers.tell(node, { kind: 'nodeDown', node: 0 })
    const metadata: Message = { kind: 'metadata', correlationId: 1, topics: null }
    expect(sentOne(tell(followers.stages.get(2)!, metadata), 'notController').controller).toBe(-1)
    followers.elect()
    expect([0, 1, 2].map((node) => isLive(followers.image, node))).toEqual([false, true, true])
    expect(followers.image.topics.get('t')?.partitions[0]).toMatchObject({ leader: 1, isr: [1] })
    expect(sentOne(tell(followers.stages.get(2)!, metadata), 'notController').controller).toBe(1)
  })

  test.each([
    ['was written before, and is committed now', false, ['what __consumer_offsets-0 held is lost']],
    ['was known to be committed before: who wrote it has reported it', true, []],
  ])('reports a loss that %s', (_, isKnown, due) => {
    const followers = new Followers()
    const lost = partitionOf([0, 1], { leader: 1, isr: [1], leaderEpoch: 1, partitionEpoch: 1 })
    followers.write({ type: 'partitionChanged', topicId: 2, partition: 0, image: lost, anew: true }, isKnown)
    expect(followers.reports).toEqual([])
    followers.elect()
    followers.elect()
    expect(followers.reports.map((reason) => reason.slice(0, 38))).toEqual(due)
    expect(followers.image.topics.get('__consumer_offsets')?.partitions[0]?.leaderEpoch).toBe(1)
  })

  test('leaves a node alone that has come back as another incarnation since', () => {
    const followers = new Followers()
    for (const node of [1, 2]) followers.tell(node, { kind: 'nodeDown', node: 0 })
    const broker = followers.image.brokers.get(0)!
    followers.image.brokers.set(0, { ...broker, brokerEpoch: broker.brokerEpoch + 1 })
    followers.elect()
    expect(isLive(followers.image, 0)).toBe(true)
  })

  test('counts the silence of its predecessor from when it was heard last', () => {
    const followers = new Followers()
    const heardAt = followers.uptime
    followers.elect()
    // It looks often: who does not look cannot have listened.
    for (const millis of [400, 800, SESSION_MILLIS - 1]) {
      followers.uptime = heardAt + millis
      followers.tell(1, { kind: 'timerFired', timer: 'brokers' })
    }
    expect(isLive(followers.image, 0)).toBe(true)
    followers.uptime++
    followers.tell(1, { kind: 'timerFired', timer: 'brokers' })
    expect([0, 1, 2].map((node) => isLive(followers.image, node))).toEqual([false, true, true])
  })
})
