// A follower whose leader is slow.

import { expect, test } from 'vitest'
import { answerTo, ReplicatedPartition } from './replication-support.ts'

test('a follower waits longer after answers that come too late, so that it does not fetch the same for ever, and not after what is lost', () => {
  const partition = new ReplicatedPartition(2)
  const fetched: { readonly at: number; readonly correlationId: number }[] = []
  partition.onMessage = (from, _, message) => {
    if (message.kind === 'fetch' && from.node === 1) fetched.push({ at: partition.uptime, correlationId: message.correlationId })
  }
  const pausesIn = (millis: number): Set<number> => {
    partition.pass(millis)
    const pauses = fetched.flatMap(({ at }, i) => (i === 0 ? [] : [at - fetched[i - 1]!.at]))
    fetched.splice(0, fetched.length - 1)
    return new Set(pauses)
  }
  const answerLate = (count: number): void => {
    const { correlationId } = fetched[0]!
    partition.pass(35_000)
    for (let i = 0; i < count; i++) partition.at(1).stage.deliver(answerTo(correlationId), { node: 0, actor: 'replica/t-0' })
    partition.pass(35_000)
    fetched.splice(0, fetched.length - 1)
  }
  partition.cut.add('0>1')
  partition.pass(2000)
  expect(pausesIn(5000)).toEqual(new Set([1000]))
  answerLate(1)
  expect(pausesIn(5000)).toEqual(new Set([1500]))
  answerLate(2)
  expect(pausesIn(20_000)).toEqual(new Set([4500]))
  answerLate(9)
  expect(pausesIn(100_000)).toEqual(new Set([30_500]))
  partition.cut.clear()
  partition.pass(40_000)
  partition.cut.add('0>1')
  partition.pass(2000)
  fetched.splice(0, fetched.length - 1)
  expect(pausesIn(5000)).toEqual(new Set([1000]))
})
