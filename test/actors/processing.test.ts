// The rules of consumer.process: what comes next, what counts, and where the consumer goes back to.

import { describe, expect, test } from 'vitest'
import {
  beginRound,
  endRound,
  endsOf,
  forget,
  giveUp,
  howToEnd,
  isKnown,
  lose,
  mustPause,
  newProcessing,
  nextRecord,
  nextStep,
  noteHandled,
  notePoll,
  offsetsToCommit,
  putBack,
  recall,
  seek,
  takeBack,
  takePolled,
  unrecalled,
} from '../../actors/processing.ts'
import type { Guarantee, Place, ProcessingState } from '../../actors/processing.ts'

const INTERVAL = 100

/** Records of partition 0 at these offsets, and of partition 1. */
function records(...offsets: readonly (readonly number[])[]): Place[] {
  return offsets.flatMap((some, partition) => some.map((offset) => ({ topic: 't', partition, offset })))
}

/** A processing that has polled. */
function polled(places: readonly Place[], guarantee: Guarantee = 'at-least-once'): ProcessingState<Place> {
  const state = newProcessing<Place>({ guarantee, commitIntervalMillis: INTERVAL, rememberedKeys: 10 })
  poll(state, places)
  return state
}

function poll(state: ProcessingState<Place>, places: readonly Place[]): void {
  notePoll(state)
  takePolled(state, places)
}

/** Handles so many records; their offsets. */
function handle(state: ProcessingState<Place>, count: number, now = 0): number[] {
  beginRound(state, now)
  const offsets: number[] = []
  for (let i = 0; i < count; i++) {
    const record = nextRecord(state)
    if (record === null) break
    offsets.push(record.offset)
    noteHandled(state, record)
  }
  return offsets
}

function committed(state: ProcessingState<Place>): string[] {
  return offsetsToCommit(state).map(({ partition, offset }) => `${partition}:${offset}`)
}

const [P0, P1] = [
  { topic: 't', partition: 0 },
  { topic: 't', partition: 1 },
] as const

describe('what comes next', () => {
  test('polls, handles, ends the round when it is time, and goes on with what was polled', () => {
    const state = polled(records([5, 6, 7]))
    expect(nextStep(state, 0, false)).toBe('handle')
    handle(state, 2)
    expect([mustPause(state, INTERVAL - 1, false), mustPause(state, INTERVAL, false)]).toEqual([false, true])
    expect(nextStep(state, INTERVAL, false)).toBe('end')
    expect([howToEnd(state), committed(state)]).toEqual(['commit', ['0:7']])
    endRound(state)
    expect(nextStep(state, INTERVAL, false)).toBe('handle')
    expect(handle(state, 9, INTERVAL)).toEqual([7])
    expect(nextStep(state, INTERVAL + 1, false)).toBe('poll')
    expect(nextStep(state, 2 * INTERVAL, false)).toBe('end')
  })

  test('between two records ends the round and puts the rest back when partitions are to go', () => {
    const state = polled(records([5, 6, 7], [1, 2]))
    handle(state, 2)
    expect([mustPause(state, 0, true), nextStep(state, 0, true)]).toEqual([true, 'end'])
    endRound(state)
    expect(nextStep(state, 0, true)).toBe('putBack')
    expect(putBack(state, [P0, P1])).toEqual({
      commit: [],
      seek: [
        { ...P0, offset: 7 },
        { ...P1, offset: 1 },
      ],
    })
    expect([nextStep(state, 0, true), handle(state, 9)]).toEqual(['poll', []])
  })

  test('at most once ends a round with each poll, whatever the time, and commits back what it has not handled', () => {
    const state = polled(records([5, 6]), 'at-most-once')
    handle(state, 1)
    expect([mustPause(state, 10 * INTERVAL, false), nextStep(state, 0, true)]).toEqual([false, 'end'])
    endRound(state)
    expect(putBack(state, [])).toEqual({ commit: [{ ...P0, offset: 6 }], seek: [] })
  })

  test('has nothing to end before a round has begun', () => {
    const state = polled([])
    expect([nextStep(state, 0, true), howToEnd(state)]).toEqual(['poll', 'nothing'])
  })
})

describe('a round', () => {
  test('commits what was handled, and nothing behind it', () => {
    const state = polled(records([5, 6, 7], [1, 2]))
    handle(state, 4)
    expect(committed(state)).toEqual(['0:8', '1:2'])
    expect(endsOf(state.polled)).toMatchObject([{ offset: 8 }, { offset: 3 }])
  })

  test('that fails leads back to where it began, over several polls, in what is still there', () => {
    const state = polled(records([5, 6], [1]))
    handle(state, 9)
    poll(state, records([7, 8]))
    handle(state, 1)
    expect(takeBack(state, [P0])).toEqual([{ ...P0, offset: 5 }])
    // What was polled before the way back is polled again.
    expect([nextStep(state, 0, false), handle(state, 9), committed(state)]).toEqual(['handle', [], []])
  })

  test('that cannot be committed, and ends the processing, leads back in what was polled since, too', () => {
    const state = polled(records([5, 6]))
    handle(state, 9)
    poll(state, records([7], [1, 2]))
    expect(nextStep(state, INTERVAL, false)).toBe('end')
    expect(giveUp(state, [P0, P1])).toEqual([
      { ...P0, offset: 5 },
      { ...P1, offset: 1 },
    ])
    // All of it is polled again: nothing of it is left.
    expect([nextStep(state, INTERVAL, false), handle(state, 9)]).toEqual(['poll', []])
  })

  test('that is given up does not lead back in what is gone, nor at most once', () => {
    const state = polled(records([5, 6], [1]))
    handle(state, 1)
    expect(giveUp(state, [P1])).toEqual([{ ...P1, offset: 1 }])
    const atMostOnce = polled(records([5, 6], [1]), 'at-most-once')
    handle(atMostOnce, 1)
    expect(giveUp(atMostOnce, [P0, P1])).toEqual([])
  })

  test('that fails does not lead back at most once', () => {
    const state = polled(records([5, 6]), 'at-most-once')
    handle(state, 1)
    expect(takeBack(state, [P0])).toEqual([])
  })

  test('has failed when a partition of it is lost, and leads back in the others only', () => {
    const state = polled(records([5, 6], [1, 2]))
    handle(state, 1)
    lose(state, [P0])
    // It was handled all the same: at most once does not handle it again.
    expect([noteHandled(state, { ...P1, offset: 1 }), state.next]).toEqual([false, 2])
    expect([nextStep(state, 0, false), howToEnd(state)]).toEqual(['end', 'takeBack'])
    expect(takeBack(state, [P0, P1])).toEqual([{ ...P1, offset: 1 }])
  })

  test('handles nothing of a partition that has gone since it was polled, and all of the others', () => {
    const state = polled(records([5, 6], [1, 2]))
    forget(state, [P0])
    expect(handle(state, 9)).toEqual([1, 2])
    expect(committed(state)).toEqual(['1:3'])
    poll(state, records([5]))
    expect(handle(state, 9)).toEqual([5])
  })

  test('is none, and never due, when all of it has gone', () => {
    const state = polled(records([5, 6]))
    beginRound(state, 0)
    forget(state, [P0])
    expect([nextStep(state, INTERVAL, false), nextRecord(state), state.endsAt]).toEqual(['handle', null, Infinity])
  })
})

describe('an application that seeks', () => {
  const to = (offset: number, state: ProcessingState<Place>, now = 0): void => seek(state, { ...P0, offset }, now)

  test('is given nothing that was polled before, of that partition; the round says where it goes on', () => {
    const state = polled(records([5, 6, 7], [1, 2]))
    beginRound(state, 0)
    const record = nextRecord(state)!
    to(9, state)
    noteHandled(state, record)
    expect(committed(state)).toEqual(['0:9'])
    expect(handle(state, 9)).toEqual([1, 2])
    expect(committed(state)).toEqual(['0:9', '1:3'])
    poll(state, records([9, 10]))
    expect([handle(state, 1), committed(state)]).toEqual([[9], ['0:10', '1:3']])
    endRound(state)
    expect(committed(state)).toEqual([])
  })

  test('is led back with its round, and where it has sought to if that is before its begin', () => {
    for (const [offset, begin] of [
      [9, 5],
      [3, 3],
    ] as const) {
      const state = polled(records([5, 6]))
      handle(state, 1)
      to(offset, state)
      poll(state, records([offset]))
      handle(state, 1)
      expect(takeBack(state, [P0])).toEqual([{ ...P0, offset: begin }])
      expect(committed(state)).toEqual([])
    }
  })

  test('begins a round with that if none is under way, or one ends meanwhile', () => {
    const state = polled([])
    to(9, state, 50)
    expect([nextStep(state, 49 + INTERVAL, false), nextStep(state, 50 + INTERVAL, false)]).toEqual(['poll', 'end'])
    expect([howToEnd(state), committed(state)]).toEqual(['commit', ['0:9']])
    to(3, state)
    endRound(state)
    expect([nextStep(state, 0, false), howToEnd(state), committed(state)]).toEqual(['end', 'commit', ['0:3']])
    endRound(state)
    expect(nextStep(state, Infinity, false)).toBe('poll')
  })

  test('at most once commits that alone, and in what is gone nobody does', () => {
    const state = polled(records([5, 6], [1]), 'at-most-once')
    handle(state, 1)
    to(4, state)
    expect([nextStep(state, 0, false), committed(state)]).toEqual(['end', ['0:4']])
    forget(state, [P0])
    expect(committed(state)).toEqual([])
  })

  test('effectively once does not forget the keys of a partition that it has not recalled yet', () => {
    const state = polled([], 'effectively-once')
    to(9, state)
    expect(committed(state)).toEqual([])
    recall(state, [P0], [])
    expect(committed(state)).toEqual(['0:9'])
  })
})

describe('keys', () => {
  const begun = (): ProcessingState<Place> => {
    const state = polled(records([5, 6], [1]), 'effectively-once')
    recall(state, unrecalled(state, state.polled), [])
    return state
  }

  test('are recalled once for each partition, and only where they are remembered', () => {
    expect(unrecalled(polled(records([5]), 'exactly-once'), records([5]))).toEqual([])
    const state = polled(records([5, 6], [1]), 'effectively-once')
    expect(unrecalled(state, state.polled)).toEqual([P0, P1])
    recall(state, [P0], [])
    expect(unrecalled(state, state.polled)).toEqual([P1])
  })

  test('go with the commit, and come back from it', () => {
    const state = begun()
    expect([isKnown(state, P0, 'a'), isKnown(state, P0, 'a'), isKnown(state, P1, 'a')]).toEqual([false, true, false])
    handle(state, 9)
    const next = polled(records([7]), 'effectively-once')
    recall(next, [P0], offsetsToCommit(state))
    expect([isKnown(next, P0, 'a'), isKnown(next, P0, 'b')]).toEqual([true, false])
  })

  test('of a partition that goes are forgotten, and all of them when a round fails', () => {
    const state = begun()
    for (const one of [P0, P1]) isKnown(state, one, 'a')
    forget(state, [P0])
    expect(unrecalled(state, state.polled)).toEqual([P0])
    takeBack(state, [])
    expect(unrecalled(state, state.polled)).toEqual([P0, P1])
  })
})
