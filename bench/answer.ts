/**
 * Asks a question and makes its answer: results with conditions, as a program reads them (`--json`), and beside them what became of the goals.
 */
import { machineConditions } from './conditions.ts'
import { judge } from './goals.ts'
import type { Judgement } from './goals.ts'
import type { Conditions, Question, RunOptions } from './question.ts'
import { summarise } from './statistics.ts'
import type { Result } from './statistics.ts'

/** What `--json` prints: the same form for every question. */
export interface Answer {
  /** The name of the question. */
  readonly question: string
  readonly conditions: Conditions
  readonly results: readonly Result[]
}

/** An answer with what only people are told. */
export interface JudgedAnswer {
  readonly asked: Question
  readonly answer: Answer
  readonly judgements: readonly Judgement[]
}

/** Runs a question; its notes become conditions. Fails when it measured something else than it announces. */
export async function ask(question: Question, options: RunOptions): Promise<JudgedAnswer> {
  const notes: string[] = []
  const note = (text: string): void => {
    notes.push(text)
    options.note(text)
  }
  const progress = (text: string): void => options.progress(`${question.name}: ${text}`)
  const results = (await question.run({ ...options, note, progress })).map(summarise)
  const unknown = results.find(({ name }) => !question.results.includes(name))
  if (unknown !== undefined || results.length === 0) throw new Error(`${question.name} has no result named ${unknown?.name ?? 'anything'}`)
  const conditions: Conditions = {
    ...machineConditions(options),
    ...question.conditions(options),
    ...(notes.length === 0 ? {} : { notes: notes.join('; ') }),
  }
  const judgements = question.goals.map((goal) => judge(goal, results))
  return { asked: question, answer: { question: question.name, conditions, results }, judgements }
}
