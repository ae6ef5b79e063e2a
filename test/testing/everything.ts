/**
 * The public client, all of it at once, as a scenario: idempotent producers, processing exactly once by two members, transactions that commit and abort, a share group,
 * and a compacted table; everybody but the judge may be killed at any await. What each promises is judged in the end.
 */
import { json, KafkaError } from '../../edge/client/index.ts'
import type { Cluster } from '../../edge/client/index.ts'
import { atomicTransactions, eventually, exactlyOnce, LawError, noLoss, ordered } from '../../testing/index.ts'
import type { ScenarioContext } from '../../testing/index.ts'

/** How many orders each of the two shops takes, and after how long the next one comes. */
const ORDERS = 40
const PAUSE_MILLIS = 250
const SHOPS = ['north', 'south'] as const
const PARTITIONS = 3

interface Found<V> {
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  readonly value: V
}

interface Order {
  readonly id: string
  readonly shop: string
  readonly number: number
}

/** What outlives all processes. */
interface Books {
  /** Orders in the order in which they were taken, and those that are known to be in the topic. */
  readonly taken: Order[]
  readonly sent: Set<string>
  readonly queued: Set<string>
  readonly audited: Set<string>
  readonly polled: Set<string>
  readonly counted: Map<string, number>
  readonly transfers: { readonly items: string[]; end: 'unknown' | 'committed' | 'aborted' }[]
  /** Newest value of each key that was acknowledged, and those that may be newer. */
  readonly table: Map<string, number[]>
}

/** See the header. */
export async function everything(context: ScenarioContext): Promise<void> {
  const { cluster, faults, spawn } = context
  const books: Books = {
    taken: [],
    sent: new Set(),
    queued: new Set(),
    audited: new Set(),
    polled: new Set(),
    counted: new Map(),
    transfers: [],
    table: new Map(),
  }
  const config = { flush: 'commit' } as const
  await cluster.admin.createTopic('orders', { partitions: PARTITIONS, replicationFactor: 3, ifNotExists: true, config })
  await cluster.admin.createTopic('bills', { partitions: PARTITIONS, replicationFactor: 3, ifNotExists: true, config })
  await cluster.admin.createTopic('transfers', { partitions: PARTITIONS, replicationFactor: 3, ifNotExists: true, config })
  const compacted = {
    ...config,
    cleanupPolicy: 'compact',
    minCleanableDirtyRatio: 0.01,
    segmentBytes: 16_384,
    segmentMillis: 2000,
  } as const
  await cluster.admin.createTopic('table', { partitions: 1, replicationFactor: 3, ifNotExists: true, config: compacted })

  const shops = SHOPS.map((shop) => spawn(shop, async ({ cluster: own }) => sell(context, own, shop, books)))
  const transfers = spawn('transfers', async ({ cluster: own }) => transfer(context, own, books))
  const keeper = spawn('table', async ({ cluster: own }) => keepTable(context, own, books))
  for (const name of ['biller 0', 'biller 1']) spawn(name, async ({ cluster: own }) => again(context, () => bill(own)))
  for (const name of ['packer 0', 'packer 1']) spawn(name, async ({ cluster: own }) => again(context, () => pack(own, books)))
  const protocol = Math.random() < 0.5 ? 'classic' : 'consumer'
  for (const name of ['auditor 0', 'auditor 1'])
    spawn(name, async ({ cluster: own }) => again(context, () => audit(context, own, books, { groupProtocol: protocol, instance: name })))
  for (const name of ['counter 0', 'counter 1']) spawn(name, async ({ cluster: own }) => again(context, () => count(context, own, books)))
  for (const name of ['poller 0', 'poller 1']) spawn(name, async ({ cluster: own }) => again(context, () => poll(context, own, books)))
  spawn('administrator', async ({ cluster: own }) => again(context, () => administer(context, own)))
  await Promise.all([...shops, transfers, keeper].map(({ done }) => done))
  faults.heal()
  await judge(context, books)
}

/** Begins again whatever fails: a supervisor does that to a real process. Bugs of this file are none of its business. */
async function again({ clock }: ScenarioContext, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      await clock.sleep(200)
    }
  }
}

async function sell(context: ScenarioContext, own: Cluster, shop: string, books: Books): Promise<void> {
  await again(context, async () => {
    await using producer = own.producer<string, Order>({ key: json(), value: json(), deliveryTimeoutMillis: 20_000 })
    for (;;) {
      // An order that nobody knows of whether it is there is sent once more, before any later one.
      const mine = books.taken.filter((order) => order.shop === shop)
      const open = mine.filter(({ id }) => !books.sent.has(id))
      if (Math.random() < 0.5) {
        for (const order of open) {
          await producer.send({ topic: 'orders', key: shop, value: order })
          books.sent.add(order.id)
        }
      } else {
        for (const order of open) if (!producer.write({ topic: 'orders', key: shop, value: order })) await producer.drained()
        await producer.flush()
        for (const { id } of open) books.sent.add(id)
      }
      if (mine.length >= ORDERS) return
      for (let more = 1 + Math.floor(Math.random() * 3); more > 0; more--) {
        const number = books.taken.filter((order) => order.shop === shop).length
        books.taken.push({ id: `${shop} ${number}`, shop, number })
      }
      await context.clock.sleep(PAUSE_MILLIS * 2 * Math.random())
    }
  })
}

/** Reads orders, and writes a bill for each, exactly once. */
async function bill(own: Cluster): Promise<void> {
  await using consumer = own.consumer<string, Order>({ group: 'billing', topics: ['orders'], key: json(), value: json() })
  await consumer.process<string, string>(
    async ({ key, value, partition, offset }, outlet) => {
      if (value !== null) await outlet.send({ topic: 'bills', key, value: `${value.id}@${partition}/${offset}` })
    },
    { guarantee: 'exactly-once', output: { key: json(), value: json() } },
  )
}

async function pack(own: Cluster, books: Books): Promise<void> {
  await using consumer = own.shareConsumer<string, Order>({
    group: 'packing',
    topics: ['orders'],
    key: json(),
    value: json(),
    autoOffsetReset: 'earliest',
    deliveryCountLimit: 100,
    acquisitionLockMillis: 3000,
  })
  for await (const record of consumer) {
    if (Math.random() < 0.2) consumer.acknowledge(record, 'release')
    else {
      if (record.value !== null) books.queued.add(record.value.id)
      consumer.acknowledge(record, 'accept')
    }
  }
}

/** Reads batches, and commits by hand what it is done with: at least once. It pauses, and is away for too long, now and then. */
async function audit(
  { clock }: ScenarioContext,
  own: Cluster,
  books: Books,
  { groupProtocol, instance }: { readonly groupProtocol: 'classic' | 'consumer'; readonly instance: string },
): Promise<void> {
  await using consumer = own.consumer<string, Order>({
    group: 'audit',
    topics: /^ord/,
    key: json(),
    value: json(),
    autoCommit: false,
    groupProtocol,
    groupInstanceId: instance,
    maxPollIntervalMillis: 2000,
    sessionTimeoutMillis: 3000,
    rebalanceTimeoutMillis: 3000,
    isolationLevel: 'read_committed',
  })
  for await (const batch of consumer.batches()) {
    const seen = [...batch].map(({ value }) => value?.id ?? '')
    if (Math.random() < 0.1) await clock.sleep(Math.random() < 0.2 ? 2500 : 100)
    const [one] = consumer.assignment()
    if (one !== undefined && Math.random() < 0.1) {
      consumer.pause([one])
      await clock.sleep(50)
      if (consumer.assignment().some(({ partition }) => partition === one.partition)) consumer.resume([one])
    }
    for (const id of seen) books.audited.add(id)
    await consumer.commit(batch)
  }
}

/** Commits by itself what it has asked past, and keeps what it was given for a while. */
async function poll({ clock }: ScenarioContext, own: Cluster, books: Books): Promise<void> {
  const assignor = Math.random() < 0.5 ? 'range' : 'uniform'
  await using consumer = own.consumer<string, Order>({
    group: 'polling',
    topics: ['orders'],
    key: json(),
    value: json(),
    assignor,
    maxPollRecords: 3,
  })
  for (;;) {
    const records = await consumer.poll({ timeoutMillis: Math.random() < 0.5 ? 0 : 300 })
    if (records.length > 0) await clock.sleep(20 * Math.random())
    for (const { value } of records) books.polled.add(value?.id ?? '')
    if (Math.random() < 0.01) {
      consumer.subscribe([])
      await clock.sleep(500 * Math.random())
      consumer.subscribe(['orders'])
    }
  }
}

/** Topics grow, and partitions move. */
async function administer({ clock }: ScenarioContext, own: Cluster): Promise<void> {
  for (let round = 0; round < 6; round++) {
    await clock.sleep(5000 * Math.random())
    const nodes = [0, 1, 2].toSorted(() => Math.random() - 0.5)
    const partition = Math.floor(Math.random() * PARTITIONS)
    const topic = ['orders', 'bills', 'transfers'][Math.floor(Math.random() * 3)] ?? 'orders'
    await own.admin.reassign(topic, partition, nodes.slice(0, 2 + Math.floor(Math.random() * 2)))
  }
}

/** Counts orders at least once, but each once: it remembers what it has counted. */
async function count({ clock }: ScenarioContext, own: Cluster, books: Books): Promise<void> {
  await using consumer = own.consumer<string, Order>({ group: 'counting', topics: ['orders'], key: json(), value: json() })
  await consumer.process(
    async ({ value }) => {
      if (Math.random() < 0.2) await clock.sleep(30 * Math.random())
      if (value !== null) books.counted.set(value.id, (books.counted.get(value.id) ?? 0) + 1)
    },
    { guarantee: 'effectively-once', deduplicateBy: ({ value }) => value?.id ?? '' },
  )
}

async function transfer(context: ScenarioContext, own: Cluster, books: Books): Promise<void> {
  await again(context, async () => {
    await using producer = own.producer<string, string>({
      key: json(),
      value: json(),
      transactionalId: 'transfers',
      transactionTimeoutMillis: 5000,
    })
    while (books.transfers.length < ORDERS / 2) {
      const number = books.transfers.length
      const one: Books['transfers'][number] = { items: [`${number} from`, `${number} to`, `${number} fee`], end: 'unknown' }
      books.transfers.push(one)
      const isAborted = Math.random() < 0.3
      const open = await producer.beginTransaction()
      for (const [partition, value] of one.items.entries()) {
        await open.send({ topic: 'transfers', partition, value })
        await context.clock.sleep(20 * Math.random())
      }
      if (isAborted) await open.abort()
      else await open.commit()
      one.end = isAborted ? 'aborted' : 'committed'
      await context.clock.sleep(PAUSE_MILLIS * Math.random())
    }
  })
}

async function keepTable(context: ScenarioContext, own: Cluster, books: Books): Promise<void> {
  await again(context, async () => {
    await using producer = own.producer<string, number>({ key: json(), value: json(), deliveryTimeoutMillis: 20_000 })
    const count = (): number => [...books.table.values()].flat().length
    while (count() < ORDERS * 2) {
      const key = `key ${Math.floor(Math.random() * 5)}`
      const value = count()
      const values = books.table.get(key) ?? []
      books.table.set(key, [...values, value])
      await producer.send({ topic: 'table', key, value })
      // All before it are older.
      books.table.set(
        key,
        Array.from(books.table.get(key)!, (one) => (one < value ? -1 - one : one)),
      )
      await context.clock.sleep(PAUSE_MILLIS * Math.random())
    }
  })
}

/** Reads a topic to its end. */
async function readAll<V>(cluster: Cluster, topic: string, partitions: number): Promise<Found<V>[]> {
  await using consumer = cluster.consumer<string, V>({ key: json(), value: json(), isolationLevel: 'read_committed' })
  consumer.assign(Array.from({ length: partitions }, (_, partition) => ({ topic, partition })))
  const found: Found<V>[] = []
  for (;;) {
    const records = await consumer.poll({ timeoutMillis: 2000 })
    for (const { partition, offset, key, value } of records) if (value !== null) found.push({ partition, offset, key, value })
    if (records.length === 0) return found
  }
}

/** An order that is there twice is billed twice: its second one is another item. */
function numbered(ids: readonly string[]): string[] {
  const counts = new Map<string, number>()
  return ids.map((id) => {
    counts.set(id, (counts.get(id) ?? 0) + 1)
    return `${id} #${counts.get(id)}`
  })
}

async function judge({ cluster, clock }: ScenarioContext, books: Books): Promise<void> {
  const ids = books.taken.map(({ id }) => id)
  // Orders: none is lost, and each shop's come in order. One that was sent twice is there twice.
  const orders = await readAll<Order>(cluster, 'orders', PARTITIONS)
  noLoss(
    ids,
    orders.map(({ value }) => value.id),
  )
  ordered(
    ids,
    orders.map(({ value }) => value.id),
    (id) => id.split(' ')[0],
  )
  // Bills: one for each record.
  const places = new Map<string, string>()
  const billed = async (): Promise<boolean> => {
    const bills = await readAll<string>(cluster, 'bills', PARTITIONS)
    places.clear()
    for (const { partition, offset, value } of bills) {
      const other = places.get(value)
      if (other !== undefined) throw new LawError(`${value} is billed twice, at ${other} and ${partition}:${offset}`)
      places.set(value, `${partition}:${offset}`)
    }
    return places.size >= orders.length
  }
  await eventually('every record is billed', billed, { clock, withinMillis: 60_000 })
  const billedIds = [...places.keys()].map((value) => value.split('@')[0] ?? '')
  exactlyOnce(numbered(orders.map(({ value }) => value.id)), numbered(billedIds))
  // Transfers: whole or not at all; what was answered counts.
  const transfers = (await readAll<string>(cluster, 'transfers', PARTITIONS)).map(({ value }) => value)
  atomicTransactions(
    books.transfers.map(({ items }) => items),
    transfers,
  )
  const of = (end: string): string[] => books.transfers.flatMap((one) => (one.end === end ? one.items : []))
  noLoss(of('committed'), transfers)
  for (const item of of('aborted')) if (transfers.includes(item)) throw new LawError(`${item} was aborted, and is seen`)
  // The queue.
  await eventually('every order is packed', () => ids.every((id) => books.queued.has(id)), { clock, withinMillis: 60_000 })
  await eventually('every order is audited', () => ids.every((id) => books.audited.has(id)), { clock, withinMillis: 60_000 })
  await eventually('every order is counted', () => ids.every((id) => books.counted.has(id)), { clock, withinMillis: 60_000 })
  await eventually('every order is polled', () => ids.every((id) => books.polled.has(id)), { clock, withinMillis: 60_000 })
  // The table: of each key the newest value that was acknowledged, or a newer one.
  const table = new Map((await readAll<number>(cluster, 'table', 1)).map(({ key, value }) => [key, value]))
  for (const [key, values] of books.table) {
    const found = table.get(key)
    const oldest = Math.max(-1, ...values.filter((one) => one < 0).map((one) => -1 - one))
    if (oldest >= 0 && (found === undefined || found < oldest)) throw new LawError(`${key} is ${String(found)}, not ${oldest}`)
  }
}
