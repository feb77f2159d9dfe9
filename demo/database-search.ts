import pg from 'pg'

export interface Search {
  readonly tables: number
  readonly rows: number
  /** Tables in which one of the texts was found. */
  readonly hits: readonly string[]
}

/** Reads every row of every table as text and looks for any of the texts in it. */
export async function searchDatabase(url: string, texts: readonly string[]): Promise<Search> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const tables = await client.query<{ name: string }>(
      "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
    )
    let rows = 0
    const hits: string[] = []
    for (const { name } of tables.rows) {
      // bytea prints as hex: look at it as text as well
      const table = await client.query<{ row: string }>(`select row_to_json(t)::text as row from ${name} t`)
      rows += table.rows.length
      const content = table.rows.map(({ row }) => row + fromHex(row)).join('\n')
      if (texts.some(text => content.includes(text))) hits.push(name)
    }
    return { tables: tables.rows.length, rows, hits }
  } finally {
    await client.end()
  }
}

function fromHex(row: string): string {
  return [...row.matchAll(/\\\\x([0-9a-f]+)/g)]
    .map(([, hex = '']) => Buffer.from(hex, 'hex').toString('latin1'))
    .join('\n')
}
