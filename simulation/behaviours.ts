/**
 * The behaviours that a simulated host can start, by the address of their module: the same files that worker threads load.
 */
import type { Actor } from '../actors/actor.ts'
import { actor as broker } from '../actors/broker.ts'
import { actor as consumer } from '../actors/consumer.ts'
import { actor as coordinator } from '../actors/coordinator.ts'
import { actor as groups } from '../actors/groups.ts'
import { actor as watcher } from '../actors/metadata-watcher.ts'
import { actor as producer } from '../actors/producer.ts'
import { actor as quotas } from '../actors/quotas.ts'
import { actor as replica } from '../actors/replica.ts'
import { actor as shares } from '../actors/shares.ts'
import { actor as transactor } from '../actors/transactor.ts'
import { behaviourName } from '../protocol/recording/entries.ts'

/** A behaviour whose state and configuration only itself understands. */
export type Behaviour = Actor<unknown, unknown>

const all = [broker, consumer, coordinator, groups, producer, quotas, replica, shares, transactor, watcher] as readonly unknown[]

const byUrl: ReadonlyMap<string, Behaviour> = new Map((all as readonly Behaviour[]).map((behaviour) => [behaviour.url, behaviour]))

const byName: ReadonlyMap<string, Behaviour> = new Map([...byUrl].map(([url, behaviour]) => [behaviourName(url), behaviour]))

/** The behaviour of a module; undefined if it is none of ours. */
export function behaviourOf(url: string): Behaviour | undefined {
  return byUrl.get(url)
}

/** The behaviour that recordings call so (`actors/replica`); undefined if it is none of ours. */
export function behaviourNamed(name: string): Behaviour | undefined {
  return byName.get(name)
}
