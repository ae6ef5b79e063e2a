// The model of a group against the simulated one: it holds whatever befalls the cluster and the members, and notices what a consumer does wrong.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drainGroup, faultArbitrary, groupCommands, groupUnderTest, property } from '../../../testing/index.ts'
import type { GroupReal, GroupUnderTest, GroupUnderTestOptions } from '../../../testing/index.ts'
import { counterexampleOf } from './counterexample.ts'
import type { Counterexample } from './counterexample.ts'

describe('the model of a group', () => {
  test.each(['consumer', 'classic'] as const)('holds, whatever goes wrong (%s)', { timeout: 60_000 }, async (groupProtocol) => {
    const commands = fc.commands(groupCommands(fc), { size: '+2', maxCommands: 40 })
    const options: GroupUnderTestOptions = { consumer: { groupProtocol } }
    let [sent, committed] = [0, 0]
    await property(
      fc.record({ commands, faults: faultArbitrary(fc) }),
      async (drawn, context) => {
        const { model, real } = await groupUnderTest(context, options)
        await fc.asyncModelRun(() => ({ model, real }), drawn.commands)
        sent += model.nextNumber - 1
        committed += model.partitions.reduce((sum, one) => sum + one.committed, 0)
        await drainGroup(model, real)
      },
      { seed: 1, examples: 40, faults: ({ faults }) => faults },
    )
    expect(sent).toBeGreaterThan(100)
    expect(committed).toBeGreaterThan(10)
  })

  test.each<[string, (real: GroupReal) => Partial<GroupReal>, RegExp]>([
    [
      'commits what it has not handled',
      (real) => ({
        poll: async (member) => {
          const records = await real.poll(member)
          await real.commit(member).catch(() => undefined)
          return records
        },
      }),
      /is not committed \(\d is\), and was not given again|too early: \d was due, for \d was committed/,
    ],
    ['skips a record', (real) => ({ poll: async (member) => (await real.poll(member)).slice(1) }), /too early|was never given to anybody/],
    ['says that it commits, and does not', () => ({ commit: () => Promise.resolve() }), /again: \d was due, for \d was committed/],
  ])('finds a consumer that %s', { timeout: 60_000 }, async (_, broken, message) => {
    const found = await brokenBy(broken)
    expect(found.message).toMatch(message)
    expect(found.commands).toContain('send(')
    expect(found.commands.length).toBeLessThanOrEqual(8)
  })
})

function brokenBy(broken: (real: GroupReal) => Partial<GroupReal>): Promise<Counterexample> {
  const records = fc.constantFrom(...[0, 1].map((partition) => ({ key: 'a', value: 'b', partition })))
  const commands = fc.commands(groupCommands(fc, { records, nodes: 0 }), { size: '+2', maxCommands: 20 })
  const checked = property(
    commands,
    async (run, context) => {
      const { model, real }: GroupUnderTest = await groupUnderTest(context)
      const setup = { model, real: { ...real, ...broken(real) } }
      await fc.asyncModelRun(() => setup, run)
      await drainGroup(setup.model, setup.real)
    },
    { seed: 1, examples: 40, faults: 'none', shrinkMillis: 0 },
  )
  return counterexampleOf(checked)
}
