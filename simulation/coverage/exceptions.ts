/**
 * Pairs of states and messages that cannot be, and why: they are not counted. What could be in the product, and no simulation meets, is no exception.
 */
import { CHART } from './states.ts'

/** Some pairs of one kind of actor. */
export interface Exception {
  readonly actor: string
  /** Names, with spaces between; `*`: all. */
  readonly states: string
  readonly kinds: string
  readonly why: string
}

const ONCE = 'the first message of a life, and of no other moment'

/** What cannot be, whatever happens. */
export const IMPOSSIBLE: readonly Exception[] = [
  never('replica', 'settling idle leading rollingBack following failed draining', 'started', ONCE),
  never('replica', '*', 'logsListed', 'brokers ask for the list of logs; a replica knows its own'),
  never('replica', 'settling idle leading rollingBack following failed', 'listed', 'files are listed once, when the log begins to be read'),
  never('replica', 'draining', 'drain', 'the broker drains its replicas once in a life'),
  never('replica', 'draining', 'settle', 'replicas settle before they drain'),
  never('coordinator', 'failed follower prospective candidate leader active', 'started', ONCE),
  never('coordinator', '*', 'logsListed', 'brokers ask for the list of logs; the metadata log has one name'),
  never('coordinator', 'follower prospective candidate leader active', 'readCompleted listed', 'the disk is read when it is opened, and not after that'),
  never('coordinator', 'failed', 'listed', 'nothing can fail before the files are listed'),
  never('broker', 'fenced active stopping', 'started', ONCE),
  never('broker', 'fenced active', 'listed readCompleted', 'who it was is read before it registers for the first time'),
  never('broker', 'unregistered fenced active', 'settled drained', 'replicas settle and are drained when the node stops'),
  never('groups', 'checking active', 'started', ONCE),
  never('groups', 'checking active', 'fetchResponse', 'the log is read piece by piece, and then no more'),
  never('shares', 'loading active', 'started', ONCE),
  never('shares', 'loading', 'produceResponse', 'the barrier is written, and nothing else before the log is read'),
  never('transactor', 'loading active deposed', 'started', ONCE),
  never('transactor', 'loading', 'produceResponse', 'the barrier is written, and nothing else before the log is read'),
  never('transactor', 'active deposed', 'fetchResponse', 'the log is read piece by piece, and then no more'),
  never('producer', 'named idle open ending fatal', 'started', ONCE),
  never('producer', 'unnamed named', 'beginTransaction sendOffsets finishTransaction findCoordinatorResponse initTransactionsResponse endTransactionResponse offsetCommitResponse', 'without a transactional id there are no transactions'),
  never('producer', 'starting idle open ending fatal', 'initProducerIdResponse', 'with a transactional id, the transactor gives the producer id'),
  never('producer', 'starting', 'produceResponse metadataResponse endTransactionResponse offsetCommitResponse finishTransaction', 'nothing is sent, and nothing ends, before the first transaction begins'),
  never('producer', 'starting idle ending', 'submit sendOffsets', 'the public client takes records and offsets in a transaction that is open, and not any more when it is about to end (edge/client/transactions.ts)'),
  never('producer', 'open ending', 'beginTransaction', 'the public client has one transaction at a time (Y1)'),
  never('producer', 'idle ending', 'finishTransaction', 'the public client ends a transaction that is open, once (Y2)'),
  never('producer', 'unnamed', 'produceResponse', 'what is answered is numbered, and waits for the producer id'),
  never('producer', 'unnamed starting idle ending', 'splitBatch', 'what is too large was refused: it was sent, with its numbers, and in a transaction that is open'),
  never('consumer', 'finding joining member revoking lost leaving closing', 'started', ONCE),
  never('consumer', 'finding joining member revoking lost leaving closing', 'assign', 'a consumer is assigned by hand or by its group, not both (C1)'),
  never('consumer', 'joining', 'progress fetchMore fetchAgain seek', 'who joins has no partitions, and its application has let go of those that it had'),
  never('consumer', 'leaving', 'progress fetchMore fetchAgain seek', 'who leaves has let go of all partitions, and the public client knows of none that it was given'),
  never('consumer', 'closing', 'progress fetchMore fetchAgain seek pause commit askMember commitByHand subscribe', 'the public client takes nothing more from its application when it has asked for the end'),
  never('quotas', 'keeping', 'started', ONCE),
  never('quotas', 'asking', 'chargeQuota', 'clients send and read nothing before they know their quotas'),
]

/** The pairs of an exception, by name. */
export function pairsOf({ actor, states, kinds }: Exception): string[] {
  const charted = CHART.find(({ name }) => name === actor)
  const chosen = (text: string, all: readonly string[] = []): readonly string[] => (text === '*' ? all : text.split(' '))
  return chosen(states, charted?.states).flatMap((state) => chosen(kinds, charted?.kinds).map((kind) => `${actor} ${state} ${kind}`))
}

function never(actor: string, states: string, kinds: string, why: string): Exception {
  return { actor, states, kinds, why }
}
