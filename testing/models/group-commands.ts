/**
 * Commands for a consumer group: members come, poll, commit (or both: they handle) and go, records are sent, and nodes die. Each does it to the real group, and notes in the model what came of it,
 * which says at every poll whether what a member was given was due.
 */
import type * as FastCheck from 'fast-check'
import { KafkaError } from '../../protocol/errors.ts'
import { PARTITIONS, recordArbitrary } from '../arbitraries.ts'
import type { DrawnRecord, FastCheckApi } from '../arbitraries.ts'
import { LawError } from '../laws.ts'
import { command, isUnanswered, passing } from './command.ts'
import { askedBy, noteAssigned, noteCommitted, noteGiven, noteGone, noteMaybeCommitted, noteSent, undrained } from './group-model.ts'
import type { GroupModel } from './group-model.ts'
import type { GroupReal } from './group-under-test.ts'
import { mishapCommands } from './mishaps.ts'
import type { MishapOptions } from './mishaps.ts'
import { numbered } from './numbered-record.ts'

/** A command for a group. */
export type GroupCommand = FastCheck.AsyncCommand<GroupModel, GroupReal>

/** Which commands are drawn, and from what. */
export interface GroupCommandsOptions extends MishapOptions {
  /** Partitions of the topic. Default 2. */
  readonly partitions?: number
  /** Default: `recordArbitrary`. */
  readonly records?: FastCheck.Arbitrary<DrawnRecord>
  /** Members that come and go. Default 2. */
  readonly members?: number
}

const MEMBERS = 2

/** Records of one command, at most. */
const RECORDS_MAX = 5

/** A member that has all partitions and is not given a record for so long will never be. */
const DRAIN_MILLIS = 120_000

/** Commands for `fc.commands`, beside others of the same model. Whoever runs them ends with `drainGroup`. */
export function groupCommands(fc: FastCheckApi, options: GroupCommandsOptions = {}): FastCheck.Arbitrary<GroupCommand>[] {
  const { partitions = PARTITIONS, records = recordArbitrary(fc, { partitions }), members = MEMBERS } = options
  const some = fc.array(records, { minLength: 1, maxLength: RECORDS_MAX })
  const member = fc.nat(members - 1).map((index) => `member ${index}`)
  const memberCommand = (
    verb: string,
    run: (model: GroupModel, real: GroupReal, name: string) => Promise<void>,
  ): FastCheck.Arbitrary<GroupCommand> =>
    member.map((name) =>
      command(
        `${verb}(${name})`,
        (model, real) => run(model, real, name),
        ({ members: those }) => those.has(name),
      ),
    )
  const joining = member.map((name): GroupCommand =>
    command(
      `join(${name})`,
      (model, real) => join(model, real, name),
      ({ members: those }) => !those.has(name),
    ),
  )
  const [polling, handling] = [memberCommand('poll', poll), memberCommand('handle', handle)]
  return [
    some.map((drawn) => command(`send(${fc.stringify(drawn)})`, (model, real) => send(model, real, drawn))),
    joining,
    // Most of what a member does.
    ...[polling, polling, handling, handling, memberCommand('commit', commit)],
    memberCommand('leave', leave),
    fc.oneof(...mishapCommands<GroupModel, GroupReal>(fc, options)),
  ]
}

/**
 * The end of a run: nothing goes wrong any more, all members leave, and another one reads what they have not committed. Throws a LawError if a record that was sent was
 * never given to anybody, or one that is not committed is not given again.
 */
export async function drainGroup(model: GroupModel, real: GroupReal): Promise<void> {
  const { clock, faults } = real.context
  faults.heal()
  for (const name of [...model.members.keys()]) await leave(model, real, name)
  await join(model, real, LAST_MEMBER)
  const deadline = clock.uptime + DRAIN_MILLIS
  for (let due = undrained(model, LAST_MEMBER); due !== null; due = undrained(model, LAST_MEMBER)) {
    if (clock.uptime >= deadline) throw new LawError(due)
    await poll(model, real, LAST_MEMBER)
  }
  await leave(model, real, LAST_MEMBER)
}

const LAST_MEMBER = 'the last member'

async function send(model: GroupModel, real: GroupReal, drawn: readonly DrawnRecord[]): Promise<void> {
  const records = numbered(model, drawn)
  try {
    noteSent(model, records, await real.send(records))
  } catch (error) {
    if (!isUnanswered(error)) throw error
    model.uncertain.push(...records)
  }
}

async function join(model: GroupModel, real: GroupReal, name: string): Promise<void> {
  model.members.set(name, new Map())
  await real.join(name, {
    onAssigned: (partitions) => noteAssigned(model, name, partitions),
    onGone: (partitions) => noteGone(model, name, partitions),
  })
}

async function poll(model: GroupModel, real: GroupReal, name: string): Promise<void> {
  const records = await real.poll(name).catch(passing)
  if (!(records instanceof KafkaError)) noteGiven(model, name, records)
}

/** A commit that fails may have been carried out all the same, before its member was told that it is none any more. */
async function commit(model: GroupModel, real: GroupReal, name: string): Promise<void> {
  const asked = askedBy(model, name)
  try {
    await real.commit(name)
    noteCommitted(model, name, asked)
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    noteMaybeCommitted(model, asked)
  }
}

/** What most applications do. */
async function handle(model: GroupModel, real: GroupReal, name: string): Promise<void> {
  await poll(model, real, name)
  await commit(model, real, name)
}

async function leave(model: GroupModel, real: GroupReal, name: string): Promise<void> {
  await real.leave(name)
  model.members.delete(name)
}
