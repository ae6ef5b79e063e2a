// The story of a run: what it says of transactions.
import { expect, test } from 'vitest'
import { Story } from '../../simulation/story.ts'

function told(code: string): string[] {
  const story = new Story()
  for (let i = 1; i <= 3; i++) {
    story.hear(`${i * 1000}.000 transaction ${i} begins`)
    story.hear(`${i * 1000}.500 transaction ${i} commit: done`)
  }
  story.hear('4000.000 kill of node 1')
  story.hear('5000.000 transaction 4 begins')
  story.hear('5500.000 transaction 4 commit: FENCED')
  return story.tell({ code, message: '', atMicros: 6_000_000 })
}

test('transactions that come and go are told in one line, unless the promise is about them', () => {
  expect(told('LOST')).toEqual([
    '    1.000 s  transactions begin and end, up to 3.001 s',
    '    4.000 s  node 1 is killed; what it wrote is in the page cache',
    '    5.000 s  transaction 4 begins',
    '    5.500 s  transaction 4 commit: FENCED',
  ])
  expect(told('TORN')).toHaveLength(9)
})
