import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Gostint } from './gostint.ts'

/** GoStint's own client, compiled from its sources; there is no package of it. */
const ORIGINAL = process.env.WRIT_TEST_GOSTINT_CLIENT

/** What users of both clients do, and what both must print and exit with. */
describe.skipIf(!ORIGINAL)('the Go gostint-client (WRIT_TEST_GOSTINT_CLIENT), beside ours', () => {
  let user: Gostint
  beforeAll(async () => {
    user = await Gostint.open()
    await mkdir(join(user.folder, 'work/play'), { recursive: true })
    await writeFile(join(user.folder, 'work/play/run.sh'), 'echo "ran $0 as $(id -u)"\n', { mode: 0o755 })
    await writeFile(join(user.folder, 'token'), `${user.token}\n`)
  })
  afterAll(() => user.close())

  const jobs: [string, (user: Gostint) => string[], { code: number; stdout: string }][] = [
    ['success', user => user.shell('echo hello'), { code: 0, stdout: 'hello\n' }],
    ['failure', user => user.shell('echo half; exit 42'), { code: 42, stdout: '[failed] half\n' }],
    [
      'a folder of content',
      user => [
        `-image=${user.stack.image}`,
        `-content=${join(user.folder, 'work')}`,
        `-run=${JSON.stringify(['sh', '/play/run.sh'])}`,
      ],
      { code: 0, stdout: 'ran /play/run.sh as 2001\n' },
    ],
    [
      'a secret, told by its length',
      user => [
        ...user.shell("sed -n 's/^app: //p' /secrets.yml | tr -d '\\n' | wc -c"),
        '-secret-refs=["app@secret/data/app.password"]',
      ],
      { code: 0, stdout: '15\n' },
    ],
    [
      'a secret that is printed',
      user => [...user.shell('grep app: /secrets.yml'), '-secret-refs=["app@secret/data/app.password"]'],
      { code: 0, stdout: 'app: ***\n' },
    ],
    [
      'a queue and an environment',
      user => [...user.shell('echo $COLOUR'), '-qname=Mixed Case', '-env-vars=["COLOUR=red"]'],
      { code: 0, stdout: 'red\n' },
    ],
    [
      'a whole job as JSON',
      user => [`-job-json={"qname":"j","container_image":"${user.stack.image}","run":["echo","json"]}`],
      { code: 0, stdout: 'json\n' },
    ],
  ]
  test.each(jobs)('%s', async (_, args, expected) => {
    const [theirs, ours] = await Promise.all([
      user.run(args(user), { program: [ORIGINAL ?? ''] }),
      user.run(args(user)),
    ])
    expect(theirs).toMatchObject(expected)
    expect(ours).toEqual({ ...expected, stderr: '' })
  })

  test('a token from a file', async () => {
    const call = { program: [ORIGINAL ?? ''], login: [`-vault-token=@${join(user.folder, 'token')}`] }
    expect(await user.run(user.shell('echo in'), call)).toMatchObject({ code: 0, stdout: 'in\n' })
  })

  test('an AppRole', async () => {
    const login = [`-vault-roleid=${user.roleId}`, `-vault-secretid=${user.secretId}`]
    const result = await user.run(user.shell('echo in'), { program: [ORIGINAL ?? ''], login })
    expect(result).toMatchObject({ code: 0, stdout: 'in\n' })
  })

  test('a refused token', async () => {
    const result = await user.run(user.shell('echo in'), { program: [ORIGINAL ?? ''], login: ['-vault-token=s.none'] })
    expect(result).toMatchObject({ code: 1, stdout: '' })
    expect(result.stderr).toContain('permission denied')
  })
})
