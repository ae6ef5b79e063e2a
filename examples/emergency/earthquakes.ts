/**
 * The data: a week of earthquakes as the USGS published them (GeoJSON), in event-time order. Pure: what is read is checked, and nothing else
 * is done. A replay moves the whole week by a week per run, so that event time never goes back.
 */

/** One event of the catalogue. `time` is in milliseconds since 1970; explosions and quarry blasts are events, too. */
export interface Earthquake {
  readonly id: string
  readonly time: number
  readonly magnitude: number
  readonly place: string
  readonly region: string
  readonly type: string
}

/** An event as it is sent: where it stands in which replay, its time moved to that run. Runs count from 1. */
export interface Report extends Earthquake {
  readonly run: number
  readonly index: number
}

/** The span of the catalogue, and by how much each run is later than the one before. */
export const WEEK_MILLIS: number = 7 * 24 * 60 * 60 * 1000

const REGION_OF_ABBREVIATION: Readonly<Record<string, string>> = { CA: 'California', MX: 'Mexico' }

/** The events of a USGS summary feed, oldest first. Throws a TypeError if it is not one. */
export function parseEarthquakes(feed: unknown): Earthquake[] {
  const features = fieldOf(feed, 'features')
  if (!Array.isArray(features)) throw new TypeError('this is not a USGS feed: it has no features')
  return features.map(parseFeature).toSorted((one, other) => one.time - other.time || (one.id < other.id ? -1 : 1))
}

/** What follows the last comma of a place (`4km W of Castaic, CA`), or the whole place (`Banda Sea`). */
export function regionOf(place: string): string {
  const last = place.slice(place.lastIndexOf(',') + 1).trim()
  return REGION_OF_ABBREVIATION[last] ?? last
}

/** The reports of one run, in the order in which they happen. */
export function reportsOf(earthquakes: readonly Earthquake[], run: number): Report[] {
  return earthquakes.map((earthquake, index) => ({ ...earthquake, time: earthquake.time + (run - 1) * WEEK_MILLIS, run, index }))
}

function parseFeature(feature: unknown): Earthquake {
  const properties = fieldOf(feature, 'properties')
  const id = fieldOf(feature, 'id')
  const [time, magnitude, place, type] = ['time', 'mag', 'place', 'type'].map((name) => fieldOf(properties, name))
  const isWhole = typeof id === 'string' && typeof time === 'number' && typeof magnitude === 'number' && typeof place === 'string'
  if (!isWhole || typeof type !== 'string') throw new TypeError(`this event is not whole: ${JSON.stringify(feature)}`)
  return { id, time, magnitude, place, region: regionOf(place), type }
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
