import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { busyboxEntries, type ImageEntry, importImage, tarOf } from '../../../../test/busybox-image.ts'
import { DockerFixture, NO_SECRETS } from '../../../../test/docker-fixture.ts'
import { dockerRuntime } from './docker-runtime.ts'

const docker = new DockerFixture()
const { runtime } = docker

async function image(change: (entries: ImageEntry[]) => ImageEntry[], config: string[] = []): Promise<string> {
  // Something new in each, so that no earlier run has prepared it.
  const entries = [...change(busyboxEntries()), { name: 'unique', data: randomBytes(8).toString('hex') }]
  const ref = await importImage('writ-test/changed', await tarOf(entries), config)
  await docker.remember(ref)
  return ref
}

const without =
  (...names: string[]) =>
  (entries: ImageEntry[]) =>
    entries.filter(({ name }) => !names.includes(name))
const and =
  (...more: ImageEntry[]) =>
  (entries: ImageEntry[]) => [...entries.filter(({ name }) => !more.some(each => each.name === name)), ...more]
const prepared = (ref: string) => runtime.image(ref, 'IfNotPresent', {})

test('keeps what the image says, and adds the user and the links', async () => {
  const config = [
    'ENV COLOUR=green',
    'WORKDIR /srv',
    'LABEL team=blue',
    'ENTRYPOINT ["/bin/echo", "entry"]',
    'CMD ["command"]',
    'HEALTHCHECK CMD false',
  ]
  const ref = await image(and({ name: 'gostint_image.yml', data: 'secret_refs: ["a@b.c"]\n' }), config)
  const found = await prepared(ref)
  expect(found).toMatchObject({
    entrypoint: ['/bin/echo', 'entry'],
    command: ['command'],
    metadata: 'secret_refs: ["a@b.c"]\n',
    digest: expect.stringMatching(/^sha256:/),
  })
  const script = 'pwd; echo $COLOUR; whoami; readlink /secrets.yml; readlink /secrets.json; stat -c "%a %u" /etc/passwd'
  const { name, stdout } = await docker.run(script, NO_SECRETS, { image: found })
  expect(stdout.toString()).toBe('/srv\ngreen\ngostint\n/run/writ/secrets.yml\n/run/writ/secrets.json\n444 0\n')
  expect((await runtime.find(name))?.labels.team).toBe('blue')
  const made = await docker.engine.json<{ Config: object }>('GET', `/containers/${name}/json`)
  expect(made.Config).toMatchObject({ Healthcheck: { Test: ['NONE'] } })
  const { Config } = await docker.engine.json<{ Config: object }>('GET', `/images/${found.id}/json`)
  expect(Config).toMatchObject({
    Entrypoint: ['/bin/echo', 'entry'],
    Cmd: ['command'],
    WorkingDir: '/srv',
    Labels: { team: 'blue' },
    Healthcheck: { Test: ['CMD-SHELL', 'false'] },
  })
})

test.each([
  ['the image', ['ENV HOME=/srv'], [], '/srv'],
  ['nobody', [], [], '/tmp'],
  ['the job, whatever the image says', ['ENV HOME=/srv'], ['HOME=/own'], '/own'],
])('HOME is what is set by %s', async (_, config, env, home) => {
  const found = await prepared(await image(and(), config))
  const { stdout } = await docker.run('echo $HOME', NO_SECRETS, { image: found, env })
  expect(stdout.toString()).toBe(`${home}\n`)
})

test('is made once, by whoever comes first', async () => {
  const ref = await image(and({ name: 'gostint_image.yml', data: 'x: "quotes $HOME \\"" #\n' }))
  const others = [dockerRuntime(), dockerRuntime()]
  const all = [runtime, runtime, ...others, ...others].map(each => each.image(ref, 'IfNotPresent', {}))
  const found = await Promise.all(all)
  expect(new Set(found.map(({ id }) => id)).size).toBe(1)
  expect(found.map(({ metadata }) => metadata)).toEqual(Array(6).fill('x: "quotes $HOME \\"" #\n'))
  const before = await docker.engine.json<{ Id: string }>('GET', `/images/${found[0]?.id}/json`)
  await prepared(ref)
  const after = await docker.engine.json<{ Id: string }>('GET', `/images/${found[0]?.id}/json`)
  expect(after.Id).toBe(before.Id)
  const filters = JSON.stringify({ name: ['writ-prepared-'], ancestor: [ref] })
  expect(await docker.engine.json('GET', '/containers/json', { query: { all: 1, filters } })).toEqual([])
  await Promise.all(others.map(each => each.close()))
})

test.each<[string, (entries: ImageEntry[]) => ImageEntry[], string]>([
  ['no /etc/passwd', without('etc/passwd'), 'gostint\n1\n'],
  ['an unfinished /etc/passwd', and({ name: 'etc/passwd', data: 'root:x:0:0::/:/bin/sh' }), 'gostint\n2\n'],
])('an image with %s gets the user', async (_, change, who) => {
  const found = await prepared(await image(change))
  const script = 'whoami; grep -c . /etc/passwd'
  expect((await docker.run(script, NO_SECRETS, { image: found })).stdout.toString()).toBe(who)
})

test('one that somebody took away is made again, at the latest when a container is to be made from it', async () => {
  const ref = await image(and({ name: 'here', data: 'ran' }))
  await prepared(ref)
  const known = await prepared(ref)
  await docker.engine.json('DELETE', `/images/${known.id}`)
  const gone = docker.runtime.create(docker.spec(['true'], { image: known }))
  await expect(gone).rejects.toMatchObject({ code: 'runtime_unavailable' })
  const again = await prepared(ref)
  expect((await docker.run('cat /here', NO_SECRETS, { image: again })).stdout.toString()).toBe('ran')
})

describe('refuses an image', () => {
  test.each<[string, (entries: ImageEntry[]) => ImageEntry[], RegExp]>([
    ['with a folder of our name', and({ name: '.writ', type: 'directory' }), /a \/\.writ of its own/],
    ['with a FIFO as /etc/passwd', and({ name: 'etc/passwd', type: 'fifo' }), /\/etc\/passwd .* no plain file/],
    ['with a FIFO as /etc/group', and({ name: 'etc/group', type: 'fifo' }), /\/etc\/group .* no plain file/],
    [
      'with a link as /etc/passwd',
      and({ name: 'etc/passwd', type: 'symlink', linkname: '/dev/zero' }),
      /no plain file/,
    ],
    ['with a folder as gostint_image.yml', and({ name: 'gostint_image.yml', type: 'directory' }), /no plain file/],
    ['with huge metadata', and({ name: 'gostint_image.yml', data: 'x'.repeat(100_000) }), /too large/],
    ['with a folder as /secrets.yml', and({ name: 'secrets.yml', type: 'directory' }), /secrets\.yml/],
  ])('%s', async (_, change, why) => {
    const ref = await image(change)
    await expect(prepared(ref)).rejects.toMatchObject({ code: 'container_refused', detail: expect.stringMatching(why) })
    const filters = JSON.stringify({ ancestor: [ref] })
    expect(await docker.engine.json('GET', '/containers/json', { query: { all: 1, filters } })).toEqual([])
  })
})
