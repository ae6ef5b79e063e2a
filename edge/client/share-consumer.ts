/**
 * The public member of a share group. The coordinator (actors/shares.ts) gives it ranges under lock; here they become records, and what the application says, or does
 * not say, of them becomes acknowledgements. Records that nobody has looked at are given back when half of their time is over.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { KafkaError } from '../../protocol/errors.ts'
import { topicPartitionName } from '../../protocol/ids.ts'
import type { TopicMetadata } from '../../protocol/messages/metadata.ts'
import type { AcquiredRange, ShareRangeName } from '../../protocol/messages/share.ts'
import { RECORD_LOCKS_MAX } from '../../protocol/messages/share.ts'
import type { LogRecord } from '../../protocol/record-batch.ts'
import type { Polling, Waiting } from './api.ts'
import type { ShareHold } from '../../actors/share-trust.ts'
import { checkGroup, checkName, checkQuotaName, checkTopicPartition, checkWaiting } from './arguments.ts'
import { toRecord } from './consumer-batch.ts'
import { checkPoll } from './consumer-options.ts'
import { closedError } from './engine.ts'
import type { Engine } from './engine.ts'
import { checkOptions, describe, integerOption } from './options.ts'
import type { OptionRule } from './options.ts'
import { QuotaGate } from './quota-gate.ts'
import { bytes } from './serdes.ts'
import type { Serde } from './serdes.ts'
import type { Acknowledgement, ShareConsumer, ShareConsumerOptions, ShareRecord } from './share-api.ts'
import type { Requests } from './requests.ts'
import { readAcquired } from './share-reader.ts'
import { ShareSession } from './share-session.ts'
import type { ShareMembership } from './share-session.ts'

const RULES: Readonly<Record<keyof ShareConsumerOptions<unknown, unknown>, OptionRule>> = {
  group: { kind: 'string' },
  topics: { kind: 'object' },
  key: { kind: 'serde', needs: 'deserialize' },
  value: { kind: 'serde', needs: 'deserialize' },
  autoOffsetReset: { kind: 'choice', values: ['earliest', 'latest'], default: 'latest' },
  isolationLevel: { kind: 'choice', values: ['read_uncommitted', 'read_committed'], default: 'read_uncommitted' },
  acquisitionLockMillis: { kind: 'integer', min: 10, max: 3_600_000, default: 30_000 },
  deliveryCountLimit: { kind: 'integer', min: 1, max: 100, default: 5 },
  maxPollRecords: { kind: 'integer', min: 1, max: RECORD_LOCKS_MAX, default: 500 },
  clientId: { kind: 'string' },
  onRefused: { kind: 'function' },
}

/** How long `poll` waits by default. */
const POLL_MILLIS = 1000

/** How long the coordinator keeps a question that finds nothing. */
const WAIT_MILLIS = 500

/** A record that this member has. */
interface HeldRecord {
  readonly range: AcquiredRange
  readonly record: LogRecord
  readonly hold: ShareHold
}

/** The member behind the public interface. */
export class ShareConsumerClient<K, V> implements ShareConsumer<K, V> {
  readonly #engine: Engine
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #membership: ShareMembership
  readonly #maxPollRecords: number
  readonly #session: ShareSession
  readonly #gate: QuotaGate
  readonly #requests: Requests
  readonly #topics: Map<string, TopicMetadata> = new Map()
  /** Not given to the application yet, in order. */
  #buffer: HeldRecord[] = []
  /** Given, and nothing was said of them yet. */
  readonly #given: Map<string, ShareRangeName> = new Map()
  #filling: Promise<void> | null = null
  #returnTimer: NodeJS.Timeout | null = null
  #failure: Error | null = null
  #closing: Promise<void> | null = null

  constructor(engine: Engine, options: ShareConsumerOptions<K, V>) {
    checkOptions('shareConsumer', options, RULES)
    checkGroup(options.group)
    if (!Array.isArray(options.topics) || options.topics.length === 0)
      throw new KafkaError(
        'INVALID_OPTION',
        `shareConsumer option topics must be a list of one topic or more, not ${describe(options.topics)}`,
      )
    for (const topic of options.topics) checkName(topic)
    checkQuotaName('shareConsumer', 'clientId', options.clientId)
    this.#engine = engine
    this.#key = options.key ?? (bytes as Serde<unknown> as Serde<K>)
    this.#value = options.value ?? (bytes as Serde<unknown> as Serde<V>)
    this.#maxPollRecords = integerOption(options.maxPollRecords, RULES.maxPollRecords)
    const name = engine.nextName('share')
    const { clientId = null, group } = options
    this.#gate = new QuotaGate(engine, { name, clientId, group, key: 'consumerByteRate', patienceMillis: 0 })
    this.#gate.join()
    this.#requests = engine.requests.paidBy(this.#gate)
    this.#membership = {
      group: options.group,
      memberId: `${name}-${randomUUID()}`,
      topics: [...new Set(options.topics)],
      reset: options.autoOffsetReset ?? 'latest',
      isolationLevel: options.isolationLevel ?? 'read_uncommitted',
      lockMillis: integerOption(options.acquisitionLockMillis, RULES.acquisitionLockMillis),
      deliveryCountLimit: integerOption(options.deliveryCountLimit, RULES.deliveryCountLimit),
    }
    this.#session = new ShareSession(this.#requests, this.#membership, options.onRefused, (error) => this.#fail(error))
    engine.clients.add(this)
    for (const topic of this.#membership.topics) this.#requests.topic(topic).catch((error: unknown) => this.#fail(error))
  }

  // ── records ──

  async poll(options: Polling = {}): Promise<ShareRecord<K, V>[]> {
    checkPoll(options)
    const { signal, timeoutMillis = POLL_MILLIS } = options
    const deadline = performance.now() + timeoutMillis
    signal?.throwIfAborted()
    this.#moveOn()
    for (let hasWaited = false; ; hasWaited = true) {
      const records = this.#take()
      // As a consumer's: nothing arrives while nobody waits.
      if (records.length > 0 || (hasWaited && performance.now() >= deadline)) return records
      await this.#wait(signal, deadline)
      this.#assertOpen()
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<ShareRecord<K, V>> {
    return this.records()[Symbol.asyncIterator]()
  }

  async *records(options: Waiting = {}): AsyncGenerator<ShareRecord<K, V>> {
    checkWaiting('records', options)
    this.#assertOpen()
    const { signal } = options
    while (this.#closing === null) {
      signal?.throwIfAborted()
      this.#moveOn()
      const next = this.#next()
      if (next === null) await this.#wait(signal, Infinity)
      else yield next
    }
  }

  /** Asking for more accepts what was given. Throws what has failed meanwhile. */
  #moveOn(): void {
    this.#assertOpen()
    this.#acceptGiven()
    if (this.#failure === null) return
    const failure = this.#failure
    this.#failure = null
    throw failure
  }

  #acceptGiven(): void {
    for (const one of this.#given.values()) this.#session.add(one, 'accept')
    this.#given.clear()
  }

  #take(): ShareRecord<K, V>[] {
    const records: ShareRecord<K, V>[] = []
    try {
      for (let next = this.#next(); next !== null; next = this.#next()) {
        records.push(next)
        if (records.length >= this.#maxPollRecords) break
      }
    } catch (error) {
      if (records.length === 0) throw error
      this.#fail(error)
    }
    return records
  }

  /** What it was given may be somebody else's by now: then it comes again, from whoever is in charge. */
  #next(): ShareRecord<K, V> | null {
    this.#dropVoid()
    const [held] = this.#buffer
    if (held === undefined || this.#session.trustIn(held.hold) !== 'sure') return null
    this.#buffer.shift()
    const { range, record } = held
    const { topic, topicId, partition, deliveryCount } = range
    const one = { topic, topicId, partition, first: record.offset, last: record.offset }
    try {
      const decoded = { ...toRecord(range, record, this.#key, this.#value), deliveryCount }
      this.#given.set(nameOf(decoded), one)
      return decoded
    } catch (error) {
      this.#session.add(one, 'release')
      const reason = error instanceof Error ? error.message : String(error)
      throw new KafkaError(
        'SERIALIZATION_FAILED',
        `the record at offset ${record.offset} of ${topicPartitionName(topic, partition)} cannot be read: ${reason}; it is given again, up to the limit`,
        { cause: error },
      )
    }
  }

  #dropVoid(): void {
    while (this.#buffer[0] !== undefined && this.#session.trustIn(this.#buffer[0].hold) === 'void') this.#buffer.shift()
  }

  // ── asking for more ──

  /** Until there is something, or a question came to nothing. */
  async #wait(signal: AbortSignal | undefined, deadline: number): Promise<void> {
    const waitMillis = Math.max(0, Math.min(WAIT_MILLIS, Math.ceil(deadline - performance.now())))
    this.#filling ??= this.#fill(waitMillis).finally(() => {
      this.#filling = null
    })
    if (signal === undefined) return this.#filling
    const waited = new AbortController()
    const aborted = new Promise<never>((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true, signal: waited.signal }),
    )
    await Promise.race([this.#filling, aborted]).finally(() => waited.abort())
  }

  /** Its quota counts before it asks: what it is given is its own for a while only. What it has it hands over first, if that is its own. */
  async #fill(maxWaitMillis: number): Promise<void> {
    if (this.#buffer.length > 0) return this.#session.ask()
    if (!(await this.#gate.pass(maxWaitMillis))) return
    const { acquired, hold } = await this.#session.fetch({ maxRecords: this.#maxPollRecords, maxWaitMillis, leaves: false })
    for (const range of acquired) if (this.#session.trustIn(hold) !== 'void') await this.#read(range, hold)
    if (this.#buffer.length === 0) return
    const halfMillis = hold.lockUntil - this.#membership.lockMillis / 2 - performance.now()
    if (this.#returnTimer !== null) clearTimeout(this.#returnTimer)
    this.#returnTimer = setTimeout(() => this.#giveBack(), Math.max(0, halfMillis))
    this.#returnTimer.unref()
  }

  async #read(range: AcquiredRange, hold: ShareHold): Promise<void> {
    const { first, last } = range
    try {
      const { records, endOffset } = await readAcquired(
        this.#requests,
        await this.#topic(range),
        range,
        this.#membership.isolationLevel,
        this.#gate,
      )
      let expected = first
      for (const record of records) {
        // What is missing was nobody's record.
        if (record.offset > expected) this.#session.add({ ...range, first: expected, last: record.offset - 1 }, 'accept')
        expected = record.offset + 1
        this.#buffer.push({ range, record, hold })
      }
      if (expected <= Math.min(last, endOffset - 1))
        this.#session.add({ ...range, first: expected, last: Math.min(last, endOffset - 1) }, 'accept')
      if (endOffset <= last) this.#session.add({ ...range, first: Math.max(expected, endOffset) }, 'return')
    } catch (error) {
      this.#session.add(range, 'release')
      this.#fail(error)
    }
  }

  async #topic({ topic, topicId }: AcquiredRange): Promise<TopicMetadata> {
    const known = this.#topics.get(topic)
    if (known?.topicId === topicId) return known
    const found = await this.#requests.topic(topic)
    this.#topics.set(topic, found)
    return found
  }

  /** Nobody has looked at them, and others may have the time. */
  #giveBack(): void {
    this.#dropVoid()
    for (const { range, record } of this.#buffer) this.#session.add({ ...range, first: record.offset, last: record.offset }, 'return')
    this.#buffer = []
  }

  // ── acknowledgements ──

  acknowledge(record: ShareRecord<K, V>, type: Acknowledgement = 'accept'): void {
    this.#assertOpen()
    if (type !== 'accept' && type !== 'release' && type !== 'reject')
      throw new KafkaError('INVALID_OPTION', `a record is acknowledged by 'accept', 'release' or 'reject', not ${describe(type)}`)
    checkTopicPartition('acknowledge', record)
    const name = nameOf(record)
    const one = this.#given.get(name)
    if (one === undefined)
      throw new KafkaError('INVALID_RECORD_STATE', `this member does not have the record ${name}, or has acknowledged it`)
    this.#given.delete(name)
    this.#session.add(one, type)
  }

  async commit(): Promise<void> {
    this.#assertOpen()
    this.#acceptGiven()
    await this.#session.commit()
  }

  // ── end ──

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#returnTimer !== null) clearTimeout(this.#returnTimer)
    this.#giveBack()
    try {
      await this.#session.leave()
      await Promise.race([this.#filling, sleep(WAIT_MILLIS, undefined, { ref: false })])
    } finally {
      this.#session.stop()
      this.#gate.close()
      this.#given.clear()
      this.#engine.clients.delete(this)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #fail(error: unknown): void {
    if (this.#closing === null) this.#failure ??= error instanceof Error ? error : new KafkaError('UNKNOWN_SERVER_ERROR', String(error))
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError('share consumer')
  }
}

function nameOf({ topic, partition, offset }: { readonly topic: string; readonly partition: number; readonly offset: number }): string {
  return `${topicPartitionName(topic, partition)}@${offset}`
}
