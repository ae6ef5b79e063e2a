/**
 * Exactly once into a database of your own: the result and the offset are stored in one transaction of the database, and reading goes on from the offset that the
 * database has, whatever the group has committed. Run it, kill it at any moment, run it again: each payment is counted once.
 *
 *   node examples/sqlite.ts [directory]
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { json, open, string } from '../edge/client/index.ts'
import type { ConsumerRecord, TopicPartition } from '../edge/client/index.ts'

/** Payments sent by each run. */
const PAYMENTS = 1000

const ACCOUNTS = ['alice', 'bob', 'carol'] as const

interface Payment {
  readonly cents: number
}

/** Balances, and how far they go. */
class Ledger {
  readonly #database: DatabaseSync

  constructor(path: string) {
    this.#database = new DatabaseSync(path)
    this.#database.exec(`
      create table if not exists balances (account text primary key, cents integer not null);
      create table if not exists offsets (topic text, partition integer, next integer not null, primary key (topic, partition))`)
  }

  /** The next record to count; 0 in the beginning. */
  next({ topic, partition }: TopicPartition): number {
    const row = this.#database.prepare('select next from offsets where topic = ? and partition = ?').get(topic, partition)
    return Number(row?.['next'] ?? 0)
  }

  /** Counts payments, and notes that they are counted: both, or neither. */
  count(records: readonly ConsumerRecord<string, Payment>[]): void {
    const add = this.#database.prepare(
      'insert into balances values (?, ?) on conflict (account) do update set cents = cents + excluded.cents',
    )
    const note = this.#database.prepare(
      'insert into offsets values (?, ?, ?) on conflict (topic, partition) do update set next = excluded.next',
    )
    this.#database.exec('begin immediate')
    try {
      for (const { key, value, topic, partition, offset } of records) {
        add.run(key ?? '', value?.cents ?? 0)
        note.run(topic, partition, offset + 1)
      }
      this.#database.exec('commit')
    } catch (error) {
      this.#database.exec('rollback')
      throw error
    }
  }

  balances(): Map<string, number> {
    const rows = this.#database.prepare('select account, cents from balances order by account').all()
    return new Map(rows.map((row) => [String(row['account']), Number(row['cents'])]))
  }

  close(): void {
    this.#database.close()
  }
}

const directory = process.argv[2] ?? './data/sqlite-example'
mkdirSync(directory, { recursive: true })
const ledger = new Ledger(join(directory, 'ledger.sqlite'))
await using cluster = await open(join(directory, 'log'))
await cluster.admin.createTopic('payments', { partitions: 3, ifNotExists: true })

await using producer = cluster.producer({ key: string, value: json<Payment>() })
for (let n = 0; n < PAYMENTS; n++) producer.write({ topic: 'payments', key: ACCOUNTS[n % ACCOUNTS.length] ?? 'alice', value: { cents: n } })
await producer.flush()

const ends = await cluster.admin.listOffsets('payments', 'latest')
const partitions = Array.from(ends.keys(), (partition) => ({ topic: 'payments', partition }))
await using consumer = cluster.consumer({ key: string, value: json<Payment>() })
consumer.assign(partitions)
for (const one of partitions) consumer.seek(one, ledger.next(one))

const isDone = (): boolean => partitions.every((one) => ledger.next(one) >= (ends.get(one.partition) ?? 0))
while (!isDone()) ledger.count(await consumer.poll({ timeoutMillis: 100 }))

const sent = [...ends.values()].reduce((sum, end) => sum + end, 0)
console.log(`${sent} payments in the log, each counted once:`)
for (const [account, cents] of ledger.balances()) console.log(`  ${account.padEnd(8)}${(cents / 100).toFixed(2).padStart(12)}`)
ledger.close()
