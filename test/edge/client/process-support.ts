// What tests of consumer.process look at from outside.
import { string } from '../../../edge/client/index.ts'
import type { Cluster } from '../../../edge/client/index.ts'

/** The values in `out` that readers of what is committed see, in the order of the log. */
export async function results(cluster: Cluster): Promise<number[]> {
  await using reader = cluster.consumer({ value: string, isolationLevel: 'read_committed' })
  reader.assign([{ topic: 'out', partition: 0 }])
  const values: number[] = []
  for (let some = await reader.poll(); some.length > 0; some = await reader.poll({ timeoutMillis: 100 }))
    values.push(...some.map(({ value }) => Number(value)))
  return values
}
