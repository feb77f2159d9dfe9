import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

let project: string

const LOCK = {
  packages: {
    '': { name: 'project', optionalDependencies: { 'only-elsewhere': '1.0.0' } },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/only-elsewhere': {
      version: '1.0.0',
      integrity: 'sha512-b',
      optional: true,
      os: ['vms'],
      cpu: ['vax'],
    },
  },
}
const INSTALLED = { packages: { 'node_modules/a': LOCK.packages['node_modules/a'] } }

/** Does what `npm ci` would, offline, and notes how it was called. */
const NPM = `
  const fs = require('node:fs')
  fs.writeFileSync('npm-called.json', JSON.stringify({ args: process.argv.slice(2), env: process.env }))
  if (fs.existsSync('registry-is-away')) {
    console.error('npm error code ENOTFOUND\\nnpm error syscall getaddrinfo\\nnpm error request failed\\nnpm error   at x')
    process.exit(1)
  }
  fs.mkdirSync('node_modules/.bin', { recursive: true })
  fs.writeFileSync('node_modules/.package-lock.json', ${JSON.stringify(JSON.stringify(INSTALLED))})
  fs.rmSync('node_modules/.bin/node', { force: true })
  fs.symlinkSync(fs.existsSync('picky-node') ? process.cwd() + '/picky-node' : process.execPath, 'node_modules/.bin/node')`
/** A Node that does not start before apt-get has brought its library. */
const PICKY = (project: string) => `#!/bin/sh
[ -e ${project}/library ] || { echo "error while loading shared libraries" >&2; exit 127; }
exec ${process.execPath} "$@"`
const DOCTOR = `
  import { existsSync, writeFileSync } from 'node:fs'
  writeFileSync('doctor-called.json', JSON.stringify(process.argv.slice(2)))
  console.log('the table of the doctor')
  if (existsSync('sick')) process.exitCode = 1`

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'writ-setup-'))
  await mkdir(join(project, 'src/cli'), { recursive: true })
  await mkdir(join(project, 'scripts'))
  await cp(join(import.meta.dirname, 'setup.mjs'), join(project, 'scripts/setup.mjs'))
  await writeFile(join(project, 'npm.cjs'), NPM)
  await writeFile(join(project, 'package.json'), '{ "type": "module" }')
  await writeFile(join(project, 'src/cli/main.ts'), DOCTOR)
  await writeFile(join(project, 'package-lock.json'), JSON.stringify(LOCK))
})
afterEach(() => rm(project, { recursive: true }))

function setup(env: NodeJS.ProcessEnv = {}) {
  const npm = { npm_node_execpath: process.execPath, npm_execpath: join(project, 'npm.cjs') }
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(project, 'scripts/setup.mjs'), 'demo'], {
    env: { PATH: process.env.PATH, ...npm, ...env },
    cwd: tmpdir(), // must not matter
    encoding: 'utf8',
  })
  return { status, stdout, stderr, ms: performance.now() - started }
}

async function called(name: 'npm' | 'doctor') {
  return JSON.parse(await readFile(join(project, `${name}-called.json`), 'utf8').catch(() => 'null'))
}

test('a fresh checkout: installs, then asks the doctor for the profile', async () => {
  expect(setup()).toMatchObject({ status: 0, stdout: '', stderr: expect.stringMatching(/^setup: installing .*\n$/) })
  expect((await called('npm')).args).toEqual(expect.arrayContaining(['ci', '--ignore-scripts', '--include=dev']))
  expect(await called('doctor')).toEqual(['doctor', '--mend', '--for', 'demo'])
})

test('nothing to do: says nothing, calls no npm, is quick', async () => {
  setup()
  await rm(join(project, 'npm-called.json'))
  const { status, stdout, stderr } = setup()
  expect([status, stdout, stderr]).toEqual([0, '', ''])
  expect(await called('npm')).toBeNull()
})

test.each([
  ['another version', { 'node_modules/a': { version: '1.0.1', integrity: 'sha512-a' } }],
  ['other content', { 'node_modules/a': { version: '1.0.0', integrity: 'sha512-x' } }],
  ['one more package', { ...LOCK.packages, 'node_modules/new': { version: '1.0.0', integrity: 'sha512-n' } }],
])('package-lock.json has %s: npm is asked', async (_name, packages) => {
  setup()
  await rm(join(project, 'npm-called.json'))
  await writeFile(join(project, 'package-lock.json'), JSON.stringify({ packages }))
  setup()
  expect(await called('npm')).not.toBeNull()
})

test('inside of `npm test` the inner npm gets the settings of the user, and nothing of the outer npm', async () => {
  setup({
    npm_command: 'test',
    npm_lifecycle_event: 'pretest',
    npm_package_name: 'writ',
    npm_config_local_prefix: '/elsewhere',
    npm_config_cache: '/cache',
  })
  const { env } = await called('npm')
  expect(env.npm_config_cache).toBe('/cache')
  expect(Object.keys(env).filter(name => /lifecycle|npm_package|npm_command|prefix/.test(name))).toEqual([])
})

test('npm fails: one line says what to look at, no stack trace', async () => {
  await writeFile(join(project, 'registry-is-away'), '')
  const { status, stderr } = setup()
  expect(status).toBe(1)
  expect(stderr).toMatch(/^setup: installing .*\nsetup: npm ci failed \(request failed\): is there a network.*\n$/)
  expect(await called('doctor')).toBeNull()
})

test('npm leaves out an optional package for this very platform: that is a failure, not an installation', async () => {
  const { os: _, cpu: __, ...forUs } = LOCK.packages['node_modules/only-elsewhere']
  const here = { ...forUs, os: [process.platform], cpu: [process.arch] }
  const packages = { ...LOCK.packages, 'node_modules/only-elsewhere': here }
  await writeFile(join(project, 'package-lock.json'), JSON.stringify({ packages }))
  expect(setup()).toMatchObject({ status: 1, stderr: expect.stringContaining('npm ci failed') })
})

test.runIf(process.getuid?.() === 0)('Node lacks a library: it is brought, and the doctor asked again', async () => {
  await writeFile(join(project, 'picky-node'), PICKY(project), { mode: 0o755 })
  await writeFile(join(project, 'apt-get'), `#!/bin/sh\n[ "$1" = update ] || touch ${project}/library\n`, {
    mode: 0o755,
  })
  const { status, stderr } = setup({ PATH: `${project}:${process.env.PATH}` })
  expect(stderr).toMatch(/installing libatomic1/)
  expect(status).toBe(0)
  expect(await called('doctor')).not.toBeNull()
})

test('Node lacks a library that cannot be had: the next run begins anew on the Node of the machine', async () => {
  await writeFile(join(project, 'picky-node'), PICKY(project), { mode: 0o755 })
  await writeFile(join(project, 'apt-get'), '#!/bin/sh\nexit 100\n', { mode: 0o755 })
  const { status, stderr } = setup({ PATH: `${project}:${process.env.PATH}` })
  expect(status).toBe(1)
  expect(stderr).toContain('setup: Node 26 does not start here. Try: sudo apt-get install -y libatomic1 libstdc++6\n')
  expect(await readdir(join(project, 'node_modules/.bin'))).toEqual([])
})

test('the doctor finds something missing: its table is shown, and its verdict passed on', async () => {
  await writeFile(join(project, 'sick'), '')
  const { status, stderr } = setup()
  expect(status).toBe(1)
  expect(stderr).toContain('the table of the doctor\nsetup: something is missing')
})
