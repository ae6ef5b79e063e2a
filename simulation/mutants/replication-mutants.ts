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
    seed: 1,
    seedsToFind: 1,
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
      {
        file: 'partitions/replication.ts',
        text: 'isr.includes(node) || uptime - follower.caughtUpAt >= options.lagMillis) return false',
        replacement: 'isr.includes(node)) return false',
      },
    ],
    seed: 8,
    seedsToFind: 8,
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
    run: 'small',
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'A10',
    title: 'an earlier life of a node joins the ISR (KIP-903)',
    why: 'it had everything; the node that has come back since has not',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: 'if (node !== leader && ((!isLive(image, node) && !stays) || !isKnown))',
        replacement: 'if (node !== leader && !isLive(image, node) && !stays)',
      },
      {
        file: 'partitions/replication.ts',
        text: 'known !== undefined && known.brokerEpoch === fetch.brokerEpoch ? known',
        replacement: 'known !== undefined ? known',
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'A10b',
    title: 'a proposal for the ISR that is made again names the present life of a node (KIP-903)',
    why: 'its former life had everything; the node that has come back since has not',
    edits: [
      {
        file: 'actors/replica-role.ts',
        text: 'isAgain ? pending.isr : wanted.map(',
        replacement: '(isAgain ? pending.isr.map((one) => one.node) : wanted).map(',
      },
    ],
    run: 'small',
    seed: 5997,
    seedsToFind: 5997,
  },
  {
    id: 'A10c',
    title: 'what an earlier life of a node says late counts as said by the present one (KIP-903)',
    why: 'records count as copied there that went with its disk',
    edits: [
      {
        file: 'actors/replica-fetch.ts',
        text: 'if (isFollower && request.brokerEpoch <',
        replacement: 'if (request.brokerEpoch < -1 && request.brokerEpoch <',
      },
    ],
    seed: 8,
    seedsToFind: 8,
  },
  {
    id: 'A12',
    title: 'a node that is fenced may join the ISR (KIP-841)',
    why: 'nobody waits for it to be heard of again, and the partition has fewer live replicas than it counts on',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: 'if (node !== leader && ((!isLive(image, node) && !stays) || !isKnown))',
        replacement: 'if (node !== leader && !isKnown)',
      },
    ],
    seed: 1,
    seedsToFind: 1,
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
        file: 'coordinator/brokers.ts',
        text: 'const lost = isLoser ? withoutLoser(',
        replacement: 'const lost = isLoser && !partition.elr.includes(node) ? withoutLoser(',
      },
    ],
    seed: 1,
    seedsToFind: 1,
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
    run: 'small',
    seed: 6,
    seedsToFind: 6,
  },
  {
    id: 'A30',
    title: 'the high watermark moves while too few are in sync (KIP-966)',
    why: 'those who left the ISR last do not have what is committed since, but may lead',
    edits: [{ file: 'partitions/replication.ts', text: 'if (isr.length < minInsync) return -1\n', replacement: '' }],
    seed: 9,
    seedsToFind: 9,
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
  {
    id: 'A3',
    title: 'a follower cuts to where its leader says, not to where its own epoch ends (KIP-279)',
    why: 'its epochs above are unknown to the leader, and stay',
    edits: [
      {
        file: 'partitions/epochs.ts',
        text: 'return Math.min(leader.endOffset, own.endOffset, logEndOffset)',
        replacement: 'return Math.min(leader.endOffset, Math.max(own.endOffset, logEndOffset), logEndOffset)',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'A5',
    title: 'a leader counts fetches of an older leader epoch (KIP-320)',
    why: 'the follower may not know what the election has cut',
    edits: [
      {
        file: 'actors/replica-fetch.ts',
        text: "if (request.leaderEpoch >= 0 && request.leaderEpoch < role.leaderEpoch) return 'FENCED_LEADER_EPOCH'\n",
        replacement: '',
      },
      // As before KIP-595, when a fetch did not say where its log comes from.
      {
        file: 'actors/replica-fetch.ts',
        text: 'const differs = isComparable && (',
        replacement: 'const differs = isComparable && request.leaderEpoch >= state.role.leaderEpoch && (',
      },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'A6',
    title: 'a leader answers those who know of a newer epoch (KIP-320)',
    why: 'it is a leader of the past: where it says to cut is not where its successor says',
    edits: [
      {
        file: 'actors/replica-fetch.ts',
        text: "if (request.leaderEpoch > role.leaderEpoch) return 'UNKNOWN_LEADER_EPOCH'\n",
        replacement: '',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'A17',
    title: 'what was meant for one incarnation of a node is done to the next (KIP-380)',
    why: 'a late registration of a dead incarnation is unfenced by the heartbeat of the living one, which then counts as one that has lost everything',
    edits: [
      {
        file: 'actors/coordinator-brokers.ts',
        text: 'return image.brokers.get(write.node)?.brokerEpoch === write.brokerEpoch ? unfenceBroker(image, write.node) : []',
        replacement: 'return unfenceBroker(image, write.node)',
      },
      { file: 'actors/broker.ts', text: 'state.nextToken += context.random\n', replacement: '' },
    ],
    run: 'small',
    seed: 121,
    seedsToFind: 121,
  },
  {
    id: 'A17b',
    title: 'a registration is what a node has lost, be it late or not',
    why: 'a registration of a dead incarnation, with an old broker epoch, takes the living node out of the ISR for good',
    edits: [
      {
        file: 'coordinator/brokers.ts',
        text: 'return records\n  return records.concat(changePartitions(image, node, (partition, _, electorate) => withoutNode(partition, node, electorate)))',
        replacement:
          'return records\n  return records.concat(changePartitions(image, node, (partition, _, electorate) => {\n    const lost = loss.storage === undefined ? null : withoutLoser(partition, node, electorate, false)\n    return merged(partition, lost, (left) => withoutNode(left, node, electorate))\n  }))',
      },
    ],
    seed: 6,
    seedsToFind: 6,
  },
  {
    id: 'A19',
    title: 'a leader takes back its proposal when it is told that it failed (KAFKA-14144)',
    why: 'it may have been accepted, and who was proposed may be elected: the high watermark must wait for it',
    edits: [
      {
        file: 'actors/replica-role.ts',
        text: "if (errorOf(message.errorCode).name === 'INELIGIBLE_REPLICA') pending.isRefused = true",
        replacement: "if (state.replication !== null && errorOf(message.errorCode).name !== '') state.replication.pending = null",
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A20',
    title: 'the fetch of a replica that is not assigned counts (KAFKA-13837)',
    why: 'a copy that is about to be removed is among those that have a batch',
    edits: [
      {
        file: 'actors/replica-fetch.ts',
        text: "if (isFollower && !role.replicas.includes(request.replicaId)) return 'REPLICA_NOT_AVAILABLE'\n",
        replacement: '',
      },
    ],
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'A21',
    title: 'a follower obeys an answer that is not to its last fetch (KAFKA-13207)',
    why: 'it cuts its log where a leader of the past, or its leader in the past, said',
    edits: [
      {
        file: 'actors/replica-follow.ts',
        text: '  if (response.correlationId !== following.correlationId) return noteLate',
        replacement: '  if (response.correlationId < 0) return noteLate',
      },
    ],
    run: 'small',
    seed: 163,
    seedsToFind: 163,
  },
  {
    id: 'A23',
    title: 'a new leader says where the log ends before it knows (KAFKA-2334)',
    why: 'its high watermark lags behind what readers have seen: ends go back',
    edits: [
      {
        file: 'actors/replica-read.ts',
        text: 'if (request.timestamp !== EARLIEST_TIMESTAMP && state.highWatermark.offset < (state.replication?.epochStartOffset ?? 0))',
        replacement: 'if (state.highWatermark.offset < 0)',
      },
    ],
    seed: 15,
    seedsToFind: 15,
  },
  {
    id: 'A24',
    title: 'recovery forgets the first leader epoch (KAFKA-10432)',
    why: 'a log with records of it is compared as if it had none',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: '  noteEpoch(recovery.epochs, epoch, baseOffset)\n',
        replacement: '  if (epoch > 0) noteEpoch(recovery.epochs, epoch, baseOffset)\n',
      },
    ],
    seed: 4,
    seedsToFind: 4,
  },
  {
    id: 'A25',
    title: 'what only its leader has acknowledged is exposed (Redpanda #14794)',
    why: 'readers see it, and the next leader does not have it',
    edits: [
      {
        file: 'actors/replica-progress.ts',
        text: '    const end = highWatermarkOf(replication, state.durableEndOffset, context.uptime, state.replicaLagMillis)\n',
        replacement:
          '    const isLeaderOnlyNext = state.pending[0]?.waiters.some(isLeaderOnly) === true\n    const common = highWatermarkOf(replication, state.durableEndOffset, context.uptime, state.replicaLagMillis)\n    const end = isLeaderOnlyNext ? Math.max(common, Math.min(state.pending[0]?.endOffset ?? -1, state.durableEndOffset)) : common\n',
      },
    ],
    seed: 7,
    seedsToFind: 7,
  },
  {
    id: 'A33',
    title: 'a replica serves what it reads without a look at the CRC',
    why: 'bits that have flipped on the disk reach readers and followers',
    edits: [
      { file: 'actors/replica-damage.ts', text: "if (!batch.checkBatch(records, end, sizeBytes, 'sparse').ok) break\n", replacement: '' },
    ],
    seed: 25,
    seedsToFind: 25,
  },
]
