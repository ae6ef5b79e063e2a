/**
 * Emergency response on real data. A producer replays a week of earthquakes into a durable topic, keyed by region; a group of two detectors looks
 * for severe ones and for swarms; a third consumer shows their alerts. Half-way, one detector goes off duty, and the other takes over its regions.
 * It tells the story; what is decided is in emergency/detection.ts and emergency/replay.ts.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { KafkaError, open } from '../edge/client/index.ts'
import type { Cluster } from '../edge/client/index.ts'
import { DETECTORS, detect } from './emergency/detector.ts'
import { display } from './emergency/display.ts'
import type { DisplayProgress } from './emergency/display.ts'
import { parseEarthquakes } from './emergency/earthquakes.ts'
import type { Earthquake } from './emergency/earthquakes.ts'
import { HELP, parseOptions } from './emergency/options.ts'
import type { Options } from './emergency/options.ts'
import { planReplay } from './emergency/replay.ts'
import type { Plan } from './emergency/replay.ts'
import { reportAll } from './emergency/reporter.ts'
import type { ReportProgress } from './emergency/reporter.ts'
import { Screen, alertLine, bar, clock, count } from './emergency/screen.ts'
import { diskUse, millis, percentile, size } from './emergency/summary.ts'
import { survey } from './emergency/survey.ts'
import type { Survivors } from './emergency/survey.ts'
import { ALERTS, EARTHQUAKES, createTopics } from './emergency/topics.ts'

/** The second detector is off duty between these shares of the reports. */
const OFF_DUTY = { begin: 0.45, end: 0.75 } as const

const CHECK_MILLIS = 50

/** What a detector holds is told when it has not changed for so long. */
const SETTLE_MILLIS = 150

const screen = new Screen(process.stdout)
const interruption = new AbortController()

const options = parseOptions(process.argv.slice(2))
if (options === 'help') console.log(HELP)
else if ('wrong' in options) fail(`${options.wrong}\n\n${HELP}`, 2)
else await main(options)

async function main(chosen: Options): Promise<void> {
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    await run(chosen)
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    fail(`${error.name}: ${error.message}`, 1)
  }
}

async function run({ directory, seconds }: Options): Promise<void> {
  const earthquakes = loadEarthquakes()
  const opened = performance.now()
  await using cluster = await open(directory)
  await createTopics(cluster)
  const survivors = await survey(cluster, earthquakes)
  const plan = planReplay(earthquakes, survivors)
  introduce(earthquakes, survivors, plan, seconds, performance.now() - opened)

  const reporting: ReportProgress = { sent: 0, acknowledged: 0, eventTime: 0 }
  const displaying: DisplayProgress = { nextOffset: 0, shown: 0, delays: [] }
  const begin = performance.now()
  screen.follow(() => statusOf(plan, reporting))
  await work(cluster, plan, seconds, reporting, displaying)
  screen.close()
  conclude({ survivors, reporting, displaying, seconds: (performance.now() - begin) / 1000, directory })
}

/** Runs everybody at once; ends when every report is judged and every alert shown, or on Ctrl-C. */
async function work(cluster: Cluster, plan: Plan, seconds: number, reporting: ReportProgress, displaying: DisplayProgress): Promise<void> {
  const done = new AbortController()
  const signal = AbortSignal.any([interruption.signal, done.signal])
  const staff = [
    display(
      cluster,
      (alert, isLate) => screen.line(alertLine(screen, alert) + (isLate ? screen.paint('dim', '  (raised before the restart)') : '')),
      displaying,
      signal,
    ),
    detect(cluster, announce('A'), signal),
    shifts(cluster, () => reporting.acknowledged / plan.reports.length, signal),
  ]
  const replay = async (): Promise<void> => {
    await reportAll(cluster, plan.reports, seconds, reporting, interruption.signal)
    await untilQuiet(cluster, displaying, interruption.signal)
  }
  try {
    await Promise.race([replay(), Promise.all(staff)])
  } finally {
    done.abort()
    await Promise.all(staff)
  }
}

/** Detector B works, goes off duty, and comes back. */
async function shifts(cluster: Cluster, share: () => number, signal: AbortSignal): Promise<void> {
  const shift = new AbortController()
  const working = detect(cluster, announce('B'), AbortSignal.any([signal, shift.signal]))
  await until(() => share() >= OFF_DUTY.begin, signal)
  if (!signal.aborted)
    screen.line(screen.paint('cyan', '  detector B goes off duty; A takes over and rereads the last hours of its regions'))
  shift.abort()
  await working
  await until(() => share() >= OFF_DUTY.end, signal)
  if (signal.aborted) return
  screen.line(screen.paint('cyan', '  detector B is back'))
  await detect(cluster, announce('B'), signal)
}

/** Waits until the detectors have committed the whole topic, and the display has shown all that they raised. */
async function untilQuiet({ admin }: Cluster, displaying: DisplayProgress, signal: AbortSignal): Promise<void> {
  await until(async () => {
    const { offsets } = await admin.describeGroup(DETECTORS)
    const ends = await admin.listOffsets(EARTHQUAKES, 'latest')
    const committed = new Map(offsets.map(({ partition, offset }) => [partition, offset]))
    if ([...ends].some(([partition, end]) => (committed.get(partition) ?? 0) < end)) return false
    return displaying.nextOffset >= ((await admin.listOffsets(ALERTS, 'latest')).get(0) ?? 0)
  }, signal)
}

async function until(isTrue: () => boolean | Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await isTrue())) await sleep(CHECK_MILLIS, undefined, { signal }).catch(() => undefined)
}

function loadEarthquakes(): Earthquake[] {
  const file = new URL('data/earthquakes.json', new URL('../', import.meta.resolve('vega-datasets')))
  return parseEarthquakes(JSON.parse(readFileSync(fileURLToPath(file), 'utf8')))
}

function introduce(earthquakes: readonly Earthquake[], survivors: Survivors, plan: Plan, seconds: number, openMillis: number): void {
  const regions = new Set(earthquakes.map(({ region }) => region)).size
  screen.line(`${screen.paint('bold', 'Odradek: earthquakes in, alerts out')}`)
  screen.line(`A week of the USGS catalogue, ${count(earthquakes.length)} events in ${regions} regions, passes in ${seconds} seconds.`)
  screen.line(`Open after ${millis(openMillis)}. ${fromBefore(survivors)}`)
  screen.line(`${whatNow(plan, earthquakes.length)} Ctrl-C ends it; the next run goes on from there.`)
  screen.line()
}

function fromBefore({ reports, alerts }: Survivors): string {
  return reports === 0 ? 'The log is empty.' : `Survived from before: ${count(reports)} events, ${count(alerts)} alerts.`
}

function whatNow({ kind, run: number, reports }: Plan, total: number): string {
  if (kind === 'first') return 'Run 1.'
  if (kind === 'rest')
    return `Run ${number} was interrupted after ${count(total - reports.length)} events; the other ${count(reports.length)} follow.`
  return `Run ${number}: the same week, ${number - 1 === 1 ? 'a week' : `${number - 1} weeks`} later.`
}

function statusOf({ reports }: Plan, { acknowledged, eventTime }: ReportProgress): string {
  const place = eventTime === 0 ? '' : `  ${clock(eventTime)}`
  return `  ${bar(acknowledged / reports.length)}  ${count(acknowledged)} of ${count(reports.length)} acknowledged${place}`
}

interface Outcome {
  readonly survivors: Survivors
  readonly reporting: ReportProgress
  readonly displaying: DisplayProgress
  readonly seconds: number
  readonly directory: string
}

function conclude({ survivors, reporting, displaying, seconds, directory }: Outcome): void {
  const { files, bytes } = diskUse(directory)
  const { delays } = displaying
  const rate = Math.round(reporting.acknowledged / seconds)
  screen.line()
  screen.line(
    interruption.signal.aborted
      ? 'Interrupted; nothing acknowledged is lost. Run it again to go on.'
      : 'Done. Run it again: the next week follows.',
  )
  screen.line(
    `  acknowledged   ${count(reporting.acknowledged)} events in ${seconds.toFixed(1)} s, ${count(rate)} per second, each on the disk`,
  )
  screen.line(`  alerts         ${count(displaying.shown)} shown`)
  screen.line(`  send to alert  p50 ${millis(percentile(delays, 0.5))}, p99 ${millis(percentile(delays, 0.99))}`)
  screen.line(`  on disk        ${count(files)} files, ${size(bytes)}, in ${directory}`)
  screen.line(
    `  from before    ${survivors.reports === 0 ? 'nothing, it was the first run' : `${count(survivors.reports)} events, ${count(survivors.alerts)} alerts`}`,
  )
}

/** A group hands partitions over one by one; what is said is where it comes to rest. */
function announce(name: string): (partitions: readonly number[]) => void {
  let timer: NodeJS.Timeout | undefined
  return (partitions) => {
    clearTimeout(timer)
    const held = partitions.length === 0 ? 'no partitions' : `partitions ${partitions.toSorted((one, other) => one - other).join(', ')}`
    const say = (): void => screen.line(screen.paint('dim', `  detector ${name} holds ${held}`))
    timer = setTimeout(() => interruption.signal.aborted || say(), SETTLE_MILLIS).unref()
  }
}

function onSignal(): void {
  if (interruption.signal.aborted) process.exit(130)
  interruption.abort()
}

function fail(message: string, code: number): void {
  screen.close()
  process.stderr.write(`${message}\n`)
  process.exitCode = code
}
