/** The host of the actors of one node: order of messages and effects, timers, and what becomes of actors that stop or break. */
import { describe, expect, test, vi } from 'vitest'
import { actor as replica } from '../../actors/replica.ts'
import { BROKER_ACTOR } from '../../protocol/address.ts'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { ActorHost } from '../../runtime/actor-host.ts'
import { MemoryStorage } from '../../runtime/memory-storage.ts'
import type { Answer, Storage } from '../../runtime/storage.ts'
import { configOf } from '../partitions/support.ts'
import { actor } from './probe-actor.ts'
import type { ProbeState } from './probe-actor.ts'

const CLIENT: Address = { node: 0, actor: 'client' }

interface Scene {
  readonly host: ActorHost
  readonly failures: string[]
  readonly sentAway: string[]
  /** What the port `client` heard. */
  readonly heard: Message[]
  /** How often somebody outside a cycle was to be woken. */
  readonly woken: { count: number }
}

async function sceneWith(names: readonly string[], storage: Storage = new MemoryStorage()): Promise<Scene> {
  const failures: string[] = []
  const sentAway: string[] = []
  const heard: Message[] = []
  const woken = { count: 0 }
  const host = new ActorHost({
    node: 0,
    storage,
    sendAway: (to, from, message) => void sentAway.push(`${from.actor} to ${to.node}/${to.actor}: ${message.kind}`),
    onQueued: () => void woken.count++,
    onFailure: (name, error) => void failures.push(`${name}: ${error.message}`),
    onReport: (node, error) => void failures.push(`node ${node}: ${error.message}`),
  })
  await host.preload([actor.url])
  host.openPort('client', (message) => void heard.push(message))
  host.tick()
  for (const name of names) host.spawn(name, actor.url, null)
  host.cycle()
  return { host, failures, sentAway, heard, woken }
}

function order(host: ActorHost, name: string, ...orders: readonly string[]): void {
  host.post({ node: 0, actor: name }, CLIENT, { kind: 'subscribe', topics: orders, topicPattern: null })
  host.cycle()
}

function heardBy(host: ActorHost, name: string): readonly string[] | null {
  return (host.inspect()[name] as ProbeState | undefined)?.heard ?? null
}

describe('messages', () => {
  test('whose sender asks for it are timed, whatever else is answered, and others are not', async () => {
    const { host, heard } = await sceneWith(['a'])
    const request = {
      kind: 'fetch',
      topicId: 1,
      leaderEpoch: 0,
      replicaId: -1,
      brokerEpoch: -1,
      lastFetchedEpoch: -1,
      fetchOffset: 0,
    } as const
    const rest = {
      logStartOffset: -1,
      syncedOffset: -1,
      minBytes: 1,
      maxBytes: 1,
      maxWaitMillis: 0,
      mode: 'bytes',
      isolationLevel: 'read_uncommitted',
    } as const
    for (const [correlationId, timed] of [
      [7, {}],
      [8, { isTimed: true }],
    ] as const)
      host.post({ node: 0, actor: 'a' }, CLIENT, { ...request, ...rest, correlationId, ...timed })
    host.cycle()
    expect(heardBy(host, 'a')).toEqual(['started', 'fetch', 'fetch'])
    const timings = heard.filter((message) => message.kind === 'requestTimed')
    expect(timings.map(({ correlationId, micros }) => [correlationId, Number.isInteger(micros) && micros > 0])).toEqual([[8, true]])
  })

  test('of one cycle are handled in order, and so are those that they cause', async () => {
    const { host } = await sceneWith(['a', 'b'])
    order(host, 'a', 'send b', 'send a', 'send b')
    expect(heardBy(host, 'a')).toEqual(['started', 'subscribe', 'pause from 0/a'])
    expect(heardBy(host, 'b')).toEqual(['started', 'pause from 0/a', 'pause from 0/a'])
    expect(host.hasWork()).toBe(false)
  })

  test('for other nodes are handed on', async () => {
    const { host, sentAway } = await sceneWith(['a'])
    order(host, 'a', 'send x 3')
    host.post({ node: 2, actor: 'y' }, CLIENT, { kind: 'drain' })
    expect(sentAway).toEqual(['a to 3/x: pause', 'client to 2/y: drain'])
  })

  test('that are delivered from another thread are handled at once, what they cause in the next cycle', async () => {
    const { host } = await sceneWith(['a', 'b'])
    host.deliver('a', CLIENT, { kind: 'subscribe', topics: ['send b'], topicPattern: null })
    expect([heardBy(host, 'a')?.length, heardBy(host, 'b')?.length, host.hasWork()]).toEqual([2, 1, true])
    host.cycle()
    expect(heardBy(host, 'b')).toHaveLength(2)
  })

  test('to a port reach its callback, until it is closed', async () => {
    const { host, heard } = await sceneWith(['a'])
    order(host, 'a', 'send client')
    host.closePort('client')
    order(host, 'a', 'send client')
    expect(heard.map(({ kind }) => kind)).toEqual(['pause'])
  })
})

describe('a request to nobody', () => {
  test('is answered as undeliverable', async () => {
    const { host, heard } = await sceneWith([])
    host.post({ node: 0, actor: 'nobody' }, CLIENT, { kind: 'listGroups', correlationId: 4 })
    host.cycle()
    expect(heard).toEqual([{ kind: 'undeliverable', correlationId: 4 }])
  })

  test('is not made of an answer, or of what carries no correlation', async () => {
    const { host, heard } = await sceneWith([])
    const nobody = { node: 0, actor: 'nobody' }
    host.post(nobody, CLIENT, { kind: 'listGroupsResponse', correlationId: 4, errorCode: 0, groups: [] })
    host.post(nobody, CLIENT, { kind: 'undeliverable', correlationId: 4 })
    host.post(nobody, CLIENT, { kind: 'drain' })
    host.cycle()
    expect(heard).toEqual([])
  })
})

describe('a timer', () => {
  /** Turns the cycle until something was handled: a timer is at most a millisecond away. */
  function waitForTimer(host: ActorHost): void {
    for (;;) {
      host.tick()
      if (host.cycle()) return
    }
  }

  test('fires as a message of the actor to itself', async () => {
    const { host } = await sceneWith(['a'])
    order(host, 'a', 'timer tea 1')
    expect(host.millisToNextTimer()).toBeLessThanOrEqual(2)
    waitForTimer(host)
    expect(heardBy(host, 'a')?.at(-1)).toBe('timer tea')
    expect(host.millisToNextTimer()).toBe(Infinity)
  })

  test('is replaced by one of the same name, and not mistaken for that of another actor', async () => {
    const { host } = await sceneWith(['a', 'b'])
    order(host, 'a', 'timer tea 1', 'timer tea 1e9')
    order(host, 'b', 'timer tea 1')
    waitForTimer(host)
    expect(heardBy(host, 'a')).not.toContain('timer tea')
    expect(heardBy(host, 'b')).toContain('timer tea')
  })

  test('does not fire when it was cancelled, or for the next actor of the name', async () => {
    const { host } = await sceneWith(['a', 'b', 'c'])
    order(host, 'a', 'timer tea 0', 'cancel tea')
    order(host, 'b', 'timer tea 0', 'stop b')
    host.spawn('b', actor.url, null)
    order(host, 'c', 'timer tea 1')
    const before = host.messagesHandled
    while (!(heardBy(host, 'c') ?? []).includes('timer tea')) waitForTimer(host)
    expect(heardBy(host, 'a')).not.toContain('timer tea')
    expect(host.messagesHandled - before).toBe(1)
    expect(heardBy(host, 'b')).toEqual(['started'])
  })
})

describe('an actor', () => {
  test('is spawned by another, once per name', async () => {
    const { host } = await sceneWith(['a'])
    order(host, 'a', 'spawn b', 'send b', 'spawn b')
    expect(heardBy(host, 'b')).toEqual(['started', 'pause from 0/a'])
    expect(host.actorNames()).toEqual(['a', 'b'])
  })

  test('whose behaviour must be loaded runs as it was asked for, unless it was stopped meanwhile, and wakes whoever runs the cycles', async () => {
    const { host, woken } = await sceneWith(['a'])
    order(host, 'a', 'load b 1', 'load b 2', 'load c 3', 'stop c', 'load d 4', 'stop d', 'load d 5')
    expect(woken.count).toBe(0)
    await vi.waitUntil(() => host.hasWork())
    expect(host.inspect()).toMatchObject({ b: { partition: 1 }, d: { partition: 5 } })
    expect(host.actorNames().toSorted()).toEqual(['a', 'b', 'd'])
    expect(woken.count).toBeGreaterThan(0)
  })

  test('whose behaviour cannot be loaded is reported', async () => {
    const { host, failures } = await sceneWith([])
    host.spawn('x', 'file:///none.ts', null)
    expect(failures).toEqual(['x: no behaviour was loaded from file:///none.ts'])
  })

  test('that is stopped hears no answer any more, not even of the disk', async () => {
    const late: (() => void)[] = []
    const { host, woken } = await sceneWith(['a', 'b'], lateStorage(late))
    order(host, 'a', 'append', 'stop a')
    order(host, 'b', 'append')
    host.spawn('a', actor.url, null)
    for (const answer of late) answer()
    host.cycle()
    expect(heardBy(host, 'a')).toEqual(['started'])
    expect(heardBy(host, 'b')).toEqual(['started', 'subscribe', 'appended'])
    expect(woken.count).toBe(1)
  })
})

describe('an actor that takes the place of another one', () => {
  test('is started once, although the other one has never run', async () => {
    const { host } = await sceneWith(['a'])
    order(host, 'a', 'spawn b', 'stop b', 'spawn b')
    expect(heardBy(host, 'b')).toEqual(['started'])
    host.deliver('a', CLIENT, { kind: 'subscribe', topics: ['stop b', 'spawn b'], topicPattern: null })
    host.deliver('a', CLIENT, { kind: 'subscribe', topics: ['stop b', 'spawn b', 'send b'], topicPattern: null })
    host.cycle()
    expect(heardBy(host, 'b')).toEqual(['started', 'pause from 0/a'])
  })

  test('does not hear what the disk has answered to the other one', async () => {
    const { host } = await sceneWith(['a'])
    host.deliver('a', CLIENT, { kind: 'subscribe', topics: ['append', 'stop a', 'spawn a'], topicPattern: null })
    host.cycle()
    expect(heardBy(host, 'a')).toEqual(['started'])
  })

  test('is started once where the other one breaks before it was', async () => {
    const { host, failures } = await sceneWith([])
    host.spawn('a', actor.url, null)
    host.deliver('a', CLIENT, { kind: 'subscribe', topics: ['break'], topicPattern: null })
    host.cycle()
    expect([heardBy(host, 'a'), failures]).toEqual([['started'], ['a: X1 on purpose']])
  })
})

// A node that was held up may hear of several topics of one name at once.
test('a replica whose topic is deleted and created again before it has run opens its log once, and says so once', async () => {
  const { host, failures } = await sceneWith([])
  await host.preload([replica.url])
  const started: Message[] = []
  host.openPort(BROKER_ACTOR, (message) => void started.push(message))
  for (const topicId of [5, 6]) {
    host.stop('replica/t-0')
    host.spawn('replica/t-0', replica.url, { topic: 't', topicId, partition: 0, topicConfig: configOf(), replicaLagMillis: 1000 })
  }
  while (host.hasWork()) host.cycle()
  expect(failures).toEqual([])
  expect(started).toEqual([{ kind: 'replicaStarted', topicId: 6 }])
  expect(host.inspect()['replica/t-0']).toMatchObject({ phase: 'idle', topicId: 6, recovery: null })
})

describe('an actor that breaks an invariant', () => {
  test('starts again, with nothing of what it knew and without the effects of its last message', async () => {
    const { host, failures } = await sceneWith(['a', 'b'])
    order(host, 'a', 'timer old 0')
    order(host, 'a', 'send b', 'break')
    expect(failures).toEqual(['a: X1 on purpose'])
    expect(heardBy(host, 'a')).toEqual(['started'])
    expect(heardBy(host, 'b')).toEqual(['started'])
  })

  test('does not hold up the others', async () => {
    const { host } = await sceneWith(['a', 'b'])
    host.post({ node: 0, actor: 'a' }, CLIENT, { kind: 'subscribe', topics: ['break'], topicPattern: null })
    host.post({ node: 0, actor: 'b' }, CLIENT, { kind: 'drain' })
    host.cycle()
    expect(heardBy(host, 'b')).toEqual(['started', 'drain'])
  })
})

test('an actor that fails without an assertion having noticed starts again, too', async () => {
  const { host, failures } = await sceneWith(['a'])
  order(host, 'a', 'throw')
  expect(failures).toEqual(['a: on purpose'])
  host.cycle()
  expect(heardBy(host, 'a')).toEqual(['started'])
})

test('an actor that wants what cannot be done starts again, and the others go on', async () => {
  const perform = (): void => {
    throw new RangeError('that is too much')
  }
  const storage = { perform, startSyncs: () => undefined, pendingSyncs: 0, close: () => Promise.resolve() }
  const { host, failures } = await sceneWith(['a', 'b'], storage)
  order(host, 'a', 'send b', 'list', 'send b')
  expect(failures).toEqual(['a: that is too much'])
  order(host, 'b', 'send a')
  expect([heardBy(host, 'a'), heardBy(host, 'b')]).toEqual([
    ['started', 'pause from 0/b'],
    ['started', 'pause from 0/a', 'subscribe'],
  ])
})

test('a broken environment is reported for the whole node', async () => {
  const { host, failures } = await sceneWith(['a'])
  order(host, 'a', 'fatal')
  expect(failures).toEqual(['null: no room'])
})

test('what is lost with the disk of a node is reported of that node, and no actor fails', async () => {
  const { host, failures } = await sceneWith(['a'])
  order(host, 'a', 'report')
  expect(failures).toEqual(['node 7: all is lost'])
})

/** A storage that answers when the test says so. */
function lateStorage(late: (() => void)[]): Storage {
  const perform = (effect: { readonly token?: number }, answer: Answer): void => {
    late.push(() => answer({ kind: 'appended', token: effect.token ?? 0, error: null }))
  }
  return { perform, startSyncs: () => undefined, pendingSyncs: 0, close: () => Promise.resolve() }
}
