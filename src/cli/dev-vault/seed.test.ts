import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSeed } from './seed.ts'

const problems = (text: string) => readSeed(text).problems.map(({ line, text }) => `${line}: ${text}`)

describe('readSeed', () => {
  it('gives the writes in the order in which they need each other, whatever the order in the file', () => {
    const { writes, problems } = readSeed(`
writes:
  - path: /v1/auth/userpass/users/ann
    data: {password: training}
  - path: transit/keys/jobs
roles:
  approle/app: {token_policies: [app]}
secrets:
  kv1/app: {user: ann}
  kv1b/app: {user: ann}
  secret/a/b: {user: bob}
  team/x: {user: bob}
policies:
  app: path "secret/*" { capabilities = ["read"] }
auth:
  - type: approle
  - {type: userpass, path: people/}
mounts:
  - {path: kv1, type: kv}
  - {path: kv1b, type: kv, options: {version: 1}}
  - {path: team, type: kv, options: {version: 2}, description: the team}
  - type: transit
`)
    expect(problems).toEqual([])
    expect(writes.map(({ path, data }) => [path, data])).toEqual([
      ['sys/mounts/kv1', { type: 'kv' }],
      ['sys/mounts/kv1b', { type: 'kv', options: { version: 1 } }],
      ['sys/mounts/team', { type: 'kv', options: { version: 2 }, description: 'the team' }],
      ['sys/mounts/transit', { type: 'transit' }],
      ['sys/auth/approle', { type: 'approle' }],
      ['sys/auth/people', { type: 'userpass' }],
      ['sys/policies/acl/app', { policy: 'path "secret/*" { capabilities = ["read"] }' }],
      ['kv1/app', { user: 'ann' }],
      ['kv1b/app', { user: 'ann' }],
      ['secret/data/a/b', { data: { user: 'bob' } }],
      ['team/data/x', { data: { user: 'bob' } }],
      ['auth/approle/role/app', { token_policies: ['app'] }],
      ['auth/userpass/users/ann', { password: 'training' }],
      ['transit/keys/jobs', {}],
    ])
    expect(writes.find(({ path }) => path === 'transit/keys/jobs')?.line).toBe(5)
  })

  it('tells everything that is wrong at once, each with its line', () => {
    const text = `mounts:
  - {path: a}
  - {type: kv, version: 2}
auth: approle
policy: {}
policies:
  app: {path: x}
secrets:
  nowhere/app: {a: b}
  secret/app: text
roles:
  app: {}
writes:
  - data: {a: 1}
  - path: x
    data: [1]
`
    expect(problems(text)).toEqual([
      '2: a type is missing',
      '3: version is not known here; known are path, type, description, options, config',
      '4: is not a list',
      '5: policy is not known here; known are mounts, auth, policies, secrets, roles, writes',
      '7: is not a text',
      '9: nowhere/app: no kv engine is mounted there',
      '10: is not a map with something in it',
      '12: app: is not METHOD/NAME, as in approle/app',
      '14: a path is missing',
      '16: is not a map with something in it',
    ])
  })

  it('says where YAML ends to be YAML, without the line itself', () => {
    const found = problems('secrets:\n  secret/app: {password: "hunter2}\n')
    expect(found.length).toBeGreaterThan(0)
    expect(found.join()).toMatch(/^\d: /)
    expect(found.join()).not.toContain('hunter2')
  })

  it('refuses a key that is there twice, an alias bomb, and a number that would be changed', () => {
    expect(problems('policies: {}\npolicies: {}\n')).toEqual([expect.stringMatching(/^2: .*unique/)])
    expect(problems('secrets:\n  secret/a: {pin: 12345678901234567890}\n')).toEqual([
      '2: has a number that is too long to be exact; quote it',
    ])
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (const [name, of] of ['ba', 'cb', 'dc', 'ed'].map(pair => [...pair]))
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${of}`).join()}]`)
    const text = `secrets:\n  secret/a:\n${bomb.map(line => `    ${line}\n`).join('')}`
    expect(problems(text)).toEqual([expect.stringContaining('too many aliases')])
  })

  it.each(['', '{}', '# nothing\n', 'mounts:\npolicies:\n'])('finds nothing in %j, and nothing wrong', text => {
    expect(readSeed(text)).toEqual({ writes: [], problems: [] })
  })

  it('never throws', () => {
    const parts = [
      'mounts',
      'secrets',
      'writes',
      ':',
      '- ',
      '{',
      '}',
      '[',
      '\n',
      '  ',
      '&a',
      '*a',
      '"',
      'path',
      '1e999',
      '!!x',
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts)), words => {
        for (const { line } of readSeed(words.join('')).problems) expect(line).toBeGreaterThan(0)
      }),
    )
  })
})
