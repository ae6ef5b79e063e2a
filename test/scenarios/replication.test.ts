// Golden transcripts of a partition on several nodes: each tells one thing that replication has to get right, for whoever reads it for the first time.

import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ReplicationStory } from './replication-story.ts'

function compare(name: string, story: ReplicationStory): void {
  const path = new URL(`${name}.txt`, import.meta.url)
  const text = `${story.lines.join('\n')}\n`
  if (process.env['ODRADEK_GOLDEN'] === 'write') writeFileSync(path, text)
  expect(text).toBe(readFileSync(path, 'utf8'))
}

test('a leader dies: what was acknowledged is there, and the next one goes on', () => {
  const story = new ReplicationStory(3, 3)
  story.say('a client writes for all in sync: it is answered when everybody has it, which each follower says with its next fetch')
  story.produce(0)
  story.say('the leader dies: another one that is in sync leads, in a new epoch, and what was acknowledged is in its log')
  story.kill(0)
  story.pass(100)
  story.say('the client writes on')
  story.produce(1)
  story.say('the old leader comes back: it follows, catches up, is proposed, and is in sync again')
  story.restart(0)
  story.pass(1000)
  story.say('leaders go back to where they are preferred')
  story.preferLeaders()
  story.pass(100)
  compare('fail-over', story)
})

test('a follower whose log is another one cuts it where the two begin to differ', () => {
  const story = new ReplicationStory(3, 3)
  story.say('something that everybody has')
  story.produce(0)
  story.say('the leader is cut off, and does not know it: it takes two batches for itself alone, which nobody else will ever have')
  story.isolate(0)
  story.produce(0, 'leader')
  story.produce(0, 'leader')
  story.say('the coordinator does not hear it any more: another one leads, and writes something else at the same offsets')
  story.kill(0)
  story.pass(100)
  story.produce(1)
  story.say('the old leader is back: its first fetch says which epoch wrote the end of its log; it is told where that epoch ends, cuts, and copies')
  story.isolate(0, false)
  story.restart(0)
  story.pass(1000)
  compare('truncation', story)
})

test('the ISR shrinks without those who fall behind, and grows when they have caught up', () => {
  const story = new ReplicationStory(3, 3)
  story.say('a follower is silent: what is written now is not acknowledged, for it is in sync and does not have it')
  story.isolate(2)
  story.produce(0)
  story.say('it has lagged for too long: the leader proposes to go on without it, and the client is answered')
  story.pass(1500)
  story.say('the other follower is silent, too: one of three is too few to acknowledge anything, and whoever leaves now stays eligible: it has all that counts')
  story.isolate(1)
  story.produce(0)
  story.pass(1500)
  story.say('both are back: each is proposed when it has everything, and what was written counts after all')
  story.isolate(1, false)
  story.isolate(2, false)
  story.pass(2000)
  compare('isr', story)
})

test('a partition moves to another node', () => {
  const story = new ReplicationStory(4, 3)
  story.say('something to copy')
  story.produce(0)
  story.say('node 3 is to have it instead of node 0: it copies, while node 0 leads; when it is in sync, it leads, and node 0 may forget everything')
  story.reassign([3, 1, 2])
  story.pass(500)
  story.say('the client writes on, to the new leader')
  story.produce(story.image.leader)
  compare('reassignment', story)
})

test('a leader whose disk has forgotten something mends it from the next one', () => {
  const story = new ReplicationStory(3, 3)
  story.say('two batches that everybody has')
  story.produce(0)
  story.produce(0)
  story.say('a bit of the second one flips on the disk of the leader, and a consumer asks for it: the leader asks not to be counted on, and another one leads')
  story.rot(0)
  story.consume(0, 1)
  story.say('who led has read its log, and asked for what is damaged only; now it is what was written, and it follows, is proposed, and is in sync again')
  story.pass(1000)
  story.say('the consumer asks the new leader')
  story.consume(1, 1)
  compare('mending', story)
})
