// Partitions on their way out: who is told, and when they are let go of.
import { expect, test } from 'vitest'
import { ConsumedPartition } from '../../../edge/client/consumed-partition.ts'
import { callListener, Releases } from '../../../edge/client/releases.ts'
import type { ReleaseListeners } from '../../../edge/client/releases.ts'

function scene(listeners: Partial<ReleaseListeners>): { releases: Releases; released: string[]; failures: unknown[] } {
  const released: string[] = []
  const failures: unknown[] = []
  const actions = {
    release: (partitions: readonly ConsumedPartition[]): void => void released.push(...partitions.map(({ name }) => name)),
    fail: (error: unknown): void => void failures.push(error),
  }
  return {
    releases: new Releases(
      {
        onAssigned: undefined,
        onRevoked: undefined,
        onLost: undefined,
        onLostMeanwhile: () => undefined,
        onGone: () => undefined,
        ...listeners,
      },
      actions,
    ),
    released,
    failures,
  }
}

const partition = (number: number): ConsumedPartition => new ConsumedPartition('t', number)

test('a partition goes when what its listener does is done', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { releases, released } = scene({ onRevoked: () => promise })
  releases.add(partition(0), false)
  releases.begin()
  expect([released, releases.due]).toEqual([[], []])
  resolve()
  await promise
  await Promise.resolve()
  expect(released).toEqual(['t-0'])
})

test('one that is lost while its listener is at work goes at once, and once, and is said to be lost', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const gone: number[] = []
  const onLostMeanwhile: ReleaseListeners['onLostMeanwhile'] = (partitions) => void gone.push(...partitions.map((one) => one.partition))
  const { releases, released } = scene({ onRevoked: () => promise, onLostMeanwhile })
  const one = partition(0)
  releases.add(one, false)
  releases.begin()
  releases.add(one, true)
  releases.begin()
  expect([released, gone]).toEqual([['t-0'], [0]])
  resolve()
  await promise
  await Promise.resolve()
  expect([released, gone]).toEqual([['t-0'], [0]])
})

test('lost ones are told to onLost, or to onRevoked if there is none; others beside them to onRevoked', () => {
  const heard: string[] = []
  const note = (who: string) => (partitions: readonly { readonly partition: number }[]) =>
    void heard.push(`${who} ${partitions.map((one) => one.partition).join(' ')}`)
  for (const listeners of [{ onRevoked: note('revoked'), onLost: note('lost') }, { onRevoked: note('revoked') }]) {
    const { releases, released } = scene(listeners)
    releases.add(partition(0), true)
    releases.add(partition(1), false)
    releases.begin()
    expect(released.toSorted()).toEqual(['t-0', 't-1'])
  }
  expect(heard).toEqual(['revoked 1', 'lost 0', 'revoked 1', 'revoked 0'])
})

test('when all go, each is told once, as what it is, and whose listener is at work is waited for, unless it is lost meanwhile', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const heard: string[] = []
  const note = (who: string) => (partitions: readonly { readonly partition: number }[]) =>
    void heard.push(`${who} ${partitions.map((one) => one.partition).join(' ')}`)
  const onRevoked: ReleaseListeners['onRevoked'] = (partitions) => {
    note('revoked')(partitions)
    return promise
  }
  const { releases, released } = scene({ onRevoked, onLost: note('lost') })
  const all = [0, 1, 2].map(partition)
  releases.add(all[0]!, false)
  releases.begin()
  releases.add(all[1]!, true)
  for (const one of all) releases.add(one, false)
  const finished = releases.finish(60_000)
  expect([heard, released]).toEqual([['revoked 0', 'revoked 2', 'lost 1'], ['t-1']])
  resolve()
  await finished
  expect(released.toSorted()).toEqual(['t-0', 't-1', 't-2'])
  const hanging = scene({ onRevoked: () => new Promise(() => undefined) })
  hanging.releases.add(partition(0), false)
  await hanging.releases.finish(5)
  expect(hanging.released).toEqual([])
})

test('what a listener throws, at once or later, is told, and the partition goes all the same', async () => {
  const error = new Error('no')
  for (const onRevoked of [() => Promise.reject(error), () => raise(error)]) {
    const { releases, released, failures } = scene({ onRevoked })
    releases.add(partition(0), false)
    releases.begin()
    await new Promise((resolve) => setImmediate(resolve))
    expect(released).toEqual(['t-0'])
    expect(failures).toMatchObject([
      { name: 'LISTENER_FAILED', message: "the application's onRevoked has thrown: Error: no", cause: error },
    ])
  }
  expect(callListener('onLost', undefined, [], () => undefined)).toBeNull()
})

function raise(error: Error): never {
  throw error
}

test('a partition that comes and goes in one moment is announced before it is taken', () => {
  const told: string[] = []
  const { releases } = scene({ onAssigned: () => void told.push('assigned'), onRevoked: () => void told.push('revoked') })
  const one = new ConsumedPartition('t', 0)
  releases.begun(one)
  releases.add(one, false)
  releases.begin()
  releases.announce()
  expect(told).toEqual(['assigned', 'revoked'])
})

test('nobody hears of what comes when all is said, nor that it goes', async () => {
  const heard: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const note =
    (what: string): NonNullable<ReleaseListeners['onAssigned']> =>
    (partitions) => {
      heard.push(`${what} ${partitions.map((one) => one.partition).join(' ')}`)
      return what === 'revoked' ? promise : undefined
    }
  const { releases, released } = scene({ onAssigned: note('assigned'), onRevoked: note('revoked'), onLost: note('lost') })
  const [early, late] = [partition(0), partition(1)]
  releases.begun(early)
  releases.add(early, false)
  const finished = releases.finish(60_000)
  releases.begun(late)
  releases.add(late, false)
  releases.begin()
  await Promise.resolve()
  expect([heard, released]).toEqual([['assigned 0', 'revoked 0'], ['t-1']])
  resolve()
  await finished
  releases.begun(late)
  releases.add(late, true)
  releases.begin()
  await Promise.resolve()
  expect(heard).toHaveLength(2)
})
