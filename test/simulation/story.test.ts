// The story of a run: what it says of transactions, and in which words.
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

test('what strikes is told in words; what the disks hold is left out', () => {
  const story = new Story()
  for (const said of [
    'ambush: replica/orders-0@1 is follower (bereft, asked)',
    'ordeal: node 0 is away for 5553038 us, for nodes',
    'disk 1 orders-0.1 after power loss: checkpoint-1=236',
    'calm: newcomer',
    'somebody does what has no words',
  ])
    story.hear(`1000.000 ${said}`)
  expect(story.tell(null)).toEqual([
    '    1.000 s  replica/orders-0@1 is follower, and then: another node dies soon; it is asked what others were',
    '    1.000 s  node 0 is away for 5.553 s, for nodes',
    '    1.000 s  all is calm, but for one thing: newcomer',
    '    1.000 s  somebody does what has no words',
  ])
})
