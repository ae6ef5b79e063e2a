// Share groups, readers, quotas, images; and what the simulator says of itself: a run without an end, an actor that fails, a seed that is two runs.

import { actor as producer } from '../../../actors/producer.ts'
import type { CoordinatorState } from '../../../actors/coordinator.ts'
import type { Effect } from '../../../actors/effect.ts'
import type { PartitionEnd, SharesState } from '../../../actors/shares-state.ts'
import type { AcquiredRange, ShareAcknowledgement, ShareFetchRequest } from '../../../protocol/messages/share.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { notePassed, noteQuotaNews, noteQuotaUse } from '../../../simulation/checkers/quotas.ts'
import { checkReaders, newReadersTruth, noteCovered, noteHandled, noteLeftOut } from '../../../simulation/checkers/readers.ts'
import type { ReadersTruth } from '../../../simulation/checkers/readers.ts'
import { checkHandedOver, checkShares, newShareTruth } from '../../../simulation/checkers/share.ts'
import { NodeWatcher } from '../../../simulation/checkers/watch.ts'
import { Clock } from '../../../simulation/clock.ts'
import { Dispatch } from '../../../simulation/dispatch.ts'
import { Faults, noFaults } from '../../../simulation/faults.ts'
import { Host } from '../../../simulation/host.ts'
import { Network } from '../../../simulation/network.ts'
import type { ReadMode } from '../../../simulation/reader-plan.ts'
import type { RunResult } from '../../../simulation/run.ts'
import type { PlacedRecord } from '../../../simulation/transactions-truth.ts'
import { World } from '../../../simulation/world.ts'
import { checkCommitsOver } from '../../../simulation/checkers/commits.ts'
import { inScene } from './damaged.ts'
import type { Damaged } from './damaged.ts'

/** Some record of the one partition there is. */
const RANGE = { topic: 'orders', topicId: 1, partition: 0, first: 0, last: 0 }

interface ShareScene {
  /** A member asks, and is given records, or told that what it says is written, or comes too late. */
  readonly ask: (
    memberId: string,
    given: readonly AcquiredRange[],
    said?: readonly ShareAcknowledgement[],
    sessionEpoch?: number,
    refused?: readonly ShareAcknowledgement[],
  ) => void
  /** A member leaves. */
  readonly leave: (memberId: string) => void
  readonly pass: (millis: number) => void
  /** A leader tells the coordinator where its log begins. */
  readonly begin: (logStartOffset: number) => unknown
  /** A member's application has what it was given at first. */
  readonly handOver: (memberId: string) => void
}

/** A share group with locks of a second, and three attempts. */
function share(what: string, play: (scene: ShareScene, isDamaged: boolean) => void): Damaged {
  return inScene('SHARE', what, ({ truth }, isDamaged) => {
    const group = newShareTruth(truth, 'workers')
    const state = { phase: 'active', ends: new Map() } as unknown as SharesState
    let asked = 0
    let leaves = false
    const ask: ShareScene['ask'] = (memberId, acquired, acknowledgements = [], sessionEpoch = asked + 1, refused = []) => {
      const correlationId = ++asked
      const request: ShareFetchRequest = {
        ...({ kind: 'shareFetch', correlationId, group: 'workers', memberId, sessionEpoch, topics: ['orders'] } as const),
        ...({ reset: 'earliest', isolationLevel: 'read_uncommitted', lockMillis: 1000, deliveryCountLimit: 3, maxRecords: 1 } as const),
        ...{ maxWaitMillis: 1, acknowledgements, leaves },
      }
      const from = { node: -1, actor: memberId }
      const message: Message = { kind: 'shareFetchResponse', correlationId, errorCode: 0, reign: 1, waitedMillis: 0, acquired, refused }
      checkShares(group, state, request, from, [{ kind: 'send', to: from, message }])
    }
    const leave: ShareScene['leave'] = (memberId) => {
      leaves = true
      ask(memberId, [])
      leaves = false
    }
    const pass: ShareScene['pass'] = (millis) => truth.world.runUntil(truth.world.nowMicros + millis * 1000)
    const begin: ShareScene['begin'] = (logStartOffset) =>
      state.ends.set('orders-0 1', { ...RANGE, logStartOffset } as unknown as PartitionEnd)
    play({ ask, leave, pass, begin, handOver: (memberId) => checkHandedOver(group, { ...RANGE, deliveryCount: 1 }, memberId) }, isDamaged)
  })
}

const attempt = (deliveryCount: number): readonly AcquiredRange[] => [{ ...RANGE, deliveryCount }]
const accepted: readonly ShareAcknowledgement[] = [{ ...RANGE, type: 'accept' }]

const TENURE = { member: 'first', sinceMicros: 0 }

/** Readers of two records with these keys. */
function readers(
  code: string,
  mode: ReadMode,
  what: string,
  keys: readonly number[],
  play: (truth: ReadersTruth, record: (offset: number) => PlacedRecord, isDamaged: boolean) => void,
): Damaged {
  return inScene(code, what, ({ truth, partition }, isDamaged) => {
    const known = newReadersTruth({ truth, mode, rememberedKeys: 2, takenEnd: () => -1 })
    keys.forEach((key, offset) => {
      partition.values[offset] = 100 + offset
      truth.keyed.set(100 + offset, { key, isTombstone: false, atMicros: 0 })
    })
    play(known, (offset) => ({ partition, offset, value: 100 + offset }), isDamaged)
    if (truth.world.violation === null) checkReaders(known, [partition])
  })
}

/** A client that may have 1000 bytes, or 1000 us of requests, in a second, with a burst of 100 ms. */
function quota(what: string, play: (account: Parameters<typeof noteQuotaUse>[0], isDamaged: boolean) => void): Damaged {
  return inScene('QUOTA', what, ({ truth: { world } }, isDamaged) => {
    const about = {
      name: 'a reader',
      bytesPerSecondMax: 1000,
      beganMicros: 0,
      underWayBytes: 0,
      usedBytes: 0,
      usedMicros: 0,
      isTold: true,
      isOver: false,
    }
    play({ world, ...about, microsPerSecondMax: 1000 }, isDamaged)
  })
}

function chunk(sizeBytes: number): Message {
  const about = { topic: 't', partition: 0, session: 1, fetchOffset: 0, highWatermark: 9, abortedTransactions: [], node: 0, range: null }
  return { kind: 'chunk', ...about, records: new Uint8Array(sizeBytes) }
}

const FETCH = { kind: 'fetch', isTimed: true } as Extract<Message, { kind: 'fetch' }>

/** What the coordinator knows at one point of its log: who leads and is in sync, and of each node whether it is live, waited for, or neither. */
type ImageStep = readonly [leader: number, isr: readonly number[], ...nodes: ('live' | 'resting' | 'fenced')[]]

/** Images, one after the other; the second node has not been heard of for a while at the end. */
function isr(
  what: string,
  sound: readonly ImageStep[],
  damaged: readonly ImageStep[],
  silentMillis: readonly [number, number] = [0, 0],
): Damaged {
  return inScene('ISR', what, ({ truth }, isDamaged) => {
    const quorum = { truth: { world: truth.world }, disks: new Map(), lossesTold: new Set() }
    const groups = { inside: [], outside: [], mixed: [], shared: [], newestAsked: new Map() }
    const watcher = new NodeWatcher(truth, null as never, groups, quorum as never, true)
    ;(isDamaged ? damaged : sound).forEach(([leader, inSync, ...nodes], index) => {
      const image = {
        ...{ endOffset: 5 + index, nextTopicId: 1, names: new Map() },
        topics: new Map([['orders', { name: 'orders', partitions: [{ leader, isr: inSync }] }]]),
        brokers: new Map(nodes.map((is, node) => [node, { node, fenced: is !== 'live', resting: is === 'resting' }])),
      }
      const session = { heardAt: 2000 - silentMillis[isDamaged ? 1 : 0], isChanging: false }
      const state = {
        self: { node: 0, actor: 'coordinator' },
        seat: { image, isActive: true, quorum: null },
        brokers: { lookedAt: 2000, sessions: new Map([[1, session]]) },
        config: { sessionTimeoutMillis: 1000 },
      } as unknown as CoordinatorState
      const message = { kind: 'timerFired', timer: 'brokers' } as const
      watcher.received(null as never, 'coordinator', state, message, state.self, [] as readonly Effect[])
    })
  })
}

const STOPPED: ImageStep = [-1, [0, 1], 'resting', 'resting']
const FIRST_BACK: ImageStep = [0, [0, 1], 'live', 'resting']

const ISR: readonly Damaged[] = [
  isr('a fenced node stays in the ISR', [[0, [0], 'live', 'fenced']], [[0, [0, 1], 'live', 'fenced']]),
  isr('a node that stops alone stays in the ISR', [STOPPED, FIRST_BACK], [[0, [0, 1], 'live', 'live'], FIRST_BACK]),
  isr(
    'who was let go of stays in the ISR',
    [STOPPED, FIRST_BACK, [0, [0], 'live', 'fenced']],
    [STOPPED, FIRST_BACK, [0, [0, 1], 'live', 'fenced']],
  ),
  isr(
    'who came back and died stays in the ISR',
    [STOPPED, FIRST_BACK, [-1, [0, 1], 'fenced', 'resting'], [1, [1], 'fenced', 'live']],
    [STOPPED, FIRST_BACK, [-1, [0, 1], 'fenced', 'resting'], [1, [0, 1], 'fenced', 'live']],
  ),
  isr(
    'two that have died stay in the ISR',
    [STOPPED, [-1, [0, 1], 'fenced', 'fenced']],
    [
      [0, [0, 1], 'live', 'live'],
      [-1, [0, 1], 'fenced', 'fenced'],
    ],
  ),
  isr('nobody lets go of who is silent', [STOPPED], [STOPPED], [999, 1000]),
]

/** What a host does, seen from outside. */
function host(code: string, what: string, play: (one: Host, isDamaged: boolean) => void): Damaged {
  return inScene(code, what, ({ truth: { world } }, isDamaged) => {
    const faults = new Faults(1, noFaults())
    const network = new Network(world, faults)
    const one = new Host(-1, { world, network, clock: new Clock(world), disk: null, faults, watcher: null })
    one.boot()
    play(one, isDamaged)
    world.runUntil(1_000)
  })
}

const PRODUCER = {
  ...{
    client: { node: -1, actor: 'client' },
    coordinatorNodes: [0],
    acks: 'quorum',
    requestTimeoutMillis: 100,
    deliveryTimeoutMillis: 100,
  },
  ...{ retryBackoffMillis: 10, isIdempotent: false, transactionalId: null, transactionTimeoutMillis: 100 },
}

/** Everything else. */
export const damagedOthers: readonly Damaged[] = [
  share('a record is given to two members', ({ ask, pass }, isDamaged) => {
    ask('a', attempt(1))
    pass(isDamaged ? 999 : 1000)
    ask('b', attempt(2))
  }),
  share('whoever asks again is told what somebody else has meanwhile', ({ ask, pass }, isDamaged) => {
    ask('a', attempt(1), [], 7)
    pass(1000)
    ask('b', attempt(2))
    ask('a', isDamaged ? attempt(1) : [], [], 7)
  }),
  inScene('LIVE', 'a commit is waited for when its deadline is over', ({ truth }, isDamaged) => {
    const commit = { clientCorrelationId: 1, offsets: [], deadline: 100, correlationId: -1, timeoutAt: 0, retryAt: 0, doubtAt: 0 }
    checkCommitsOver(truth.world, 'a consumer', { commits: [commit] }, isDamaged ? 100 : 99)
  }),
  share('a record that is done with is given again', ({ ask }, isDamaged) => {
    ask('a', attempt(1))
    ask('a', [], accepted)
    if (isDamaged) ask('b', attempt(2))
  }),
  share('a member is told that it comes too late for what it has', ({ ask, pass }, isDamaged) => {
    ask('a', attempt(1))
    pass(isDamaged ? 999 : 1000)
    ask('a', [], accepted, 2, accepted)
  }),
  share('a coordinator gives out what it knows to be gone', ({ ask, begin }, isDamaged) => {
    begin(isDamaged ? 1 : 0)
    ask('a', attempt(1))
  }),
  share('a member hands over what another one has done with', ({ ask, pass, handOver }, isDamaged) => {
    ask('a', attempt(1))
    pass(1000)
    if (!isDamaged) return handOver('a')
    ask('b', attempt(2))
    ask('b', [], accepted)
    handOver('a')
  }),
  share('a member hands over what another one was given', ({ ask, pass, handOver }, isDamaged) => {
    ask('a', attempt(1))
    pass(1000)
    if (isDamaged) ask('b', attempt(2))
    handOver('a')
  }),
  share('who has left is given records by what it asked before', ({ ask, leave }, isDamaged) => {
    ask('a', [], [], 7)
    if (isDamaged) leave('a')
    ask('a', attempt(1), [], 8)
  }),
  share('an attempt counts that nobody was told of', ({ ask, pass }, isDamaged) => {
    ask('a', attempt(1))
    pass(1000)
    ask('b', attempt(isDamaged ? 3 : 2))
  }),
  share('a member is done with what another one has', ({ ask, pass }, isDamaged) => {
    ask('a', attempt(1))
    pass(1000)
    if (isDamaged) ask('b', attempt(2))
    ask('a', [], accepted)
  }),
  share('a delivery count does not grow', ({ ask, pass }, isDamaged) => {
    ask('a', attempt(1))
    pass(1000)
    ask('b', attempt(isDamaged ? 1 : 2))
  }),
  share('a record is given once too often', ({ ask, pass }, isDamaged) => {
    for (const count of isDamaged ? [1, 2, 3, 4] : [1, 2, 3]) {
      ask('a', attempt(count))
      pass(1000)
    }
  }),
  readers('AMO', 'at-most-once', 'a record is handled twice', [1, 2], (known, record, isDamaged) => {
    for (const offset of isDamaged ? [0, 0] : [0, 1]) noteHandled(known, record(offset), TENURE)
  }),
  readers('ALO', 'at-least-once', 'a record is handled by nobody', [1, 2], (known, record, isDamaged) => {
    for (const offset of isDamaged ? [0] : [0, 1]) noteHandled(known, record(offset), TENURE)
  }),
  readers('EFF', 'effectively-once', 'a key is handled by nobody', [1, 2], (known, record, isDamaged) => {
    for (const offset of isDamaged ? [0] : [0, 1]) noteHandled(known, record(offset), TENURE)
  }),
  readers('EFF', 'effectively-once', 'a key is left out that nobody has handled', [1, 2], (known, record, isDamaged) => {
    noteHandled(known, record(0), TENURE)
    if (isDamaged) noteLeftOut(known, record(1), TENURE)
    noteHandled(known, record(1), TENURE)
  }),
  readers('EFF', 'effectively-once', 'a key is handled again after its commit', [1, 1], (known, record, isDamaged) => {
    noteHandled(known, record(0), TENURE)
    if (isDamaged) noteCovered(known, [record(0)], new Map([['orders-0', TENURE]]))
    noteHandled(known, record(1), TENURE)
  }),
  quota('a client gets more bytes than were due', (account, isDamaged) => {
    for (const sizeBytes of [isDamaged ? 102 : 101, 1]) noteQuotaUse(account, chunk(sizeBytes))
  }),
  quota('a client goes on after more time than was due', (account, isDamaged) => {
    noteQuotaNews(account, { kind: 'requestTimed', correlationId: 1, micros: isDamaged ? 102 : 101 })
    noteQuotaUse(account, FETCH)
  }),
  quota('a client does not ask for the time of a request', (account, isDamaged) =>
    noteQuotaUse(account, { ...FETCH, isTimed: !isDamaged } as Message),
  ),
  quota('a member of a share group passes before what it was given is paid for', (account, isDamaged) => {
    account.usedBytes = isDamaged ? 102 : 101
    notePassed(account)
  }),
  quota('a client does not ask for the time of a question', (account, isDamaged) =>
    noteQuotaUse(account, { kind: 'metadata', correlationId: 1, topics: [], ...(isDamaged ? {} : { isTimed: true }) }),
  ),
  ...ISR,
  {
    code: 'LIVE',
    what: 'a run does not come to an end',
    play: (isDamaged) => {
      const world = new World(1, 100)
      const again = (left: number): void => world.after(1, () => left > 0 && again(left - 1))
      again(isDamaged ? 1000 : 10)
      world.runUntil(10_000)
      return world.violation?.code ?? null
    },
  },
  host('ASSERT', 'an actor is started that there is not', (one, isDamaged) =>
    one.spawn('producer', isDamaged ? 'nowhere' : producer.url, PRODUCER),
  ),
  host('ASSERT', 'an actor is told what it does not understand', (one, isDamaged) => {
    one.spawn('producer', producer.url, PRODUCER)
    const message: Message = isDamaged ? { kind: 'drained', isSynced: true } : { kind: 'nodeDown', node: 1 }
    one.send({ node: -1, actor: 'client' }, { node: -1, actor: 'producer' }, message)
  }),
  {
    code: 'DET',
    what: 'a seed is another run the second time',
    play: (isDamaged) => {
      const run = (hash: string): RunResult => ({ seed: 1, hash, violation: null, virtualSeconds: 1, events: 1 }) as RunResult
      const desk = new Dispatch({ firstSeed: 1, runs: 1, workers: 1, untilFail: false, isGuarded: true })
      desk.next(0)
      desk.done(0, run('a'))
      desk.next(0)
      return desk.done(0, run(isDamaged ? 'b' : 'a'))?.result.violation?.code ?? null
    },
  },
]
