// Questions of clients to actors that move while they are asked.
import { expect, test } from 'vitest'
import { openRequests } from '../../../edge/client/requests.ts'
import { COORDINATOR_ACTOR, groupsActor } from '../../../protocol/address.ts'
import { codeOf, NONE } from '../../../protocol/errors.ts'
import type { Message } from '../../../protocol/messages/message.ts'
import { CallerLoop } from '../../../runtime/caller-loop.ts'
import { allocateDoorbells } from '../../../runtime/doorbell.ts'
import { ThreadRuntime } from '../../../runtime/thread-runtime.ts'

const GROUP = 'billing'

test('a group that has moved since it was found is found again', async () => {
  const nodes = [0, 1].map((node) => ({ node, directory: null, actors: [] }))
  const runtime = new ThreadRuntime({ thread: 0, doorbells: allocateDoorbells(1), links: [], nodes, preload: [] }, () => undefined)
  const loop = new CallerLoop(runtime)
  const requests = openRequests({ host: runtime.host(0), loop, quotas: { keeper: { node: 0, actor: 'quotas' }, user: null } }, [0])
  const asked: string[] = []
  const answer = (node: number, actor: string, respond: (correlationId: number) => Message): void => {
    const host = runtime.host(node)
    const self = host.openPort(actor, (message) => {
      if (!('correlationId' in message)) return
      asked.push(`${message.kind} ${node}`)
      host.post({ node: 0, actor: 'requests' }, self, respond(message.correlationId))
      runtime.bell.ring()
    })
  }
  // The metadata of the coordinator is older than that of node 0 at first.
  let leader = 0
  answer(0, COORDINATOR_ACTOR, (correlationId) => {
    const node = leader
    leader = 1
    return { kind: 'findCoordinatorResponse', correlationId, errorCode: NONE, node, partition: 3, topicId: 7 }
  })
  answer(1, groupsActor(3), (correlationId) => ({
    kind: 'offsetFetchResponse',
    correlationId,
    errorCode: NONE,
    requested: [],
    offsets: [],
  }))
  const { offsets } = await requests.askGroup(GROUP, { kind: 'offsetFetch', partitions: null }, 'offsetFetchResponse')
  expect(offsets).toEqual([])
  expect(asked).toEqual(['findCoordinator 0', 'findCoordinator 0', 'offsetFetch 1'])
  requests.close()
  await loop.close()
  await runtime.close()
})

test('who waits for a transaction to end is told that it is open, not that nobody answers', async () => {
  const nodes = [{ node: 0, directory: null, actors: [] }]
  const runtime = new ThreadRuntime({ thread: 0, doorbells: allocateDoorbells(1), links: [], nodes, preload: [] }, () => undefined)
  const loop = new CallerLoop(runtime)
  const host = runtime.host(0)
  const requests = openRequests({ host, loop, quotas: { keeper: { node: 0, actor: 'quotas' }, user: null } }, [0], 50)
  const answer = (actor: string, respond: (correlationId: number) => Message): void => {
    const self = host.openPort(actor, (message) => {
      if ('correlationId' in message) host.post({ node: 0, actor: 'requests' }, self, respond(message.correlationId))
      runtime.bell.ring()
    })
  }
  answer(COORDINATOR_ACTOR, (correlationId) => ({
    kind: 'findCoordinatorResponse',
    correlationId,
    errorCode: NONE,
    node: 0,
    partition: 3,
    topicId: 7,
  }))
  let errorCode = codeOf('UNSTABLE_OFFSET_COMMIT')
  answer(groupsActor(3), (correlationId) => ({ kind: 'groupDeletionResponse', correlationId, errorCode, errorMessage: null }))
  const ask = (): Promise<unknown> => requests.askGroup(GROUP, { kind: 'deleteGroup' }, 'groupDeletionResponse')
  await expect(ask()).rejects.toMatchObject({
    name: 'UNSTABLE_OFFSET_COMMIT',
    message: expect.stringMatching(/^a transaction .* was open/),
  })
  errorCode = codeOf('COORDINATOR_LOAD_IN_PROGRESS')
  await expect(ask()).rejects.toMatchObject({ name: 'REQUEST_TIMED_OUT', message: 'no answer to deleteGroup within 50 ms' })
  requests.close()
  await loop.close()
  await runtime.close()
})

test('who asks for the active coordinator is not led to and fro by a voter of the past that names one which is gone', async () => {
  const nodes = [0, 1, 2].map((node) => ({ node, directory: null, actors: [] }))
  const runtime = new ThreadRuntime({ thread: 0, doorbells: allocateDoorbells(1), links: [], nodes, preload: [] }, () => undefined)
  const loop = new CallerLoop(runtime)
  const requests = openRequests({ host: runtime.host(0), loop, quotas: { keeper: { node: 0, actor: 'quotas' }, user: null } }, [0, 1, 2])
  const asked: number[] = []
  const answer = (node: number, respond: (correlationId: number) => Message): void => {
    const host = runtime.host(node)
    const self = host.openPort(COORDINATOR_ACTOR, (message) => {
      if (!('correlationId' in message)) return
      asked.push(node)
      host.post({ node: 0, actor: 'requests' }, self, respond(message.correlationId))
      runtime.bell.ring()
    })
  }
  answer(1, (correlationId) => ({ kind: 'notController', correlationId, controller: 0, isUncertain: false }))
  answer(2, (correlationId) => ({ kind: 'adminResponse', correlationId, results: [], errorCode: NONE }) as never)
  await requests.askCoordinator({ kind: 'rebalance', drain: null }, 'adminResponse')
  expect(asked).toEqual([1, 1, 2])
  requests.close()
  await loop.close()
  await runtime.close()
})
