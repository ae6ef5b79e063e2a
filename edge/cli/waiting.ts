/**
 * How commands wait: Ctrl-C ends it, and a wait that takes long is not silent: what keeps it is said on the standard error. It does NOT change what is waited for.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TopicPartition } from '../../protocol/ids.ts'
import type { Cluster } from '../client/api.ts'
import { countOf, namesOf, say } from './output.ts'

/** What keeps a command now, in a sentence; null: nothing that is known. */
export type News = () => Promise<string | null>

/** Nobody waits for the command any more. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** A wait is nothing special before that. */
const PATIENCE_MILLIS = 4000

/** How often what has changed is said. */
const AGAIN_MILLIS = 10_000

/** What comes of the work, unless the signal aborts first: then it is not waited for any more. Throws Interrupted. */
export async function untilInterrupted<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  if (signal.aborted) throw new Interrupted()
  const interrupted = Promise.withResolvers<never>()
  const giveUp = (): void => interrupted.reject(new Interrupted())
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([work(), interrupted.promise])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

/** What comes of the work. While it goes on, the news are said, and again when they are others. */
export async function withNews<Result>(news: News, work: () => Promise<Result>, millis: number = PATIENCE_MILLIS): Promise<Result> {
  const ended = new AbortController()
  void tell(news, ended.signal, millis)
  try {
    return await work()
  } finally {
    ended.abort()
  }
}

/** Which of the partitions that count are offline. */
export function offlineNews({ admin }: Cluster, counts: (partition: TopicPartition) => boolean = () => true): News {
  return async () => {
    const offline = (await admin.describeCluster()).offline.filter(counts)
    return offline.length === 0 ? null : `Still waiting; offline: ${namesOf(offline)}`
  }
}

/** Which partitions are on their way to other nodes, and which are offline: those cannot be copied. */
export function movesNews({ admin }: Cluster): News {
  return async () => {
    const moves = await admin.listReassignments()
    const { offline } = await admin.describeCluster()
    const left = moves.length === 0 ? [] : [`${countOf(moves.length, 'partition')} left to move: ${namesOf(moves)}`]
    const lost = offline.length === 0 ? [] : [`offline: ${namesOf(offline)}`]
    return left.length + lost.length === 0 ? null : ['Still waiting', ...left, ...lost].join('; ')
  }
}

async function tell(news: News, ended: AbortSignal, millis: number): Promise<void> {
  let said: string | null = null
  for (let pause = millis; await isPauseOver(pause, ended); pause = AGAIN_MILLIS) {
    const text = await news().catch(() => null)
    if (ended.aborted) return
    if (text !== null && text !== said) say(text)
    said = text
  }
}

/** False: the wait is over. */
async function isPauseOver(millis: number, ended: AbortSignal): Promise<boolean> {
  await sleep(millis, undefined, { signal: ended }).catch(() => undefined)
  return !ended.aborted
}
