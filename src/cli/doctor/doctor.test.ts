import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import '../../../test/postgres.ts' // for the type of what it provides
import { findStaticBusybox } from '../../server/runtimes/docker/gate-binary.ts'
import type { Check } from './check.ts'
import { busybox } from './checks/busybox.ts'
import { command } from './checks/command.ts'
import { containerEngine } from './checks/container-engine.ts'
import { postgres } from './checks/postgres.ts'
import { CHECKS, runDoctor } from './doctor.ts'
import { type Machine, type Ran, thisMachine } from './machine.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-doctor-'))
})
afterEach(() => rm(folder, { recursive: true }))

const FOUND: Ran = { code: 0, stdout: 'tool version 1.2.3', stderr: '' }
const ABSENT: Ran = { code: -1, stdout: '', stderr: 'spawn ENOENT' }

/** A machine that lacks commands until apt-get has installed them. */
function bareMachine(options: Partial<Machine> & { apt?: Ran } = {}) {
  const ran: string[] = []
  const installed = new Set<string>()
  const machine: Machine = {
    env: {},
    root: true,
    debian: true,
    async run(name, ...args) {
      ran.push([name, ...args].join(' '))
      if (name !== 'apt-get') return installed.has(name) ? FOUND : ABSENT
      if (options.apt) return options.apt
      for (const arg of args) installed.add(arg)
      return { code: 0, stdout: '', stderr: '' }
    },
    ...options,
  }
  return { machine, ran }
}

async function doctor(machine: Machine, checks: readonly Check[], { mend = false, json = false } = {}) {
  const said = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({
    write(text: string | Uint8Array) {
      said[name] += text
      return true
    },
  })
  const code = await runDoctor({ profile: 'test', mend, json, out: sink('out'), err: sink('err'), machine, checks })
  return { code, ...said }
}

const git = command('git', 'git', ['test'])
const other = command('other', 'other', ['demo'])

describe('the report', () => {
  test('of a machine that has everything', async () => {
    const { machine } = bareMachine({ run: async () => FOUND })
    expect(await doctor(machine, [git])).toEqual({ code: 0, out: 'ok       git         1.2.3\n', err: '' })
  })

  test('names what is missing, what mends it, and the next command', async () => {
    const { machine, ran } = bareMachine()
    const { code, out } = await doctor(machine, [git])
    expect(code).toBe(1)
    expect(out).toContain('missing  git         not found\n')
    expect(out).toContain('→ apt-get install -y --no-install-recommends git\n')
    expect(out).toContain('writ doctor --mend --for test\n')
    expect(ran).toEqual(['git --version'])
  })

  test('as JSON is one line', async () => {
    const { machine } = bareMachine()
    const { code, out } = await doctor(machine, [git], { json: true })
    expect(code).toBe(1)
    expect(out.trim()).not.toContain('\n')
    expect(JSON.parse(out)).toMatchObject({
      profile: 'test',
      ok: false,
      checks: [{ name: 'git', ok: false, cause: 'not found' }],
    })
  })

  test('leaves out what the profile does not need', async () => {
    const { machine, ran } = bareMachine({ run: async () => FOUND })
    expect((await doctor(machine, [git, other])).out).not.toContain('other')
    expect(ran).toEqual([])
  })

  test('a check that breaks is missing, not a stack trace', async () => {
    const broken: Check = { name: 'broken', needs: ['test'], probe: () => Promise.reject(new Error('no idea')) }
    const { code, out } = await doctor(bareMachine().machine, [broken])
    expect(code).toBe(1)
    expect(out).toMatch(/^missing {2}broken {6}no idea$/m)
    expect(out).not.toContain(' at ')
  })

  test('a message cannot move the cursor', async () => {
    const broken: Check = { name: 'b', needs: ['test'], probe: () => Promise.reject(new Error('a\x1b[2Jb\rc')) }
    expect((await doctor(bareMachine().machine, [broken])).out).toContain('ab c')
    const eight: Check = { ...broken, probe: () => Promise.reject(new Error('a\u009b2Jb\u007f')) }
    const { out } = await doctor(bareMachine().machine, [eight], { json: true })
    expect(out).not.toMatch(/[\u007f-\u009f]/)
    expect(JSON.parse(out).checks[0].cause).toBe('a\u009b2Jb\u007f')
    const apt = { code: 1, stdout: '', stderr: 'E: a\x1b[2Jb\n\u009b1Ac' }
    const { err } = await doctor(bareMachine({ apt }).machine, [git], { mend: true })
    expect(err).toBe('doctor: installing git\ndoctor: c\nE: ab\nc\n')
  })
})

test('a database that takes a connection and says nothing more is not waited for without end', {
  timeout: 60_000,
}, async () => {
  // lets everybody in (R), is ready (Z), and is silent from then on
  const ready = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])
  const sockets: Socket[] = []
  const silent = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => {}).once('data', () => socket.write(ready))
  })
  await once(silent.listen(0, '127.0.0.1'), 'listening')
  const url = `postgres://u@127.0.0.1:${(silent.address() as AddressInfo).port}/d`
  const { code, out } = await doctor(bareMachine({ env: { WRIT_TEST_DATABASE_URL: url } }).machine, [postgres])
  for (const socket of sockets) socket.destroy()
  silent.close()
  expect(code).toBe(1)
  expect(out).toMatch(/WRIT_TEST_DATABASE_URL does not lead to a database/)
})

describe('mending', () => {
  test('installs all packages in one go, with what they recommend left out, and looks again', async () => {
    const { machine, ran } = bareMachine()
    const { code, out, err } = await doctor(machine, [git, command('gpg', 'gpg', ['test'])], { mend: true })
    expect(code).toBe(0)
    expect(out).toContain('ok       git')
    expect(err).toBe('doctor: installing git, gpg\n')
    expect(ran.filter(line => line.startsWith('apt-get'))).toEqual([
      'apt-get update -o DPkg::Lock::Timeout=120',
      'apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 git gpg',
    ])
  })

  test('says why apt-get failed', async () => {
    const apt = { code: 100, stdout: '', stderr: 'Reading…\nE: Unable to locate package git\n' }
    const { code, out, err } = await doctor(bareMachine({ apt }).machine, [git], { mend: true })
    expect(code).toBe(1)
    expect(err).toContain('E: Unable to locate package git')
    expect(out).toContain('Mending did not help')
  })

  test.each<[string, Partial<Machine>, RegExp]>([
    ['not as root', { root: false }, /sudo apt-get install.*Only root can mend it/s],
    ['not on another system', { debian: false }, /Install git .*package manager.*neither Debian nor Ubuntu/s],
  ])('is %s', async (_name, options, message) => {
    const { machine, ran } = bareMachine(options)
    const { code, out } = await doctor(machine, [git], { mend: true })
    expect(code).toBe(1)
    expect(out).toMatch(message)
    expect(ran.filter(line => line.startsWith('apt-get'))).toEqual([])
  })
})

describe('the container engine', () => {
  const socket = () => join(folder, 'docker.sock')
  const usual = (start = {}) => containerEngine([socket()], { log: join(folder, 'log'), readyMs: 100, ...start })
  const env = () => ({ DOCKER_HOST: `unix://${socket()}`, PATH: '' })

  test('that is not installed is mended by the package, and started', async () => {
    const { machine, ran } = bareMachine({ env: env() })
    const { code, err } = await doctor(machine, [usual()], { mend: true })
    expect(code).toBe(1) // the fake apt-get installs no dockerd that could answer
    expect(ran).toContain('apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 docker.io')
    expect(err).toMatch(/installing docker\.io\n.*starting/s)
  })

  test('that is installed is only started', async () => {
    const { machine, ran } = bareMachine({ env: env(), run: async () => FOUND })
    const { out } = await doctor(machine, [usual()])
    expect(out).toContain('→ systemctl start docker, or dockerd')
    expect(ran).toEqual([])
  })

  test('elsewhere is not for us to start', async () => {
    const env = { DOCKER_HOST: `unix://${folder}/none.sock` }
    const { machine, ran } = bareMachine({ env })
    const { code, out } = await doctor(machine, [containerEngine()], { mend: true })
    expect(code).toBe(1)
    expect(out).toContain(`no container engine at ${folder}/none.sock: no such socket`)
    expect(ran).toEqual([])
  })

  test('with an address that means nothing', async () => {
    const { machine } = bareMachine({ env: { DOCKER_HOST: 'nonsense' } })
    expect((await doctor(machine, [containerEngine()])).out).toMatch(/DOCKER_HOST is neither/)
  })
})

describe('PostgreSQL', () => {
  test('that is named is asked for its version', async () => {
    const { machine } = bareMachine({ env: { WRIT_TEST_DATABASE_URL: inject('databaseUrl') } })
    const finding = await postgres.probe(machine, 'test')
    expect(finding).toMatchObject({ ok: true, detail: expect.stringMatching(/^\d+\.\d+ .*WRIT_TEST_DATABASE_URL/) })
  })

  test('that does not answer: the cause without the password', async () => {
    const { machine } = bareMachine({ env: { WRIT_TEST_DATABASE_URL: 'postgres://u:canary-pw@127.0.0.1:1/db' } })
    const { code, out } = await doctor(machine, [postgres])
    expect(code).toBe(1)
    expect(out).toContain('ECONNREFUSED')
    expect(out).not.toContain('canary-pw')
  })

  test('comes with npm otherwise', async () => {
    expect(await postgres.probe(bareMachine().machine, 'run')).toEqual({ ok: true, detail: '18.4 (embedded)' })
  })
})

describe('busybox', () => {
  test('is taken only if it is linked statically', async () => {
    const dynamic = join(folder, 'dynamic')
    const text = join(folder, 'text')
    for (const path of [dynamic, text]) await mkdir(path)
    await copyFile('/bin/ls', join(dynamic, 'busybox'))
    await writeFile(join(text, 'busybox'), '#!/bin/sh\n')
    await chmod(join(text, 'busybox'), 0o755)
    expect(findStaticBusybox({ PATH: `${folder}:${dynamic}:${text}` })).toBeUndefined()
    expect(findStaticBusybox({ PATH: `${dynamic}:${process.env.PATH}` })).not.toContain(folder)
    const { machine } = bareMachine({ env: { PATH: dynamic } })
    expect(await busybox.probe(machine, 'test')).toMatchObject({ ok: false, packages: ['busybox-static'] })
  })
})

test('this machine, on which the tests run, has what the tests need', async () => {
  const { code, out } = await doctor(thisMachine(), CHECKS)
  expect(out).toMatch(/^ok {7}containers/m)
  expect(code).toBe(0)
})
