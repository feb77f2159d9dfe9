import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { connect as connectTcp, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { startHttpsServer } from '../../../../test/git-servers/https-server.ts'
import { startSshServer } from '../../../../test/git-servers/ssh-server.ts'
import { everyProcess } from '../../../../test/processes.ts'
import { GitRepository } from '../../../../test/repositories/git-repository.ts'
import { Secret } from '../../../vault/secret.ts'
import type { RepositoryOptions } from './options.ts'
import { openRepository, type Repository } from './repository.ts'

const PASSWORD = 'canary "of\\ the: password'
const folder = mkdtempSync(join(tmpdir(), 'writ-transport-'))
const remote = new GitRepository(folder)
const opened: Repository[] = []
const closing: (() => Promise<unknown>)[] = []
let tip: string

beforeAll(() => {
  tip = remote.commit(remote.tree({ 'a.txt': '1' }))
  remote.ref('refs/heads/main', tip)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closing.splice(0)) await close()
})
afterAll(async () => {
  for (const repository of opened) repository.close()
  await rm(folder, { recursive: true })
})

function open(options: Partial<RepositoryOptions> & { address: string }): Repository {
  const repository = openRepository({ branch: 'main', cacheDirectory: join(folder, 'cache'), ...options })
  opened.push(repository)
  return repository
}

async function server(...args: Parameters<typeof startHttpsServer> extends [string, ...infer Rest] ? Rest : never) {
  const started = await startHttpsServer(folder, ...args)
  closing.push(() => started.close())
  return started
}

const credential = (password = PASSWORD) =>
  ({ kind: 'password', username: 'bot', password: new Secret(password) }) as const

describe('https', () => {
  test('with a password and an authority of its own', async () => {
    const { url, ca } = await server({ account: `bot:${PASSWORD}` })
    const repository = open({ address: `${url}/remote.git`, ca, credential: credential() })
    expect(await repository.fetch(await repository.tip())).toEqual({ object: tip, signatures: undefined })
  })

  test('a wrong password, or none: refused, and it is in no message', async () => {
    const { url, ca } = await server({ account: `bot:${PASSWORD}` })
    for (const wrong of [credential('canary of a wrong one'), undefined]) {
      const error = await open({ address: `${url}/remote.git`, ca, credential: wrong })
        .tip()
        .catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'repository_refused' })
      expect(String(error)).not.toMatch(/canary|Y2FuYXJ5/)
    }
  })

  test('a server that quotes the header back does not put the password before whoever reads the reason', async () => {
    const { url, ca } = await server({
      before: ({ headers }, response) => {
        const line = `ERR you sent ${headers.authorization} and ${PASSWORD}\n`
        const listing = `${(line.length + 4).toString(16).padStart(4, '0')}${line}`
        response.setHeader('content-type', 'application/x-git-upload-pack-advertisement')
        response.end(`001e# service=git-upload-pack\n0000${listing}`)
        return true
      },
    })
    const error = await open({ address: `${url}/remote.git`, ca, credential: credential() })
      .tip()
      .catch((e: unknown) => e)
    expect(String(error)).toContain('you sent Basic [secret]')
    expect(String(error)).not.toContain('canary')
    expect(String(error)).not.toContain(Buffer.from(`bot:${PASSWORD}`).toString('base64'))
  })

  test('a server with another certificate gets nothing', async () => {
    const { url, requests } = await server()
    const other = await server()
    for (const ca of [other.ca, undefined]) {
      const repository = open({ address: `${url}/remote.git`, ca, credential: credential() })
      await expect(repository.tip()).rejects.toMatchObject({ code: 'repository_host_unknown' })
    }
    expect(requests).toEqual([])
  })

  test('a server that only names a commit does not get it out of what was fetched for somebody else', async () => {
    const { url, ca } = await server({ account: `bot:${PASSWORD}` })
    const address = `${url}/remote.git`
    const owner = open({ address, ca, credential: credential() })
    await owner.fetch(await owner.tip())
    const packet = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`
    const listing = `${packet('# service=git-upload-pack\n')}0000${packet(`${tip} refs/heads/main\0agent=x\n`)}0000`
    const liar = await server({
      before: (_, response) => {
        response.setHeader('content-type', 'application/x-git-upload-pack-advertisement')
        response.end(listing)
        return true
      },
    })
    const proxy = createHttpServer().on('connect', (_, socket) => {
      const inner = connectTcp(liar.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        inner.pipe(socket).pipe(inner)
      })
      for (const end of [inner, socket]) end.on('error', () => undefined)
    })
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    closing.push(async () => proxy.close())
    const { port } = proxy.address() as { port: number }
    const thief = open({ address, ca: liar.ca, proxy: new Secret(`http://127.0.0.1:${port}`) })
    expect(await thief.tip()).toEqual({ object: tip, signatures: undefined })
    await expect(thief.fetch({ object: tip, signatures: undefined })).rejects.toMatchObject({ code: /^repository_/ })
    await expect(thief.readCommit(tip)).rejects.toMatchObject({ code: 'commit_unknown' })
  })

  test('a redirection is not followed, and the password stays here', async () => {
    const elsewhere = await server()
    const { url, ca } = await server({
      before(request, response) {
        response.writeHead(302, { location: `${elsewhere.url}${request.url}` }).end()
        return true
      },
    })
    const repository = open({ address: `${url}/remote.git`, ca: `${ca}${elsewhere.ca}`, credential: credential() })
    await expect(repository.tip()).rejects.toMatchObject({ code: 'repository_unreachable' })
    expect(elsewhere.requests).toEqual([])
  })

  test('no such repository, an error of the server, rubbish in place of git', async () => {
    const { url, ca } = await server({
      before(request, response) {
        if (!request.url?.includes('status-')) return false
        response.writeHead(Number(/status-(\d+)/.exec(request.url)?.[1])).end('rubbish')
        return true
      },
    })
    const codes = {
      nothing: 'repository_refused',
      'status-404': 'repository_refused',
      'status-403': 'repository_refused',
    }
    for (const [path, code] of Object.entries({
      ...codes,
      'status-500': 'repository_unreachable',
      'status-200': 'repository_branch_missing',
    })) {
      await expect(open({ address: `${url}/${path}`, ca }).tip(), path).rejects.toMatchObject({ code })
    }
  })

  test('a web server with the files of a repository, but without git', async () => {
    remote.git(['repack', '-q'])
    remote.git(['update-server-info'])
    remote.raw('blob', 'loose')
    const { url, ca } = await server({
      before(request, response) {
        const path = join(folder, (request.url ?? '').split('?')[0] as string)
        response.writeHead(existsSync(path) ? 200 : 404).end(existsSync(path) ? readFileSync(path) : '')
        return true
      },
    })
    const loose = remote.commit(remote.tree({ 'b.txt': 'loose' }), [tip])
    remote.ref('refs/heads/loose', loose)
    remote.git(['update-server-info'])
    const repository = open({ address: `${url}/remote.git`, ca, branch: 'loose', cacheDirectory: join(folder, 'dumb') })
    await expect(repository.fetch(await repository.tip())).rejects.toMatchObject({ code: 'repository_unsupported' })
  })

  test('a server that never answers', async () => {
    const { url, ca } = await server({ before: () => true })
    const repository = open({ address: `${url}/remote.git`, ca, limits: { lookMs: 500 } })
    await expect(repository.tip()).rejects.toMatchObject({ code: 'repository_unreachable' })
  })

  test('through a proxy, whose password is in no message', async () => {
    const { url, port, ca } = await server()
    const seen: (string | undefined)[] = []
    const proxy = createHttpServer().on('connect', (request, socket) => {
      seen.push(request.headers['proxy-authorization'])
      if (!request.headers['proxy-authorization']) {
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n')
        return
      }
      const onward = connectTcp(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.pipe(socket).pipe(onward)
      })
      onward.on('error', () => socket.destroy())
      socket.on('error', () => onward.destroy())
    })
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    closing.push(async () => proxy.close())
    const at = proxy.address() as { port: number }
    const through = (text: string) => open({ address: `${url}/remote.git`, ca, proxy: new Secret(text) })
    expect(await through(`http://bot:canary@127.0.0.1:${at.port}`).tip()).toMatchObject({ object: tip })
    expect(seen.at(-1)).toBe(`Basic ${Buffer.from('bot:canary').toString('base64')}`)
    const dead = await through('http://bot:canary@127.0.0.1:1')
      .tip()
      .catch((e: unknown) => e)
    expect(dead).toMatchObject({ code: 'repository_unreachable' })
    expect(String(dead)).not.toContain('canary')
  })

  test('nothing of the environment or of the configuration of the user is obeyed', async () => {
    const { url, ca } = await server()
    const evil = join(folder, 'evil.config')
    remote.writeFile(
      '../evil.config',
      `[url "file:///nonexistent/"]\n insteadOf = ${url}/\n[core]\n sshCommand = touch ${folder}/hit\n`,
    )
    for (const [name, value] of Object.entries({
      GIT_CONFIG_GLOBAL: evil,
      GIT_CONFIG_SYSTEM: evil,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `url.file:///nonexistent/.insteadOf`,
      GIT_CONFIG_VALUE_0: `${url}/`,
      GIT_DIR: '/nonexistent',
      GIT_ASKPASS: '/nonexistent',
      GIT_SSL_NO_VERIFY: '1',
      https_proxy: 'http://127.0.0.1:1',
    })) {
      vi.stubEnv(name, value)
    }
    expect(await open({ address: `${url}/remote.git`, ca }).tip()).toMatchObject({ object: tip })
    const unverified = open({ address: `${url}/remote.git` })
    await expect(unverified.tip()).rejects.toMatchObject({ code: 'repository_host_unknown' })
  })

  test('what git is given is nowhere to be read: not in argv, not in its environment, not on a disk', async () => {
    const seen: string[] = []
    const { url, ca } = await server({
      account: `bot:${PASSWORD}`,
      before() {
        seen.push(...everyProcess('git'))
        return false
      },
    })
    const repository = open({ address: `${url}/remote.git`, ca, credential: credential() })
    await repository.fetch(await repository.tip())
    const secrets = [PASSWORD, Buffer.from(`bot:${PASSWORD}`).toString('base64')]
    const git = seen.filter(text => text.includes('remote-https') || text.includes('GIT_CONFIG_GLOBAL=/proc/'))
    expect(git.length).toBeGreaterThan(0)
    for (const secret of secrets) expect(seen.filter(text => text.includes(secret))).toEqual([])
    expect(readdirSync('/dev/shm').filter(name => name.startsWith('writ-'))).toEqual([])
    for (const name of readdirSync(join(folder, 'cache'), { recursive: true, withFileTypes: true })) {
      if (!name.isFile()) continue
      const content = readFileSync(join(name.parentPath, name.name), 'latin1')
      for (const secret of secrets) expect(content).not.toContain(secret)
    }
  })
})

describe('ssh', () => {
  test('with a key and a pinned host', async () => {
    const sshd = await startSshServer()
    closing.push(() => sshd.close())
    const { knownHosts } = sshd
    const key = { kind: 'ssh-key', key: new Secret(sshd.userKey) } as const
    const address = sshd.address(remote.path)
    const repository = open({ address, knownHosts, credential: key })
    expect(await repository.fetch(await repository.tip())).toEqual({ object: tip, signatures: undefined })

    const stranger = { kind: 'ssh-key', key: new Secret(sshd.strangersKey) } as const
    await expect(open({ address, knownHosts, credential: stranger }).tip()).rejects.toMatchObject({
      code: 'repository_refused',
    })
    const before = sshd.log().split('Accepted').length
    for (const wrong of [sshd.otherHost, 'github.com ssh-ed25519 AAAA\n', 'rubbish']) {
      await expect(open({ address, knownHosts: wrong, credential: key }).tip()).rejects.toMatchObject({
        code: 'repository_host_unknown',
      })
    }
    await expect(open({ address, credential: key }).tip()).rejects.toMatchObject({ code: 'repository_host_unknown' })
    expect(sshd.log().split('Accepted').length).toBe(before)

    const missing = open({ address: sshd.address('/nonexistent.git'), knownHosts, credential: key })
    await expect(missing.tip()).rejects.toMatchObject({ code: 'repository_refused' })
    const broken = { kind: 'ssh-key', key: new Secret('canary') } as const
    const error = await open({ address, knownHosts, credential: broken })
      .tip()
      .catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'repository_refused' })
    expect(String(error)).not.toContain('canary')
  })

  test('a password is not for ssh, a key not for https', async () => {
    const ssh = open({ address: 'ssh://git@127.0.0.1/x', knownHosts: 'x', credential: credential() })
    await expect(ssh.tip()).rejects.toMatchObject({ code: 'repository_refused' })
    const key = { kind: 'ssh-key', key: new Secret('x') } as const
    await expect(open({ address: 'https://127.0.0.1:1/x', credential: key }).tip()).rejects.toMatchObject({
      code: 'repository_refused',
    })
  })

  test('a server that says nothing', async () => {
    const silent = createServer()
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    closing.push(async () => silent.close())
    const { port } = silent.address() as { port: number }
    const key = { kind: 'ssh-key', key: new Secret('x') } as const
    const repository = open({
      address: `ssh://git@127.0.0.1:${port}/x`,
      knownHosts: 'x',
      credential: key,
      limits: { lookMs: 500 },
    })
    await expect(repository.tip()).rejects.toMatchObject({ code: 'repository_unreachable' })
  })
})
