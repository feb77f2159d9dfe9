import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { busyboxEntries, hostEntries, type ImageEntry, importImage, tarOf } from '../../../../test/busybox-image.ts'
import { DockerFixture, finished } from '../../../../test/docker-fixture.ts'
import { dockerRuntime } from './docker-runtime.ts'
import { findStaticBusybox } from './gate-binary.ts'

const docker = new DockerFixture()
const MARKER = 'sup3r-s3cret-marker'
const SECRETS = { files: { 'secrets.yml': Buffer.from(`---\nkey: ${MARKER}\n`) }, env: { VAULT_TOKEN: `t'${MARKER}` } }
const BUSYBOX = readFileSync(findStaticBusybox() ?? '')

async function imageOf(entries: ImageEntry[], changes: string[] = []): Promise<string> {
  const unique = { name: 'unique', data: randomBytes(8).toString('hex') }
  const ref = await importImage('writ-test/bare', await tarOf([...entries, unique]), changes)
  await docker.remember(ref)
  return ref
}

async function run(ref: string, argv: string[], tty = false, env: string[] = []) {
  const image = await docker.runtime.image(ref, 'IfNotPresent', {})
  const { attachment } = await docker.start(argv, SECRETS, { image, tty, env })
  const { stdout, stderr, exit } = await finished(attachment)
  return { stdout: stdout.toString().replaceAll('\r\n', '\n'), stderr: stderr.toString(), code: exit.code }
}

/** One static program, and nothing else: no shell, no tar, no /etc, not even /tmp. */
const scratch = (name: string): ImageEntry[] => [{ name, mode: 0o755, data: BUSYBOX }]

describe.each([false, true])('an image of one static program, with a terminal: %s', tty => {
  test('gets its secrets as any other', async () => {
    const ref = await imageOf(scratch('cat'))
    expect(await run(ref, ['/cat', '/secrets.yml'], tty)).toMatchObject({ stdout: `---\nkey: ${MARKER}\n`, code: 0 })
  })

  test('has the token in its environment, the user and a home', async () => {
    const env = await run(await imageOf(scratch('env')), ['/env'], tty)
    expect(env.stdout.split('\n')).toEqual(expect.arrayContaining([`VAULT_TOKEN=t'${MARKER}`, 'HOME=/tmp']))
    expect(env.stdout).not.toContain('__writ')
    const stat = await run(await imageOf(scratch('stat')), ['/stat', '-c', '%a %u', '/tmp', '/etc/passwd'], tty)
    expect(stat.stdout).toBe('1777 0\n444 0\n')
  })

  test('ends with the code of its program', async () => {
    expect((await run(await imageOf(scratch('false')), ['/false'], tty)).code).toBe(1)
  })
})

describe("the image's own programs are the job's, and not those of the gate", () => {
  test('also where they have the same name', async () => {
    const own = { name: 'bin/ls', mode: 0o755, data: '#!/bin/busybox sh\necho own "$@"\n' }
    const entries = [...busyboxEntries().filter(({ name }) => name !== 'bin/ls'), own]
    expect(await run(await imageOf(entries), ['ls', 'a b', '-l'])).toMatchObject({ stdout: 'own a b -l\n', code: 0 })
  })

  test('and see the name that they were called by', async () => {
    const argv = ['sh', '-c', 'tr "\\0" "|" </proc/$$/cmdline; exit 3']
    expect(await run(await imageOf(busyboxEntries()), argv)).toMatchObject({
      stdout: 'sh|-c|tr "\\0" "|" </proc/$$/cmdline; exit 3|',
      code: 3,
    })
  })

  test('a name that the image does not have is 127, although the gate has it', async () => {
    const found = await run(await imageOf(scratch('cat')), ['ls'])
    expect(found).toEqual({ stdout: '', stderr: 'writ: ls: not found\n', code: 127 })
  })

  test.each([
    ['of the image', [`ENV PATH=/other`], []],
    ['of the job', [], ['PATH=/none:/other']],
  ])('found by the PATH %s', async (_, changes, env) => {
    const entries = [{ name: 'other/tool', mode: 0o755, data: BUSYBOX }]
    const found = await run(await imageOf(entries, changes), ['tool'], false, env)
    // busybox does not know itself by that name, but it was reached
    expect(found.stderr).toBe('tool: applet not found\n')
  })
})

test('the shell of the image is not run before the job', async () => {
  const evil = { name: 'bin/sh', mode: 0o755, data: '#!/bin/busybox sh\ncat /run/writ/* >&2; echo stolen\n' }
  const entries = [...busyboxEntries().filter(({ name }) => name !== 'bin/sh'), evil]
  expect(await run(await imageOf(entries), ['echo', 'hello'])).toEqual({ stdout: 'hello\n', stderr: '', code: 0 })
})

test('a job cannot change what is ours in the container', async () => {
  const script =
    'echo x >/.writ/busybox; mv /.writ/state /tmp; rm -rf /.writ; ls -ld /.writ/busybox /.writ/state | cut -c1-10'
  const found = await run(await imageOf(busyboxEntries()), ['sh', '-c', script])
  expect(found.stdout).toBe('-rwxr-xr-x\ndrwxr-xr-x\n')
})

describe('without a static busybox', () => {
  const bare = dockerRuntime({ gateBinary: null })

  test.each<[string, ImageEntry[], RegExp]>([
    ['without a shell', busyboxEntries().filter(({ name }) => name !== 'bin/sh'), /no \/bin\/sh.*WRIT_GATE_BINARY/],
    ['without tar', busyboxEntries().filter(({ name }) => name !== 'bin/tar'), /no tar.*WRIT_GATE_BINARY/],
    ['with nothing in it', scratch('cat'), /no \/bin\/sh.*busybox-static/],
  ])('an image %s is refused, with what to do', async (_, entries, detail) => {
    const error = { code: 'container_refused', detail: expect.stringMatching(detail) }
    await expect(bare.image(await imageOf(entries), 'IfNotPresent', {})).rejects.toMatchObject(error)
  })

  test.each([false, true])('one with its own shell and tar is not, with a terminal: %s', async tty => {
    const programs = ['/bin/sh', '/bin/tar', '/bin/rm', '/bin/cat', '/bin/sleep']
    const image = await bare.image(await imageOf(hostEntries(programs)), 'IfNotPresent', {})
    expect(image.shell).toBe('/bin/sh')
    const argv = ['sh', '-c', 'cat /secrets.yml; echo "[$VAULT_TOKEN]"']
    const { attachment } = await docker.start(argv, SECRETS, { image, tty })
    const { stdout, stderr, exit } = await finished(attachment)
    expect([stderr.toString(), exit.code]).toEqual(['', 0])
    expect(stdout.toString().replaceAll('\r\n', '\n')).toBe(`---\nkey: ${MARKER}\n[t'${MARKER}]\n`)
  })

  test('one that was prepared with it is not taken for one that was not', async () => {
    const ref = await imageOf(busyboxEntries())
    const [withIt, without] = [await docker.runtime.image(ref, 'IfNotPresent', {}), await bare.image(ref, 'Always', {})]
    expect([withIt.shell, without.shell, withIt.id === without.id]).toEqual(['/.writ/busybox', '/bin/sh', false])
  })
})
