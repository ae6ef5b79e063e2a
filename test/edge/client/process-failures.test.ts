// What becomes of a round of consumer.process that fails: it is taken back before anybody else can commit it.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Place } from '../../../actors/processing.ts'
import { string } from '../../../edge/client/index.ts'
import type { Consumer } from '../../../edge/client/index.ts'
import { Processing } from '../../../edge/client/process.ts'
import { ClientTransaction } from '../../../edge/client/transactions.ts'
import { KafkaError } from '../../../protocol/errors.ts'
import { failureOf, openCluster, take } from './support.ts'

test('a round that cannot be committed leads back in what was polled since, too: the next call has it', async () => {
  const [first, second] = [0, 1].map((partition) => ({ topic: 'in', partition, offset: 5 }))
  const refusal = new KafkaError('UNKNOWN_SERVER_ERROR', 'no')
  const uptime = vi.spyOn(performance, 'now').mockReturnValue(0)
  onTestFinished(() => uptime.mockRestore())
  const sought: string[] = []
  const polls = [[first], [second]]
  const hooks = {
    mustLetGo: () => false,
    isAssignedByHand: () => false,
    held: () => [first, second],
    goBack: ({ partition, offset }: Place) => sought.push(`${partition}:${offset}`),
    poll: () => {
      processing.polled()
      // The round is due by then, and not before.
      if (polls.length === 1) uptime.mockReturnValue(5)
      return Promise.resolve(polls.shift() ?? [])
    },
  }
  const one = {
    commit: () => Promise.reject(refusal),
  }
  const output = { flush: () => Promise.resolve() }
  const plan = { guarantee: 'at-least-once', commitIntervalMillis: 1, rememberedKeys: 1, deduplicateBy: null } as const
  const processing = new Processing(one as never, hooks as never, output as never, () => undefined, plan)
  await expect(processing.run(undefined)).rejects.toBe(refusal)
  expect(sought).toEqual(['0:5', '1:5'])
})

test('a round that cannot be committed when partitions go ends the processing, and leads back in the others', async () => {
  const [gone, kept] = [0, 1].map((partition) => ({ topic: 'in', partition, offset: 5 }))
  const refusal = new KafkaError('UNKNOWN_SERVER_ERROR', 'no')
  const sought: number[] = []
  const polls = [[gone, kept], []]
  let goOn = (): void => undefined
  const waiting = Promise.withResolvers<void>()
  const hooks = {
    mustLetGo: () => false,
    isAssignedByHand: () => false,
    held: () => [kept],
    goBack: ({ partition }: Place) => sought.push(partition),
    poll: async () => {
      processing.polled()
      const records = polls.shift() ?? []
      if (records.length > 0) return records
      waiting.resolve()
      await new Promise<void>((resolve) => (goOn = resolve))
      return records
    },
  }
  const one = {
    commit: () => Promise.reject(refusal),
  }
  const output = { flush: () => Promise.resolve() }
  const plan = { guarantee: 'at-least-once', commitIntervalMillis: 60_000, rememberedKeys: 1, deduplicateBy: null } as const
  const processing = new Processing(one as never, hooks as never, output as never, () => undefined, plan)
  const ended = expect(processing.run(undefined)).rejects.toBe(refusal)
  await waiting.promise
  await processing.revoking([gone!])
  goOn()
  await ended
  expect(sought).toEqual([1])
})

describe.each(['at-most-once', 'at-least-once', 'exactly-once'] as const)('offsets that nobody takes in time, %s', (guarantee) => {
  /** A processing of one record, whose offsets are refused once; what was done. */
  function scene(when: 'at once' | 'in the end'): { ended: Promise<void>; steps: string[]; refusal: KafkaError } {
    const place = { topic: 'in', partition: 0, offset: 5 }
    const refusal = new KafkaError('REQUEST_TIMED_OUT', 'nobody has answered')
    const stop = new AbortController()
    const steps: string[] = []
    const polls = [[place]]
    let refusals = 0
    const hooks = {
      mustLetGo: () => false,
      isAssignedByHand: () => true,
      held: () => [place],
      goBack: ({ offset }: Place) => {
        steps.push(`back ${offset}`)
        polls.push([place])
      },
      poll: () => {
        processing.polled()
        if (polls.length === 0) stop.abort()
        return Promise.resolve(polls.shift() ?? [])
      },
    }
    const take = async (step: string): Promise<void> => {
      if (when === 'in the end') stop.abort()
      steps.push(step)
      if (refusals++ === 0) throw refusal
    }
    const transaction = { sendOffsets: () => take('offsets'), commit: () => Promise.resolve(), abort: () => Promise.resolve() }
    const output = { flush: () => Promise.resolve(), beginTransaction: () => Promise.resolve(transaction) }
    const plan = { guarantee, commitIntervalMillis: 0, rememberedKeys: 1, deduplicateBy: null } as const
    const handler = (): void => void steps.push('handle')
    const one = { commit: () => take('offsets') }
    const processing = new Processing(one as never, hooks as never, output as never, handler, plan)
    return { ended: processing.run(stop.signal), steps, refusal }
  }

  test('take the round back, and the next one begins', async () => {
    const { ended, steps } = scene('at once')
    await ended
    const once = guarantee === 'at-most-once' ? ['offsets', 'offsets', 'handle'] : null
    expect(steps).toEqual(once ?? ['handle', 'offsets', 'back 5', 'handle', 'offsets'])
  })

  test('are an error when the processing is to end', async () => {
    const { ended, steps, refusal } = scene('in the end')
    await expect(ended).rejects.toBe(refusal)
    expect(steps).toEqual(guarantee === 'at-most-once' ? ['offsets'] : ['handle', 'offsets', 'back 5'])
  })
})

describe('what fails while partitions are to go', () => {
  const gone = { topic: 'in', partition: 0, offset: 5 }
  const kept = { topic: 'in', partition: 1, offset: 5 }

  /** A processing that has polled both partitions; what its consumer was asked for. */
  function scene(
    { commitIntervalMillis, flush = () => Promise.resolve() }: { commitIntervalMillis: number; flush?: () => Promise<void> },
    handler: (record: Place) => unknown,
  ): { processing: Processing<unknown, unknown, unknown, unknown>; asked: string[] } {
    const plan = { guarantee: 'at-least-once', commitIntervalMillis, rememberedKeys: 1, deduplicateBy: null } as const
    const asked: string[] = []
    const polls = [[gone, kept]]
    const hooks = {
      mustLetGo: () => false,
      isAssignedByHand: () => false,
      held: () => [kept],
      goBack: ({ partition, offset }: Place) => asked.push(`back ${partition}:${offset}`),
      poll: async () => {
        processing.polled()
        if (polls.length === 0) await sleep(1)
        return polls.shift() ?? []
      },
    }
    const one = {
      commit: async (offsets: readonly Place[]) =>
        void asked.push(`commit ${offsets.map(({ partition, offset }) => `${partition}:${offset}`).join(' ')}`),
    }
    const processing: Processing<unknown, unknown, unknown, unknown> = new Processing(
      one as never,
      hooks as never,
      { flush } as never,
      handler as never,
      plan,
    )
    return { processing, asked }
  }

  test.each(['at once', 'later'])('a handler that throws %s: nobody commits its round', async (when) => {
    const error = new Error('broken')
    const revoked: Promise<void>[] = []
    const { processing, asked } = scene({ commitIntervalMillis: 60_000 }, ({ partition }) => {
      if (partition === 0) return undefined
      revoked.push(processing.revoking([gone]), processing.revoking([]))
      if (when === 'later') return sleep(5).then(() => Promise.reject(error))
      throw error
    })
    await expect(processing.run(undefined)).rejects.toBe(error)
    await Promise.all(revoked)
    expect(asked).toEqual(['back 1:5'])
  })

  test.each(['when it is time', 'when partitions go'])('a round that lacks a result %s: nobody commits it later', async (when) => {
    const error = new Error('not written')
    const revoked: Promise<void>[] = []
    const revoke = (): unknown => revoked.push(processing.revoking([gone]), processing.revoking([]))
    const isDue = when === 'when it is time'
    let flushes = 0
    const flush = async (): Promise<void> => {
      if (flushes++ > 0) return
      if (isDue) revoke()
      throw error
    }
    const handler = (): void => void (!isDue && revoked.length === 0 && revoke())
    const { processing, asked } = scene({ commitIntervalMillis: isDue ? 0 : 60_000, flush }, handler)
    await expect(processing.run(undefined)).rejects.toBe(error)
    await Promise.all(revoked)
    expect([asked, flushes]).toEqual([['back 1:5'], 1])
  })
})

test('exactly once, whose last transaction may have been committed, does not go on with that consumer: another one begins where the group says', async () => {
  const cluster = await openCluster()
  for (const topic of ['in', 'out']) await cluster.admin.createTopic(topic)
  await using input = cluster.producer({ value: string })
  await input.send(['a', 'b'].map((value) => ({ topic: 'in', value })))
  const options = { group: 'g', topics: ['in'], value: string, autoOffsetReset: 'earliest' } as const
  const work = (one: Consumer<Uint8Array, string>, signal?: AbortSignal): Promise<void> =>
    one.process((record, output) => output.send({ topic: 'out', value: record.value }), {
      guarantee: 'exactly-once',
      commitIntervalMillis: 1,
      output: { value: string },
      ...(signal === undefined ? {} : { signal }),
    })
  const one = cluster.consumer(options)
  const late = vi.spyOn(ClientTransaction.prototype, 'commit')
  late.mockImplementationOnce(async function commitLate(this: ClientTransaction<unknown, unknown>) {
    await this.commit()
    throw new KafkaError('REQUEST_TIMED_OUT', 'nobody says how it ended')
  })
  expect(await failureOf(() => work(one))).toMatchObject({ name: 'REQUEST_TIMED_OUT' })
  expect(await failureOf(() => work(one))).toMatchObject({ name: 'INVALID_REQUEST', message: expect.stringContaining('close it') })
  await one.close()
  const controller = new AbortController()
  await using other = cluster.consumer(options)
  const worked = work(other, controller.signal)
  await using reader = cluster.consumer({ group: 'r', topics: ['out'], value: string, isolationLevel: 'read_committed' })
  expect((await take(reader, 2)).map(({ value }) => value)).toEqual(['a', 'b'])
  controller.abort()
  await worked
  expect(await reader.poll({ timeoutMillis: 50 })).toEqual([])
})
