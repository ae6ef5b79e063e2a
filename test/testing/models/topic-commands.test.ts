// The model of a topic against the simulated one: it holds whatever befalls the cluster, and notices what a writer or a reader does wrong.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkTopic, faultArbitrary, LawError, property, SimulationError, topicCommands, topicUnderTest } from '../../../testing/index.ts'
import type { PropertyOptions, TopicCommandsOptions, TopicUnderTest, TopicUnderTestOptions } from '../../../testing/index.ts'
import { counterexampleOf } from './counterexample.ts'

interface Trial extends TopicCommandsOptions {
  readonly topic?: TopicUnderTestOptions
  /** What the program under test does otherwise. */
  readonly broken?: (setup: TopicUnderTest) => TopicUnderTest
  readonly replayPath?: string
  readonly onRun?: (setup: TopicUnderTest) => void
}

/** Commands of up to a dozen, none of which may show a difference. */
function trial({ topic, broken = (setup) => setup, replayPath, onRun, ...drawn }: Trial, options: PropertyOptions): Promise<void> {
  const commands = fc.commands(topicCommands(fc, drawn), {
    maxCommands: 12,
    size: '+1',
    ...(replayPath === undefined ? {} : { replayPath }),
  })
  return property(
    commands,
    async (run, context) => {
      const setup = broken(await topicUnderTest(context, topic))
      await fc.asyncModelRun(() => setup, run)
      await checkTopic(setup.model, setup.real)
      onRun?.(setup)
    },
    { faults: 'none', shrinkMillis: 0, ...options },
  )
}

describe('the model of a topic', () => {
  test('holds, whatever goes wrong', { timeout: 60_000 }, async () => {
    const cases = fc.record({ commands: fc.commands(topicCommands(fc), { size: '+1', maxCommands: 20 }), faults: faultArbitrary(fc) })
    let records = 0
    await property(
      cases,
      async ({ commands }, context) => {
        const setup = await topicUnderTest(context)
        await fc.asyncModelRun(() => setup, commands)
        await checkTopic(setup.model, setup.real)
        records += setup.model.nextNumber - 1
      },
      { seed: 1, examples: 24, faults: ({ faults }) => faults },
    )
    expect(records).toBeGreaterThan(100)
  })

  test('finds a reader of what is not committed', { timeout: 60_000 }, async () => {
    const topic: TopicUnderTestOptions = { consumer: { isolationLevel: 'read_uncommitted' } }
    const found = await counterexampleOf(trial({ topic, nodes: 0, deletions: false }, { seed: 1, examples: 20 }))
    expect(found.message).toMatch(/LawError: partition \d has too much: record \d .*, though its transaction was aborted/)
    expect(found.commands).toContain('abort(')
    expect(found.commands.length).toBeLessThanOrEqual(3)
  })

  test('finds a reader that skips a record', { timeout: 60_000 }, async () => {
    const records = fc.constantFrom(...[0, 1].map((partition) => ({ key: 'a', value: 'b', partition })))
    const broken = ({ model, real }: TopicUnderTest): TopicUnderTest => ({
      model,
      real: { ...real, read: async () => (await real.read()).filter((_, i) => i !== 2) },
    })
    const found = await counterexampleOf(trial({ broken, records, nodes: 0, deletions: false }, { seed: 1, examples: 20 }))
    expect(found.message).toMatch(/LawError: partition \d misses record \d/)
    expect(found.commands.length).toBeLessThanOrEqual(3)
  })

  test(
    'finds what is acknowledged by the leader alone, and lost when the power fails; the same again by seed and path',
    { timeout: 60_000 },
    async () => {
      const weak: Trial = { topic: { producer: { acks: 'leader' }, config: { flush: 'os' } }, transactions: false, deletions: false }
      const found = await counterexampleOf(trial(weak, { seed: 3, examples: 40 }))
      expect(found.message).toMatch(/LawError: partition \d misses record \d/)
      expect(found.commands).toContain('send(')
      expect(found.commands).toContain('powerLoss(')
      expect(found.commands.length).toBeLessThanOrEqual(6)
      expect(found.cause).toBeInstanceOf(SimulationError)
      expect((found.cause as SimulationError).cause).toBeInstanceOf(LawError)
      let held = 0
      const { seed, path, replayPath } = found
      const again = await counterexampleOf(trial({ ...weak, replayPath, onRun: () => held++ }, { seed, path, examples: 40 }))
      expect(again.commands).toEqual(found.commands)
      expect((again.cause as Error).message).toBe((found.cause as Error).message)
      expect(held).toBe(0)
    },
  )
})
