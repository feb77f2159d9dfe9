import { createHash } from 'node:crypto'
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

interface Connection {
  readonly stream: { write(data: Uint8Array): boolean }
  bind(config: Bind): void
}

/**
 * The usual client, except for two things. Statements that begin with `PLANNED_ONCE` are prepared. And large binary values go out as they are: it copies each of them two or three times into new memory: 528 MB
 * for 256 MB of output, nearly half of what the collector had to clean up behind a job that writes much.
 * Such a value must not be changed until the query has ended, and the list it came in does not name it any more.
 */
export class PgClient extends pg.Client {
  readonly #query: (query: pg.QueryConfig) => Promise<unknown>
  /** Part of the names: after a change of columns all is prepared anew. */
  #generation = 0

  constructor(config?: string | pg.ClientConfig) {
    super(config)
    const { connection } = this as unknown as { connection: Connection }
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
