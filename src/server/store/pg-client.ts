import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { sql } from 'kysely'
import pg from 'pg'

const MARK = '/* planned once */'
/**
 * Begins a statement that is parsed and planned once for each connection: of a large one that is half of its time. Its text must always
 * be the same. Where it answers all columns of a table, that may be changed by a newer node meanwhile.
 */
export const PLANNED_ONCE = sql.raw(MARK)
/** What PostgreSQL says when the table of a planned statement has other columns now. */
const OTHER_COLUMNS = '0A000'

/** What a server says that another has taken the place of. Behind the same name or balancer there may be the other one already. */
const TAKES_NO_WRITES = '25006'

/** Below it a copy is cheaper than a write of its own. */
const LARGE_BYTES = 32 * 1024

/** What pg hands over; its declared type is another one. */
interface Bind {
  readonly portal?: string
  readonly statement?: string
  readonly values?: unknown[]
  readonly binary?: unknown
  readonly valueMapper?: (value: unknown, index: number) => Buffer | string | null | undefined
}

interface Connection extends EventEmitter {
  /** Another one when TLS has begun. */
  readonly stream: Socket
  bind(config: Bind): void
}

/** PostgreSQL says something before, were it that a statement takes too long (`statement_timeout`): who is silent for so long is not there. */
const SILENCE_MS = 35_000
/** At the end of the process, which others wait for: also where one statement may take longer. */
const HURRIED_MS = 5_000
/** To who stood still himself, what came meanwhile looks late: it is read first. */
const READ_FIRST_MS = 1_000
/** For leave to be taken in all form. */
const FAREWELL_MS = 2_000

export interface PgClientConfig extends pg.ClientConfig {
  /** A connection on which nothing comes and nothing goes for so long is given up; `SILENCE_MS` unless told. */
  readonly silenceMs?: number | undefined
  /** When the process is to end, it is not waited for as long. */
  readonly hurry?: AbortSignal | undefined
}

/**
 * The usual client, except for four things. A connection to a database that takes no writes is ended. One that has fallen silent is given up, and not returned to its pool: when the host of
 * the database vanishes without a word, the kernel waits for a quarter of an hour. (`query_timeout` of pg leaves the statement on the
 * connection, and whoever gets that next waits behind it.) Statements that begin with `PLANNED_ONCE` are prepared. And large binary values go out as they are: it copies each of them two or three times into new memory: 528 MB
 * for 256 MB of output, nearly half of what the collector had to clean up behind a job that writes much.
 * Such a value must not be changed until the query has ended, and the list it came in does not name it any more.
 */
export class PgClient extends pg.Client {
  readonly #query: (query: pg.QueryConfig) => Promise<unknown>
  /** Part of the names: after a change of columns all is prepared anew. */
  #generation = 0

  constructor(config?: string | PgClientConfig) {
    super(config)
    const { connection } = this as unknown as { connection: Connection }
    endSilence(this, connection, typeof config === 'object' ? config : {})
    const end = this.end.bind(this) as (done?: () => void) => Promise<void>
    this.end = ((done?: () => void) => {
      const late = setTimeout(() => connection.stream.destroy(), FAREWELL_MS).unref()
      this.once('end', () => clearTimeout(late))
      return end(done)
    }) as typeof this.end
    // before the query hears of it, and its connection is returned to the pool: there it would stay for as long as it is used
    connection.on('errorMessage', ({ code }: { code?: string }) => {
      if (code === TAKES_NO_WRITES) void this.end()
    })
    const bind = connection.bind.bind(connection)
    connection.bind = config => {
      if (!config.values?.some(isLarge)) return bind(config)
      // the caller has corked the stream: it goes out in one piece, with what follows
      for (const part of bindMessage(config)) connection.stream.write(part)
      forgetLarge(config.values)
    }
    const query = this.query.bind(this) as (...args: unknown[]) => Promise<unknown>
    this.#query = query
    this.query = ((text: unknown, values: unknown, ...rest: unknown[]) =>
      typeof text === 'string' && text.startsWith(MARK)
        ? this.#prepared(text, values as unknown[])
        : query(text, values, ...rest)) as typeof this.query
  }

  async #prepared(text: string, values: unknown[]): Promise<unknown> {
    const named = () => this.#query({ name: `${this.#generation} ${nameOf(text)}`, text, values: [...values] })
    try {
      return await named()
    } catch (error) {
      if ((error as pg.DatabaseError).code !== OTHER_COLUMNS) throw error
      // nothing was done; within a transaction, this fails as well, and whoever repeats that gets through
      this.#generation += 1
      return await named()
    }
  }
}

function endSilence(
  client: pg.Client,
  connection: Connection,
  { silenceMs = SILENCE_MS, hurry }: PgClientConfig,
): void {
  const socket = connection.stream
  // until then, the limit of a connection that is made counts
  client.once('connect', () => {
    const { stream } = connection
    const hurried = () => stream.setTimeout(Math.min(HURRIED_MS, silenceMs))
    const giveUp = () => {
      const text = `it has said nothing for ${stream.timeout} ms`
      connection.emit('error', Object.assign(new Error(text), { code: 'ETIMEDOUT' }))
      reset(socket)
      stream.destroy()
    }
    stream.setTimeout(silenceMs, () => {
      const read = stream.bytesRead
      const look = () => !stream.destroyed && stream.bytesRead === read && giveUp()
      setTimeout(look, Math.min(READ_FIRST_MS, silenceMs)).unref()
    })
    hurry?.addEventListener('abort', hurried)
    client.once('end', () => hurry?.removeEventListener('abort', hurried))
    if (hurry?.aborted) hurried()
  })
}

/** What is still on its way counts as failed, and must not be delivered as soon as the network lets it through, which `close` alone would leave to the kernel. */
function reset(socket: Socket): void {
  try {
    socket.resetAndDestroy()
  } catch {
    // a Unix socket
    socket.destroy()
  }
}

const names = new Map<string, string>()

function nameOf(text: string): string {
  const known = names.get(text)
  if (known) return known
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32)
  names.set(text, name)
  return name
}

/**
 * The values of a query outlive it: from the first one that has grown old on, ended queries hold each other, and no collection of what is
 * young frees them. 64 MB of output piled up so.
 */
function forgetLarge(values: unknown[]): void {
  for (const [index, value] of values.entries()) if (isLarge(value)) values[index] = null
}

function isLarge(value: unknown): value is Buffer {
  return Buffer.isBuffer(value) && value.length >= LARGE_BYTES
}

/** The message Bind of PostgreSQL's protocol (55.7), in parts. */
function bindMessage({ portal = '', statement = '', values = [], valueMapper, binary }: Bind): Uint8Array[] {
  const mapped = values.map((value, index) => (valueMapper ? valueMapper(value, index) : (value as string | null)))
  const formats = mapped.map(value => int16(Buffer.isBuffer(value) ? 1 : 0))
  const parts: Uint8Array[] = []
  let small: Uint8Array[] = [Buffer.from(`${portal}\0${statement}\0`), int16(values.length), ...formats]
  small.push(int16(values.length))
  for (const value of mapped) {
    if (value === null || value === undefined) {
      small.push(int32(-1))
      continue
    }
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value)
    small.push(int32(bytes.length))
    if (!isLarge(bytes)) small.push(bytes)
    else {
      parts.push(Buffer.concat(small), bytes)
      small = []
    }
  }
  small.push(int16(1), int16(binary ? 1 : 0))
  parts.push(Buffer.concat(small))
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  return [Buffer.from('B'), int32(length), ...parts]
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
