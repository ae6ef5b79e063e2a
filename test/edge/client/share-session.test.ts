// What a member of a share group has said goes at times of its own; a commit tells what has become of it.

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { codeOf, KafkaError, NONE } from '../../../protocol/errors.ts'
import type { ErrorName } from '../../../protocol/errors.ts'
import type { AcknowledgeType, ShareFetchRequest } from '../../../protocol/messages/share.ts'
import { ShareSession } from '../../../edge/client/share-session.ts'
import type { ShareMembership } from '../../../edge/client/share-session.ts'
import type { Requests } from '../../../edge/client/requests.ts'

type Answering = (request: Pick<ShareFetchRequest, 'sessionEpoch' | 'acknowledgements' | 'leaves'>) => Promise<void | ErrorName>

const WISH = { maxRecords: 1, maxWaitMillis: 0, leaves: false }

/** A session whose coordinator takes everything, unless it throws. */
function sessionOf(answering: Answering): ShareSession {
  const askShareGroup = async (_group: string, request: ShareFetchRequest): Promise<unknown> => {
    const error = await answering(request)
    return { errorCode: error === undefined ? NONE : codeOf(error), reign: 1, waitedMillis: 0, acquired: [], refused: [] }
  }
  const about = { group: 'g', memberId: 'm', topics: [], reset: 'latest', isolationLevel: 'read_uncommitted' } as const
  const membership: ShareMembership = { ...about, lockMillis: 10_000, deliveryCountLimit: 5 }
  return new ShareSession({ askShareGroup, deathCount: 0 } as unknown as Requests, membership, undefined, () => undefined)
}

function say(session: ShareSession, type: AcknowledgeType = 'accept'): void {
  session.add({ topic: 't', topicId: 1, partition: 0, first: 0, last: 0 }, type)
}

const late = new KafkaError('REQUEST_TIMED_OUT', 'no answer')

test('a commit tells that what went with an earlier question has failed, once', async () => {
  const session = sessionOf(({ sessionEpoch }) => (sessionEpoch === 1 ? Promise.reject(late) : Promise.resolve()))
  say(session)
  await expect(session.fetch(WISH)).rejects.toBe(late)
  await turn()
  await expect(session.commit()).rejects.toBe(late)
  await session.commit()
  session.stop()
})

test('a commit waits for what is on its way, and tells that it has failed', async () => {
  let fail = (_error: Error): void => undefined
  const session = sessionOf(({ sessionEpoch }) => new Promise((resolve, reject) => (sessionEpoch === 1 ? (fail = reject) : resolve())))
  say(session)
  const fetched = session.fetch(WISH)
  const committed = Promise.allSettled([session.commit(), session.commit()])
  await turn()
  fail(late)
  await expect(fetched).rejects.toBe(late)
  expect((await committed).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await session.commit()
  session.stop()
})

test('what fails of a question that was asked after a commit is told by the next one', async () => {
  const ends: ((error: Error | null) => void)[] = []
  const session = sessionOf(
    () => new Promise((resolve, reject) => ends.push((error: Error | null) => (error === null ? resolve() : reject(error)))),
  )
  say(session)
  const committed = Promise.allSettled([session.commit()])
  say(session)
  const fetched = Promise.allSettled([session.fetch(WISH)])
  const [endCommit, endFetch] = ends
  endFetch!(late)
  await fetched
  endCommit!(null)
  expect((await committed)[0].status).toBe('fulfilled')
  const next = session.commit()
  ends[2]!(null)
  await expect(next).rejects.toBe(late)
  session.stop()
})

test('it leaves once more when a question of before is answered later: that may have made it a member again', async () => {
  const asked: [number, boolean][] = []
  let answer = (): void => undefined
  const session = sessionOf(({ sessionEpoch, leaves }) => {
    asked.push([sessionEpoch, leaves])
    return sessionEpoch === 1 ? new Promise((resolve) => (answer = resolve)) : Promise.resolve()
  })
  const fetched = session.fetch(WISH)
  const left = session.leave()
  await turn()
  answer()
  await Promise.all([fetched, left])
  expect(asked).toEqual([
    [1, false],
    [2, true],
    [3, true],
  ])
  await session.leave()
  expect(asked).toHaveLength(4)
  session.stop()
})

test('a question that its farewell has overtaken brings nothing, and what went with it came too late', async () => {
  const session = sessionOf(({ leaves }) => Promise.resolve(leaves ? undefined : 'SHARE_SESSION_NOT_FOUND'))
  say(session)
  expect((await session.fetch(WISH)).acquired).toEqual([])
  say(session)
  await expect(session.commit()).rejects.toMatchObject({ name: 'INVALID_RECORD_STATE' })
  await session.leave()
  session.stop()
})

test('what is given back unasked is nothing that a commit tells of', async () => {
  const session = sessionOf(({ acknowledgements }) => (acknowledgements.length > 0 ? Promise.reject(late) : Promise.resolve()))
  say(session, 'return')
  await expect(session.fetch(WISH)).rejects.toBe(late)
  await turn()
  await session.commit()
  session.stop()
})

test('an answer that comes so late that it makes sure of nothing has to do', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const session = sessionOf(() => Promise.resolve(void vi.advanceTimersByTime(450)))
    const { hold } = await session.fetch(WISH)
    expect(session.trustIn(hold)).toBe('sure')
    vi.advanceTimersByTime(60)
    expect(session.trustIn(hold)).toBe('unsure')
    await session.ask()
    expect(session.trustIn(hold)).toBe('sure')
    session.stop()
  } finally {
    vi.useRealTimers()
  }
})
