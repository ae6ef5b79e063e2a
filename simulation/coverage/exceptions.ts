/**
 * Pairs of states and messages that no simulation meets, and why. Those that cannot be are not counted; those that could be in the product, but that nobody simulated
 * does, are counted apart: they are what the simulator does not look at.
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
  { actor: 'replica', states: 'settling idle leading rollingBack following failed draining', kinds: 'started', why: ONCE },
  { actor: 'replica', states: '*', kinds: 'logsListed', why: 'brokers ask for the list of logs; a replica knows its own' },
  {
    actor: 'replica',
    states: 'settling idle leading rollingBack following failed',
    kinds: 'listed',
    why: 'files are listed once, when the log begins to be read',
  },
  { actor: 'coordinator', states: 'failed follower prospective candidate leader active', kinds: 'started', why: ONCE },
  { actor: 'coordinator', states: '*', kinds: 'logsListed', why: 'brokers ask for the list of logs; the metadata log has one name' },
  {
    actor: 'coordinator',
    states: 'follower prospective candidate leader active',
    kinds: 'readCompleted listed',
    why: 'the disk is read when it is opened, and not after that',
  },
  { actor: 'coordinator', states: 'failed', kinds: 'listed', why: 'nothing can fail before the files are listed' },
  { actor: 'coordinator', states: 'opening', kinds: 'timerFired', why: 'who reads the disk, again perhaps, has no timer' },
  { actor: 'broker', states: 'fenced active stopping', kinds: 'started', why: ONCE },
  {
    actor: 'broker',
    states: 'fenced active stopping',
    kinds: 'listed readCompleted',
    why: 'who it was is read before it registers for the first time',
  },
  { actor: 'broker', states: 'unregistered', kinds: 'logsListed', why: 'it looks for what is left over when it has the metadata' },
  { actor: 'broker', states: 'unregistered fenced active', kinds: 'drained', why: 'replicas are drained when the node stops' },
  { actor: 'groups', states: 'checking active', kinds: 'started', why: ONCE },
  { actor: 'groups', states: 'checking active', kinds: 'fetchResponse', why: 'the log is read piece by piece, and then no more' },
  { actor: 'shares', states: 'loading active', kinds: 'started', why: ONCE },
  { actor: 'shares', states: 'loading', kinds: 'produceResponse', why: 'the barrier is written, and nothing else before the log is read' },
  { actor: 'transactor', states: 'loading active deposed', kinds: 'started', why: ONCE },
  { actor: 'transactor', states: 'loading', kinds: 'produceResponse', why: 'the barrier is written, and nothing else before the log is read' },
  { actor: 'transactor', states: 'active deposed', kinds: 'fetchResponse', why: 'the log is read piece by piece, and then no more' },
  { actor: 'producer', states: 'named idle open ending fatal', kinds: 'started', why: ONCE },
  {
    actor: 'producer',
    states: 'unnamed named',
    kinds: 'beginTransaction sendOffsets finishTransaction findCoordinatorResponse initTransactionsResponse endTransactionResponse offsetCommitResponse',
    why: 'without a transactional id there are no transactions',
  },
  {
    actor: 'producer',
    states: 'starting idle open ending fatal',
    kinds: 'initProducerIdResponse',
    why: 'with a transactional id, the transactor gives the producer id',
  },
  {
    actor: 'producer',
    states: 'starting',
    kinds: 'produceResponse metadataResponse endTransactionResponse offsetCommitResponse finishTransaction',
    why: 'nothing is sent, and nothing ends, before the first transaction begins',
  },
  { actor: 'producer', states: 'unnamed', kinds: 'produceResponse', why: 'what is answered is numbered, and waits for the producer id' },
  { actor: 'consumer', states: 'finding joining member revoking lost leaving closing', kinds: 'started', why: ONCE },
  {
    actor: 'consumer',
    states: 'finding joining member revoking lost leaving closing',
    kinds: 'assign',
    why: 'a consumer is assigned by hand or by its group, not both (C1)',
  },
  {
    actor: 'consumer',
    states: 'joining',
    kinds: 'progress fetchMore seek',
    why: 'who joins has no partitions, and its application has let go of those that it had',
  },
  { actor: 'quotas', states: 'keeping', kinds: 'started', why: ONCE },
  { actor: 'quotas', states: 'asking', kinds: 'chargeQuota', why: 'clients send and read nothing before they know their quotas' },
]

/** What could be, but for what nobody simulated does. */
export const UNSIMULATED: readonly Exception[] = [
  {
    actor: 'coordinator',
    states: '*',
    kinds: 'throttleReassignments unregisterBroker watchMetadata',
    why: 'no simulated administrator limits reassignments, takes nodes away for good, or waits for news of the cluster',
  },
  { actor: 'broker', states: '*', kinds: 'describeBroker', why: 'no simulated administrator asks how a node is' },
  { actor: 'broker', states: '*', kinds: 'nodeDown', why: 'news of deaths goes to clients and coordinators only' },
  {
    actor: 'broker',
    states: '*',
    kinds: 'undeliverable',
    why: 'a node that votes has its coordinator from the first moment on, and one that is down answers nothing',
  },
  { actor: 'groups', states: '*', kinds: 'describeGroup listGroups', why: 'no simulated administrator asks what groups there are' },
  {
    actor: 'shares',
    states: '*',
    kinds: 'describeShareGroup listShareGroups deleteShareGroup',
    why: 'no simulated administrator asks for share groups, or deletes one',
  },
  { actor: 'transactor', states: '*', kinds: 'listTransactions', why: 'no simulated administrator asks what transactions there are' },
  {
    actor: 'producer',
    states: 'starting idle ending fatal',
    kinds: 'submit sendOffsets',
    why: 'simulated producers send in open transactions only',
  },
  {
    actor: 'producer',
    states: 'open ending',
    kinds: 'beginTransaction',
    why: 'simulated producers begin a transaction when the one before is over',
  },
  { actor: 'producer', states: 'idle ending', kinds: 'finishTransaction', why: 'simulated producers end a transaction once' },
  {
    actor: 'producer',
    states: 'starting idle open ending fatal',
    kinds: 'throttled requestTimed',
    why: 'only producers without transactions have quotas',
  },
  {
    actor: 'consumer',
    states: 'finding joining member revoking lost leaving closing',
    kinds: 'throttled requestTimed',
    why: 'only readers with partitions of their own have quotas',
  },
  {
    actor: 'consumer',
    states: 'finding joining member revoking lost leaving closing',
    kinds: 'subscribe',
    why: 'simulated members subscribe once, and leave by closing',
  },
  {
    actor: 'consumer',
    states: 'finding joining member revoking lost',
    kinds: 'leaveGroupResponse',
    why: 'simulated members leave by closing, and are gone when that is answered',
  },
  { actor: 'consumer', states: '*', kinds: 'pause', why: 'no simulated application pauses a partition' },
  { actor: 'consumer', states: '*', kinds: 'commitByHand', why: 'simulated applications say at the start whether they commit by hand' },
  {
    actor: 'consumer',
    states: 'alone',
    kinds:
      'seek commit askMember offsetsCommitted released findCoordinatorResponse consumerGroupHeartbeatResponse joinGroupResponse syncGroupResponse heartbeatResponse leaveGroupResponse groupChanged offsetFetchResponse offsetCommitResponse',
    why: 'simulated readers with partitions of their own have no group, and read on from where they are',
  },
  {
    actor: 'consumer',
    states: 'leaving closing',
    kinds: 'progress fetchMore seek commit askMember offsetsCommitted',
    why: 'a simulated application that closes its consumer asks for nothing more',
  },
  { actor: 'quotas', states: '*', kinds: 'undeliverable leaveQuota', why: 'a simulated client with quotas ends with its host' },
  { actor: 'quotas', states: 'keeping', kinds: 'joinQuota', why: 'a simulated client with quotas is alone on its host, and there from the beginning' },
]

/** The pairs of an exception, by name. */
export function pairsOf({ actor, states, kinds }: Exception): string[] {
  const charted = CHART.find(({ name }) => name === actor)
  const chosen = (text: string, all: readonly string[] = []): readonly string[] => (text === '*' ? all : text.split(' '))
  return chosen(states, charted?.states).flatMap((state) => chosen(kinds, charted?.kinds).map((kind) => `${actor} ${state} ${kind}`))
}
