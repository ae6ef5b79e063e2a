// Processing of partitions that were assigned by hand.
import { expect, test } from 'vitest'
import { Processing } from '../../../edge/client/process.ts'

test('a position that is set anew while offsets are sent leads the round back, and does not end the processing', async () => {
  const place = { topic: 'in', partition: 0 }
  const stop = new AbortController()
  const outcomes: string[] = []
  let polls = 0
  const hooks = {
    mustLetGo: () => false,
    isAssignedByHand: () => true,
    held: () => [place],
    goBack: () => undefined,
    poll: () => {
      processing.polled()
      if (++polls > 2) stop.abort()
      return Promise.resolve(polls > 2 ? [] : [{ ...place, offset: 7 }])
    },
  }
  const transaction = {
    sendOffsets: () => {
      if (polls === 1) processing.lost([place])
      return Promise.resolve()
    },
    commit: () => Promise.resolve(void outcomes.push('commit')),
    abort: () => Promise.resolve(void outcomes.push('abort')),
  }
  const output = { beginTransaction: () => Promise.resolve(transaction) }
  const plan = { guarantee: 'exactly-once', commitIntervalMillis: 0, rememberedKeys: 0, deduplicateBy: null } as const
  const processing = new Processing({} as never, hooks as never, output as never, () => undefined, plan)
  await processing.run(stop.signal)
  expect(outcomes).toEqual(['abort', 'commit'])
})

test('a record is handled when what its handler has answered is, be it a Promise or a query that begins when it is awaited', async () => {
  const stop = new AbortController()
  const place = { topic: 'in', partition: 0 }
  const steps: string[] = []
  const polled = [[{ ...place, offset: 7 }], []]
  const hooks = {
    mustLetGo: () => false,
    isAssignedByHand: () => true,
    held: () => [place],
    goBack: () => undefined,
    poll: () => Promise.resolve(polled.shift() ?? []),
  }
  const one = { commit: () => Promise.resolve(void steps.push('commit')) }
  const output = { flush: () => Promise.resolve() }
  const query: PromiseLike<void> = {
    // oxlint-disable-next-line unicorn/no-thenable -- it is what builders of queries are
    then: (onDone) => {
      steps.push('query')
      stop.abort()
      return Promise.resolve().then(onDone)
    },
  }
  const plan = { guarantee: 'at-least-once', commitIntervalMillis: 0, rememberedKeys: 0, deduplicateBy: null } as const
  const processing = new Processing(one as never, hooks as never, output as never, () => query, plan)
  await processing.run(stop.signal)
  expect(steps).toEqual(['query', 'commit'])
})
