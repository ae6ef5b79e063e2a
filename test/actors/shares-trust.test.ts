// What members hold on to when the coordinator of their share group is another: nobody else is given it while they are sure.

import { expect, test } from 'vitest'
import { TRUST_MILLIS } from '../../actors/share-trust.ts'
import { ask, ends, given, leaders, load, range, recordsOf, sharesStage, written, active } from './shares-support.ts'
import { sent, sentOne } from './stage.ts'

const TICK = { kind: 'timerFired', timer: 'tick' } as const

test('one that follows one which may be alive gives nothing out while members of that one may be sure', () => {
  const stage = sharesStage({ trustMillis: TRUST_MILLIS })
  stage.uptime = 1000
  load(stage, stage.deliver({ kind: 'started' }))
  expect(sent(ask(stage, 'a', 1, { maxWaitMillis: 5000 }), 'produce')).toEqual([])
  stage.uptime += TRUST_MILLIS - 1
  expect(sent(stage.deliver(TICK), 'produce')).toEqual([])
  stage.uptime += 1
  stage.deliver(TICK)
  const effects = ends(stage, leaders(stage), 3)
  expect(sentOne(written(stage, effects), 'shareFetchResponse')).toMatchObject({ acquired: [range(0, 2)], waitedMillis: TRUST_MILLIS })
})

test('one that has read its log anew does so, too, and has another name', () => {
  const stage = active()
  stage.random = 7
  const effects = given(stage, 3)
  written(stage, effects)
  const { reign } = sentOne(ask(stage, 'a', 1), 'shareFetchResponse')
  const accepting = ask(stage, 'a', 2, { maxRecords: 0, acknowledgements: [{ ...range(0, 1), type: 'accept' }] })
  written(stage, accepting, 'NOT_ENOUGH_REPLICAS_AFTER_APPEND')
  load(stage, stage.deliver({ kind: 'timerFired', timer: 'load' }))
  ask(stage, 'b', 1)
  expect(sent(stage.deliver(TICK), 'produce')).toEqual([])
  stage.uptime = TRUST_MILLIS
  const later = sentOne(written(stage, stage.deliver(TICK)), 'shareFetchResponse')
  expect(later.acquired).toMatchObject([range(0, 2)])
  expect(later.reign).not.toBe(reign)
})

test('who only asks whether it still has what it has hears of that when something of it was written once more', () => {
  const stage = active()
  written(stage, given(stage, 3))
  const effects = ask(stage, 'a', 2, { maxRecords: 0 })
  expect(sent(effects, 'shareFetchResponse')).toEqual([])
  expect(recordsOf(effects)).toMatchObject([{ group: 'g', kept: { startOffset: 0, nextOffset: 3 } }])
  expect(sentOne(written(stage, effects), 'shareFetchResponse')).toMatchObject({ errorCode: 0, acquired: [] })
  expect(sent(ask(stage, 'b', 1, { maxRecords: 0 }), 'shareFetchResponse')).toHaveLength(1)
})

test('who asks again hears that it was found out before', () => {
  const stage = active()
  stage.uptime = 100
  written(stage, given(stage, 3))
  stage.uptime = 400
  expect(sentOne(ask(stage, 'a', 1), 'shareFetchResponse')).toMatchObject({ acquired: [range(0, 2)], waitedMillis: -300 })
})
