/**
 * Who wants to hear of what: the listeners of a cluster, by event. One that is added twice hears twice, as with Node's EventEmitter.
 */
import type { ClusterEvent as MetadataEvent } from '../../protocol/messages/metadata.ts'
import type { ClusterEvent, ClusterEventDetails, ClusterListener } from './api.ts'
import { tellListener } from './listener-call.ts'

type Listeners = { readonly [Event in ClusterEvent]: ClusterListener<Event>[] }

/** The listeners of one cluster. */
export class EventListeners {
  readonly #listeners: Listeners = {
    nodeDown: [],
    nodeUp: [],
    nodeFenced: [],
    nodeUnfenced: [],
    leaderChanged: [],
    isrChanged: [],
    error: [],
  }

  add<Event extends ClusterEvent>(event: Event, listener: ClusterListener<Event>): void {
    this.#listeners[event].push(listener)
  }

  /** Takes back the last `add` of that listener. */
  remove<Event extends ClusterEvent>(event: Event, listener: ClusterListener<Event>): void {
    const index = this.#listeners[event].lastIndexOf(listener)
    if (index >= 0) this.#listeners[event].splice(index, 1)
  }

  /** Tells those who listen when it begins, all of them, whatever they throw; whether there is anybody. */
  tell<Event extends ClusterEvent>(event: Event, detail: ClusterEventDetails[Event]): boolean {
    const listeners = this.#listeners[event].slice()
    for (const listener of listeners) tellListener(listener, detail)
    return listeners.length > 0
  }

  /** The same for what the metadata says. */
  tellOf(event: MetadataEvent): void {
    switch (event.type) {
      case 'leaderChanged': {
        const { type, ...detail } = event
        return void this.tell(type, detail)
      }
      case 'isrChanged': {
        const { type, ...detail } = event
        return void this.tell(type, detail)
      }
      default:
        return void this.tell(event.type, { node: event.node })
    }
  }
}
