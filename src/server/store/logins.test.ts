import pg from 'pg'
import { expect, test } from 'vitest'
import { Secret } from '../../vault/secret.ts'
import { withLogin } from './logins.ts'

const HARD = `%41 +&=?#/:@'"\\äß%`

test.each([
  ['postgres://db.example.com/writ', { host: 'db.example.com', port: 5432, database: 'writ' }],
  ['postgres://db.example.com:6000/writ?application_name=x', { host: 'db.example.com', port: 6000, database: 'writ' }],
  ['postgres:///writ?host=/run/postgresql', { host: '/run/postgresql', database: 'writ' }],
  ['postgres:///a b?host=/run/a%20b c', { host: '/run/a b c', database: 'a b' }],
])('%s: pg takes user and password as they are, and the rest of the address too', (url, rest) => {
  const password = new Secret(HARD)
  const client = new pg.Client({ connectionString: withLogin(url, { user: HARD, password }) })
  expect(client).toMatchObject({ ...rest, user: HARD, password: HARD })
})
