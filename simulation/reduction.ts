/**
 * What is left of a run when parts of it do not happen: fewer clients, nodes, topics and strikes, a shorter time. As text it fits on a command line:
 * `seconds=12,producers=1,without=quota+readers,kill=0+3,loss=all`.
 */
import { FAULT_KINDS, mapKinds } from './faults.ts'
import type { FaultKind, KeptStrikes } from './faults.ts'
import type { Plan, PlannedTopic } from './plan.ts'
import { ORDEALS } from './ordeal-plan.ts'
import type { Ordeal } from './ordeal-plan.ts'
import { PIPELINE_OUTPUT } from './transaction-plan.ts'

const OTHERS = [
  'quota',
  'sharers',
  'transactions',
  'pipeline',
  'readers',
  'classic',
  'guests',
  'ambushes',
  'turnover',
  'calm',
  'exiles',
  'hardships',
  'recent',
  'risky',
  'queue',
  'table',
] as const

/** A part of a run: an ordeal, or something else. */
export type Part = Ordeal | (typeof OTHERS)[number]

/** What a run can do without, whole. */
export const PARTS: readonly Part[] = [...OTHERS, ...ORDEALS]

/** What is left of a run. */
export interface Reduction {
  /** Trouble ends then. */
  readonly seconds: number
  readonly nodes: number
  readonly producers: number
  /** Members of the group. */
  readonly members: number
  /** Times that each producer submits something of its own accord, at most. */
  readonly submissions: number
  readonly without: readonly Part[]
  /** Strikes of other kinds do not happen. */
  readonly strikes: KeptStrikes
}

/** Producers submit as often as they like. */
export const UNLIMITED: number = Number.MAX_SAFE_INTEGER

const COUNTS = ['seconds', 'nodes', 'producers', 'members', 'submissions'] as const

/** Everything that a plan has. */
export function wholeOf(plan: Plan): Reduction {
  const on = FAULT_KINDS.filter((kind) => plan.faults[kind] > 0)
  return {
    seconds: plan.seconds,
    nodes: plan.nodeCount,
    producers: plan.producerCount,
    members: plan.groupSize,
    submissions: UNLIMITED,
    without: PARTS.filter((part) => !hasPart(plan, part)),
    strikes: Object.fromEntries(on.map((kind) => [kind, 'all'])),
  }
}

function hasPart(plan: Plan, part: Part): boolean {
  const {
    quota,
    shareQuota,
    sharerCount,
    transactions,
    readers,
    classic,
    guests,
    ordeals,
    ambushes,
    turnover,
    calm,
    exiles,
    topics,
    hardships,
  } = plan
  switch (part) {
    case 'quota':
      return quota !== null || shareQuota !== null
    case 'sharers':
      return sharerCount > 0
    case 'transactions':
      return transactions !== null
    case 'pipeline':
      return transactions?.pipeline !== null && transactions?.pipeline !== undefined
    case 'readers':
      return readers !== null
    case 'classic':
      return classic !== null
    case 'guests':
      return guests !== null
    case 'ambushes':
      return ambushes !== null
    case 'turnover':
      return turnover !== null
    case 'calm':
      return calm !== null
    case 'exiles':
      return exiles
    case 'hardships':
      return hardships.length > 0
    default:
      return topics.some(({ name }) => name === part) || ordeals?.kinds.some((kind) => kind === part) === true
  }
}

/** The plan of what is left. */
export function reducePlan(plan: Plan, { seconds, nodes, producers, members, submissions, without, strikes }: Reduction): Plan {
  const isOut = (part: Part): boolean => without.includes(part)
  const { transactions } = plan
  const nodeCount = Math.min(nodes, plan.nodeCount)
  return {
    ...plan,
    seconds: Math.min(seconds, plan.seconds),
    nodeCount,
    topics: topicsWithout(plan, without).map((topic) => ({
      ...topic,
      replicationFactor: Math.min(topic.replicationFactor, nodeCount),
    })),
    producerCount: Math.min(producers, plan.producerCount),
    groupSize: Math.min(members, plan.groupSize),
    submissionsMax: submissions,
    sharerCount: isOut('sharers') ? 0 : plan.sharerCount,
    shareSuccession: isOut('sharers') ? null : plan.shareSuccession,
    quota: isOut('quota') ? null : plan.quota,
    shareQuota: isOut('quota') || isOut('sharers') ? null : plan.shareQuota,
    transactions:
      isOut('transactions') || transactions === null
        ? null
        : { ...transactions, pipeline: isOut('pipeline') ? null : transactions.pipeline },
    classic: isOut('classic') ? null : plan.classic,
    guests: isOut('guests') ? null : plan.guests,
    ordeals: plan.ordeals === null ? null : { ...plan.ordeals, kinds: plan.ordeals.kinds.filter((kind) => !isOut(kind)) },
    ambushes: isOut('ambushes') ? null : plan.ambushes,
    turnover: isOut('turnover') || isOut('table') ? null : plan.turnover,
    calm: isOut('calm') ? null : plan.calm,
    exiles: plan.exiles && !isOut('exiles'),
    hardships: isOut('hardships') ? [] : plan.hardships,
    readers: isOut('readers') || plan.readers === null ? null : capped(plan.readers, nodeCount),
    faults: mapKinds((kind) => (isKept(strikes[kind]) ? plan.faults[kind] : 0)),
  }
}

/** One of them is left in any case: somebody writes. Results go with the pipeline; where there is none, they are a topic as any other. */
function topicsWithout({ topics, transactions }: Plan, without: readonly Part[]): readonly PlannedTopic[] {
  const hasPipeline = transactions !== null && transactions.pipeline !== null
  const hasResults = !hasPipeline || (!without.includes('transactions') && !without.includes('pipeline'))
  const left = topics.filter(({ name }) => !without.some((part) => part === name) && (name !== PIPELINE_OUTPUT || hasResults))
  return left.length > 0 ? left : topics.slice(0, 1)
}

function capped<Readers extends { readonly replicationFactor: number }>(readers: Readers, nodeCount: number): Readers {
  return { ...readers, replicationFactor: Math.min(readers.replicationFactor, nodeCount) }
}

function isKept(kept: readonly number[] | 'all' | undefined): boolean {
  return kept !== undefined && kept.length > 0
}

/** Says it in one line, without what is as the plan has it. */
export function describeReduction(plan: Plan, reduction: Reduction): string {
  const whole = wholeOf(plan)
  const counts = COUNTS.filter((name) => reduction[name] !== whole[name]).map((name) => `${name}=${reduction[name]}`)
  const without = reduction.without.filter((part) => hasPart(plan, part))
  const strikes = FAULT_KINDS.filter((kind) => isKept(reduction.strikes[kind])).map((kind) => {
    const kept = reduction.strikes[kind] ?? []
    return `${kind}=${kept === 'all' ? 'all' : kept.join('+')}`
  })
  return [...counts, ...(without.length > 0 ? [`without=${without.join('+')}`] : []), ...strikes].join(',') || 'seconds=' + plan.seconds
}

/** Reads such a line. Throws an Error that names what makes no sense. */
export function parseReduction(plan: Plan, text: string): Reduction {
  const whole = wholeOf(plan)
  const numbers: Partial<Record<(typeof COUNTS)[number], number>> = {}
  const strikes: Partial<Record<FaultKind, readonly number[] | 'all'>> = {}
  let { without } = whole
  for (const entry of text.split(',').filter((one) => one !== '')) {
    const [name = '', value = ''] = entry.split('=')
    const count = COUNTS.find((one) => one === name)
    const kind = FAULT_KINDS.find((one) => one === name)
    if (count !== undefined) numbers[count] = wholeNumber(entry, value, 1)
    else if (kind !== undefined) strikes[kind] = value === 'all' ? 'all' : value.split('+').map((one) => wholeNumber(entry, one, 0))
    else if (name === 'without') without = [...new Set([...without, ...value.split('+').map((one) => partOf(entry, one))])]
    else throw new Error(`--keep knows no ${name}: there are ${[...COUNTS, 'without', ...FAULT_KINDS].join(', ')}`)
  }
  return { ...whole, ...numbers, without, strikes }
}

function wholeNumber(entry: string, text: string, min: number): number {
  const number = Number(text)
  if (text === '' || !Number.isSafeInteger(number) || number < min)
    throw new Error(`--keep ${entry}: ${text} is no whole number from ${min} on`)
  return number
}

function partOf(entry: string, text: string): Part {
  const part = PARTS.find((one) => one === text)
  if (part === undefined) throw new Error(`--keep ${entry}: there is no part ${text}, only ${PARTS.join(', ')}`)
  return part
}
