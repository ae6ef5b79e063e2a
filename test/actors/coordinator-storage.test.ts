import { expect, test } from 'vitest'
import { newQuorumStorage } from '../../actors/coordinator-storage-state.ts'
import { onQuorumStorage, performQuorum } from '../../actors/coordinator-storage.ts'
import type { Effect } from '../../actors/effect.ts'
import { DOUBT_FILE } from '../../coordinator/quorum-files.ts'
import { dataBatch } from '../../coordinator/quorum-records.ts'
import { logFileName } from '../../partitions/log.ts'
import { nodes } from '../coordinator/support.ts'
import { coordinatorOn, diskWith, METADATA_LOG, tell, work } from './coordinator-support.ts'
import { perform } from './disk.ts'
import { lines } from './stage.ts'

test('a snapshot that comes from the leader and is taken here at the same time is written once: it is relied upon as soon as it is synced', () => {
  const storage = newQuorumStorage('__cluster_metadata-0.0', [0, 1, 2])
  const effects: Effect[] = []
  const outbox = { push: (effect: Effect) => void effects.push(effect) }
  const snapshot = { endOffset: 5, epoch: 1, voters: [0, 1, 2], bytes: new Uint8Array(9) }
  performQuorum(storage, { kind: 'saveSnapshot', snapshot }, outbox)
  performQuorum(storage, { kind: 'saveSnapshot', snapshot: { ...snapshot } }, outbox)
  expect(lines(effects).map((line) => line.split(' ')[0])).toEqual(['replace', 'sync'])
  const file = '5'
  const news = effects.map((effect) => {
    const token = 'token' in effect ? effect.token : -1
    if (effect.kind === 'sync') return onQuorumStorage(storage, { kind: 'synced', token, file, sizeBytes: 9, error: null }, outbox)
    return onQuorumStorage(storage, { kind: 'storageDone', token, error: null }, outbox)
  })
  expect(news).toEqual([null, { kind: 'snapshotSaved', snapshot }])
})

test('a sync of the log counts for what was there when it began: what was appended since waits for the next one', () => {
  const storage = newQuorumStorage('__cluster_metadata-0.0', [0, 1, 2])
  const effects: Effect[] = []
  const outbox = { push: (effect: Effect) => void effects.push(effect) }
  storage.files = [{ baseOffset: 0, ends: [] }]
  const batches = [0, 1].map((baseOffset) => dataBatch({ baseOffset, epoch: 1, now: 0 }, [new Uint8Array(3)]))
  for (const batch of batches) performQuorum(storage, { kind: 'append', batch }, outbox)
  expect(lines(effects).map((line) => line.split(' ')[0])).toEqual(['append', 'sync', 'append'])
  const first = batches[0]!.bytes.length
  const synced = (sizeBytes: number): unknown => {
    const token = effects.findLast(({ kind }) => kind === 'sync')
    if (token?.kind !== 'sync') throw new Error('nothing is to be synced')
    return onQuorumStorage(storage, { kind: 'synced', token: token.token, file: token.file, sizeBytes, error: null }, outbox)
  }
  expect(synced(first)).toEqual({ kind: 'logSynced', endOffset: 1 })
  expect(effects.filter(({ kind }) => kind === 'sync')).toHaveLength(2)
  expect(synced(first + batches[1]!.bytes.length)).toEqual({ kind: 'logSynced', endOffset: 2 })
})

test('that a voter has lost something is synced before what cannot be read is cut, and forgotten when it has caught up', () => {
  const disk = diskWith(nodes([0]))
  const log = disk.logs.get(METADATA_LOG)!
  log.set(logFileName(0), Uint8Array.from([...log.get(logFileName(0))!, ...new Uint8Array(9).fill(7)]))
  const lost = coordinatorOn(disk, { voters: [0, 1, 2], isDoubtful: true })
  const asked: string[] = []
  tell(lost, { kind: 'started' })
  for (let next = lost.pending.shift(); next !== undefined; next = lost.pending.shift()) {
    asked.push(`${next.kind} ${'file' in next ? next.file : ''}`.trim())
    tell(lost, perform(disk, next))
  }
  const steps = [`replace ${DOUBT_FILE}`, `sync ${DOUBT_FILE}`, `truncate ${logFileName(0)}`]
  expect(asked.filter((step) => steps.includes(step))).toEqual(steps)
  // The next life is not told, and knows.
  const again = coordinatorOn(disk, { voters: [0, 1, 2] })
  tell(again, { kind: 'started' })
  work(again)
  expect(again.stage.state.seat.quorum?.isDoubtful).toBe(true)
  // Nobody else votes: there is nobody to ask.
  const alone = coordinatorOn(disk)
  tell(alone, { kind: 'started' })
  work(alone)
  expect([alone.stage.state.seat.isActive, alone.stage.state.seat.quorum?.isDoubtful, log.has(DOUBT_FILE)]).toEqual([true, false, false])
})
