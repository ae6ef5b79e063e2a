/**
 * `npm run bench -- [QUESTION]`: asks one question, or all, prints the answers with their conditions, and writes bench/RESULTS.md when all were asked.
 * It decides nothing about measuring: that is in bench/questions/.
 */
import { writeFileSync } from 'node:fs'
import { Argument, Command, InvalidArgumentError } from 'commander'
import { ask } from './answer.ts'
import type { JudgedAnswer } from './answer.ts'
import type { Question, RunOptions } from './question.ts'
import { questions } from './questions.ts'
import { documentOf, textOf } from './report.ts'

interface Flags {
  readonly json?: true
  readonly quick?: true
  readonly runs: number
  readonly scale: number
}

const RUNS_DEFAULT = 3
const ERASE_LINE = '\r\x1b[2K'

const NAME_WIDTH = Math.max(...questions.map(({ name }) => name.length)) + 2
const names = questions.map(({ name }) => name)
const list = questions.map(({ name, question }) => `  ${name.padEnd(NAME_WIDTH)}${question}`).join('\n')

await new Command('bench')
  .description('Measures what this machine can do. Figures are noise while anything else runs.')
  .addArgument(new Argument('[question]', 'one of the questions below; default: all, and bench/RESULTS.md is written').choices(names))
  .option('--json', 'print one JSON object per question: { question, conditions, results }')
  .option('--runs <count>', 'runs of each measurement', parseCount, RUNS_DEFAULT)
  .option('--quick', 'leave out the largest sizes')
  .option('--scale <factor>', 'multiply the work, to try a question out (0.01)', parseScale, 1)
  .addHelpText('after', `\nQuestions:\n${list}\n\nTemporary files go below ODRADEK_TEMPORARY_DIRECTORY, or where the system keeps its own.`)
  .action(run)
  .parseAsync()

async function run(name: string | undefined, flags: Flags): Promise<void> {
  const options: RunOptions = {
    runs: flags.runs,
    isQuick: flags.quick === true,
    scale: flags.scale,
    progress: showProgress,
    note: () => undefined,
  }
  const answers: JudgedAnswer[] = []
  const failures: string[] = []
  for (const question of questions.filter((one) => name === undefined || one.name === name)) {
    await answerOrFail(question, options, answers, failures)
    const last = answers.at(-1)
    if (flags.json !== true && last?.asked === question) console.log(textOf(last))
  }
  showProgress('')
  if (flags.json === true) printJson(answers, name !== undefined)
  if (name === undefined && flags.scale === 1) writeResults(documentOf(answers, failures))
  if (failures.length > 0) process.exitCode = 1
}

async function answerOrFail(question: Question, options: RunOptions, answers: JudgedAnswer[], failures: string[]): Promise<void> {
  try {
    answers.push(await ask(question, options))
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n')
    failures.push(`${question.name}: ${reason}`)
    showProgress('')
    console.error(`${question.name} was not answered:`, error)
  }
  showProgress('')
}

function printJson(answers: readonly JudgedAnswer[], isSingle: boolean): void {
  const plain = answers.map(({ answer }) => answer)
  if (!isSingle) console.log(JSON.stringify(plain))
  else if (plain[0] !== undefined) console.log(JSON.stringify(plain[0]))
}

/** Next to the sources; the built package has no results of its own to keep. */
function writeResults(document: string): void {
  if (!import.meta.url.endsWith('.ts')) return
  writeFileSync(new URL('RESULTS.md', import.meta.url), document)
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${ERASE_LINE}${text}`)
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('a whole number from 1 on')
  return count
}

function parseScale(text: string): number {
  const factor = Number(text)
  if (!(factor > 0 && factor <= 1)) throw new InvalidArgumentError('a number above 0, up to 1')
  return factor
}
