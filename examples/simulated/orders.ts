/**
 * What the examples share: a shop that sends orders, and waits until somebody has done with all of them.
 */
import { eventually, noLoss } from '../../testing/index.ts'
import type { ScenarioContext } from '../../testing/index.ts'
import { json } from '../../edge/client/index.ts'
import type { Consumer } from '../../edge/client/index.ts'

/** An order, as it is in the topic. */
export interface Order {
  readonly id: number
  readonly cents: number
}

const ORDERS = 15
const PAUSE_MILLIS = 400

/** Where orders are. */
export const ORDERS_TOPIC = 'orders'

/** Makes the topic, and sends orders for some seconds; they are with the quorum when this resolves. */
export async function sendOrders({ cluster, clock }: ScenarioContext): Promise<Order[]> {
  await cluster.admin.createTopic(ORDERS_TOPIC, { partitions: 2, replicationFactor: 3, ifNotExists: true, config: { flush: 'commit' } })
  await using producer = cluster.producer<Uint8Array, Order>({ value: json(), acks: 'quorum', deliveryTimeoutMillis: 300_000 })
  const orders = Array.from({ length: ORDERS }, (_, id) => ({ id, cents: 100 + id }))
  for (const value of orders) {
    await producer.send({ topic: ORDERS_TOPIC, value })
    await clock.sleep(PAUSE_MILLIS)
  }
  return orders
}

/** Begins again whatever fails because a node or the group is not there: a supervisor does that to a real process. */
export async function supervise({ clock }: Pick<ScenarioContext, 'clock'>, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work()
    } catch {
      await clock.sleep(200)
    }
  }
}

/** A consumer of the group that bills. */
export function billingConsumer(cluster: ScenarioContext['cluster']): Consumer<Uint8Array, Order> {
  return cluster.consumer<Uint8Array, Order>({ group: 'billing', topics: [ORDERS_TOPIC], value: json(), autoCommit: false })
}

/** Waits until every order is billed, and says which are not after a while. */
export async function allBilled(
  orders: readonly Order[],
  billed: () => Iterable<number>,
  { clock, faults }: ScenarioContext,
): Promise<void> {
  faults.heal()
  const ids = orders.map(({ id }) => id)
  const isDone = (): boolean => new Set(billed()).size >= ids.length
  await eventually('all orders are billed', isDone, { clock }).catch(() => noLoss(ids, billed()))
}
