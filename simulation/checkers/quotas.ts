/**
 * QUOTA: a client that is limited never gets more than flows in at the highest rate that it ever had, the burst, and what was under way when it was stopped. What it got is
 * seen where it cannot lie: the batches that its producer sends, the chunks that its consumer hands on. Where the time of its requests is limited, it asks for each of them
 * to be timed, whatever it asks, and sends and reads nothing while what it has heard of is more than what was due.
 */
import { isRequest } from '../../protocol/messages/message.ts'
import type { Message } from '../../protocol/messages/message.ts'
import { BURST_MILLIS } from '../../coordinator/quota-bucket.ts'
import type { World } from '../world.ts'

/** What one life of a client has got. */
export interface QuotaAccount {
  readonly world: World
  readonly name: string
  readonly bytesPerSecondMax: number
  readonly beganMicros: number
  /** Answers that may be under way when the client is stopped. */
  readonly underWayBytes: number
  usedBytes: number
  /** Of the time of its requests, in microseconds per second; null: it is not limited. */
  readonly microsPerSecondMax: number | null
  usedMicros: number
  /** It has been told that. */
  isTold: boolean
  /** Its quota may be gone. */
  isOver: boolean
}

/** The uptime that quotas go by is in whole milliseconds. */
const CLOCK_MILLIS = 1

/** A message comes to the client's actor: it may say how long a request took, or that this counts. */
export function noteQuotaNews(account: QuotaAccount, message: Message): void {
  if (message.kind === 'requestTimed') account.usedMicros += message.micros
  if (message.kind === 'throttled') account.isTold = message.isTimed
}

/** A message leaves the client's actor; bytes, or requests, beyond what was due are a violation. */
export function noteQuotaUse(account: QuotaAccount, message: Message): void {
  checkTimed(account, message)
  if (message.kind === 'produce' || message.kind === 'fetch') checkTime(account)
  const sizeBytes = message.kind === 'produce' ? message.records.length : message.kind === 'chunk' ? (message.records?.length ?? 0) : 0
  if (sizeBytes > 0) checkBytes(account)
  account.usedBytes += sizeBytes
}

/** A client asks for more that passes a gate before: it has paid for all that it was given, and for all that its questions took. */
export function notePassed(account: QuotaAccount): void {
  checkTime(account)
  checkBytes(account)
}

/** A message leaves a client: where the time of its requests is limited, it asks for that of each. */
export function checkTimed({ world, name, microsPerSecondMax, isTold, isOver }: QuotaAccount, message: Message): void {
  if (microsPerSecondMax === null || isOver || !isRequest(message) || message.isTimed === true) return
  if (isTold || message.kind === 'produce' || message.kind === 'fetch')
    world.fail('QUOTA', `${name} does not ask for the time of its ${message.kind}`)
}

/** The keeper tells a client how many of its pieces are counted in: all that it had said by then, once each. */
export function checkCounted(world: World, name: string, said: number, counted: number): void {
  if (counted !== said) world.fail('QUOTA', `${counted} pieces of ${name} are counted, and it has had ${said}`)
}

function checkBytes(account: QuotaAccount): void {
  const { world, name, bytesPerSecondMax, underWayBytes, usedBytes, isOver } = account
  const dueBytes = dueOf(account, bytesPerSecondMax) + underWayBytes
  if (usedBytes > dueBytes && !isOver)
    world.fail('QUOTA', `${name} had ${usedBytes} bytes and goes on; ${Math.floor(dueBytes)} were due at ${bytesPerSecondMax} bytes/s`)
}

function checkTime(account: QuotaAccount): void {
  const { world, name, microsPerSecondMax, usedMicros, isOver } = account
  if (microsPerSecondMax === null || isOver) return
  const dueMicros = dueOf(account, microsPerSecondMax)
  if (usedMicros > dueMicros)
    world.fail('QUOTA', `${name} had ${usedMicros} us and goes on; ${Math.floor(dueMicros)} were due at ${microsPerSecondMax} us/s`)
}

/** What has flown in since the client began, and the burst. */
function dueOf({ world, beganMicros }: QuotaAccount, perSecond: number): number {
  const millis = (world.nowMicros - beganMicros) / 1000 + BURST_MILLIS + CLOCK_MILLIS
  return (perSecond * millis) / 1000
}
