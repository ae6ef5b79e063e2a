/**
 * The face of a cluster for one simulated process: the clients are the very ones of `open`; only their actors live on a simulated host.
 */
import { actor as quotas } from '../actors/quotas.ts'
import type { QuotasConfig } from '../actors/quotas.ts'
import { AdminClient } from '../edge/client/admin.ts'
import type { Admin } from '../edge/client/admin-api.ts'
import type { Cluster, Consumer, ConsumerOptions, Producer, ProducerOptions } from '../edge/client/api.ts'
import { ChunkReader } from '../edge/client/chunk-reader.ts'
import { ConsumerClient } from '../edge/client/consumer.ts'
import type { Engine } from '../edge/client/engine.ts'
import { closedError } from '../edge/client/engine.ts'
import { ProducerClient } from '../edge/client/producer.ts'
import { openRequests } from '../edge/client/requests.ts'
import type { ShareConsumer, ShareConsumerOptions } from '../edge/client/share-api.ts'
import { ShareConsumerClient } from '../edge/client/share-consumer.ts'
import type { Address } from '../protocol/address.ts'
import { KafkaError } from '../protocol/errors.ts'
import type { Message } from '../protocol/messages/message.ts'
import type { Host } from '../simulation/host.ts'

const QUOTAS = 'quotas'

/** Hears of what a process's clients do. */
export interface ClusterListener {
  /** Something has come for them: their promises may have settled. */
  heard(): void
  /** They say something, or start somebody who does. */
  said(what: string, content: unknown): void
}

/** One simulated process's cluster. */
export class SimulatedCluster implements Cluster {
  readonly directory: null = null
  readonly admin: Admin
  readonly #engine: Engine
  readonly #reader: ChunkReader = new ChunkReader(() => null)
  #counter = 0
  #isClosed = false

  constructor(host: Host, voters: readonly number[], nodes: number, listener: ClusterListener) {
    const clientHost = {
      node: host.node,
      spawn: (name: string, url: string, config: unknown) => {
        listener.said(`${name} begins`, config)
        host.spawn(name, url, config)
      },
      stop: (name: string) => host.stop(name),
      openPort(name: string, onMessage: (message: Message) => void): Address {
        const receive = (message: Message): void => {
          onMessage(message)
          listener.heard()
        }
        host.attach(name, { receive })
        return { node: host.node, actor: name }
      },
      closePort: (name: string) => host.stop(name),
      post: (to: Address, from: Address, message: Message) => {
        listener.said(`${from.actor} sends ${message.kind} to ${to.actor} on ${to.node}`, message)
        host.send(from, to, message)
      },
    }
    const loop = { kick: () => undefined }
    const payer = { keeper: { node: host.node, actor: QUOTAS }, user: null }
    const requests = openRequests({ host: clientHost, loop, quotas: payer }, voters)
    this.#engine = {
      host: clientHost,
      loop,
      requests,
      coordinatorNodes: () => voters,
      quotas: payer,
      directory: null,
      clients: new Set(),
      nextName: (kind) => `${kind}-${++this.#counter}`,
    }
    const config: QuotasConfig = { coordinatorNodes: [...voters] }
    host.spawn(QUOTAS, quotas.url, config)
    requests.join()
    const ids = Array.from({ length: nodes }, (_, node) => node)
    const refuse = (): Promise<never> => Promise.reject(unsupported('adding and removing nodes'))
    this.admin = new AdminClient(requests, {
      ids: () => ids,
      startCoordinator: refuse,
      noteVoters: () => undefined,
      stopNode: refuse,
      restartNode: refuse,
      forgetNode: () => undefined,
    })
  }

  producer<K = Uint8Array, V = Uint8Array>(options: ProducerOptions<K, V> = {}): Producer<K, V> {
    this.#assertOpen()
    return new ProducerClient(this.#engine, options)
  }

  consumer<K = Uint8Array, V = Uint8Array>(options: ConsumerOptions<K, V> = {}): Consumer<K, V> {
    this.#assertOpen()
    return new ConsumerClient(this.#engine, options, this.#reader)
  }

  shareConsumer<K = Uint8Array, V = Uint8Array>(options: ShareConsumerOptions<K, V>): ShareConsumer<K, V> {
    this.#assertOpen()
    return new ShareConsumerClient(this.#engine, options)
  }

  inspect(): Promise<never> {
    return Promise.reject(unsupported('inspect'))
  }

  on(): never {
    throw unsupported('on')
  }

  off(): never {
    throw unsupported('off')
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const closed = await Promise.allSettled([...this.#engine.clients].map((client) => client.close()))
    this.#engine.requests.close()
    for (const one of closed) if (one.status === 'rejected') throw one.reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closedError('cluster')
  }
}

function unsupported(what: string): KafkaError {
  return new KafkaError('UNSUPPORTED_VERSION', `${what} is not simulated`)
}
