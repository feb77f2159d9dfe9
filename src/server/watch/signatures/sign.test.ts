import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { World } from '../../../../test/repositories/world.ts'
import { openRepository } from '../repository/repository.ts'
import { checkQuorum } from './quorum.ts'
import { commitOfObject, lineCommand, sign } from './sign.ts'

const world = new World()
const environment = {
  ...process.env,
  GNUPGHOME: world.gpg.path,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
}
let commit: string
let count = 0

/** A clone of somebody who signs with gpg or ssh. */
function clone(name: string, ssh = false): string {
  const path = join(world.folder, `clone-${count++}`)
  const git = (...args: string[]) => execFileSync('git', args, { env: environment })
  git('clone', '-q', world.repository.path, path)
  const key = ssh ? world.ssh.privateKeyFile(world.sshKey(name)) : `${world.pgp(name)}@example.com`
  const settings = { 'user.name': name, 'user.email': `${name}@example.com`, 'user.signingkey': key }
  for (const [setting, value] of Object.entries(settings)) git('-C', path, 'config', setting, value)
  if (ssh) git('-C', path, 'config', 'gpg.format', 'ssh')
  return path
}

async function signers(subject = commit) {
  const repository = openRepository({
    address: world.repository.path,
    branch: 'main',
    protocols: ['file'],
    cacheDirectory: join(world.folder, 'cache'),
  })
  try {
    await repository.fetch(await repository.tip())
    const keys = world.trust('ann', 'bob', 'cat', 'sam')
    const accepted = await checkQuorum(await repository.evidence(subject), keys, 1, new Date())
    return accepted.signers.map(({ name }) => name).sort()
  } finally {
    repository.close()
  }
}

beforeAll(() => {
  commit = world.repository.commit(world.tree)
  world.repository.ref('refs/heads/main', commit)
})
afterAll(() => world.close())

test('the first signature, and one by ssh after it', async () => {
  const first = await sign({ directory: clone('ann'), subject: commit, environment })
  expect(first).toMatchObject({ path: commit, retries: 0 })
  expect(await signers()).toEqual(['ann'])
  await sign({ directory: clone('sam', true), subject: commit, environment })
  expect(await signers()).toEqual(['ann', 'sam'])
})

test('several at once: no line is lost', async () => {
  const other = world.repository.commit(world.tree, [commit])
  world.repository.ref('refs/heads/main', other)
  const clones = [clone('ann'), clone('bob'), clone('cat'), clone('sam', true)]
  await Promise.all(clones.map(directory => sign({ directory, subject: other, environment })))
  expect(await signers(other)).toEqual(['ann', 'bob', 'cat', 'sam'])
  expect(await signers()).toEqual(['ann', 'sam'])
})

test('a note that lies below folders is continued where it is', async () => {
  const other = world.repository.commit(world.tree, [commit])
  const path = `${other.slice(0, 2)}/${other.slice(2, 4)}/${other.slice(4)}`
  world.note(path, world.line('ann', other))
  world.publish([other])
  expect(await sign({ directory: clone('bob'), subject: other, environment })).toMatchObject({ path })
  expect(await signers(other)).toEqual(['ann', 'bob'])
})

test('without a key, without a server, without an id: nothing is pushed', async () => {
  const before = world.repository.git(['rev-parse', 'refs/tags/latest-signature'])
  const directory = clone('ann')
  const refused = { code: 'signature_not_pushed' }
  await expect(sign({ directory, subject: commit, key: 'nobody', environment })).rejects.toMatchObject(refused)
  await expect(sign({ directory, subject: commit, remote: '/nonexistent', environment })).rejects.toMatchObject(refused)
  await expect(sign({ directory, subject: 'main', environment })).rejects.toMatchObject(refused)
  expect(world.repository.git(['rev-parse', 'refs/tags/latest-signature'])).toBe(before)
})

test('what a clone has is known there: a commit, a tag of it, and nothing else', async () => {
  const here = clone('ann')
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', here, ...args], { env: environment, encoding: 'utf8' }).trim()
  git('tag', '-a', '-m', 'x', 'v1', commit)
  const tag = git('rev-parse', 'refs/tags/v1')
  expect(tag).not.toBe(commit)
  expect(await commitOfObject(here, commit)).toBe(commit)
  expect(await commitOfObject(here, tag)).toBe(commit)
  const tree = git('rev-parse', `${commit}^{tree}`)
  for (const other of [tree, '0'.repeat(40), 'v1', 'HEAD', '--all', ''])
    expect(await commitOfObject(here, other)).toBeUndefined()
})

test('a line that was made elsewhere', async () => {
  const other = world.repository.commit(world.tree, [commit])
  world.repository.ref('refs/heads/main', other)
  const command = lineCommand(other).replace('gpg ', 'gpg --batch --local-user ann@example.com ')
  const line = execFileSync('bash', ['-ec', command], { env: environment }).toString()
  await sign({ directory: clone('bob'), subject: other, line, environment })
  expect(await signers(other)).toEqual(['ann'])
  const broken = sign({ directory: clone('bob'), subject: other, line: 'two\nlines', environment })
  await expect(broken).rejects.toMatchObject({ code: 'signature_not_pushed' })
})
