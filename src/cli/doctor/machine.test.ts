import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findStaticBusybox } from '../../server/runtimes/docker/gate-binary.ts'
import { thisMachine } from './machine.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-machine-'))
  await writeFile(join(folder, 'trap'), '#!/bin/sh\necho trapped\n')
  await chmod(join(folder, 'trap'), 0o755)
})
afterAll(() => rm(folder, { recursive: true }))

test('a program is not taken from the folder that one happens to be in, or from one that is named from there', async () => {
  const here = relative(process.cwd(), folder)
  expect(await thisMachine({ PATH: `${folder}:/bin` }).run('trap')).toMatchObject({ stdout: 'trapped\n' })
  expect(await thisMachine({ PATH: `${here}:/usr/bin:/bin` }).run('trap')).toMatchObject({ code: -1 })
  // an empty part of PATH is the folder itself
  const { stdout } = await thisMachine({ PATH: `:${here}:.::/usr/bin:/bin:` }).run('env')
  expect(stdout).toMatch(/^PATH=\/usr\/bin:\/bin$/m)
  expect(findStaticBusybox({ PATH: ':.:' })).toBeUndefined()
})

test('what is run knows no token and no password of ours, and the proxy', async () => {
  const secrets = {
    VAULT_TOKEN: 'canary',
    DATABASE_URL: 'postgres://a:canary@b/c',
    WRIT_SECRET_ID: 'canary',
    npm_config__authToken: 'canary',
    AWS_SECRET_ACCESS_KEY: 'canary',
    LD_PRELOAD: 'canary.so',
    BASH_ENV: 'canary.sh',
  }
  const needed = { PATH: '/usr/bin:/bin', HOME: '/root', https_proxy: 'http://proxy:1', NO_PROXY: 'localhost' }
  const { stdout } = await thisMachine({ ...secrets, ...needed }).run('env')
  expect(stdout).not.toContain('canary')
  for (const [name, value] of Object.entries(needed)) expect(stdout).toContain(`${name}=${value}\n`)
})
