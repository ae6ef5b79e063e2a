import { expect, test } from 'vitest'
import { newQuorumStorage, onQuorumStorage, performQuorum } from '../../actors/coordinator-storage.ts'
import type { Effect } from '../../actors/effect.ts'
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
