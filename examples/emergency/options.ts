/**
 * What may be typed after `npm start --`.
 */
import { parseArgs } from 'node:util'

/** How the example runs. */
export interface Options {
  readonly directory: string
  /** How long a week of earthquakes takes. */
  readonly seconds: number
}

/** Printed for --help. */
export const HELP = `Replays a week of earthquakes, finds swarms and severe ones, and shows the alerts.

  npm start -- [--seconds N] [--directory DIR]

  --seconds N      how long the week takes (default 12; 0: as fast as it goes)
  --directory DIR  where the data is (default ./data/emergency; remove it to begin anew)

Ctrl-C ends it cleanly; the next run goes on where this one stopped, also after kill -9.`

const SECONDS_DEFAULT = 12
const SECONDS_MAX = 7 * 24 * 60 * 60

/** The options, `help`, or the sentence that says what is wrong. */
export function parseOptions(parameters: readonly string[]): Options | 'help' | { readonly wrong: string } {
  try {
    const { values } = parseArgs({
      args: [...parameters],
      options: { seconds: { type: 'string' }, directory: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help === true) return 'help'
    const seconds = values.seconds === undefined ? SECONDS_DEFAULT : Number(values.seconds)
    if (!(seconds >= 0 && seconds <= SECONDS_MAX)) return { wrong: `--seconds must be a number from 0 to ${SECONDS_MAX}` }
    return { directory: values.directory ?? './data/emergency', seconds }
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) }
  }
}
