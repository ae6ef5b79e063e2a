/**
 * Replicas that are counted on although they have less than they had: wiped, damaged, cut, or taken away and given back. Numbers are those of the published
 * bugs and improvement proposals that the titles name.
 */
import type { Mutant } from './mutant.ts'

/** See the header. */
export const trustMutants: readonly Mutant[] = [
  {
    id: 'A34',
    title: 'a damaged replica goes on to be counted on',
    why: 'nobody else leads, and nobody can read what it has',
    edits: [
      {
        file: 'actors/replica-damage.ts',
        text: "  const isDamaged = damage !== 'none' && replicas.length > 1\n",
        replacement: "  const isDamaged = damage === 'total' && replicas.length > 100\n",
      },
    ],
    run: 'small',
    seed: 15,
    seedsToFind: 15,
  },
  {
    id: 'A35',
    title: 'a node with an empty directory is taken for the one that it was (KIP-966)',
    why: 'it is in sync, or eligible, without anything',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: "if (previousBrokerEpoch < activeEpoch || (isSuccessor && known.storage === 'unknown')) return 'unknown'\n",
        replacement: "if (previousBrokerEpoch < activeEpoch - 1e9) return 'unknown'\n",
      },
    ],
    run: 'small',
    seed: 320,
    seedsToFind: 320,
  },
  {
    id: 'A37',
    title: 'a log that is cut although more of it follows is counted on (FAST 2018)',
    why: 'damage that only a torn checkpoint vouched for looks like a torn tail: who was eligible leads without what it had acknowledged',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: '!isFollowed && !isUnvouched',
        replacement: 'true',
      },
    ],
    run: 'small',
    seed: 469,
    seedsToFind: 469,
  },
  {
    id: 'A38',
    title: 'a replica is taken away, and no new leader epoch begins (KAFKA-15021)',
    why: 'what it said late counts when it is given the partition again, empty',
    edits: [
      {
        file: 'coordinator/partition-image.ts',
        text: '(removing.length > 0 ? 1 : 0)',
        replacement: '0',
      },
    ],
    seed: 3,
    seedsToFind: 3,
  },
  {
    id: 'A40',
    title: 'a damaged replica is let go of, and no new leader epoch begins',
    why: 'what it said of its log counts while it is copied anew: it is in sync, and elected, with nothing',
    edits: [
      {
        file: 'coordinator/partition-image.ts',
        text: '{ ...left, leaderEpoch, ...(isLast',
        replacement: '{ ...left, ...(isLast',
      },
    ],
    seed: 20,
    seedsToFind: 20,
  },
  {
    id: 'A41',
    title: 'a batch that seems to end at the recovery point is believed',
    why: 'damage in where it ends makes a torn tail of what follows: a leader that opens its log again cuts what it had acknowledged',
    edits: [
      {
        file: 'partitions/torn-tail.ts',
        text: 'return found.expectedOffset === recoveryPoint ? found.unsoundEnd : -1',
        replacement: 'return -1',
      },
    ],
    run: 'small',
    seed: 15326,
    seedsToFind: 15326,
  },
  {
    id: 'A51',
    title: 'a node whose registration was overtaken by one of a former life looks for logs that nobody serves',
    why: 'it serves none itself yet, so that it takes all for strays, and removes them',
    edits: [
      {
        file: 'actors/broker.ts',
        text: 'if (state.strayCheckDone || !isInformed(state) || state.image.endOffset < state.brokerEpoch) return',
        replacement: 'if (state.strayCheckDone || state.brokerEpoch < 0 || state.image.endOffset < state.brokerEpoch) return',
      },
      {
        file: 'actors/broker.ts',
        text: 'if (isInformed(state)) removeStrays(state, logs, outbox)',
        replacement: 'if (state.brokerEpoch >= 0) removeStrays(state, logs, outbox)',
      },
    ],
    run: 'small',
    seed: 14444,
    seedsToFind: 14444,
  },
  {
    id: 'A42',
    title: 'a clean stop that may be in the page cache only is taken for durable',
    why: 'the next registration takes the place of the one that is: a power loss leaves neither, and whoever was the only one in sync counts as wiped',
    edits: [
      {
        file: 'actors/broker-registration.ts',
        text: 'if (clean >= 0 && written[clean]?.bootId === config.bootId) state.nextFile = clean',
        replacement: 'if (clean >= 0 && written[clean]?.bootId === config.bootId) void clean',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'A53',
    title: 'the newest registration is not proved before the other one is written over',
    why: 'it may be in the page cache only: a power loss leaves neither, and whoever was the only one in sync counts as wiped',
    edits: [
      {
        file: 'actors/broker-registration.ts',
        text: 'else if (written[newest]?.bootId === config.bootId) return prove(state, newest, outbox)',
        replacement: 'else if (newest > FILES) return prove(state, newest, outbox)',
      },
    ],
    seed: 32,
    seedsToFind: 32,
  },
  {
    id: 'A54',
    title: 'a follower whose log differs is not known to be another life of its node',
    why: 'what its former life said late counts as a copy that it has not got: a quorum is acknowledged that there is not',
    edits: [{ file: 'actors/replica-fetch.ts', text: '    noteLife(replication, { node: replicaId, brokerEpoch })\n', replacement: '' }],
    run: 'small',
    seed: 6639,
    seedsToFind: 6639,
  },
  {
    id: 'A55',
    title: 'what a node has lost is forgotten when a registration of a former life comes between two of its own',
    why: 'it counts as one that has everything, and leads without what it had acknowledged',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: 'const known = knownAs(image.brokers.get(node), previousBrokerEpoch)',
        replacement: 'const known = image.brokers.get(node)',
      },
    ],
    run: 'small',
    seed: 636,
    seedsToFind: 636,
  },
  {
    id: 'A43',
    title: 'a follower with an empty log waits for a leader that ends below it',
    why: 'it has nothing that could be compared, and a leader that was elected although it had fallen behind does not come there: it is never in sync again',
    edits: [
      {
        file: 'actors/replica-follow.ts',
        text: '(response.logStartOffset > log.logEndOffset || isBlank)',
        replacement: '(response.logStartOffset > log.logEndOffset || (isBlank && false))',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A44',
    title: 'whoever knows only coordinators that were all replaced asks nobody else (KIP-899)',
    why: 'it never finds the active one again',
    edits: [
      {
        file: 'actors/coordinator-finder.ts',
        text: 'if (++finder.silentCount > finder.nodes.length)',
        replacement: 'if (++finder.silentCount < 0)',
      },
    ],
    run: 'small',
    seed: 3378,
    seedsToFind: 3378,
  },
  {
    id: 'A45',
    title: 'with acks n the copy of the leader counts when it is appended',
    why: 'a batch is acknowledged as so many times there, and one of them a power loss takes',
    edits: [
      {
        file: 'actors/replica-progress.ts',
        text: 'copiesOf(replication, endOffset, durableEndOffset)',
        replacement: 'copiesOf(replication, endOffset, state.log.logEndOffset)',
      },
    ],
    seed: 20,
    seedsToFind: 20,
  },
  {
    id: 'A36',
    title: 'a damaged log that was given up already is not copied anew',
    why: 'the coordinator had spoken before the damage was found, and does not speak again',
    edits: [
      {
        file: 'actors/replica-flush.ts',
        text: "nature === 'doubtful' || state.role.replicas.length > 1",
        replacement: "nature === 'doubtful' || state.role.replicas.length > 100",
      },
    ],
    run: 'small',
    seed: 2210,
    seedsToFind: 2210,
  },
  {
    id: 'A46',
    title: 'a log that is gone is taken for a new one',
    why: 'its node leads with nothing, and those who have everything cut their logs',
    edits: [
      { file: 'actors/replica-open.ts', text: 'answer.isGone === true && state', replacement: 'answer.isGone === undefined && state' },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'A47',
    title: 'a log of which nobody knows whether there was more is opened while others are counted on',
    why: 'it is counted on, too, and leads with what is left',
    edits: [
      {
        file: 'actors/replica-damage.ts',
        text: 'return !counted.includes(self.node) || counted.every((node) => node === self.node)',
        replacement: 'return counted.length >= 0',
      },
    ],
    run: 'small',
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'A48',
    title: 'what is mended counts before it is on the disk',
    why: 'a power loss takes the mended batch of one that is in sync again',
    edits: [
      {
        file: 'actors/replica-mend.ts',
        text: 'if (next === undefined) return syncMended(state, mending, outbox)',
        replacement: 'if (next === undefined) return endMending(state)',
      },
    ],
    run: 'small',
    seed: 15,
    seedsToFind: 15,
  },
  {
    id: 'A71',
    title: 'only those files are synced that this mending has written to',
    why: 'what one has written that was broken off reads well from the page cache, and a power loss takes it from one that is in sync again',
    edits: [
      {
        file: 'actors/replica-mend.ts',
        text: 'Object.assign(mending, { correlationId: -1, askAt: -1, emptyCount: 0, mended: mending.offset })',
        replacement:
          'Object.assign(mending, { correlationId: -1, askAt: -1, emptyCount: 0, mended: mending.offset, written: [...(mending.written ?? []), segment] })',
      },
      {
        file: 'actors/replica-mend.ts',
        text: '  const written = state.log.segments.filter(({ sizeBytes }) => sizeBytes > 0)\n',
        replacement: '  const written = [...new Set(mending.written ?? [])]\n  if (written.length === 0) return endMending(state)\n',
      },
    ],
    run: 'small',
    seed: 1732,
    seedsToFind: 1732,
  },
  {
    id: 'A49',
    title: 'a damaged batch is mended with one of another leader epoch',
    why: 'what is written over it was never there: two logs that are thought to be the same are not',
    edits: [
      { file: 'actors/replica-mend.ts', text: '|| batch.leaderEpoch(records, 0) !== epochAt(state.epochs, offset)', replacement: '' },
    ],
    run: 'small',
    seed: 9236,
    seedsToFind: 9236,
  },
  {
    id: 'A50',
    title: 'all nodes are told to stop when the first of them asks',
    why: 'the others go on, fenced, and nobody leads',
    edits: [
      {
        file: 'actors/coordinator-brokers.ts',
        text: 'isLive(image, node) && !waits(node)',
        replacement: 'isLive(image, node) && node < 0',
      },
      {
        file: 'coordinator/brokers.ts',
        text: 'isLive(image, node) && !nodes.includes(node)',
        replacement: 'isLive(image, node) && node < 0',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'A60',
    title: 'what nobody has led yet waits for the replica that is named in sync',
    why: 'if that one comes back with a wiped directory, nobody is left who may lead, although there is nothing to lack',
    edits: [{ file: 'coordinator/brokers.ts', text: '    if (first !== null) return first\n', replacement: '    void first\n' }],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A88',
    title: 'one that only doubted its log, and was the last in sync, never leads again (KIP-966)',
    why: 'the one that it gave way to is wiped, nobody has more, and nobody may lead any more',
    edits: [
      {
        file: 'coordinator/partition-image.ts',
        text: '  if (last !== undefined) return changed(partition, { isr: [last], leader: last, leaderEpoch })\n',
        replacement: '  void last\n',
      },
    ],
    run: 'small',
    seed: 15619,
    seedsToFind: 15619,
  },
  {
    id: 'A89',
    title: 'the last one in sync stays that although it cannot be opened at all',
    why: 'a topic that may elect one who has fallen behind is offline, and others have all of it, or nearly',
    edits: [
      {
        file: 'coordinator/partition-image.ts',
        text: "damage === 'total' ? elected(",
        replacement: "damage === 'total' && node < 0 ? elected(",
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'D14',
    title: 'a consumer goes on at its offset although the log was cut below it (KIP-320, KAFKA-10113)',
    why: 'what a leader writes there that was elected although it had fallen behind is never read',
    edits: [
      {
        file: 'actors/replica-fetch.ts',
        text: 'return end.endOffset < fetchOffset ? end : null',
        replacement: 'return end.endOffset < -1 ? end : null',
      },
    ],
    seed: 9,
    seedsToFind: 9,
  },
]
