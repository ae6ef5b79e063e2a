// Voters that come and go (KIP-853), asked of coordinators with disks in memory that speak with each other.

import { describe, expect, test } from 'vitest'
import type { CoordinatorState } from '../../actors/coordinator.ts'
import type { Effect } from '../../actors/effect.ts'
import { errorOf } from '../../protocol/errors.ts'
import type { Message, MessageOf } from '../../protocol/messages/message.ts'
import { nodes } from '../coordinator/support.ts'
import { coordinatorOn, diskWith, tell, work } from './coordinator-support.ts'
import type { CoordinatorStage } from './coordinator-support.ts'

/** Coordinators on some nodes. `deaf`: nothing reaches them. */
interface Members {
  readonly all: Map<number, CoordinatorStage>
  readonly deaf: Set<number>
  /** What clients were answered. */
  readonly answers: (MessageOf<'adminResponse'> | MessageOf<'notController'>)[]
}

/** Node 0 is the sole voter, and knows of the nodes 0 to 3; coordinators run on these. */
function members(...others: readonly number[]): Members {
  const all = new Map([0, ...others].map((node) => [node, coordinatorOn(diskWith(node === 0 ? nodes([0, 1, 2, 3]) : []), {}, node)]))
  const cluster: Members = { all, deaf: new Set(), answers: [] }
  for (const node of all.keys()) say(cluster, node, { kind: 'started' })
  return cluster
}

/** Hands over a message, lets the disks work, and carries what coordinators say to each other until nobody says anything. */
function say(cluster: Members, to: number, message: Message, from = { node: -1, actor: 'client' }): void {
  const queue = [{ to, message, from }]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const one = cluster.all.get(next.to)
    if (one === undefined || cluster.deaf.has(next.to)) continue
    const self = { node: next.to, actor: 'coordinator' }
    const effects: Effect[] = [...tell(one, next.message, next.from), ...work(one)]
    for (const effect of effects) {
      if (effect.kind !== 'send') continue
      const { kind } = effect.message
      if (kind === 'adminResponse' || kind === 'notController') cluster.answers.push(effect.message)
      else if (effect.to.actor === 'coordinator') queue.push({ to: effect.to.node, message: effect.message, from: self })
    }
  }
}

/** Time passes at a node. */
function wait(cluster: Members, node: number, millis: number): void {
  for (let left = millis; left > 0; left -= 50) {
    const one = cluster.all.get(node)!
    one.stage.uptime += Math.min(50, left)
    for (const timer of ['quorum', 'brokers']) say(cluster, node, { kind: 'timerFired', timer })
  }
}

function ask(cluster: Members, kind: 'addRaftVoter' | 'removeRaftVoter', node: number, to = 0): void {
  say(cluster, to, { kind, correlationId: 7, node })
}

/** The names of the errors that clients were answered with, and null for none. */
function outcomes({ answers }: Members): (string | null)[] {
  return answers.map((one) => {
    if (one.kind === 'notController') return one.isUncertain ? 'uncertain' : 'not controller'
    const code = one.results[0]?.errorCode ?? 0
    return code === 0 ? null : errorOf(code).name
  })
}

function state(cluster: Members, node: number): CoordinatorState {
  return cluster.all.get(node)!.stage.state
}

function votersOf(cluster: Members, node: number): readonly number[] | undefined {
  return state(cluster, node).seat.quorum?.log.voterSets.at(-1)?.voters
}

describe('a new voter', () => {
  test('is sent the log, then votes, and has the whole image', () => {
    const cluster = members(1)
    ask(cluster, 'addRaftVoter', 1)
    expect(outcomes(cluster)).toEqual([null])
    expect([votersOf(cluster, 0), votersOf(cluster, 1)]).toEqual([
      [0, 1],
      [0, 1],
    ])
    wait(cluster, 0, 100)
    expect([...state(cluster, 1).seat.image.brokers.keys()]).toEqual([0, 1, 2, 3])
  })

  test('that does not run is given up, and can be asked for again', () => {
    const cluster = members()
    ask(cluster, 'addRaftVoter', 1)
    expect(outcomes(cluster)).toEqual([])
    wait(cluster, 0, 10_050)
    expect(outcomes(cluster)).toEqual(['REQUEST_TIMED_OUT'])
    expect(state(cluster, 0).seat.quorum?.observers.size).toBe(0)
    expect(votersOf(cluster, 0)).toEqual([0])
    expect(state(cluster, 0).voterChange).toBeNull()
  })

  test('that is removed while it catches up is given up at once', () => {
    const cluster = members()
    ask(cluster, 'addRaftVoter', 1)
    say(cluster, 0, { kind: 'nodeDown', node: 1 })
    say(cluster, 0, { kind: 'unregisterBroker', correlationId: 8, node: 1, validateOnly: false })
    expect(new Set(outcomes(cluster))).toEqual(new Set(['BROKER_ID_NOT_REGISTERED', null]))
    expect(state(cluster, 0).voterChange).toBeNull()
    expect(state(cluster, 0).seat.quorum?.observers.size).toBe(0)
  })

  test('keeps a second change waiting for its turn: it is refused; who asks for the same once more is answered once', () => {
    const cluster = members()
    ask(cluster, 'addRaftVoter', 1)
    ask(cluster, 'addRaftVoter', 2)
    ask(cluster, 'removeRaftVoter', 0)
    expect(outcomes(cluster)).toEqual(['REASSIGNMENT_IN_PROGRESS', 'REASSIGNMENT_IN_PROGRESS'])
    cluster.all.set(1, coordinatorOn(diskWith([]), {}, 1))
    say(cluster, 1, { kind: 'started' })
    ask(cluster, 'addRaftVoter', 1)
    wait(cluster, 0, 200)
    expect(outcomes(cluster).slice(2)).toEqual([null])
  })

  test('is refused where it votes already, and where nobody knows it; nothing is written', () => {
    const cluster = members()
    const before = state(cluster, 0).seat.quorum?.log.batches.length
    for (const node of [0, 9]) ask(cluster, 'addRaftVoter', node)
    expect(outcomes(cluster)).toEqual(['DUPLICATE_VOTER', 'BROKER_ID_NOT_REGISTERED'])
    expect(state(cluster, 0).seat.quorum?.log.batches.length).toBe(before)
  })
})

describe('a voter that goes', () => {
  test('is not the last one, and is one; nothing is written otherwise', () => {
    const cluster = members(1)
    const before = state(cluster, 0).seat.quorum?.log.batches.length
    for (const node of [0, 1]) ask(cluster, 'removeRaftVoter', node)
    expect(outcomes(cluster)).toEqual(['INVALID_REQUEST', 'VOTER_NOT_FOUND'])
    expect(state(cluster, 0).seat.quorum?.log.batches.length).toBe(before)
  })

  test('may be the leader: it answers when that is committed, and resigns', () => {
    const cluster = members(1)
    ask(cluster, 'addRaftVoter', 1)
    ask(cluster, 'removeRaftVoter', 0)
    expect(outcomes(cluster)).toEqual([null, null])
    expect(state(cluster, 0).seat.isActive).toBe(false)
    // Whoever still asks it is sent to those who vote.
    ask(cluster, 'addRaftVoter', 2)
    expect(cluster.answers.at(-1)).toMatchObject({ kind: 'notController', controller: 1 })
    wait(cluster, 1, 400)
    expect([state(cluster, 1).seat.isActive, votersOf(cluster, 1)]).toEqual([true, [1]])
  })

  test('whose removal is written when its leader loses the others is perhaps gone', () => {
    const cluster = members(1, 2)
    ask(cluster, 'addRaftVoter', 1)
    ask(cluster, 'addRaftVoter', 2)
    cluster.deaf.add(1).add(2)
    ask(cluster, 'removeRaftVoter', 2)
    expect(outcomes(cluster)).toEqual([null, null])
    wait(cluster, 0, 1000)
    expect(outcomes(cluster).slice(2)).toEqual(['uncertain'])
  })
})

test('who does not lead changes nothing', () => {
  const cluster = members(1)
  ask(cluster, 'addRaftVoter', 2, 1)
  expect(outcomes(cluster)).toEqual(['not controller'])
})
