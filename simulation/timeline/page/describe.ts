/**
 * A thing in words: what stands in the panel when it is chosen, and in short beside the pointer.
 */
import { COPIES, FATES } from '../model.ts'
import type { Span, Timeline } from '../model.ts'
import { durationText, timeText } from './axis.ts'
import { groupOf } from './fault-groups.ts'
import { actorName, hostName } from './run.ts'
import type { Run } from './run.ts'
import type { Thing } from './thing.ts'

/** A thing in words. */
export interface Description {
  readonly title: string
  /** Names and what they are. */
  readonly facts: readonly (readonly [string, string])[]
  /** The whole message; null: it is none. */
  readonly body: string | null
  readonly span: Span
}

/** Says what a thing is. */
export function describe(run: Run, thing: Thing): Description {
  const { timeline } = run
  switch (thing.of) {
    case 'flight':
      return describeFlight(run, thing.index)
    case 'step':
      return describeStep(run, thing.index)
    case 'fault':
      return describeFault(run, thing.index)
    case 'reign':
      return describeReign(run, thing)
    case 'transaction': {
      const { name, transactionalId, host, stages } = timeline.transactions[thing.index]!
      const span = run.spans[thing.index]!
      const facts = stages.map(({ at, stage }) => [stage, timeText(at)] as const)
      return plain(name, span, [['transactional id', transactionalId], ['producer', hostName(run, host)], ...facts])
    }
    case 'decision': {
      const { at, transactionalId, node, state, producerEpoch } = timeline.decisions[thing.index]!
      const facts = [
        ['at', timeText(at)],
        ['transactional id', transactionalId],
        ['transactor', hostName(run, node)],
        ['producer epoch', `${producerEpoch}`],
      ] as const
      return plain(`the transactor knows: ${state}`, { begin: at, end: at }, facts)
    }
    case 'life':
      return describeLife(run, thing)
    default:
      return describeViolation(run, timeline)
  }
}

/** In one line. */
export function inShort(run: Run, thing: Thing): string {
  const { title, facts } = describe(run, thing)
  return `${title} · ${facts
    .slice(0, thing.of === 'flight' ? 2 : 1)
    .map(([name, text]) => (name === 'at' ? text : `${name} ${text}`))
    .join(' · ')}`
}

function describeFlight(run: Run, index: number): Description {
  const { flights, kinds, bodies, end } = run.timeline
  const [kind, sentAt, took] = [kinds[flights.kind[index]!]!, flights.sentAt[index]!, flights.took[index]!]
  const fate = FATES[flights.fate[index]!]!
  const copy = COPIES[flights.copy[index]!]!
  return {
    title: kind.name,
    facts: [
      ['from', actorName(run, flights.fromActor[index]!, flights.from[index]!)],
      ['to', actorName(run, flights.toActor[index]!, flights.to[index]!)],
      ['sent at', timeText(sentAt)],
      [fate, took < 0 ? 'when the run ended' : `${timeText(sentAt + took)}, after ${durationText(took)}`],
      ...(copy === 'sent' ? [] : [['copy', copy === 'twice' ? 'it arrives twice' : 'it was stuck, and comes again'] as const]),
      ['about', kind.family],
    ],
    body: bodies[flights.body[index]!] ?? '',
    span: { begin: sentAt, end: took < 0 ? end : sentAt + took },
  }
}

function describeStep(run: Run, index: number): Description {
  const { steps, kinds, bodies } = run.timeline
  const [kind, at, host] = [kinds[steps.kind[index]!]!, steps.at[index]!, steps.host[index]!]
  return {
    title: kind.name,
    facts: [
      ['at', timeText(at)],
      ['from', actorName(run, steps.fromActor[index]!, host)],
      ['to', actorName(run, steps.toActor[index]!, host)],
      ['about', kind.family],
    ],
    body: bodies[steps.body[index]!] ?? '',
    span: { begin: at, end: at },
  }
}

/** Faults of the network say which hosts they strike; others say where, if anywhere. */
function describeFault(run: Run, index: number): Description {
  const { kind, hosts, text, begin, end } = run.timeline.faults[index]!
  const name = (host: number): string => hostName(run, host)
  const isNetwork = groupOf(kind) === 'network'
  return plain(`fault: ${kind}`, { begin, end }, [
    ['at', timeText(begin)],
    ...duration(begin, end),
    ...some('where', isNetwork && text !== '' ? '' : hosts.map(name).join(', ')),
    ...some('what', isNetwork ? text.replaceAll(/-?\b\d+\b/g, (host) => name(Number(host))) : text),
  ])
}

function describeReign(run: Run, { index, owner }: Thing): Description {
  const { name, reigns } = run.timeline.partitions[owner ?? -1]!
  const { node, epoch, isr, begin, end } = reigns[index]!
  return plain(`${name}: node ${node} leads`, { begin, end }, [
    ['from', timeText(begin)],
    ['up to', end < 0 ? 'the end' : timeText(end)],
    ['leader epoch', `${epoch}`],
    ...some('in sync', isr.map((one) => hostName(run, one)).join(', ')),
  ])
}

function describeLife(run: Run, { index, owner }: Thing): Description {
  const { name, lives, notes } = run.timeline.lanes[owner ?? -1]!
  const { begin, end, how, host } = lives[index]!
  const said = notes.filter(({ at }) => at >= begin && (end < 0 || at <= end))
  return plain(`${name}, life ${index + 1} of ${lives.length}`, { begin, end }, [
    ['up from', timeText(begin)],
    ['up to', how === null ? 'the end' : `${timeText(end)}: ${how}`],
    ['address', `@${host}`],
    ...said.map(({ at, text }) => [timeText(at), text] as const),
  ])
}

function describeViolation(run: Run, { violation }: Timeline): Description {
  if (violation === null) return plain('nothing is broken', { begin: 0, end: 0 }, [])
  const { code, message, at, host } = violation
  return plain(`broken: ${code}`, { begin: at, end: at }, [
    ['at', timeText(at)],
    ...some('where', host === null ? '' : hostName(run, host)),
    ['what', message],
  ])
}

function plain(title: string, span: Span, facts: Description['facts']): Description {
  return { title, span, facts, body: null }
}

function some(name: string, text: string): (readonly [string, string])[] {
  return text === '' ? [] : [[name, text]]
}

function duration(begin: number, end: number): (readonly [string, string])[] {
  return end > begin ? [['for', durationText(end - begin)]] : []
}
