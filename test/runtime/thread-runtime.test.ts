/** All that runs on one thread: nodes that live together, messages to nodes that do not, the clean stop. */
import { describe, expect, test } from 'vitest'
import type { Message } from '../../protocol/messages/message.ts'
import { allocateDoorbells } from '../../runtime/doorbell.ts'
import { makeLink } from '../../runtime/links.ts'
import type { LinkSetup } from '../../runtime/links.ts'
import { ThreadRuntime } from '../../runtime/thread-runtime.ts'
import { actor } from './probe-actor.ts'
import type { ProbeState } from './probe-actor.ts'

const doorbells = allocateDoorbells(4)

/** A thread with these nodes, each with an actor `probe` and one that plays the broker. */
async function threadOf(thread: number, nodes: readonly number[], links: readonly LinkSetup[] = []): Promise<ThreadRuntime> {
  const actors = ['probe', 'broker'].map((name) => ({ name, url: actor.url, config: null }))
  const setup = { thread, doorbells, links, nodes: nodes.map((node) => ({ node, directory: null, actors })), preload: [actor.url] }
  const runtime = new ThreadRuntime(setup, (node, name, error) => {
    throw new Error(`${node}/${name}: ${error.message}`)
  })
  await runtime.start()
  runtime.cycle()
  return runtime
}

function order(runtime: ThreadRuntime, node: number, ...orders: readonly string[]): void {
  const from = { node, actor: 'client' }
  runtime.host(node).post({ node, actor: 'probe' }, from, { kind: 'subscribe', topics: orders, topicPattern: null })
}

function heardBy(runtime: ThreadRuntime, node: number): readonly string[] {
  return (runtime.host(node).inspect()['probe'] as ProbeState).heard
}

describe('a thread', () => {
  test('carries messages between its own nodes', async () => {
    const runtime = await threadOf(0, [0, 1])
    order(runtime, 0, 'send probe 1')
    expect(runtime.hasWork()).toBe(true)
    while (runtime.cycle());
    expect(heardBy(runtime, 1)).toEqual(['started', 'pause from 0/probe'])
    expect(runtime.hasWork()).toBe(false)
  })

  test('carries messages to another thread through rings', async () => {
    const { a, b } = makeLink(0, 2)
    const [caller, worker] = [await threadOf(0, [-1], [a]), await threadOf(2, [1], [b])]
    order(caller, -1, 'send probe 1', 'ask probe 1')
    caller.cycle()
    expect(worker.hasWork()).toBe(true)
    worker.cycle()
    worker.cycle()
    caller.cycle()
    expect(heardBy(worker, 1)).toEqual(['started', 'pause from -1/probe', 'listGroups'])
    expect(heardBy(caller, -1)).toEqual(['started', 'subscribe', 'listGroupsResponse'])
  })

  test('answers a request to a thread that is dead at once', async () => {
    const { a } = makeLink(0, 2)
    const caller = await threadOf(0, [-1], [a])
    caller.links.disconnect(2)
    order(caller, -1, 'ask probe 1', 'send probe 1')
    while (caller.cycle());
    expect(heardBy(caller, -1)).toEqual(['started', 'subscribe', 'undeliverable'])
  })

  test('knows only its own nodes', async () => {
    const runtime = await threadOf(0, [0])
    expect(() => runtime.host(7)).toThrow('node 7 does not live on this thread')
  })

  test('says how long it may sleep', async () => {
    const runtime = await threadOf(0, [0, 1])
    expect(runtime.millisToNextTimer()).toBe(Infinity)
    order(runtime, 1, 'timer tea 50')
    runtime.cycle()
    expect(runtime.millisToNextTimer()).toBeLessThanOrEqual(51)
  })

  test('counts what it does, and shows its states', async () => {
    const runtime = await threadOf(0, [0, 1])
    expect(runtime.statistics()).toMatchObject({ cycles: 1, messages: 4, failedWrites: 0, droppedMessages: 0 })
    expect(Object.keys(runtime.inspect())).toEqual(['0', '1'])
    expect(runtime.pendingSyncs).toBe(0)
  })

  test('does not run a cycle within a cycle', async () => {
    const runtime = await threadOf(0, [0])
    const seen: unknown[] = []
    runtime.host(0).openPort('client', () => {
      order(runtime, 0, 'send none')
      seen.push(runtime.cycle(), heardBy(runtime, 0).length)
    })
    order(runtime, 0, 'send client')
    while (runtime.cycle());
    expect(seen).toEqual([false, 2])
    expect(heardBy(runtime, 0)).toEqual(['started', 'subscribe', 'subscribe'])
  })
})

describe('a clean stop', () => {
  test('asks the broker of every node that has data, and waits for its answer', async () => {
    const runtime = await threadOf(0, [0, 1, -1])
    let woken = 0
    runtime.onWake(() => void woken++)
    const drained = runtime.drain(false)
    expect(woken).toBe(2)
    while (runtime.cycle());
    await drained
    const brokers = [0, 1, -1].map((node) => (runtime.host(node).inspect()['broker'] as ProbeState).heard)
    expect(brokers).toEqual([['started', 'stopNode'], ['started', 'stopNode'], ['started']])
    await runtime.close()
  })

  test('leaves nothing that an answer which comes late would reach', async () => {
    const runtime = await threadOf(0, [0])
    const drained = runtime.drain(false)
    while (runtime.cycle());
    await drained
    const late: Message = { kind: 'drained', isSynced: true }
    runtime.host(0).post({ node: 0, actor: 'drain' }, { node: 0, actor: 'broker' }, late)
    expect(runtime.cycle()).toBe(true)
  })

  test('of one node leaves the others as they are; what is asked of it is answered at once', async () => {
    const runtime = await threadOf(0, [0, 1])
    const stopped = runtime.stopNode(1)
    while (runtime.cycle());
    await stopped
    order(runtime, 0, 'ask probe 1')
    while (runtime.cycle());
    expect(heardBy(runtime, 0)).toEqual(['started', 'subscribe', 'undeliverable'])
    expect(() => runtime.host(1)).toThrow(/node 1/)
    await runtime.close()
  })
})

test('one more actor starts on a node that runs', async () => {
  const runtime = await threadOf(0, [0])
  runtime.spawn(0, { name: 'late', url: actor.url, config: null })
  while (runtime.cycle());
  expect((runtime.host(0).inspect()['late'] as ProbeState).heard).toEqual(['started'])
  await runtime.close()
})
