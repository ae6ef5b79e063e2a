/**
 * Bugs that Raft quorums have had, put into the rules of ours. They are looked for by the quorum in small (`--quorum`), a few milliseconds a seed.
 */
import type { Mutant } from './mutant.ts'

/** See the header. */
export const quorumMutants: readonly Mutant[] = [
  {
    id: 'B1',
    title: 'batches of older epochs are committed by counting (Raft, figure 8; KAFKA-12619)',
    why: 'a later leader does not have them, and others take their place',
    edits: [
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'if (committed < state.epochEndOffset || committed <= state.highWatermark) return',
        replacement: 'if (committed <= state.highWatermark) return',
      },
    ],
    run: 'quorum',
    seed: 942,
    seedsToFind: 942,
  },
  {
    id: 'B2',
    title: 'a vote is answered before it is durable',
    why: 'after a power loss the same voter votes again, and an epoch has two leaders',
    edits: [
      {
        file: 'coordinator/quorum-state.ts',
        text: 'if (state.persistedSequence >= state.voteSequence) return void outputs',
        replacement: 'if (state.persistedSequence >= 0) return void outputs',
      },
    ],
    run: 'quorum',
    seed: 3,
    seedsToFind: 3,
  },
  {
    id: 'B4',
    title: 'a newer epoch is not written down when it is adopted',
    why: 'after a restart the member is back in an old epoch, and may vote there',
    edits: [
      {
        file: 'coordinator/quorum-state.ts',
        text: 'state.toldEndOffset = 0\n  persistVote(step)',
        replacement: 'state.toldEndOffset = 0',
      },
    ],
    run: 'quorum',
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'B6',
    title: 'the voters change again before the last change is committed (Raft, 2015; Redpanda #17675)',
    why: 'two majorities do not meet',
    edits: [
      {
        file: 'coordinator/quorum-membership.ts',
        text: "if (votersEndOf(state.log) > state.highWatermark) return 'REASSIGNMENT_IN_PROGRESS'\n",
        replacement: '',
      },
    ],
    run: 'quorum',
    seed: 162,
    seedsToFind: 162,
  },
  {
    id: 'B6b',
    title: 'the voters change before the leader has committed anything of its epoch (Raft, 2015)',
    why: 'two leaders each have a change that the other does not know',
    edits: [
      {
        file: 'coordinator/quorum-membership.ts',
        text: 'if (!isActive(state)) return',
        replacement: "if (state.role !== 'leader') return",
      },
    ],
    run: 'quorum',
    seed: 614,
    seedsToFind: 614,
  },
  {
    id: 'B7',
    title: 'a leader that is no voter any more counts itself (KAFKA-16530)',
    why: 'what it commits is not on a majority of the voters',
    edits: [
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'const ends = voters.map((node) =>',
        replacement: 'const ends = [...new Set([...voters, state.config.node])].map((node) =>',
      },
    ],
    run: 'quorum',
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'B8',
    title: 'a follower acknowledges what is only in its page cache (KAFKA-13884, KAFKA-17332)',
    why: 'a power loss takes what was counted',
    edits: [
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'const endOffset = Math.min(state.matchedEndOffset, state.syncedEndOffset)',
        replacement: 'const endOffset = state.matchedEndOffset',
      },
    ],
    run: 'quorum',
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'B10',
    title: 'an append that comes late cuts what has come after it (KAFKA-12460)',
    why: 'what is committed is cut',
    edits: [
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'if (batch.endOffset <= log.snapshot.endOffset || epochBefore(log, batch.endOffset) === batch.epoch) return',
        replacement: 'if (batch.endOffset <= log.snapshot.endOffset) return',
      },
      {
        file: 'coordinator/quorum-replication.ts',
        text: "assert(batch.baseOffset >= state.highWatermark, 'Q11 nothing below the high watermark is cut')\n",
        replacement: '',
      },
    ],
    run: 'quorum',
    seed: 5,
    seedsToFind: 5,
  },
  {
    id: 'B13',
    title: 'a leader acts before anything of its own epoch is committed (KAFKA-15345; Redpanda #5025)',
    why: 'it decides with an image that lacks what its predecessor committed',
    edits: [
      {
        file: 'coordinator/quorum-membership.ts',
        text: "return role === 'leader' && highWatermark >= epochEndOffset",
        replacement: "return role === 'leader' && highWatermark <= Infinity && epochEndOffset >= 0",
      },
    ],
    run: 'quorum',
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'B14',
    title: 'one that does not vote stands for election, and counts itself (KAFKA-17067)',
    why: 'an epoch has two leaders',
    edits: [
      {
        file: 'coordinator/quorum-election.ts',
        text: 'return isFounded && (votersOf(log).includes(config.node) || !isRemoved)',
        replacement: 'return isFounded || isRemoved',
      },
      {
        file: 'coordinator/quorum-election.ts',
        text: 'return voters.filter((node) => votes.has(node)).length >= majorityOf(voters)',
        replacement: 'return votes.size >= majorityOf(voters)',
      },
    ],
    run: 'quorum',
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'B16',
    title: 'the leader counts itself before its own sync (etcd, asynchronous writes)',
    why: 'a power loss of the leader takes what was committed',
    edits: [
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'node === state.config.node ? state.syncedEndOffset :',
        replacement: 'node === state.config.node ? endOf(state.log) :',
      },
    ],
    run: 'quorum',
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'B12',
    title: 'a snapshot counts before it is synced (KAFKA-15312)',
    why: 'a power loss leaves neither the snapshot nor the log that it covered',
    edits: [
      {
        file: 'actors/coordinator-storage.ts',
        text: 'if (message.error !== null) storage.failedSnapshots.add(continuation.snapshot)\n      return null',
        replacement:
          "storage.savedFile = snapshotFileName(continuation.snapshot)\n      return { kind: 'snapshotSaved', snapshot: continuation.snapshot }",
      },
    ],
    seed: 244,
    seedsToFind: 244,
  },
  {
    id: 'B16b',
    title: 'a sync of the metadata log counts for what was appended after it began',
    why: 'a batch is acknowledged that a power loss takes',
    edits: [
      { file: 'actors/coordinator-storage.ts', text: 'position <= sizeBytes)', replacement: 'position <= Math.max(sizeBytes, Infinity))' },
    ],
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'B17',
    title: 'the metadata log is read without its CRC (KAFKA-14104)',
    why: 'a torn batch becomes metadata',
    edits: [
      {
        file: 'coordinator/quorum-files.ts',
        text: 'const check = checkBatch(bytes, at, bytes.length - at)',
        replacement:
          "const found = checkBatch(bytes, at, bytes.length - at)\n    const check = found.ok || found.reason !== 'crc' ? found : { ok: true as const, sizeBytes: readI32(bytes, at + 8) + 12 }",
      },
    ],
    run: 'small',
    seed: 141,
    seedsToFind: 141,
  },
  {
    id: 'B13b',
    title: 'a coordinator acts as soon as it is elected',
    why: 'it gives out producer ids and topic ids that its predecessor gave out',
    edits: [
      {
        file: 'actors/coordinator-quorum.ts',
        text: 'seat.isActive = isActive(state)',
        replacement: "seat.isActive = state.role === 'leader'",
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'A18',
    title: 'a coordinator of the past is obeyed (KAFKA-6082)',
    why: 'what it writes in an old epoch takes the place of what was committed since',
    edits: [
      {
        file: 'coordinator/quorum.ts',
        text: 'if (message.epoch < state.epoch) return refuseOld(step, from, message)\n',
        replacement: "if (message.epoch < state.epoch && message.kind !== 'quorumAppend') return refuseOld(step, from, message)\n",
      },
    ],
    run: 'quorum',
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'B19',
    title: 'who is asked to take over leads at once',
    why: 'nobody has voted for it: somebody else may lead in that epoch, or have what it lacks',
    edits: [
      {
        file: 'coordinator/quorum-election.ts',
        text: '  armElection(step)\n  campaign(step)\n',
        replacement: "  armElection(step)\n  campaign(step)\n  if (step.state.role === 'candidate') lead(step)\n",
      },
    ],
    run: 'quorum',
    seed: 64,
    seedsToFind: 64,
  },
  {
    id: 'B20',
    title: 'the vote of one that has lost what it acknowledged counts like others',
    why: 'with one that was away it elects a leader without what is committed',
    edits: [
      {
        file: 'coordinator/quorum-state.ts',
        text: 'if (isDoubtful) state.doubtfulVotes.add(node)',
        replacement: 'if (isDoubtful && node < 0) state.doubtfulVotes.add(node)',
      },
    ],
    run: 'quorum',
    seed: 226,
    seedsToFind: 226,
  },
  {
    id: 'B21',
    title: 'a leader goes on to believe what was acknowledged and lost since',
    why: 'it commits what a majority does not have, and takes the one that lost it for one that has everything',
    edits: [
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'if (message.isDoubtful === true) progress.matchOffset = 0\n',
        replacement: '\n',
      },
    ],
    run: 'quorum',
    seed: 7717,
    seedsToFind: 7717,
  },
  {
    id: 'B22',
    title: 'each answer to what was sent before it was known where a log agrees is answered with all of it again (etcd: StateProbe)',
    why: 'logs that differ in many epochs: appends become more with every answer, until nobody does anything else',
    edits: [
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'if (progress.probeOffset >= 0 && message.endOffset >= progress.probeOffset) return\n',
        replacement: '\n',
      },
      {
        file: 'coordinator/quorum-replication.ts',
        text: 'const inFlightMax = progress.probeOffset >= 0 ? 1 : IN_FLIGHT_MAX',
        replacement: 'const inFlightMax = IN_FLIGHT_MAX',
      },
    ],
    run: 'quorum',
    seed: 180,
    seedsToFind: 180,
  },
  {
    id: 'B9',
    title: 'a leader that nobody hears goes on to lead (KAFKA-15489)',
    why: 'its clients wait for it, and read metadata of the past',
    edits: [
      {
        file: 'coordinator/quorum-election.ts',
        text: 'if (heard.length < majorityOf(voters)) follow(step, -1)',
        replacement: 'if (heard.length < 0) follow(step, -1)',
      },
    ],
    seed: 3,
    seedsToFind: 3,
  },
  {
    id: 'B11',
    title: 'the end of a snapshot is taken for its last offset (KAFKA-14618)',
    why: 'whoever is behind the snapshot goes on one record too late',
    edits: [
      {
        file: 'coordinator/quorum-log.ts',
        text: 'const kept = isKept ? log.batches.slice(indexBehind(log, snapshot.endOffset)) : []',
        replacement: 'const kept = isKept ? log.batches.slice(indexBehind(log, snapshot.endOffset + 1)) : []',
      },
    ],
    run: 'quorum',
    seed: 2,
    seedsToFind: 2,
  },
  {
    id: 'B18',
    title: 'a snapshot that is being written is written again',
    why: 'it counts when the first write is synced; a power loss during the second leaves neither',
    edits: [
      {
        file: 'actors/coordinator-storage.ts',
        text: "one.kind === 'snapshot' && snapshotFileName(one.snapshot) === file)) return",
        replacement: "one.kind === 'snapshot' && snapshotFileName(one.snapshot) === '')) return",
      },
    ],
    run: 'small',
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'A52',
    title: 'a coordinator that does not lead says that a topic is not there of which it has only not heard',
    why: 'it tells what it knows, while nobody leads; whoever asks for the topic takes it for deleted',
    edits: [
      {
        file: 'actors/coordinator-queries.ts',
        text: 'if (topics.some((topic) => !image.topics.has(topic))) return false',
        replacement: 'if (topics.length === 0) return false',
      },
    ],
    seed: 210,
    seedsToFind: 210,
  },
]
