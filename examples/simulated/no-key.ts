/**
 * A bug, and its end: a handler that is called at least once, and adds up as if it were called once, counts some orders twice. With the order's id it knows them again.
 */
import { exactlyOnce } from '../../testing/index.ts'
import type { ScenarioContext } from '../../testing/index.ts'
import { allBilled, billingConsumer, sendOrders, supervise } from './orders.ts'

/** How long it takes to bill an order. */
const WORK_MILLIS = 30

/** The books of the shop: a database that outlives every process. */
interface Books {
  readonly entries: number[]
  write(id: number): void
}

/** Each call is an entry. */
export async function broken(context: ScenarioContext): Promise<void> {
  const entries: number[] = []
  await bill(context, { entries, write: (id) => void entries.push(id) })
}

/** An order that has an entry gets no other one. */
export async function fixed(context: ScenarioContext): Promise<void> {
  const entries: number[] = []
  const write = (id: number): void => {
    if (!entries.includes(id)) entries.push(id)
  }
  await bill(context, { entries, write })
}

async function bill(context: ScenarioContext, books: Books): Promise<void> {
  const { clock, spawn } = context
  spawn('billing', ({ cluster }) =>
    supervise(context, async () => {
      await using consumer = billingConsumer(cluster)
      for await (const { value } of consumer) {
        if (value !== null) books.write(value.id)
        await clock.sleep(WORK_MILLIS)
        await consumer.commit()
      }
    }),
  )
  const orders = await sendOrders(context)
  await allBilled(orders, () => books.entries, context)
  exactlyOnce(
    orders.map(({ id }) => id),
    books.entries,
  )
}
