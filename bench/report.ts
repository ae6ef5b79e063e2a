/**
 * Answers for people: as text on a terminal, and as bench/RESULTS.md. A goal that is missed says `missed` in both.
 */
import type { JudgedAnswer } from './answer.ts'
import { formatNumber } from './goals.ts'
import type { Verdict } from './goals.ts'
import type { Conditions } from './question.ts'

const HEADINGS: readonly string[] = ['result', 'unit', 'runs', 'min', 'median', 'max']

/** Conditions of the machine: the same in every answer, so the document says them once. */
const SHARED: readonly string[] = ['date', 'commit', 'cpu', 'cores', 'memory', 'system', 'node', 'runs', 'quick', 'scale']

/** An answer as text: question, conditions, table, goals. */
export function textOf({ asked, answer, judgements }: JudgedAnswer): string {
  const cells = [HEADINGS, ...rowsOf(answer)]
  const widths = HEADINGS.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  const lines = cells.map((row) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
  )
  const conditions = Object.entries(answer.conditions).map(([name, value]) => `  ${name}: ${value}`)
  const goals = judgements.map(({ goal, found, verdict }) => `  goal ${goal}: ${verdict} (${found})`)
  return [`${answer.question}: ${asked.question}`, ...conditions, '', ...lines.map((line) => `  ${line}`), '', ...goals, ''].join('\n')
}

/** All answers as a document. `failures` are questions that could not be answered, with the reason. */
export function documentOf(answers: readonly JudgedAnswer[], failures: readonly string[]): string {
  const shared = answers[0]?.answer.conditions ?? {}
  const lines = [
    '# Results',
    '',
    'Written by `npm run bench`. Medians of all runs, with the least and the greatest; goals are judged by the median.',
    '',
    conditionsLine(shared, (name) => SHARED.includes(name)),
    '',
    ...summaryOf(answers),
    ...failures.map((failure) => `**Not answered:** ${failure}\n`),
    ...answers.flatMap(sectionOf),
  ]
  return `${lines.join('\n').trimEnd()}\n`
}

function summaryOf(answers: readonly JudgedAnswer[]): string[] {
  const rows = answers.flatMap(({ answer, judgements }) =>
    judgements.map(({ goal, found, verdict }) => `| ${answer.question} | ${goal} | ${found} | ${emphasised(verdict)} |`),
  )
  return ['| question | goal | found | |', '|---|---|---|---|', ...rows, '']
}

function sectionOf({ asked, answer }: JudgedAnswer): string[] {
  const rows = rowsOf(answer).map((row) => `| ${row.join(' | ')} |`)
  return [
    `## ${answer.question}`,
    '',
    asked.question,
    '',
    `| ${HEADINGS.join(' | ')} |`,
    '|---|---|---:|---:|---:|---:|',
    ...rows,
    '',
    conditionsLine(answer.conditions, (name) => !SHARED.includes(name)),
    '',
  ]
}

function conditionsLine(conditions: Conditions, isWanted: (name: string) => boolean): string {
  const wanted = Object.entries(conditions).filter(([name]) => isWanted(name))
  return `Conditions: ${wanted.map(([name, value]) => `${name} ${value}`).join(' · ')}`
}

function rowsOf({ results }: JudgedAnswer['answer']): string[][] {
  return results.map(({ name, unit, runs, min, median, max }) => [name, unit, `${runs}`, ...[min, median, max].map(formatNumber)])
}

function emphasised(verdict: Verdict): string {
  return verdict === 'missed' ? '**missed**' : verdict
}
