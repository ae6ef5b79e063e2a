/** Workers with real threads: a dead one is announced, started again, and linked to the others; one that cannot start is reported. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import type { Address } from '../../protocol/address.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { CallerLoop } from '../../runtime/caller-loop.ts'
import { allocateDoorbells } from '../../runtime/doorbell.ts'
import { Supervisor } from '../../runtime/supervisor.ts'
import { ThreadRuntime } from '../../runtime/thread-runtime.ts'
import { actor } from './probe-actor.ts'

interface Scene {
  readonly supervisor: Supervisor
  readonly caller: ThreadRuntime
  readonly loop: CallerLoop
  /** Comings and goings: `down 0 (1)`. */
  readonly events: string[]
  /** The next coming or going that reads like this; may have been already. */
  readonly event: (text: string) => Promise<void>
  /** Asks an actor what it has heard. */
  readonly heardBy: (node: number, name: string) => Promise<readonly string[]>
}

let scene: Scene | null = null

afterEach(async () => {
  await scene?.supervisor.close()
  await scene?.loop.close()
  await scene?.caller.close()
  scene = null
})

async function clusterOf(nodeCount: number, preload: readonly string[] = [actor.url], closeMillisMax = 30_000): Promise<Scene> {
  const doorbells = allocateDoorbells(nodeCount + 1)
  const nodes = [{ node: -1, directory: null, actors: [] }]
  const caller = new ThreadRuntime({ thread: 0, doorbells, links: [], nodes, preload: [] }, () => undefined)
  await caller.start()
  const loop = new CallerLoop(caller)
  const events: string[] = []
  const waiting = new Map<string, () => void>()
  const note = (text: string): void => {
    events.push(text)
    waiting.get(text)?.()
  }
  const actors = ['probe', 'broker'].map((name) => ({ name, url: actor.url, config: null }))
  const supervisor = new Supervisor({
    doorbells,
    preload,
    nodes: Array.from({ length: nodeCount }, (_, node) => node),
    caller,
    closeMillisMax,
    nodeSetup: (node) => ({ node, directory: null, actors }),
    onDown: (node, restarts) => note(`down ${node} (${restarts})`),
    onUp: (node, restarts) => note(`up ${node} (${restarts})`),
    onFailure: (node, actor, error) => note(`${actor ?? 'all'} of ${node}: ${error.message}`),
  })
  const event = (text: string): Promise<void> =>
    events.includes(text) ? Promise.resolve() : new Promise((resolve) => waiting.set(text, resolve))
  scene = { supervisor, caller, loop, events, event, heardBy: (node, name) => heardBy(caller, loop, { node, actor: name }) }
  return scene
}

function heardBy(caller: ThreadRuntime, loop: CallerLoop, to: Address): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const from = caller.host(-1).openPort('client', (message: Message) => {
      if (message.kind === 'listGroupsResponse') resolve(message.groups.map(({ group }) => group))
      else reject(new Error(message.kind))
    })
    caller.host(-1).post(to, from, { kind: 'listGroups', correlationId: 1 })
    loop.kick()
  })
}

/** Each of two nodes hears what the other one sends it. */
async function heardBoth(nodeA: number, nodeB: number): Promise<void> {
  const { caller, loop, heardBy: ask } = scene!
  const from = { node: -1, actor: 'client' }
  for (const [node, other] of [
    [nodeA, nodeB],
    [nodeB, nodeA],
  ] as const) {
    const before = (await ask(other, 'probe')).filter((one) => one === `pause from ${node}/probe`).length
    caller.host(-1).post({ node, actor: 'probe' }, from, { kind: 'subscribe', topics: [`send probe ${other}`], topicPattern: null })
    loop.kick()
    while ((await ask(other, 'probe')).filter((one) => one === `pause from ${node}/probe`).length === before) await sleep(5)
  }
}

/** A node's thread does nothing for so long; resolves when it goes on. */
async function hang({ supervisor }: Scene, node: number, millis: number): Promise<unknown> {
  return supervisor.ask(node, (control) => control.hang(millis), 2 * millis)
}

describe('a supervisor', () => {
  test('stops one node for good, after a hand-over, while the others go on', async () => {
    const { supervisor, caller, loop, events, heardBy: ask } = await clusterOf(3)
    await supervisor.start()
    await supervisor.stopNode(1)
    expect([await supervisor.ask(1, (control) => control.inspect()), events]).toEqual([null, []])
    await expect(heardBy(caller, loop, { node: 1, actor: 'probe' })).rejects.toThrow('undeliverable')
    expect(await ask(2, 'probe')).toEqual(['started', 'listGroups'])
    await supervisor.stopNode(1)
  })

  test('starts one more actor on a node', async () => {
    const { supervisor, heardBy: ask } = await clusterOf(1)
    await supervisor.start()
    await supervisor.ask(0, (control) => control.spawn(0, { name: 'late', url: actor.url, config: null }))
    expect(await ask(0, 'late')).toEqual(['started', 'listGroups'])
  })

  test('starts a worker for each node, which answers', async () => {
    const { supervisor, heardBy: ask } = await clusterOf(2)
    await supervisor.start()
    expect(await ask(0, 'probe')).toEqual(['started', 'listGroups'])
    expect(await ask(1, 'probe')).toEqual(['started', 'listGroups'])
    expect(await supervisor.ask(1, (control) => control.inspect())).toMatchObject({ 1: { probe: { self: { node: 1, actor: 'probe' } } } })
  })

  test('announces a worker that dies, and starts it again, linked to the caller and to the others', async () => {
    const { supervisor, caller, loop, events, event, heardBy: ask } = await clusterOf(2)
    await supervisor.start()
    await supervisor.terminate(0)
    await event('down 0 (1)')
    await expect(ask(0, 'probe')).rejects.toThrow('undeliverable')
    await event('up 0 (1)')
    expect(await ask(0, 'probe')).toEqual(['started', 'listGroups'])
    const from = { node: -1, actor: 'client' }
    caller.host(-1).post({ node: 1, actor: 'probe' }, from, { kind: 'subscribe', topics: ['send probe 0'], topicPattern: null })
    loop.kick()
    let heard = await ask(0, 'probe')
    while (!heard.includes('pause from 1/probe')) heard = await ask(0, 'probe')
    expect(events).toEqual(['down 0 (1)', 'up 0 (1)'])
  })

  test('tells of an actor that fails on a worker', async () => {
    const { supervisor, caller, loop, event } = await clusterOf(1)
    await supervisor.start()
    caller
      .host(-1)
      .post({ node: 0, actor: 'probe' }, { node: -1, actor: 'client' }, { kind: 'subscribe', topics: ['break'], topicPattern: null })
    loop.kick()
    await event('probe of 0: X1 on purpose')
  })

  test('gives up what it asks of a worker that dies meanwhile, and takes what comes in its next life', async () => {
    const { supervisor, heardBy: ask, event } = await clusterOf(1)
    await supervisor.start()
    const asked = supervisor.ask(0, (control) => control.hang(60_000))
    const inspected = supervisor.ask(0, (control) => control.inspect())
    await supervisor.terminate(0)
    expect([await asked, await inspected]).toEqual([null, null])
    await event('up 0 (1)')
    expect(await ask(0, 'probe')).toEqual(['started', 'listGroups'])
  })

  test('does not wait for a worker that hangs when it is closed', async () => {
    const { supervisor, caller, loop } = await clusterOf(1, [actor.url], 50)
    scene = null
    await supervisor.start()
    const asked = supervisor.ask(0, (control) => control.hang(60_000))
    await supervisor.close()
    expect(await asked).toBeNull()
    await loop.close()
    await caller.close()
  })

  test('links two workers that die at the same time', async () => {
    const { supervisor, event } = await clusterOf(3)
    await supervisor.start()
    await Promise.all([supervisor.terminate(0), supervisor.terminate(1)])
    await Promise.all([event('up 0 (1)'), event('up 1 (1)')])
    await heardBoth(0, 1)
  })

  test('ends its workers when it is closed, and announces nothing', async () => {
    const { supervisor, caller, loop, events } = await clusterOf(2)
    scene = null
    await supervisor.start()
    await supervisor.close()
    await loop.close()
    await caller.close()
    expect(events).toEqual([])
  })

  test('ends a worker whose start failed, when it is closed', async () => {
    const workers: Worker[] = []
    const note = (worker: Worker): void => void workers.push(worker)
    process.on('worker', note)
    const { supervisor } = await clusterOf(1, [new URL('./probe-throw.ts', import.meta.url).href])
    await expect(supervisor.start()).rejects.toThrow('this module cannot be loaded')
    process.off('worker', note)
    expect(workers.map(({ threadId }) => threadId > 0)).toEqual([true])
    await supervisor.close()
    expect(workers.map(({ threadId }) => threadId)).toEqual([-1])
  })

  test('reports a worker that ends while it starts, and leaves it at that', async () => {
    const { supervisor, events } = await clusterOf(1, [actor.url, new URL('./probe-exit.ts', import.meta.url).href])
    await expect(supervisor.start()).rejects.toThrow('the worker thread of node 0 ended while it started')
    expect(events).toEqual([])
  })
})

describe('while a worker hangs', () => {
  test('another one is started again, and the two are linked when it goes on', async () => {
    const { supervisor, event, events } = await clusterOf(3)
    await supervisor.start()
    const begin = performance.now()
    let isOver = false
    const goesOn = hang(scene!, 0, 3000).then(() => (isOver = true))
    await supervisor.terminate(1)
    await event('up 1 (1)')
    await heardBoth(1, 2)
    // Once more: it finds two links to that node, and takes the newer one.
    await supervisor.terminate(1)
    while (events.filter((one) => one.startsWith('up 1')).length < 2) await sleep(5)
    await heardBoth(1, 2)
    expect(isOver).toBe(false)
    await goesOn
    expect(performance.now() - begin).toBeGreaterThan(2900)
    await heardBoth(0, 1)
    await heardBoth(0, 2)
  })

  test('and dies before it has taken its end of a link, it is linked in its next life', async () => {
    const { supervisor, event } = await clusterOf(2)
    await supervisor.start()
    void hang(scene!, 0, 60_000)
    await supervisor.terminate(1)
    await event('up 1 (1)')
    await supervisor.terminate(0)
    await event('up 0 (1)')
    await heardBoth(0, 1)
  })

  test('another one is stopped, and started again', async () => {
    const { supervisor, event } = await clusterOf(3)
    await supervisor.start()
    let isOver = false
    const goesOn = hang(scene!, 0, 3000).then(() => (isOver = true))
    await supervisor.stopNode(1)
    supervisor.startNode(1)
    await event('up 1 (1)')
    await heardBoth(1, 2)
    expect(isOver).toBe(false)
    await goesOn
    await heardBoth(0, 1)
  })

  test('and is stopped, whoever closes everything meanwhile waits for its end', async () => {
    const workers: Worker[] = []
    const note = (worker: Worker): void => void workers.push(worker)
    process.on('worker', note)
    const { supervisor, caller, loop } = await clusterOf(2, [actor.url], 500)
    await supervisor.start()
    process.off('worker', note)
    void hang(scene!, 0, 60_000)
    scene = null
    const stopped = supervisor.stopNode(0)
    await supervisor.close()
    expect(workers.map(({ threadId }) => threadId)).toEqual([-1, -1])
    await stopped
    await loop.close()
    await caller.close()
  })

  test('it is not waited for as long as one that answers, when it is closed', async () => {
    const { supervisor, caller, loop } = await clusterOf(1)
    await supervisor.start()
    void hang(scene!, 0, 60_000)
    scene = null
    const begin = performance.now()
    await supervisor.close()
    await loop.close()
    await caller.close()
    expect(performance.now() - begin).toBeLessThan(20_000)
  })

  test('whoever asks it something is told that it does not answer', async () => {
    const { supervisor } = await clusterOf(1)
    await supervisor.start()
    void hang(scene!, 0, 60_000)
    await expect(supervisor.ask(0, (control) => control.statistics(), 50)).rejects.toMatchObject({
      name: 'REQUEST_TIMED_OUT',
      message: expect.stringMatching(/^node 0 .*hangs/) as string,
    })
    await supervisor.terminate(0)
  })
})
