/**
 * What a host tells an actor, and what broker and coordinator tell each other about replicas and groups.
 */
import type { TopicConfig } from '../topic-config.ts'

/** The first message of every actor, after each start. */
export interface Started {
  readonly kind: 'started'
}

/** A timer that the actor started has fired. */
export interface TimerFired {
  readonly kind: 'timerFired'
  readonly timer: string
}

/** Broker to replica: a changed topic configuration. */
export interface ConfigureReplica {
  readonly kind: 'configureReplica'
  readonly topicId: number
  readonly config: TopicConfig
}

/** On a clean stop, broker to replicas: sync, write the checkpoint, answer `drained`. */
export interface Drain {
  readonly kind: 'drain'
}

/** Where all nodes stop together, broker to replicas, before that: let the followers in sync have everything that is led here by now, then answer `settled`. */
export interface Settle {
  readonly kind: 'settle'
}

/** What was there when it was asked for, the replicas in sync have; or this one does not lead. */
export interface Settled {
  readonly kind: 'settled'
}

/** Host to broker: the node is to stop cleanly. Has all its replicas drained; the answer is `drained`. */
export interface StopNode {
  readonly kind: 'stopNode'
  /** Others go on: they lead first what this node leads. False where all nodes stop together: nobody leads then, and whoever is in sync stays that. */
  readonly handOver: boolean
}

/** A replica has come to rest, or a node. */
export interface Drained {
  readonly kind: 'drained'
  /** Everything that is in it is on the disk: no power loss takes any of it. False: nobody knows that, for its log was not open, or a sync has failed. */
  readonly isSynced: boolean
}

/** The host of a request's addressee has no such actor (yet, or any more): retriable elsewhere or later. */
export interface Undeliverable {
  readonly kind: 'undeliverable'
  readonly correlationId: number
}

/**
 * NOT_CONTROLLER to any request: this coordinator does not lead the metadata quorum (any more). `controller` is the node that does, -1 if it is not
 * known. `isUncertain`: the request was being written when leadership was lost, and may yet be carried out.
 */
export interface NotController {
  readonly kind: 'notController'
  readonly correlationId: number
  readonly controller: number
  readonly isUncertain: boolean
}

/** Host to the actors of clients and to coordinators: a node is dead. What was asked of it will not be answered; groups that lived there are gone. */
export interface NodeDown {
  readonly kind: 'nodeDown'
  readonly node: number
}

/** Host to the actors of clients, and broker to the coordinators on its node: these vote by now, and those that did may all be gone. */
export interface VotersChanged {
  readonly kind: 'votersChanged'
  readonly voters: readonly number[]
}

/** Broker to the coordinators of groups on its node: until that uptime nobody else can be in charge. */
export interface LeaseExtended {
  readonly kind: 'leaseExtended'
  readonly until: number
}

/**
 * Broker to a coordinator of groups on its node: its reign, in that leader epoch, is over. Whoever waits for an answer of it is told that it is not there any more; the answer is
 * `resigned`. One of another epoch is not meant.
 */
export interface Resign {
  readonly kind: 'resign'
  readonly correlationId: number
  readonly leaderEpoch: number
}

/** It does nothing any more, and may be stopped. */
export interface Resigned {
  readonly kind: 'resigned'
  readonly correlationId: number
}

/** Asks a broker whether its node takes part. */
export interface DescribeBroker {
  readonly kind: 'describeBroker'
  readonly correlationId: number
}

/** `isActive`: this life of the node is registered, and not fenced. */
export interface BrokerDescribed {
  readonly kind: 'brokerDescribed'
  readonly correlationId: number
  readonly isActive: boolean
}
