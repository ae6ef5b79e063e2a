/**
 * TOLD, of what an application hears that happens in the cluster: each event goes on where the one before has ended. Who is said to lead no more was said to lead; who is fenced was not, and who is
 * back was. Of a topic that is another one nothing was heard before.
 */
import { topicPartitionName } from '../../protocol/ids.ts'
import type { ClusterEvent } from '../../protocol/messages/metadata.ts'
import type { MetadataImage } from '../../coordinator/metadata.ts'
import type { World } from '../world.ts'

/** What an application was told last. */
export interface News {
  readonly world: World
  readonly topicIds: Map<string, number>
  readonly leaders: Map<string, number>
  /** Joined. */
  readonly isrs: Map<string, string>
  readonly fenced: Map<number, boolean>
}

/** It was told nothing yet. */
export function newNews(world: World): News {
  return { world, topicIds: new Map(), leaders: new Map(), isrs: new Map(), fenced: new Map() }
}

/** An application is told of events, and whoever tells it has this image then. */
export function checkNews(news: News, image: Pick<MetadataImage, 'topics'>, events: readonly ClusterEvent[]): void {
  const isNew = new Set<string>()
  const isAgain = new Set<string>()
  for (const event of events) {
    if ('node' in event) {
      go(news, news.fenced, `node ${event.node}`, event.node, event.type === 'nodeUnfenced', event.type === 'nodeFenced')
      continue
    }
    const topicId = image.topics.get(event.topic)?.topicId ?? -1
    const known = news.topicIds.get(event.topic)
    if (known !== topicId) isNew.add(event.topic)
    if (known !== undefined && known !== topicId) isAgain.add(event.topic)
    news.topicIds.set(event.topic, topicId)
    const name = topicPartitionName(event.topic, event.partition)
    if (isNew.has(event.topic)) forget(news, event.topic)
    if (event.type === 'leaderChanged') go(news, news.leaders, `the leader of ${name}`, name, event.formerLeader, event.leader)
    else go(news, news.isrs, `the ISR of ${name}`, name, event.formerIsr.join(), event.isr.join())
  }
  // What was told together with a new topic may have been of the one before it under its name.
  for (const topic of isAgain) forget(news, topic)
}

function go<Key, Value>({ world }: News, told: Map<Key, Value>, what: string, key: Key, from: Value, to: Value): void {
  const before = told.get(key)
  if (before !== undefined && before !== from)
    world.fail('TOLD', `${what} goes from ${String(from)} to ${String(to)}, and was ${String(before)}`)
  told.set(key, to)
}

function forget({ leaders, isrs }: News, topic: string): void {
  for (const told of [leaders, isrs]) for (const name of told.keys()) if (name.slice(0, name.lastIndexOf('-')) === topic) told.delete(name)
}
