import { type Kysely, sql } from 'kysely'

/** What is kept of an output: its beginning and its end, up to a limit of each job. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table jobs
      -- bytes of output that are kept at most
      add column output_limit bigint not null default 67108864,
      -- the bytes from head_end to tail_start are left out; null while all fits into the head
      add column head_end bigint,
      add column tail_start bigint,
      -- names of secrets that were too short to be masked
      add column unmasked jsonb not null default '[]',
      -- age recipients that the output is encrypted to before it is stored; empty for none. Public.
      add column result_key text not null default ''`.execute(db)
  // compressing costs more time than a job takes to write it: pglz does 60 MB/s on log lines
  await sql`alter table output alter column data set storage external`.execute(db)
  // rows between head and tail come and go: their room is wanted again soon, not when a fifth of the table is dead
  await sql`
    alter table output set (autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_scale_factor = 0.01,
      autovacuum_vacuum_threshold = 2000, toast.autovacuum_vacuum_threshold = 20000)`.execute(db)
}
