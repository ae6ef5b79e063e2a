// What the active coordinator says when coordinators' own state is lost: whoever looks after the cluster has to hear of it.

import { expect, test } from 'vitest'
import type { Effect } from '../../actors/effect.ts'
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../../coordinator/metadata.ts'
import { created, nodes } from '../coordinator/support.ts'
import { active, tell, work } from './coordinator-support.ts'

/** Node 1 presents itself, has all the metadata, and is unfenced; what comes of it. */
function back(previousBrokerEpoch: number): Effect[] {
  const one = active([...nodes([0, 1]), created(OFFSETS_TOPIC, 1, [0, 1, 1]), created(TRANSACTIONS_TOPIC, 2, [1]), created('t', 3, [1])])
  const { image } = one.stage.state.seat
  const registration = { node: 1, incarnation: 7, rack: null, previousBrokerEpoch, isUnsyncedSafe: true } as const
  const effects = [...tell(one, { kind: 'registerBroker', correlationId: 4, ...registration }), ...work(one)]
  const brokerEpoch = image.brokers.get(1)!.brokerEpoch
  const beat = {
    kind: 'brokerHeartbeat',
    correlationId: 1,
    node: 1,
    brokerEpoch,
    metadataOffset: image.endOffset,
    wantShutDown: 'no',
  } as const
  return effects.concat(tell(one, beat, { node: 1, actor: 'broker' }), work(one))
}

test('that state of coordinators was lost with a disk, and begins anew, is reported once, as a failure of that node', () => {
  const reports = back(-1).filter(({ kind }) => kind === 'report')
  expect(reports).toEqual([
    {
      kind: 'report',
      node: 1,
      reason:
        'what __consumer_offsets-1, __consumer_offsets-2, __transaction_state-0 held is lost with the disk of node 1, and nobody else has it: ' +
        'it begins anew with what is there now',
    },
  ])
})

test('nothing is reported of a node that has everything', () => {
  expect(back(101).filter(({ kind }) => kind === 'report')).toEqual([])
})
