// Whoever waits for nodes to join their cluster is told when none does, and why.
import { expect, test } from 'vitest'
import { NodeSet } from '../../../edge/client/node-set.ts'
import { NodeThreads } from '../../../edge/client/node-threads.ts'
import { openRequests } from '../../../edge/client/requests.ts'
import { BROKER_ACTOR } from '../../../protocol/address.ts'
import { CallerLoop } from '../../../runtime/caller-loop.ts'
import { allocateDoorbells } from '../../../runtime/doorbell.ts'
import { ThreadRuntime } from '../../../runtime/thread-runtime.ts'

const OPTIONS = { nodeSessionTimeoutMillis: 2000, replicaLagMillis: 2000, offsetsRetentionMillis: -1, reassignmentBytesPerSecond: 0 }

/** Waits for a node that says so often that it is not active; how often it was asked. */
async function joinLate(lateCount: number, diskError: Error | null, failedNode = 0): Promise<number> {
  const nodes = [{ node: 0, directory: null, actors: [] }]
  const runtime = new ThreadRuntime({ thread: 0, doorbells: allocateDoorbells(1), links: [], nodes, preload: [] }, () => undefined)
  const loop = new CallerLoop(runtime)
  const host = runtime.host(0)
  const requests = openRequests({ host, loop, quotas: { keeper: { node: 0, actor: 'quotas' }, user: null } }, [0])
  let asked = 0
  const self = host.openPort(BROKER_ACTOR, (message) => {
    if (message.kind !== 'describeBroker') return
    const { correlationId } = message
    host.post({ node: 0, actor: 'requests' }, self, { kind: 'brokerDescribed', correlationId, isActive: asked++ >= lateCount })
    runtime.bell.ring()
  })
  const threads = new NodeThreads({
    nodes: new NodeSet(null, OPTIONS),
    runtime,
    supervisor: null,
    requests,
    loop,
    isClosing: () => false,
    diskErrorOf: (node) => (node === failedNode ? diskError : null),
    joinMillisMax: lateCount === Infinity ? 20 : 60_000,
  })
  try {
    await threads.join([0])
    return asked
  } finally {
    requests.close()
    await loop.close()
    await runtime.close()
  }
}

test('a node that becomes active is waited for', async () => {
  expect(await joinLate(3, null)).toBe(4)
})

test('a node that does not become active is not waited for without end, and what its disk said is told', async () => {
  const full = new Error('the disk with d/node-0 failed: ENOSPC: no space left on device, write')
  await expect(joinLate(Infinity, full)).rejects.toMatchObject({
    name: 'DISK_FULL',
    message: expect.stringMatching(/^node 0 .*ENOSPC/) as string,
  })
  const broken = new Error('the disk with d/node-0 failed: EIO: i/o error, write')
  await expect(joinLate(Infinity, broken)).rejects.toMatchObject({
    name: 'KAFKA_STORAGE_ERROR',
    message: expect.stringMatching(/EIO/) as string,
  })
  await expect(joinLate(Infinity, broken, 1)).rejects.toMatchObject({ name: 'REQUEST_TIMED_OUT' })
  await expect(joinLate(Infinity, null)).rejects.toMatchObject({
    name: 'REQUEST_TIMED_OUT',
    message: expect.stringMatching(/busy/) as string,
  })
})
