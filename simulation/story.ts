/**
 * A run in words: what struck, who came and went, and what became of the partition whose promise was broken. It is told from the transcript, so it knows no
 * more than `--trace` writes, and leaves out most of that.
 */
import type { Manner } from './ambush-plan.ts'
import type { FaultKind } from './faults.ts'
import type { Violation } from './world.ts'

/** A line of the story; of one partition, or of everybody. */
interface Milestone {
  readonly at: string
  readonly partition: string | null
  readonly text: string
  /** The same by the same, one after the other, is told once: how often, and what was the last of it. */
  readonly repeated: { readonly what: string; readonly last: string } | null
}

/** What transactions say of themselves when all is well: told once, unless the promise is about transactions. */
const TRANSACTION = / (begins|commit: done|abort: done)$/
const TRANSACTIONS = 'transactions begin and end'
const ABOUT_TRANSACTIONS: ReadonlySet<string> = new Set(['PRE', 'ABRT', 'TORN', 'LSO', 'FENCE'])

/** The story tells so much, at most; what it leaves out lies in the middle. */
const BEGINNING_LINES = 12
const END_LINES = 28

const STEP = /^ *(\d+\.\d+) (.*)$/
const MESSAGE = /^(\S*)@(-?\d+) -> (\S+)@(-?\d+) (\{.*\})$/
const PARTITION = /\b([a-z_]+-\d+)\b/

/** What is left on a disk stands in the transcript. */
const DISKS = /^disk \d+ .* after power loss: /
const DURATION = /\b(\d+) us\b/g
const AMBUSH = /^ambush: (\S+)@(-?\d+) is (.+) \(([a-z, ]+)\)$/

/** What strikes at a rare moment (`ambush-plan.ts`). */
const AMBUSHES: Readonly<Record<Manner, string>> = {
  linger: 'its disk and its actors take their time',
  again: 'what it was told comes again',
  asked: 'it is asked what others were',
  death: 'its node dies soon',
  bereft: 'another node dies soon',
  alone: 'its node hears nobody, or nobody hears it',
  asleep: 'its node sleeps',
}

/** What is said of lines that are not messages; what matches nothing is said as it is. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^ordeal: the disk of node (\d+) is not well$/, 'the disk of node $1 fails now and then'],
  [/^ordeal: what (\d+) says is heard again$/, 'what node $1 says is heard again, later'],
  [/^calm: (.*)$/, 'all is calm, but for one thing: $1'],
  [/^(?:ordeal|turnover|guests): (.*)$/, '$1'],
  [/^exile: (node \d+), which coordinates (\S+), for (.*)$/, '$1, which coordinates $2, is cut off for $3, with some of the clients'],
  [/^kill of node (\d+)$/, 'node $1 is killed; what it wrote is in the page cache'],
  [/^power loss of node (\d+)$/, 'node $1 loses power, and what it had not synced'],
  [/^clean stop of node (\d+)$/, 'node $1 is stopped cleanly'],
  [/^isolate (\d+)$/, 'node $1 is cut off from everybody'],
  [/^cut (-?\d+) -> (-?\d+)$/, 'nothing comes from $1 to $2 for a while'],
  [/^symmetricCut (.*) from (.*)$/, 'the network is cut in two: $1 | $2'],
  [/^bridge (.*) from (.*)$/, 'the network is cut in two, but for one node: $1 | $2'],
  [/^full (-?\d+) -> (-?\d+)$/, 'what $1 sends to $2 waits for a while'],
  [/^swizzleClog (.*)$/, 'the links of these nodes are clogged one after the other: $1'],
  [/^lossByKind (.*)$/, 'every $1 is lost for a while'],
  [/^VIOLATION (.*)$/, 'broken: $1'],
]

/** What is said of strikes that have no line of their own; null: they have one. */
const STRIKES: Readonly<Partial<Record<FaultKind, string | null>>> = {
  ...{
    kill: null,
    powerLoss: null,
    cleanRestart: null,
    restartStorm: 'one node is to be killed several times',
    partition: null,
    isolate: null,
  },
  ...{ symmetricCut: null, bridge: null, swizzleClog: null, lossByKind: null, wipe: null, lostFile: null, bitRot: null },
  ...{ stickySyncError: 'a disk fails to sync from now on', appendError: 'a disk is full for a while', syncError: 'a sync fails' },
  ...{ readError: 'a read fails', slowDisk: 'a disk takes long', killPending: 'a node is to die in the middle of a step of its disk' },
  ...{
    pause: 'somebody is paused',
    clockStep: 'a wall clock jumps',
    clientCrash: 'a client dies',
    slowConsumer: 'a consumer takes seconds',
  },
  ...{ loss: 'a message is lost', duplicate: 'a message arrives twice', lateReplay: 'a message is to arrive again, much later' },
  ...{ latencyTail: 'a message takes long', reorder: 'a message may be overtaken', replyLost: 'an answer is lost' },
  ...{
    recreateTopic: 'a topic is deleted, and created again',
    addPartitions: 'a topic gets a partition more',
    configChange: 'a topic is configured',
  },
  ...{
    rebalance: 'the partitions are spread anew, or a node is drained',
    reassign: 'a partition moves',
    transferLeader: 'another leader is preferred',
  },
  ...{
    rollingRestart: 'all nodes are stopped cleanly, one after the other',
    voterChange: 'the voters change',
    deleteRecords: 'records are deleted',
  },
  ...{ lateTimer: 'a timer fires late', clockDrift: 'a wall clock runs at another pace', queueOverflow: null },
  ...{
    lostLog: null,
    closeAll: 'all nodes are stopped together',
    rebalanceStorm: 'clients die one after the other',
    droppedWrite: null,
    misdirectedWrite: null,
  },
}

/** Collects a story while its run is under way. */
export class Story {
  readonly #milestones: Milestone[] = []
  /** By partition: what was last said of who leads. */
  readonly #leadership: Map<string, string> = new Map()
  #lost = 0

  /** Takes a line of the transcript. */
  readonly hear = (line: string): void => {
    const [, millis, what] = STEP.exec(line) ?? []
    if (millis === undefined || what === undefined) return
    const at = (Number(millis) / 1000).toFixed(3)
    const message = MESSAGE.exec(what)
    if (message !== null) return this.#hearMessage(at, message)
    if (what.startsWith('lost ')) this.#lost++
    else {
      const text = inWords(what)
      if (text !== null)
        this.#milestones.push({ at, partition: null, text, repeated: TRANSACTION.test(text) ? { what: TRANSACTIONS, last: '' } : null })
    }
  }

  /** Tells it, line by line. */
  tell(violation: Violation | null): string[] {
    const partition = PARTITION.exec(violation?.message ?? '')?.[1] ?? null
    const tellsEach = ABOUT_TRANSACTIONS.has(violation?.code ?? '')
    const milestones = this.#milestones.filter((one) => one.partition === null || one.partition === partition)
    const lines = inLines(tellsEach ? milestones.map(byItself) : milestones)
    const rest = lines.length - BEGINNING_LINES - END_LINES
    const shown = rest <= 1 ? lines : [...lines.slice(0, BEGINNING_LINES), `          …  ${rest} more`, ...lines.slice(-END_LINES)]
    return this.#lost === 0 ? shown : [`             (${this.#lost} messages are lost on the way)`, ...shown]
  }

  #hearMessage(at: string, [, from, fromNode, to, toNode, text]: RegExpExecArray): void {
    const add = (partition: string | null, said: string, repeated: Milestone['repeated'] = null): void =>
      void this.#milestones.push({ at, partition, text: said, repeated })
    const kind = /^\{"kind":"(\w+)"/.exec(text ?? '')?.[1]
    if (kind === 'started' && to === 'broker') add(null, `node ${toNode} starts`)
    if (kind !== 'leaderAndIsr' && kind !== 'produceResponse') return
    const message = JSON.parse(text ?? '{}') as Record<string, unknown>
    if (kind === 'leaderAndIsr') {
      const partition = String(to).replace('replica/', '')
      const { leader, leaderEpoch, isr } = message
      const said = `${partition}: ${leader === -1 ? 'nobody leads' : `node ${String(leader)} leads`} in epoch ${String(leaderEpoch)}, in sync: ${String(isr)}`
      if (this.#leadership.get(partition) === said) return
      this.#leadership.set(partition, said)
      add(partition, said)
    } else if (String(to) === 'producer' && message['errorCode'] === 0 && String(from).startsWith('replica/')) {
      const partition = String(from).replace('replica/', '')
      const what = `${partition}: node ${fromNode} acknowledges to producer ${toNode}`
      const last = String(message['baseOffset'])
      add(partition, `${what} a batch at offset ${last}`, { what, last })
    }
  }
}

function byItself(milestone: Milestone): Milestone {
  return milestone.repeated?.what === TRANSACTIONS ? { ...milestone, repeated: null } : milestone
}

function summaryOf(what: string, count: number, { at, repeated }: Milestone): string {
  return what === TRANSACTIONS ? `${what}, up to ${at} s` : `${what} ${count} batches, up to offset ${repeated?.last} at ${at} s`
}

function inLines(milestones: readonly Milestone[]): string[] {
  const lines: string[] = []
  for (let i = 0; i < milestones.length;) {
    const { at, text, repeated } = milestones[i]!
    let end = i + 1
    while (repeated !== null && milestones[end]?.repeated?.what === repeated.what) end++
    const last = milestones[end - 1]!
    lines.push(`${at.padStart(9)} s  ${end - i < 3 || repeated === null ? text : summaryOf(repeated.what, end - i, last)}`)
    i = end - i < 3 ? i + 1 : end
  }
  return lines
}

/** Null: another line says it. */
function inWords(what: string): string | null {
  const strike = /^fault (\w+)$/.exec(what)?.[1]
  if (strike !== undefined) return STRIKES[strike as FaultKind] ?? (strike in STRIKES ? null : strike)
  if (DISKS.test(what)) return null
  const [, actor, node, state, manners] = AMBUSH.exec(what) ?? []
  if (manners !== undefined) {
    const strikes = manners.split(', ').map((manner) => AMBUSHES[manner as Manner])
    return `${actor}@${node} is ${state}, and then: ${strikes.join('; ')}`
  }
  const [pattern, words] = WORDS.find(([known]) => known.test(what)) ?? [what, what]
  return what.replace(pattern, words).replace(DURATION, (_, micros: string) => `${(Number(micros) / 1_000_000).toFixed(3)} s`)
}
