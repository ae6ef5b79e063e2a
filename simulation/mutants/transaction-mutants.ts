/** Known bugs of transactions, as data: part of the catalogue. Many seeds have none: what the search takes is counted all the same. */
import type { Mutant } from './mutant.ts'

const REQUESTS = 'actors/transactor-requests.ts'
const RULES = 'coordinator/transactions/transaction-rules.ts'

/** Mutants of transactors, of partitions that have transactions, and of groups that commit in them. */
export const transactionMutants: readonly Mutant[] = [
  {
    id: 'C8b',
    title: 'a checkpoint forgets which transactions are open (KAFKA-12153; Redpanda #2235)',
    why: 'after a restart readers of what is committed pass their first batches',
    edits: [
      {
        file: 'partitions/recovery.ts',
        text: 'transactions: checkpoint?.transactions ?? noTransactions(),',
        replacement: 'transactions: noTransactions(),',
      },
    ],
    seed: 11,
    seedsToFind: 11,
  },
  {
    id: 'C10',
    title: 'the marker of a transactor that is none any more counts (KAFKA-9144)',
    why: 'what a deposed one says late is written beside what its successor decides',
    edits: [
      {
        file: 'partitions/transactions.ts',
        text: "if (coordinatorEpoch < entry.coordinatorEpoch) return 'TRANSACTION_COORDINATOR_FENCED'",
        replacement: 'void coordinatorEpoch',
      },
    ],
    seed: 0,
    seedsToFind: 0,
  },
  {
    id: 'C12',
    title: 'an end that is asked for in another epoch counts (KAFKA-9600)',
    why: 'a zombie ends the transaction of its successor',
    edits: [
      {
        file: RULES,
        text: "  if (whose === 'fenced') return answer('PRODUCER_FENCED')\n  const { committed } = request",
        replacement: '  const { committed } = request',
      },
    ],
    seed: 20,
    seedsToFind: 20,
  },
  {
    id: 'C11',
    title: 'a request for an epoch that comes late begins another life of its producer',
    why: 'one that is stuck in the network fences the producer that has sent it, or its successor',
    edits: [
      {
        file: RULES,
        text: '  if (transaction.latestInitId !== formerInitId) return',
        replacement: '  if (transaction.latestInitId < 0) return',
      },
    ],
    seed: 19,
    seedsToFind: 19,
  },
  {
    id: 'C13',
    title: 'a batch is appended although nobody knows of its transaction (KAFKA-14402)',
    why: 'no marker comes, and readers wait for ever',
    edits: [
      {
        file: 'partitions/transactions.ts',
        text: "return isOpen && entry.producerEpoch === producerEpoch ? 'append' : 'ask'",
        replacement: "return isOpen || producerEpoch >= 0 ? 'append' : 'ask'",
      },
    ],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'C14',
    title: 'an end that comes late ends the next transaction (KAFKA-17754)',
    why: 'its producer has not asked for that',
    edits: [
      {
        file: RULES,
        text: "  if (whose === 'fenced') return answer('PRODUCER_FENCED')\n  const { committed } = request",
        replacement:
          "  if (whose === 'fenced' && request.producerEpoch !== transaction.producerEpoch - 1) return answer('PRODUCER_FENCED')\n  const { committed } = request",
      },
    ],
    seed: 20,
    seedsToFind: 20,
  },
  {
    id: 'C15',
    title: 'what the transactor has said is not checked again (KAFKA-14884)',
    why: 'a marker that came between the question and the answer is followed by a batch that it should have fenced',
    edits: [
      {
        file: 'actors/replica-produce.ts',
        text: 'if (numbered !== null && !admit(',
        replacement: 'if (numbered !== null && !isAdded && !admit(',
      },
    ],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'C16',
    title: 'the end of a transaction is completed again while that is being written (KAFKA-10080)',
    why: 'the second completion is of what has begun since',
    edits: [{ file: REQUESTS, text: '  if (entry.pending !== null) return\n  state.wanting', replacement: '  state.wanting' }],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'C18',
    title: 'the numbers of an aborted transaction are remembered (Redpanda #5026)',
    why: 'the first batches of the next one are taken for it',
    edits: [
      {
        file: 'partitions/idempotence.ts',
        text: ': entryAfterMarker(batch, batch.marker)',
        replacement: ': { ...entryAfterMarker(batch, batch.marker), batches: known?.batches ?? [] }',
      },
    ],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'C19',
    title: 'a partition is added in memory first (Redpanda #6018)',
    why: 'a transactor that follows does not know of it, and sends no marker there',
    edits: [
      {
        file: REQUESTS,
        text: '      draft.next = ruling.next\n      draft.answers.push({ request, from, error: ruling.error })',
        replacement:
          "      draft.next = ruling.next\n      if (request.kind === 'addPartitionToTransaction') respond({ request, from, error: ruling.error }, ruling.next, outbox)\n      else draft.answers.push({ request, from, error: ruling.error })",
      },
    ],
    run: 'small',
    seed: 148,
    seedsToFind: 148,
  },
  {
    id: 'C20',
    title: 'what a former life has left open is not aborted (Redpanda #3232)',
    why: 'it is committed with the first transaction of the next life, or never ended',
    edits: [
      {
        file: RULES,
        text: "  if (transaction.state === 'ongoing') return write(prepared(transaction, false, 'fence', now, spareProducerId), 'CONCURRENT_TRANSACTIONS')\n",
        replacement: '',
      },
      {
        file: 'coordinator/transactions/transaction-state.ts',
        text: "assert(transaction.state !== 'ongoing' && !isPrepared(transaction), 'X5",
        replacement: "assert(!isPrepared(transaction), 'X5",
      },
    ],
    seed: 11,
    seedsToFind: 11,
  },
  {
    id: 'C22',
    title: 'readers of what is committed read up to the high watermark (Redpanda 166119f)',
    why: 'they are given what nobody has decided on',
    edits: [
      {
        file: 'actors/replica-read-answers.ts',
        text: "return request.isolationLevel === 'read_committed' ? stableEnd(state) : state.highWatermark",
        replacement: 'return state.highWatermark',
      },
    ],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'C23',
    title: 'a transactor writes without saying in which reign (Redpanda b887c58)',
    why: 'what it writes after its leadership went and came back undoes what was decided meanwhile',
    edits: [
      {
        file: 'coordinator/state-log.ts',
        text: "    leaderEpoch: log.leaderEpoch,\n    acks: 'quorum',",
        replacement: "    leaderEpoch: -1,\n    acks: 'quorum',",
      },
    ],
    seed: 1,
    seedsToFind: 1,
  },
  {
    id: 'C25',
    title: 'offsets in a transaction are taken from whoever sends them (KIP-447)',
    why: 'a member that has lost its partitions commits results that its successor has made, too',
    edits: [
      {
        file: 'actors/groups-transactions.ts',
        text: '  const refusal = refuseCommit(state, state.groups.get(request.group), { ...(request.member ?? OUTSIDER), offsets }, true)',
        replacement: '  const refusal = refuseCommit(state, undefined, { ...OUTSIDER, offsets })',
      },
    ],
    seed: 20,
    seedsToFind: 20,
  },
  {
    id: 'C26',
    title: 'of two commits the one counts that is decided later (KAFKA-14505)',
    why: 'a group goes back to the offset whose record is older',
    edits: [
      {
        file: 'coordinator/groups/kept-offsets.ts',
        text: 'if ((offsets.get(name)?.recordOffset ?? -1) > recordOffset) return',
        replacement: 'void recordOffset',
      },
    ],
    run: 'small',
    seed: 1659,
    seedsToFind: 1659,
  },
  {
    id: 'C27',
    title: 'offsets count although the log has not taken them (KAFKA-15784)',
    why: 'the commit is tried again, or never made: records are skipped',
    edits: [
      {
        file: 'actors/groups-transactions.ts',
        text: '  if (response.errorCode === NONE)\n    noteTransactional(',
        replacement: '  if (response.errorCode !== NONE || response.errorCode === NONE)\n    noteTransactional(',
      },
    ],
    run: 'small',
    seed: 1053,
    seedsToFind: 1053,
  },
  {
    id: 'C30',
    title: 'a transactor lives on in the next reign of its node (KAFKA-9307, KAFKA-15468)',
    why: 'it does not know what was decided meanwhile, and can write nothing',
    edits: [
      {
        file: 'actors/broker-transactors.ts',
        text: 'if (known !== undefined && (!leads || known !== leaderEpoch)) {',
        replacement: 'if (known !== undefined && !leads) {',
      },
    ],
    seed: 10,
    seedsToFind: 10,
  },
  {
    id: 'C33',
    title: 'aborted transactions are forgotten while some of their batches are left',
    why: 'readers are given what is aborted',
    edits: [
      {
        file: 'partitions/transactions.ts',
        text: '  if (first === undefined || first.lastOffset >= logStartOffset) return\n  transactions.aborted = aborted.filter(({ lastOffset }) => lastOffset >= logStartOffset)',
        replacement:
          '  if (first === undefined || logStartOffset === 0) return\n  transactions.aborted = aborted.filter(({ firstOffset }) => firstOffset >= logStartOffset)',
      },
    ],
    run: 'small',
    seed: 245,
    seedsToFind: 245,
  },
  {
    id: 'C34',
    title: 'an answer with a producer id that comes twice counts twice',
    why: 'two transactional ids share a producer: the end of one is that of the other',
    edits: [
      {
        file: 'actors/transactor.ts',
        text: '  if (!state.producerIdAsks.delete(response.correlationId)) return',
        replacement: '  state.producerIdAsks.delete(response.correlationId)',
      },
    ],
    seed: 14,
    seedsToFind: 14,
  },
  {
    id: 'C35',
    title: 'a member is told an offset that an open transaction will replace (KIP-447)',
    why: 'it makes the same results again',
    edits: [
      {
        file: 'actors/groups-offsets.ts',
        text: 'const isUnstable = group !== undefined && (group.pendingCount > 0 || isOpen(group, request.partitions))',
        replacement: 'const isUnstable = group !== undefined && group.pendingCount > 0 && !isOpen(group, [])',
      },
    ],
    run: 'small',
    seed: 148,
    seedsToFind: 148,
  },
  {
    id: 'C36',
    title: 'a transactor begins without a barrier, and reads what is committed by then',
    why: 'a write of its predecessor that is on its way is decided later, and not known',
    edits: [
      { file: 'actors/transactor-state.ts', text: "    phase: 'barrier',", replacement: "    phase: 'loading'," },
      {
        file: 'coordinator/state-log.ts',
        text: 'log.nextOffset >= Math.max(response.highWatermark, response.epochStartOffset)',
        replacement: 'log.nextOffset >= response.highWatermark',
      },
    ],
    run: 'small',
    seed: 6,
    seedsToFind: 6,
  },
  {
    id: 'C37',
    title: 'a transactor does not go on with what its predecessor has decided',
    why: 'markers that are missing never come',
    edits: [
      {
        file: 'actors/transactor.ts',
        text: '  if (transaction === null || entry.isUnreadable || !isPrepared(transaction)) return',
        replacement: '  if (transaction === null || entry.isUnreadable || isPrepared(transaction)) return',
      },
    ],
    seed: 11,
    seedsToFind: 11,
  },
  {
    id: 'C38',
    title: 'an end is answered before it is in the log',
    why: 'its write fails, and somebody else decides otherwise',
    edits: [
      {
        file: REQUESTS,
        text: '      draft.next = ruling.next\n      draft.answers.push({ request, from, error: ruling.error })',
        replacement:
          "      draft.next = ruling.next\n      if (request.kind === 'endTransaction') respond({ request, from, error: ruling.error }, ruling.next, outbox)\n      else draft.answers.push({ request, from, error: ruling.error })",
      },
    ],
    run: 'small',
    seed: 38,
    seedsToFind: 38,
  },
  {
    id: 'C39',
    title: 'a time-out does not end a transaction',
    why: 'readers wait for a producer that is gone',
    edits: [
      {
        file: REQUESTS,
        text: 'const isDue = uptime - openSince >= timeoutMillis',
        replacement: 'const isDue = uptime - openSince >= timeoutMillis + TRANSACTIONAL_ID_EXPIRATION_MILLIS',
      },
    ],
    seed: 31,
    seedsToFind: 31,
  },
  {
    id: 'C40',
    title: 'a batch that is in the log is refused, for it is too large now',
    why: 'its producer splits it, and its parts are not recognised',
    edits: [
      {
        file: 'actors/replica-produce.ts',
        text: "return numbered === null || checkSequence(appended, numbered, isFirst).verdict !== 'duplicate'",
        replacement: 'return numbered === null || isFirst || true',
      },
    ],
    seed: 17,
    seedsToFind: 17,
  },
  {
    id: 'C41',
    title: 'the parts of a batch count as one in the window of five',
    why: 'the oldest is sent again when its leader remembers it no more: it is acknowledged without its offset',
    edits: [
      {
        file: 'actors/producer-split.ts',
        text: 'const ordinal = whole.ordinal + index\n',
        replacement: 'const { ordinal } = whole\n    void index\n',
      },
    ],
    seed: 26,
    seedsToFind: 26,
  },
  {
    id: 'C42',
    title: 'a batch that is given up while it is split is answered itself, too',
    why: 'its client has taken its parts for it: of one batch two things are said',
    edits: [
      {
        file: 'actors/producer-delivery.ts',
        text: 'if (one.isOrphan || isSplitting(one)) return',
        replacement: 'if (one.isOrphan) return',
      },
    ],
    run: 'small',
    seed: 979,
    seedsToFind: 979,
  },
]
