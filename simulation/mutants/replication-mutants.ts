/**
 * Bugs of replication: followers that cut the wrong thing or say more than they have, leaders that count the wrong replicas, and coordinators that elect
 * the wrong one. Numbers are those of the published bugs and improvement proposals that the titles name.
 */
import type { Mutant } from './mutant.ts'

/** See the header. */
export const replicationMutants: readonly Mutant[] = [
  {
    id: 'A1',
    title: 'a follower cuts its log at its high watermark (KIP-101)',
    why: 'it has records that are committed, and has not heard that they are; if it leads next, they are gone',
    edits: [
      {
        file: 'actors/replica-follow.ts',
        text: "  state.phase = 'following'\n",
        replacement:
          "  if (state.highWatermark.offset < state.log.logEndOffset) return cutLog(state, state.highWatermark.offset, outbox)\n  state.phase = 'following'\n",
      },
    ],
    seed: 25,
    seedsToFind: 25,
  },
  {
    id: 'A2',
    title: 'logs are compared by their ends alone, not by epochs (KIP-101)',
    why: 'a follower keeps what another leader wrote at the same offsets',
    edits: [
      {
        file: 'actors/replica-fetch.ts',
        text: 'const differs = isComparable && (end.epoch !== lastFetchedEpoch || end.endOffset < fetchOffset)',
        replacement: 'const differs = isComparable && log.logEndOffset < fetchOffset',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'A4',
    title: 'an election does not begin a new leader epoch',
    why: 'two nodes lead in one epoch, and neither can be told from the other',
    edits: [
      {
        file: 'coordinator/partition-image.ts',
        text: 'const live = replicas.filter((node) => electorate.isLive(node))\n  const leaderEpoch = partition.leaderEpoch + 1',
        replacement: 'const live = replicas.filter((node) => electorate.isLive(node))\n  const { leaderEpoch } = partition',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'A7',
    title: 'a follower joins the ISR at a high watermark that lags behind (KAFKA-7128)',
    why: 'a new leader does not know yet how much is committed: the follower may have less',
    edits: [
      {
        file: 'partitions/replication.ts',
        text: 'return follower.endOffset >= highWatermark && follower.endOffset >= epochStartOffset',
        replacement: 'return follower.endOffset >= Math.min(highWatermark, epochStartOffset)',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A9',
    title: 'the high watermark does not wait for those who may have joined already (KIP-497)',
    why: 'the coordinator has accepted them and elects one, before the leader hears of it',
    edits: [
      {
        file: 'partitions/replication.ts',
        text: 'const needed = maximalIsr(replication)',
        replacement: 'const needed = isr',
      },
      { file: 'partitions/replication.ts', text: 'if (needed.includes(node) || isJoining)', replacement: 'if (needed.includes(node))' },
    ],
    seed: 30,
    seedsToFind: 30,
  },
  {
    id: 'A10',
    title: 'an earlier life of a node joins the ISR (KIP-903)',
    why: 'it had everything; the node that has come back since has not',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: 'if (node !== leader && (!isLive(image, node) || !isKnown))',
        replacement: 'if (node !== leader && !isLive(image, node))',
      },
      {
        file: 'partitions/replication.ts',
        text: 'known !== undefined && known.brokerEpoch === fetch.brokerEpoch ? known',
        replacement: 'known !== undefined ? known',
      },
    ],
    seed: 505,
    seedsToFind: 505,
  },
  {
    id: 'A12',
    title: 'a node that is fenced may join the ISR (KIP-841)',
    why: 'nobody waits for it to be heard of again, and the partition has fewer live replicas than it counts on',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: 'if (node !== leader && (!isLive(image, node) || !isKnown))',
        replacement: 'if (node !== leader && !isKnown)',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A13',
    title: 'a node that has lost power stays in sync (KIP-966)',
    why: 'it comes back without what was never synced, and is elected',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: "const isLoser = storage === 'unknown' || (storage === 'unsyncedLost' && topic.config.flush !== 'commit')",
        replacement: "const isLoser = storage === 'unknown'",
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'A14',
    title: 'a node that has lost power stays eligible (KIP-966)',
    why: 'the eligible are elected when nobody in sync is left',
    edits: [
      {
        file: 'coordinator/partition-image.ts',
        text: 'const elr = partition.elr.filter((other) => other !== node)',
        replacement: 'const { elr } = partition',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A16',
    title: 'anybody who is live may lead when nobody in sync is (KAFKA-3410)',
    why: 'who had fallen behind leads, and the others cut their logs to its',
    edits: [
      {
        file: 'coordinator/partition-image.ts',
        text: 'return electorate.unclean && any !== undefined',
        replacement: 'return any !== undefined',
      },
    ],
    seed: 72,
    seedsToFind: 72,
  },
  {
    id: 'A30',
    title: 'the high watermark moves while too few are in sync (KIP-966)',
    why: 'those who left the ISR last do not have what is committed since, but may lead',
    edits: [{ file: 'partitions/replication.ts', text: 'if (isr.length < minInsync) return -1\n', replacement: '' }],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'A31',
    title: 'a follower fetches on before what it has is synced',
    why: 'the leader counts on it; a power loss takes what it said it had',
    edits: [{ file: 'actors/replica-follow.ts', text: 'if (state.durableEndOffset < log.logEndOffset) return\n', replacement: '' }],
    seed: 23,
    seedsToFind: 23,
  },
  {
    id: 'A32',
    title: 'who waits for a quorum is answered when the leader has the batch',
    why: 'the leader is lost, and nobody else has what was acknowledged',
    edits: [{ file: 'actors/replica-progress.ts', text: "return acks === 'leader'", replacement: "return acks !== 'none'" }],
    seed: 1,
    seedsToFind: 1,
  },
]
