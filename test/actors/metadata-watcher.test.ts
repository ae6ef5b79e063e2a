// Who wants to hear what happens in the cluster: the watcher asks, and a coordinator answers as soon as there is something.

import { describe, expect, test } from 'vitest'
import { actor } from '../../actors/metadata-watcher.ts'
import type { WatcherState } from '../../actors/metadata-watcher.ts'
import type { Effect } from '../../actors/effect.ts'
import { fenceBroker } from '../../coordinator/brokers.ts'
import type { MetadataRecord } from '../../coordinator/metadata.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { imageOf, nodes, partitionOf, topicWith } from '../coordinator/support.ts'
import { active, tell, work } from './coordinator-support.ts'
import { CLIENT, sent, sentOne, stageOf } from './stage.ts'
import type { Stage } from './stage.ts'

const RECORDS = [...nodes([0, 1, 2]), topicWith('t', 1, [partitionOf([1, 2])])]
const FENCED = fenceBroker(imageOf(...RECORDS), 1)

function watching(): Stage<WatcherState> {
  const stage = stageOf(actor, { node: -1, actor: 'watcher' }, { coordinatorNodes: [0, 1, 2], client: CLIENT })
  stage.deliver({ kind: 'started' }, stage.self)
  return stage
}

/** The coordinator answers the question under way. */
function answer(stage: Stage<WatcherState>, endOffset: number, records: readonly MetadataRecord[], isSnapshot = false): Effect[] {
  const bytes = new TextEncoder().encode(JSON.stringify([[endOffset, records]]))
  const { correlationId } = stage.state
  return stage.deliver({ kind: 'metadataWatched', correlationId, endOffset, isSnapshot, records: bytes }, { node: 0, actor: 'coordinator' })
}

/** The node that is asked, and from which offset on. */
function asked(effects: readonly Effect[]): [number, number] | null {
  const found = effects.find((effect) => effect.kind === 'send' && effect.message.kind === 'watchMetadata')
  return found?.kind === 'send' && found.message.kind === 'watchMetadata' ? [found.to.node, found.message.metadataOffset] : null
}

describe('a watcher', () => {
  test('begins with what is, and tells what comes then, once', () => {
    const stage = watching()
    expect(sent(answer(stage, 20, RECORDS), 'clusterEvents')).toEqual([])
    const effects = answer(stage, 22, FENCED)
    expect(asked(effects)).toEqual([0, 22])
    expect(sentOne(effects, 'clusterEvents').events.map(({ type }) => type)).toEqual(['nodeFenced', 'leaderChanged', 'isrChanged'])
    expect(sent(answer(stage, 22, []), 'clusterEvents')).toEqual([])
    expect(sent(answer(stage, 25, [...RECORDS, ...FENCED], true), 'clusterEvents')).toEqual([])
    expect(sentOne(answer(stage, 30, RECORDS, true), 'clusterEvents').events[0]).toEqual({ type: 'nodeUnfenced', node: 1 })
  })

  test('asks elsewhere when one does not lead, is not there, is silent, or dead', () => {
    const stage = watching()
    const from = { node: 0, actor: 'coordinator' }
    const pause = (message: Message): [number, number] | null => {
      expect(asked(stage.deliver(message, from))).toBeNull()
      return asked(stage.deliver({ kind: 'timerFired', timer: 'watch' }, stage.self))
    }
    const { correlationId } = stage.state
    expect(pause({ kind: 'notController', correlationId, controller: 2, isUncertain: false })).toEqual([2, -1])
    expect(pause({ kind: 'undeliverable', correlationId: stage.state.correlationId })).toEqual([0, -1])
    expect(asked(stage.deliver({ kind: 'timerFired', timer: 'watch' }, stage.self))).toEqual([1, -1])
    expect(pause({ kind: 'nodeDown', node: 1 })).toEqual([2, -1])
    expect(stage.deliver({ kind: 'nodeDown', node: 1 })).toEqual([])
    // What answers an older question says nothing.
    expect(stage.deliver({ kind: 'undeliverable', correlationId }, from)).toEqual([])
  })
})

describe('a coordinator', () => {
  const watch = (metadataOffset: number): Message => ({ kind: 'watchMetadata', correlationId: 3, metadataOffset })

  test('answers at once what somebody lacks, and waits for the next change otherwise', () => {
    const one = active(RECORDS)
    const first = sentOne(tell(one, watch(-1)), 'metadataWatched')
    const { endOffset } = one.stage.state.seat.image
    expect([first.endOffset, sent(tell(one, watch(endOffset)), 'metadataWatched')]).toEqual([endOffset, []])
    tell(one, { kind: 'nodeDown', node: 1 })
    const next = sentOne(work(one), 'metadataWatched')
    const records = JSON.parse(new TextDecoder().decode(next.records)) as [number, MetadataRecord[]][]
    expect(records.flatMap(([, batch]) => batch.map(({ type }) => type))).toEqual(['brokerFenced', 'partitionChanged'])
  })

  test('says now and then that there is nothing', () => {
    const one = active(RECORDS)
    tell(one, watch(one.stage.state.seat.image.endOffset))
    one.stage.uptime += 900
    expect(sent(tell(one, { kind: 'timerFired', timer: 'brokers' }), 'metadataWatched')).toEqual([])
    work(one)
    one.stage.uptime += 100
    const effects = tell(one, { kind: 'timerFired', timer: 'brokers' })
    expect(sent([...effects, ...work(one)], 'metadataWatched')).toHaveLength(1)
    expect(one.stage.state.watchers).toEqual([])
  })
})
