/**
 * The checker of the soak tests: a sound history passes, and every way in which a doctored one breaks a promise is found and counted.
 */
import { describe, expect, test } from 'vitest'
import { DAMAGED_AUTHOR, eventReader, lineOf } from './event.ts'
import type { SoakEvent } from './event.ts'
import { emptyHistory, isSound, readPositions, takeEvent } from './history.ts'
import type { History } from './history.ts'

const where = 't-0'

/** Author 1 has ten records from offset 0 on, author 2 five behind them. */
const sound: readonly SoakEvent[] = [acknowledged(0, 1, 0, 10), acknowledged(10, 2, 0, 5)]

describe('a sound history', () => {
  test('passes, read in one piece', () => {
    expect(countsOf([...sound, reading(0), read(0, 1, 0, 10), read(10, 2, 0, 5), readEnd(15)])).toEqual([0, 0, 0])
  })

  test('passes, read in pieces that are broken off and go on', () => {
    const history = historyOf([...sound, reading(0), read(0, 1, 0, 4)])
    expect(readPositions(history)).toEqual({ [where]: 4 })
    const rest = [reading(4), read(4, 1, 4, 6), read(10, 2, 0, 5), readEnd(15)]
    for (const event of rest) takeEvent(history, event)
    expect(isSound(history)).toBe(true)
  })

  test('may hold records that were never acknowledged, and may not hold what was not', () => {
    expect(countsOf([...sound, reading(0), read(0, 1, 0, 10), read(10, 2, 0, 5), read(15, 2, 5, 3), readEnd(18)])).toEqual([0, 0, 0])
  })

  test('counts what was acknowledged, with and without offsets', () => {
    expect(historyOf([...sound, flushed(3, 7, 7)]).acknowledged).toBe(22)
  })

  test('lets a group be given records again', () => {
    const events = [delivered(0, 10), committed(10), found(10), delivered(10, 5), delivered(10, 5), committed(15), found(15)]
    expect(countsOf(events)).toEqual([0, 0, 0])
  })
})

describe('a lost record is found', () => {
  test('at the end of the log', () => {
    expect(countsOf([...sound, reading(0), read(0, 1, 0, 10), read(10, 2, 0, 3), readEnd(13)])).toEqual([2, 0, 0])
  })

  test('when the whole log is gone', () => {
    expect(countsOf([...sound, reading(0), readEnd(0)])).toEqual([15, 0, 0])
  })

  test('in the middle of the log', () => {
    const [lost] = countsOf([...sound, reading(0), read(0, 1, 0, 4), read(6, 1, 6, 4), read(10, 2, 0, 5), readEnd(15)])
    expect(lost).toBe(2)
  })

  test('when it was read before, and not acknowledged', () => {
    const before = [reading(0), read(0, 1, 0, 10), readEnd(10)]
    expect(countsOf([...before, reading(0), read(0, 1, 0, 9), readEnd(9)])).toEqual([1, 0, 0])
  })

  test('when it was acknowledged without an offset', () => {
    expect(countsOf([flushed(3, 7, 7), reading(0), read(0, 3, 0, 5), readEnd(5)])).toEqual([2, 0, 0])
    expect(countsOf([flushed(3, 7, 7), reading(0), read(0, 3, 0, 5), read(5, 3, 6, 1), readEnd(6)])).toEqual([1, 0, 0])
    expect(countsOf([flushed(3, 7, 7), reading(0), readEnd(0)])).toEqual([7, 0, 0])
  })

  test('as a committed offset that goes back', () => {
    expect(countsOf([delivered(0, 9), committed(9), found(5)])).toEqual([1, 0, 0])
    expect(countsOf([delivered(0, 9), committed(9), committed(8)])).toEqual([1, 0, 0])
    expect(countsOf([delivered(0, 9), committed(9), found(0)])).toEqual([1, 0, 0])
  })

  test('as records that the group was never given', () => {
    expect(countsOf([delivered(0, 5), delivered(7, 5)])).toEqual([2, 0, 0])
  })
})

describe('a reordered record is found', () => {
  test('when an author goes back', () => {
    expect(countsOf([reading(0), read(0, 1, 0, 2), read(2, 1, 4, 2), read(4, 1, 2, 2), readEnd(6)])[1]).toBeGreaterThan(0)
  })

  test('when a record is there twice', () => {
    expect(countsOf([reading(0), read(0, 1, 0, 4), read(4, 1, 2, 2), readEnd(6)])).toEqual([0, 2, 0])
  })

  test('when one is missing between others of its author, though it was not acknowledged', () => {
    expect(countsOf([reading(0), read(0, 1, 0, 4), read(4, 1, 5, 2), readEnd(6)])).toEqual([0, 1, 0])
  })

  test('when an offset is delivered after a later one', () => {
    expect(countsOf([reading(0), read(0, 1, 0, 4), read(2, 1, 4, 1), readEnd(4)])[1]).toBeGreaterThan(0)
  })
})

describe('a reused offset is found', () => {
  test('when another record is read where one was acknowledged', () => {
    expect(countsOf([...sound, reading(0), read(0, 1, 0, 9), read(9, 2, 0, 5), readEnd(14)])[2]).toBeGreaterThan(0)
  })

  test('when two records are acknowledged at one offset', () => {
    expect(countsOf([acknowledged(0, 1, 0, 10), acknowledged(9, 2, 0, 1)])).toEqual([0, 0, 1])
  })

  test('when another record is acknowledged where one was read', () => {
    expect(countsOf([reading(0), read(0, 1, 0, 5), readEnd(5), acknowledged(4, 2, 0, 1)])).toEqual([0, 0, 1])
  })

  test('when a second reading finds another record', () => {
    const [, , reused] = countsOf([reading(0), read(0, 1, 0, 5), readEnd(5), reading(0), read(0, 2, 0, 5), readEnd(5)])
    expect(reused).toBe(5)
  })

  test('when the bytes of a record are damaged', () => {
    expect(countsOf([acknowledged(0, 1, 0, 1), reading(0), read(0, DAMAGED_AUTHOR, 0, 1), readEnd(1)])).toEqual([0, 0, 1])
  })
})

test('replicas that differ are counted', () => {
  const history = historyOf([...sound, { kind: 'diverged', where, count: 2 }])
  expect([history.diverged, isSound(history)]).toEqual([2, false])
  expect(history.complaints).toEqual(['diverged: t-0: 2 replicas do not hold what the first one holds'])
})

describe('the report of a process', () => {
  test('arrives whole, however its bytes are cut, and an unfinished line says nothing', () => {
    const events = [...sound, readEnd(15)]
    const text = `${events.map(lineOf).join('')}{"kind":"read`
    for (let size = 1; size < 40; size += 7) {
      const taken: SoakEvent[] = []
      const reader = eventReader((event) => taken.push(event))
      for (let at = 0; at < text.length; at += size) reader(text.slice(at, at + size))
      expect(taken).toEqual(events)
    }
  })
})

function countsOf(events: readonly SoakEvent[]): [lost: number, reordered: number, reused: number] {
  const { lost, reordered, reused, complaints } = historyOf(events)
  expect(complaints.length > 0).toBe(lost + reordered + reused > 0)
  return [lost, reordered, reused]
}

function historyOf(events: readonly SoakEvent[]): History {
  const history = emptyHistory()
  for (const event of events) takeEvent(history, event)
  return history
}

function acknowledged(offset: number, author: number, sequence: number, count: number): SoakEvent {
  return { kind: 'acknowledged', where, offset, author, sequence, count }
}

function flushed(author: number, sequenceEnd: number, count: number): SoakEvent {
  return { kind: 'flushed', where, author, sequenceEnd, count }
}

function reading(offset: number): SoakEvent {
  return { kind: 'reading', where, offset }
}

function read(offset: number, author: number, sequence: number, count: number): SoakEvent {
  return { kind: 'read', where, offset, author, sequence, count }
}

function readEnd(offset: number): SoakEvent {
  return { kind: 'readEnd', where, offset }
}

function delivered(offset: number, count: number): SoakEvent {
  return { kind: 'delivered', where, offset, count }
}

function committed(offset: number): SoakEvent {
  return { kind: 'committed', where, offset }
}

function found(offset: number): SoakEvent {
  return { kind: 'found', where, offset }
}
