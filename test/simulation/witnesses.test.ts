// Mutants that the random search does not find: for each, a test that is red with it, and green without it as long as all tests are.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { mutants } from '../../simulation/mutants/catalogue.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** By mutant: the file of its witness, and the end of its name. */
const WITNESSES: Readonly<Record<string, readonly [file: string, name: string]>> = {
  A5: ['actors/replica-read', 'FENCED_LEADER_EPOCH, and it counts for nothing'],
  A6: ['actors/replica-read', 'UNKNOWN_LEADER_EPOCH'],
  A10: ['coordinator/brokers', 'has nobody who is not the incarnation that the leader has heard'],
  A10b: ['actors/replication', 'a proposal that is made again'],
  A10c: ['actors/replication', 'a proposal that is made again'],
  A17: ['actors/coordinator-brokers', 'does not unfence an incarnation that was registered meanwhile'],
  A19: ['actors/replication', 'counts for the high watermark before the coordinator has answered'],
  A20: ['actors/replica-read', 'REPLICA_NOT_AVAILABLE, and it counts for nothing'],
  A23: ['actors/replication', 'tells nobody where the log ends before its high watermark has caught up'],
  A28: ['actors/replica-compact', 'a log that is cut keeps nothing of what it was'],
  A36: ['actors/replica-damage', 'is copied anew although nobody says so again'],
  A37: ['actors/replica-damage', 'it asks not to be counted on, is cut, and follows'],
  A38: ['coordinator/partition-image', 'what that one says late does not count when it is given the partition again'],
  A39: ['actors/replica-compact', 'one empty batch of takes the rest of it'],
  A40: ['coordinator/broker-losses', 'in the leader epoch that begins: it is copied anew'],
  B1: ['coordinator/quorum', 'does not commit older epochs by counting'],
  B6b: ['coordinator/quorum', 'do not change before the leader has committed something of its epoch'],
  B9: ['coordinator/quorum', 'resigns when it hears no majority any more'],
  B18: ['actors/coordinator-storage', 'is relied upon as soon as it is synced'],
  C10: ['actors/replica-transactions', 'of an older reign of the transactor is refused'],
  C23: ['actors/transactor', 'begins behind all that may be on its way to the log'],
  C25: ['actors/groups-transactions', 'holds the partitions under its present epoch'],
  C34: ['actors/transactor', 'shares its producer id with nobody'],
  C36: ['actors/transactor', 'begins behind all that may be on its way to the log'],
  D15: ['edge/client/consumed-partition', 'the position ends behind what is empty'],
  D16: ['coordinator/state-log', 'goes on behind what compaction has left without records'],
  D22: ['coordinator/groups/static-members', 'has as much time as if it had been told now when the answer was lost'],
  D25: ['actors/groups', 'is refused when another node may be in charge, until the lease is extended'],
  D26: ['actors/consumer', 'before anything is taken up that came in for a paused process'],
  E4b: ['actors/replica-compact', 'stays while a replica may not have it'],
  E9: ['actors/replica-compact', 'half written are not taken for the log'],
  E14: ['actors/replica-compact', 'that begins anew is cleaned anew'],
  E16: ['partitions/recovery', 'of a segment that was scanned goes: it may be of another life'],
  E23: ['actors/replica-life', 'removes nothing while the checkpoint cannot be written'],
  E24: ['partitions/recovery', 'stay until a checkpoint that says so is proven'],
  E25: ['actors/replica-compact', 'keeps what producers are compared with'],
  G11: ['actors/processing', 'ends the round and puts the rest back when partitions are to go'],
  G14: ['actors/processing', 'leads back in what was polled since, too'],
  J1: ['coordinator/groups/classic/classic-group', 'of the present generation only, also while others join again'],
  J2: ['coordinator/groups/classic/classic-group', 'is kept through a rebalance for as long as its session lasts'],
  J4: ['coordinator/groups/classic/classic-group', 'that ends with nobody leaves the group empty'],
  J5: ['coordinator/groups/classic/classic-group', 'in the same generation; its former life is fenced'],
  J6: ['actors/consumer-classic', 'the answer to an older request changes nothing'],
  J9: ['actors/consumer-classic', 'for its rebalance time-out, whatever it has heard meanwhile'],
  J10: ['actors/consumer-classic', 'for its rebalance time-out, whatever it has heard meanwhile'],
  J12: ['actors/consumer-classic', 'begins when the leader sees more partitions'],
  J13: ['coordinator/groups/classic/classic-group', 'before members of the coordinator before it are gone'],
  J14: ['actors/consumer-classic', 'is told that the group has gone on without it, or does not know it'],
  J15: ['actors/consumer-classic', 'lets go of what it is not given, and joins once more'],
  J16: ['coordinator/groups/classic/classic-group', 'it is told that another one leads'],
  J17: ['actors/groups-classic', 'is not possible before the log is read, nor when another node may be in charge'],
  J18: ['actors/consumer-classic', 'knows by which counts it has shared out'],
  S5: ['actors/shares', 'of one whose lease is over is not confirmed'],
  S7: ['actors/shares', 'and has lost them meanwhile'],
  S8: ['actors/shares', 'an attempt that nobody was told of does not count'],
  R3: ['actors/replica-consumed', 'stay when what was committed is of a former topic of that name'],
}

test('every mutant that no seed finds has a witness', () => {
  const missed = mutants.filter(({ seedsToFind }) => seedsToFind === 0).map(({ id }) => id)
  // A process of its own: see mutants.test.ts.
  expect(missed.filter((id) => id !== 'B17').toSorted()).toEqual(Object.keys(WITNESSES).toSorted())
})

test.each(Object.entries(WITNESSES))('%s is noticed', { timeout: 60_000 }, async (id, [file, name]) => {
  const vitest = `${root}node_modules/vitest/vitest.mjs`
  const given = [vitest, 'run', '--config', 'vitest.mutant.config.ts', `test/${file}.test.ts`, '-t', name]
  const run = promisify(execFile)(process.execPath, given, { cwd: root, env: { ...process.env, MUTANT: id } })
  const { stdout } = await run.catch((error: { readonly stdout: string }) => error)
  expect(stdout).toMatch(/Tests .*[1-9]\d* failed/)
})
