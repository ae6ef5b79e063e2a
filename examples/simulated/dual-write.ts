/**
 * A bug, and its end: a shop that writes an order to its database and then sends it to the topic has orders that nobody ever hears of, if it is killed in between. With
 * an outbox it sends what the database has, and goes on with that in its next life.
 */
import { json } from '../../edge/client/index.ts'
import { eventually, noLoss } from '../../testing/index.ts'
import type { ScenarioContext } from '../../testing/index.ts'
import { ORDERS_TOPIC } from './orders.ts'
import type { Order } from './orders.ts'

const ORDERS = 15
const PAUSE_MILLIS = 300

/** The shop's database: what is in it outlives every process. */
interface Database {
  readonly orders: Order[]
  /** How many of them were sent, and said to be. */
  sent: number
}

/** Sends an order when it has written it. */
export async function broken(context: ScenarioContext): Promise<void> {
  await sell(context, async (order, database, send) => {
    database.orders.push(order)
    await context.clock.sleep(5)
    await send(order)
  })
}

/** Sends what is written, from where it has got to, before anything else: when a life begins, and with each order. */
export async function fixed(context: ScenarioContext): Promise<void> {
  const sendRest = async (database: Database, send: Send): Promise<void> => {
    while (database.sent < database.orders.length) {
      await send(database.orders[database.sent]!)
      database.sent++
    }
  }
  const take: Selling = async (order, database, send) => {
    database.orders.push(order)
    await context.clock.sleep(5)
    await sendRest(database, send)
  }
  await sell(context, take, sendRest)
}

type Send = (order: Order) => Promise<unknown>

type Selling = (order: Order, database: Database, send: Send) => Promise<void>

async function sell(
  context: ScenarioContext,
  take: Selling,
  begin: (database: Database, send: Send) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const { cluster, clock, spawn, faults } = context
  await cluster.admin.createTopic(ORDERS_TOPIC, { replicationFactor: 3, config: { flush: 'commit' } })
  const database: Database = { orders: [], sent: 0 }
  const shop = spawn('shop', async ({ cluster: own }) => {
    await using producer = own.producer<Uint8Array, Order>({ value: json(), acks: 'quorum', deliveryTimeoutMillis: 300_000 })
    const send: Send = (value) => producer.send({ topic: ORDERS_TOPIC, value })
    await begin(database, send)
    while (database.orders.length < ORDERS) {
      const id = database.orders.length
      await take({ id, cents: 100 + id }, database, send)
      await clock.sleep(PAUSE_MILLIS)
    }
  })
  await shop.done
  faults.heal()
  const shipped = new Set<number>()
  await using consumer = cluster.consumer<Uint8Array, Order>({ value: json() })
  consumer.assign([{ topic: ORDERS_TOPIC, partition: 0 }])
  const isShipped = async (): Promise<boolean> => {
    for (const { value } of await consumer.poll({ timeoutMillis: 500 })) if (value !== null) shipped.add(value.id)
    return shipped.size >= database.orders.length
  }
  const ids = database.orders.map(({ id }) => id)
  await eventually('all orders are shipped', isShipped, { clock, withinMillis: 20_000 }).catch(() => noLoss(ids, shipped))
}
