import { InvalidArgumentError } from 'commander'
import { expect, test } from 'vitest'
import {
  parseAcks,
  parseCount,
  parseDirectory,
  parseNodeCount,
  parseNodes,
  parsePartitions,
  parsePercentage,
  parseSettings,
  parseStart,
  parseWholes,
} from '../../../edge/cli/parse.ts'

test.each([
  ['earliest', { kind: 'earliest' }],
  ['latest', { kind: 'latest' }],
  ['42', { kind: 'offset', offset: 42 }],
  ['@1517966773840', { kind: 'timestamp', timestamp: 1517966773840 }],
  ['2018-02-06T12:00Z', { kind: 'timestamp', timestamp: Date.UTC(2018, 1, 6, 12) }],
])('reading begins at %s', (text, position) => expect(parseStart(text)).toEqual(position))

test.each(['', 'first', '-1', '@', '@x', '1.5', '2018-99-99', '99999999999999999999'])('reading does not begin at "%s"', (text) => {
  expect(() => parseStart(text)).toThrow(InvalidArgumentError)
})

test.each(['0', '-1', '1.5', 'x', ''])('"%s" is not a count', (text) => expect(() => parseCount(text)).toThrow(InvalidArgumentError))

test.each(['0', '20001', 'abc', ''])('"%s" partitions are refused with the range', (text) => {
  expect(() => parsePartitions(text)).toThrow('from 1 to 20000')
  expect(parsePartitions('20000')).toBe(20_000)
})

test('a directory has a name', () => {
  expect(parseDirectory('./data')).toBe('./data')
  expect(() => parseDirectory('')).toThrow(InvalidArgumentError)
})

test('repeated options are collected', () => {
  expect(parseWholes('2', parseWholes('0', undefined))).toEqual([0, 2])
  expect(parseSettings('b==', parseSettings('a=1', {}))).toEqual({ a: '1', b: '=' })
  expect(() => parseSettings('a', {})).toThrow(InvalidArgumentError)
})

test.each([
  ['quorum', 'quorum'],
  ['leader', 'leader'],
  ['none', 'none'],
  ['2', 2],
])('acks are %s', (text, acks) => expect(parseAcks(text)).toBe(acks))

test.each(['', 'all', '0', '-1', '1.5', '2x'])('acks are not "%s"', (text) => expect(() => parseAcks(text)).toThrow(InvalidArgumentError))

test('nodes are separated by commas', () => {
  expect(parseNodes('2,0,1')).toEqual([2, 0, 1])
  for (const text of ['', ',', '1,', 'a', '1 2', '-1']) expect(() => parseNodes(text), text).toThrow(InvalidArgumentError)
  expect(() => parseNodeCount('65')).toThrow('from 1 to 64')
})

test('a percentage may have decimals, and is above zero', () => {
  expect(['12', '0.05', '250.5'].map(parsePercentage)).toEqual([12, 0.05, 250.5])
  for (const text of ['', '0', '0.0', '-1', '5%', '1e3', '.5']) expect(() => parsePercentage(text), text).toThrow(InvalidArgumentError)
})
