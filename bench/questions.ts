/**
 * All questions, in the order in which they are asked.
 */
import type { Question } from './question.ts'
import { catchUp } from './questions/catch-up.ts'
import { clusterSize } from './questions/cluster-size.ts'
import { compaction } from './questions/compaction.ts'
import { consume } from './questions/consume.ts'
import { exactlyOnce } from './questions/exactly-once.ts'
import { failover } from './questions/failover.ts'
import { groups } from './questions/groups.ts'
import { idempotence } from './questions/idempotence.ts'
import { latency } from './questions/latency.ts'
import { memory, replicatedMemory } from './questions/memory.ts'
import { partitions } from './questions/partitions.ts'
import { produce } from './questions/produce.ts'
import { quota } from './questions/quota.ts'
import { rebalance } from './questions/rebalance.ts'
import { records } from './questions/records.ts'
import { recovery } from './questions/recovery.ts'
import { replicatedLatency } from './questions/replicated-latency.ts'
import { replicatedProduce } from './questions/replicated-produce.ts'
import { ring } from './questions/ring.ts'
import { simulator } from './questions/simulator.ts'
import { start } from './questions/start.ts'
import { transaction } from './questions/transaction.ts'

/** Every question that `npm run bench` can answer. */
export const questions: readonly Question[] = [
  ring,
  produce,
  consume,
  latency,
  start,
  memory,
  recovery,
  partitions,
  records,
  simulator,
  replicatedProduce,
  replicatedLatency,
  replicatedMemory,
  failover,
  catchUp,
  clusterSize,
  rebalance,
  groups,
  idempotence,
  transaction,
  exactlyOnce,
  compaction,
  quota,
]
