import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDevStack } from '../src/cli/dev/dev-stack.ts'
import { createLog } from '../src/server/log.ts'
import { Terminal } from './command.ts'
import { type ServerProcess, until } from './stack.ts'
import { startWatched, WatchApi, type Watched } from './watched.ts'

let w: Watched
const liars: Server[] = []
let server: ServerProcess
let api: WatchApi
beforeAll(async () => {
  w = await startWatched()
  server = await w.startServer()
  api = new WatchApi(() => server.address, w.stack.root.reveal())
})
afterAll(async () => {
  for (const one of liars) one.close()
  await w?.close()
})

/** Somebody at their desk: a clone, a key that git is configured for, and a token. */
async function desk(name: string): Promise<{ terminal: Terminal; clone: string }> {
  const { world, stack } = w
  const terminal = await Terminal.open({
    WRIT_ADDR: server.address,
    VAULT_TOKEN: stack.root.reveal(),
    GNUPGHOME: world.gpg.path,
    GIT_CONFIG_NOSYSTEM: '1',
  })
  const clone = join(terminal.folder, 'clone')
  const git = (...args: string[]) => execFileSync('git', args, { env: { ...process.env, HOME: terminal.folder } })
  git('clone', '-q', world.repository.path, clone)
  const key = `${world.pgp(name)}@example.com`
  for (const [field, value] of Object.entries({ 'user.name': name, 'user.email': key, 'user.signingkey': key }))
    git('-C', clone, 'config', field, value)
  return { terminal, clone }
}

test.each(['commit', 'plan'])('people add a watch, see what is missing, and sign a %s', async what => {
  const { repository } = w.world
  const name = `by-${what}`
  const commit = repository.commit(repository.tree({ data: `${what}\n` }))
  repository.ref(`refs/heads/${name}`, commit)
  const ann = await desk('ann')
  const bob = await desk('bob')
  for (const { name: person, key } of w.world.trust('ann', 'bob', 'cat'))
    writeFileSync(join(ann.terminal.folder, `${person}.asc`), key)
  const added = await ann.terminal.writ(
    ...['watch', 'add', name, '--repo', repository.path, '--branch', name, '--image', w.image],
    ...['--command', 'cat data', '--signatures', '2', '--poll', '1s'],
    ...['--key', 'ann=ann.asc', '--key', 'bob=bob.asc', '--key', 'cat=cat.asc'],
    ...(what === 'plan' ? ['--signed-plan'] : []),
  )
  expect(added, added.stderr).toMatchObject({ code: 0 })
  expect(added.stdout).toContain('0 of 2, waiting for 2 of: ann, bob, cat')

  const plan = await ann.terminal.writ('watch', 'plan', name)
  for (const part of [commit, w.image, 'cat data', 'added        data', 'digest']) expect(plan.stdout).toContain(part)

  const first = await ann.terminal.writ('watch', 'sign', name, '--clone', ann.clone)
  expect(first, first.stderr).toMatchObject({ code: 0 })
  expect(first.stderr).toContain('1 of 2 by ann, waiting for 1 of: bob, cat')
  expect((await bob.terminal.writ('watch', 'status', name)).stdout).toContain('1 of 2 by ann')
  // the same person again is the same person
  expect((await ann.terminal.writ('watch', 'sign', name, '--clone', ann.clone)).stderr).toContain('1 of 2 by ann')
  expect(await api.tasks(name).then(ids => Promise.all(ids.map(id => api.read(`${name}/task/${id}`))))).toEqual(
    expect.not.arrayContaining([expect.objectContaining({ job_id: expect.stringMatching(/./) })]),
  )

  const second = await bob.terminal.writ('watch', 'sign', name, '--clone', bob.clone, '--json')
  expect(JSON.parse(second.stdout)).toMatchObject({
    subject: what === 'plan' ? expect.stringMatching(/^[0-9a-f]{64}$/) : commit,
    standing: { signers: [{ name: 'ann' }, { name: 'bob' }] },
  })
  const task = await api.ended(name, commit)
  expect(task).toMatchObject({ status: 'SUCCEEDED', signers: [{ name: 'ann' }, { name: 'bob' }] })
  await until(async () => (await api.read(`${name}/status`)).state === 'watching')
  expect((await ann.terminal.writ('watch', 'ls')).stdout).toMatch(new RegExp(`^${name}\twatching\t`, 'm'))
  if (what === 'plan') {
    // the signatures are over one plan and no other: with another command, the next commit needs them anew
    const next = repository.commit(repository.tree({ data: 'next\n' }), [commit])
    w.world.note(next, w.world.line('ann', next), w.world.line('bob', next))
    repository.ref(`refs/heads/${name}`, next)
    await until(async () => (await api.read(`${name}/status`)).reason_code === 'quorum_not_met')
  }
  const removed = await ann.terminal.writ('watch', 'rm', name)
  expect(removed).toMatchObject({ code: 0 })
})

/** Whoever answers in the place of the server, and changes what it says. */
async function liar(change: (path: string, data: Record<string, unknown>) => void): Promise<string> {
  const inBetween = createServer(async (asked, answer) => {
    const { statusCode, body } = await request(`${server.address}${asked.url}`, {
      headers: { 'x-vault-token': String(asked.headers['x-vault-token']) },
    })
    const said = (await body.json()) as { data: Record<string, unknown> }
    change(asked.url ?? '', said.data)
    answer.writeHead(statusCode, { 'content-type': 'application/json' }).end(JSON.stringify(said))
  })
  liars.push(inBetween)
  await once(inBetween.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(inBetween.address() as AddressInfo).port}`
}

test('a server that shows one plan and names the digest of another gets no signature, and neither does one that swaps commits', async () => {
  const { repository } = w.world
  const commit = repository.commit(repository.tree({ data: 'shown\n' }))
  const other = repository.commit(repository.tree({ data: 'meant\n' }), [commit])
  repository.ref('refs/heads/lied', other)
  repository.ref('refs/heads/lied', commit)
  const ann = await desk('ann')
  writeFileSync(join(ann.terminal.folder, 'ann.asc'), w.world.trust('ann')[0]?.key ?? '')
  const added = await ann.terminal.writ(
    ...['watch', 'add', 'lied', '--repo', repository.path, '--branch', 'lied', '--image', w.image, '--signed-plan'],
    ...['--command', 'true', '--signatures', '1', '--key', 'ann=ann.asc'],
  )
  expect(added, added.stderr).toMatchObject({ code: 0 })
  const lies: [string, string, (path: string, data: Record<string, unknown>) => void][] = [
    [
      'another digest',
      'digest of the plan',
      (path, data) => {
        if (path.includes('/plan')) data.digest = 'f'.repeat(64)
      },
    ],
    [
      'another command',
      'digest of the plan',
      (path, data) => {
        if (path.includes('/plan')) data.plan = { ...(data.plan as object), commands: ['cat /etc/hostname'] }
      },
    ],
    [
      'another object',
      'is not',
      (path, data) => {
        if (path.includes('/plan')) data.object = repository.git(['rev-parse', 'refs/heads/main'])
        if (path.includes('/options')) data.require_signed_plan = false
      },
    ],
    [
      'an object that nobody has',
      'is not in',
      (path, data) => {
        if (path.includes('/plan')) data.object = '0'.repeat(40)
        if (path.includes('/options')) data.require_signed_plan = false
      },
    ],
  ]
  repository.ref('refs/heads/main', repository.commit(repository.tree({ data: 'main\n' })))
  execFileSync('git', ['-C', ann.clone, 'fetch', '-q'])
  const before = repository.git(['for-each-ref'])
  for (const [what, said, lie] of lies) {
    const { code, stderr } = await ann.terminal.shell(
      `WRIT_ADDR=${await liar(lie)} writ watch sign lied --clone '${ann.clone}'`,
    )
    expect({ what, code, stderr }).toMatchObject({
      code: expect.toSatisfy(n => n !== 0),
      stderr: expect.stringContaining(said),
    })
  }
  expect(repository.git(['for-each-ref'])).toBe(before)
  // and told the truth, it signs
  const signed = await ann.terminal.writ('watch', 'sign', 'lied', '--clone', ann.clone)
  expect(signed, signed.stderr).toMatchObject({ code: 0 })
})

test('rm of several: one that fails keeps no other one back', async () => {
  const terminal = await Terminal.open({ WRIT_ADDR: server.address, VAULT_TOKEN: w.stack.root.reveal() })
  await api.write('sys/mounts/old', { type: 'flant_gitops' })
  const { code, stdout, stderr } = await terminal.writ('watch', 'rm', '--json', '../old', 'a//b', 'old')
  expect({ code, stdout }).toEqual({ code: 1, stdout: '{"name":"old"}\n' })
  expect(stderr.match(/^writ: /gm)).toHaveLength(2)
  expect((await terminal.writ('watch', 'ls')).stdout).not.toMatch(/^old\t/m)
})

const shellBlocks = (path: string) =>
  [...readFileSync(path, 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)

test('docs/watch.md: the two commands beside a writ dev, as its own requestor', async () => {
  const [script = ''] = shellBlocks('docs/watch.md')
  expect(script).toContain('IMAGE=busybox\n')
  const cache = mkdtempSync(join(tmpdir(), 'writ-dev-'))
  const settings = { WRIT_WATCH_CACHE: cache, WRIT_JOB_NETWORK: 'none' }
  const dev = await startDevStack({ port: 0, log: createLog('silent', process.stderr), settings })
  const who = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' }
  const terminal = await Terminal.open({
    WRIT_ADDR: dev.server,
    VAULT_ADDR: dev.vault,
    VAULT_TOKEN: dev.requestorToken.reveal(),
    ...who,
  })
  try {
    const walk = await terminal.shell(script.replace('IMAGE=busybox\n', `IMAGE='${w.image}'\n`))
    expect(walk.code, walk.stderr).toBe(0)
    expect(walk.stdout).toContain('watch\tdemo')
    const runs = async (which: string) => {
      await until(async () => {
        const { stdout } = await terminal.writ('watch', 'status', 'demo')
        return stdout.includes('SUCCEEDED') && stdout.includes(`done\t${which}`)
      }, 40_000)
      const { stdout, stderr } = await terminal.writ('watch', 'log', 'demo')
      expect(stderr).toBe('')
      return stdout
    }
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', join(terminal.folder, 'demo'), ...args], { env: { ...process.env, ...who } })
        .toString()
        .trim()
    expect(await runs(git('rev-parse', 'HEAD'))).toContain('hello from /git')
    git('commit', '-q', '--allow-empty', '-m', 'second')
    expect(await runs(git('rev-parse', 'HEAD'))).toContain('hello from /git')
  } finally {
    await dev.close()
    rmSync(cache, { recursive: true, force: true })
  }
})

test('docs/watch.md: the commands of the five minutes work', async () => {
  const [, script = ''] = shellBlocks('docs/watch.md')
  expect(script).toContain('writ watch add')
  const { repository } = w.world
  const commit = repository.commit(repository.tree({ 'run.sh': 'echo hi\n' }))
  repository.ref('refs/heads/main', commit)
  const { terminal } = await desk('ann')
  for (const { name, key } of w.world.trust('ann')) writeFileSync(join(terminal.folder, `${name}.asc`), key)
  const { code, stdout, stderr } = await terminal.shell(
    `export REPOSITORY='${repository.path}' IMAGE='${w.image}'\n${script}`,
  )
  expect(code, stderr).toBe(0)
  expect(stdout).toContain('1 of 1 by ann')
  await api.write('deploy/retry')
  expect(await api.ended('deploy', commit)).toMatchObject({
    status: 'SUCCEEDED',
    log: expect.stringContaining('echo hi'),
  })
})

test('what is missing or wrong is said, with what to do next', async () => {
  const terminal = await Terminal.open({ VAULT_TOKEN: 'x' })
  expect(await terminal.writ('watch', 'ls')).toMatchObject({ code: 2, stderr: expect.stringContaining('WRIT_ADDR') })
  const known = await Terminal.open({ WRIT_ADDR: server.address, VAULT_TOKEN: w.stack.root.reveal() })
  expect(await known.writ('watch', 'status', 'nobody')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no handler'),
  })
  expect((await known.writ('watch', 'status', 'flant_gitops')).stdout).toContain('unconfigured')
})
