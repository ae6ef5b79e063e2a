/**
 * The client that sets the stage: creates the topics of the plan, asking again until it is told that they are there.
 */
import { coordinatorOf, newCoordinatorFinder, nextCoordinator } from '../../actors/coordinator-finder.ts'
import { codeOf, NONE } from '../../protocol/errors.ts'
import type { Cluster } from '../cluster.ts'
import type { Plan, PlannedTopic } from '../plan.ts'

/** The request is repeated after so long, in microseconds. */
const RETRY_MICROS = 100_000

/** The topic of that name, if it is planned. */
export function configOf(plan: Plan, name: string): PlannedTopic | undefined {
  return plan.topics.find((topic) => topic.name === name)
}

/** Creates the topics, then calls back once. */
export function createTopics(cluster: Cluster, done: () => void): void {
  const host = cluster.newClient()
  const from = { node: host.node, actor: 'admin' }
  const coordinators = newCoordinatorFinder(cluster.voters)
  let isDone = false
  let correlationId = 0
  const topics = cluster.plan.topics.map(({ name, partitions, configs }) => ({ name, numPartitions: partitions, configs }))
  const ask = (): void => {
    if (isDone) return
    host.send(from, coordinatorOf(coordinators), { kind: 'createTopics', correlationId: ++correlationId, topics, validateOnly: false })
    nextCoordinator(coordinators)
    host.after(RETRY_MICROS, ask)
  }
  host.attach('admin', {
    receive(message) {
      if (isDone || message.kind !== 'adminResponse') return
      if (!message.results.every(({ errorCode }) => errorCode === NONE || errorCode === codeOf('TOPIC_ALREADY_EXISTS'))) return
      isDone = true
      done()
    },
  })
  ask()
}
