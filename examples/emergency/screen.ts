/**
 * Where the story is told: lines that scroll, and under them, on a terminal, one line that is always up to date. In a pipe that line becomes an
 * ordinary one every few seconds. Colours only where they are wanted.
 */
import { styleText } from 'node:util'
import type { Alert } from './detection.ts'

type Style = Parameters<typeof styleText>[0]

/** How often the last line is renewed on a terminal, and repeated in a pipe. */
const TERMINAL_MILLIS = 100
const PIPE_MILLIS = 2000

const BAR_CHARACTERS = 24

/** For terminals that do not say how wide they are. */
const TERMINAL_COLUMNS = 80

/** Lines above, status below. */
export class Screen {
  readonly #stream: NodeJS.WriteStream
  readonly #isTerminal: boolean
  #status = ''
  #timer: NodeJS.Timeout | undefined

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    this.#isTerminal = stream.isTTY === true
    stream.on('error', () => this.close())
  }

  /** Writes a line above the status. */
  line(text = ''): void {
    this.#stream.write(this.#isTerminal ? `\r\x1b[K${text}\n${this.#status}` : `${text}\n`)
  }

  /** Paints a text, if colours are wanted here. */
  paint(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#stream })
  }

  /** From now on, shows what the function says. */
  follow(status: () => string): void {
    this.close()
    this.#timer = setInterval(() => this.#renew(status()), this.#isTerminal ? TERMINAL_MILLIS : PIPE_MILLIS)
  }

  /** Ends the status. */
  close(): void {
    clearInterval(this.#timer)
    if (this.#isTerminal && this.#status !== '') this.#stream.write('\r\x1b[K')
    this.#status = ''
  }

  #renew(status: string): void {
    if (status === this.#status) return
    this.#status = this.#isTerminal ? status.slice(0, Math.max(20, (this.#stream.columns || TERMINAL_COLUMNS) - 1)) : status
    this.#stream.write(this.#isTerminal ? `\r\x1b[K${this.#status}` : `${status}\n`)
  }
}

/** A bar that is filled by a share from 0 to 1. */
export function bar(share: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * BAR_CHARACTERS)
  return '━'.repeat(filled) + '╌'.repeat(BAR_CHARACTERS - filled)
}

/** Event time for people: `06 Feb 15:50`. */
export function clock(time: number): string {
  const [day, month, hour] = [{ day: '2-digit' }, { month: 'short' }, { hour: '2-digit', minute: '2-digit', hour12: false }].map(
    (options) => new Intl.DateTimeFormat('en-GB', { ...(options as Intl.DateTimeFormatOptions), timeZone: 'UTC' }).format(time),
  )
  return `${day} ${month} ${hour}`
}

/** `1,707`. */
export function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** One line per alert: when, what, how strong, where. */
export function alertLine(screen: Screen, alert: Alert): string {
  const { kind, magnitude, count: earthquakes, region, place, time } = alert
  const name = kind === 'severe' ? screen.paint(['bold', 'red'], 'SEVERE') : screen.paint(['bold', 'yellow'], 'SWARM ')
  const what = `M ${magnitude.toFixed(1)}`
  const detail = kind === 'severe' ? place : `${earthquakes} in two hours around ${region}, the largest ${place}`
  return `  ${screen.paint('dim', clock(time))}  ${name}  ${screen.paint('bold', what)}  ${detail}`
}
