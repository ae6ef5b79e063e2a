/**
 * A bug, and its end: whoever commits the offset before the work is done loses what he was working on when he is killed.
 */
import { noLoss } from '../../testing/index.ts'
import type { ScenarioContext } from '../../testing/index.ts'
import { allBilled, billingConsumer, sendOrders, supervise } from './orders.ts'

/** How long it takes to bill an order. */
const WORK_MILLIS = 60

/** Commits, then bills. */
export async function broken(context: ScenarioContext): Promise<void> {
  await bill(context, 'commit first')
}

/** Bills, then commits: an order may be billed twice, none is lost. */
export async function fixed(context: ScenarioContext): Promise<void> {
  await bill(context, 'work first')
}

async function bill(context: ScenarioContext, order: 'commit first' | 'work first'): Promise<void> {
  const { clock, spawn } = context
  const billed = new Set<number>()
  spawn('billing', ({ cluster }) =>
    supervise(context, async () => {
      await using consumer = billingConsumer(cluster)
      for await (const { value } of consumer) {
        if (order === 'commit first') await consumer.commit()
        await clock.sleep(WORK_MILLIS)
        if (value !== null) billed.add(value.id)
        if (order === 'work first') await consumer.commit()
      }
    }),
  )
  const orders = await sendOrders(context)
  await allBilled(orders, () => billed, context)
  noLoss(
    orders.map(({ id }) => id),
    billed,
  )
}
