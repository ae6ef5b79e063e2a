// What a consumer's client makes of what its actor says late, and of files that are not there.
import { expect, test } from 'vitest'
import { Consumption } from '../../../edge/client/consumption.ts'
import { codeOf } from '../../../protocol/errors.ts'
import type { Message } from '../../../protocol/messages/message.ts'

const place = { topic: 't', partition: 0 }

/** A client with one partition that reads files with `reader`; what it has asked its actor, and a way to answer. */
function clientWith(
  reader: object,
  listeners: object = {},
): { consumption: Consumption; asked: Message[]; hear: (message: Message) => void } {
  let hear: (message: Message) => void = () => undefined
  const asked: Message[] = []
  const host = {
    node: 0,
    spawn: () => undefined,
    openPort: (actor: string, onMessage: typeof hear) => ((hear = onMessage), { node: 0, actor }),
    post: (_from: unknown, _to: unknown, message: Message) => void asked.push(message),
  }
  const engine = { host, loop: { kick: () => undefined }, coordinatorNodes: () => [] }
  const consumption = new Consumption(
    engine as never,
    'consumer-1',
    reader as never,
    { actorUrl: {}, config: {}, onGone: () => undefined, ...listeners } as never,
  )
  consumption.replace([place])
  return { consumption, asked, hear: (message) => hear(message) }
}

test('what was wrong with a partition before the application sought elsewhere is not thrown', () => {
  const { consumption, hear } = clientWith({})
  const errorCode = codeOf('OFFSET_OUT_OF_RANGE')
  const one = consumption.assigned(place)
  const before = one.session
  consumption.moveTo(one, 7, before + 1)
  hear({ kind: 'consumerFailed', ...place, session: before, errorCode, errorMessage: 'before' })
  expect(() => consumption.throwFailure()).not.toThrow()
  hear({ kind: 'consumerFailed', ...place, session: before + 1, errorCode, errorMessage: 'there is no 7' })
  expect(() => consumption.throwFailure()).toThrow('there is no 7')
})

test('how far the application is in what it does not want any more is told before it goes', () => {
  const { consumption, asked } = clientWith({})
  const one = consumption.assigned(place)
  consumption.moveTo(one, 7, 1)
  one.processed = 9
  consumption.replace([place])
  expect(asked).toEqual([])
  consumption.replace([])
  expect(asked).toEqual([{ kind: 'progress', ...place, session: 1, position: 9 }])
})

test('a file that is not there twice in a row is doubted: the leader is asked for the bytes', () => {
  const { consumption, asked, hear } = clientWith({ read: () => null })
  const one = consumption.assigned(place)
  consumption.moveTo(one, 7, 1)
  const range = { path: 't-0.1/0.log', position: 0, sizeBytes: 100, availableBytes: 100 }
  const chunk = { kind: 'chunk', ...place, fetchOffset: 7, highWatermark: 9, abortedTransactions: [], node: 0, records: null } as const
  hear({ ...chunk, session: 1, range })
  expect(asked.at(-1)).toMatchObject({ kind: 'fetchMore', session: 1, offset: 7 })
  hear({ ...chunk, session: 1, range })
  expect(asked.at(-1)).toMatchObject({ kind: 'fetchAgain', session: 2, offset: 7 })
  // What the leader says of it is what the application is told.
  hear({ kind: 'consumerFailed', ...place, session: 2, errorCode: codeOf('KAFKA_STORAGE_ERROR'), errorMessage: 'the disk is gone' })
  expect(() => consumption.throwFailure()).toThrow('the disk is gone')
})

test('a file that went is looked for once more at every place', () => {
  const { consumption, asked, hear } = clientWith({ read: () => null })
  const range = { path: 't-0.1/0.log', position: 0, sizeBytes: 100, availableBytes: 100 }
  for (const offset of [7, 8, 7]) {
    consumption.moveTo(consumption.assigned(place), offset, offset)
    const chunk = {
      kind: 'chunk',
      ...place,
      fetchOffset: offset,
      highWatermark: 9,
      abortedTransactions: [],
      node: 0,
      records: null,
    } as const
    hear({ ...chunk, session: offset, range })
    expect(asked.at(-1)).toMatchObject({ kind: 'fetchMore', offset })
  }
})

test('where the application has sought while a partition was asked for is told before that goes: the actor has passed over the seek', () => {
  const { consumption, asked, hear } = clientWith({})
  const one = consumption.assigned(place)
  consumption.moveTo(one, 7, 1)
  consumption.seek(one, 3)
  hear({ kind: 'revoking', partitions: [place], lost: false })
  expect(asked.slice(-2)).toEqual([
    { kind: 'progress', ...place, session: 2 ** 20, position: 3 },
    { kind: 'released', partitions: [place] },
  ])
})

test('what its application gives up itself is not assigned from then on; what the group asks for is, until it is let go of', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { consumption, hear } = clientWith({}, { onRevoked: () => promise })
  hear({ kind: 'revoking', partitions: [place], lost: false })
  expect(consumption.assignment()).toEqual([place])
  consumption.letGo(false)
  expect([consumption.assignment(), consumption.held()]).toEqual([[], [place]])
  resolve()
  await promise
  await Promise.resolve()
  expect(consumption.held()).toEqual([])
})
