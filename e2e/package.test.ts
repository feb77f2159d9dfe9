import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'writ-package-'))
const source = join(folder, 'source')
const user = join(folder, 'user')
/** As a person has it who installs writ: nothing of this repository, and no rights to anything else. */
const env = { PATH: process.env.PATH ?? '', HOME: folder, npm_config_cache: join(process.env.HOME ?? folder, '.npm') }

beforeAll(async () => {
  for (const name of ['package.json', 'README.md', 'LICENSE', 'docs', 'src', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(name, join(source, name), { recursive: true })
  symlinkSync(resolve('node_modules'), join(source, 'node_modules'))
  // of an earlier build, and not in the source any more
  cpSync('LICENSE', join(source, 'dist', 'stale.js'))
  await run('npm', ['pack', '--pack-destination', folder], { cwd: source, env })
  cpSync('LICENSE', join(user, 'LICENSE'))
  writeFileSync(join(user, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const packed = readdirSync(folder).filter(name => name.endsWith('.tgz'))
  const flags = ['--omit=dev', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', ['install', ...flags, ...packed.map(name => join(folder, name))], { cwd: user, env })
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true }))

const installed = join(user, 'node_modules')

test('what is packed is built from the source, without its tests, and with its documents', () => {
  const files = readdirSync(join(installed, 'writ'), { recursive: true, encoding: 'utf8' })
  expect(files).toEqual(
    expect.arrayContaining(['dist/cli/main.js', 'dist/client/index.d.ts', 'docs/submit.md', 'LICENSE']),
  )
  const dist = files.filter(name => name.startsWith('dist/'))
  expect(dist.filter(name => /stale|\.test\.|(?<!\.d)\.ts$/.test(name))).toEqual([])
})

test('both commands start, where nothing of the repository is', async () => {
  const { stdout } = await run(join(installed, '.bin', 'writ'), ['--help'], { cwd: user, env })
  expect(stdout).toContain('vault-setup')
  const client = await run(join(installed, '.bin', 'gostint-client'), ['-help'], { cwd: user, env }).catch(
    error => error,
  )
  expect(`${client.stdout}${client.stderr}`).toContain('-gostint-approle')
})

test('a server of it says what it needs', async () => {
  const failed = await run(join(installed, '.bin', 'writ'), ['server'], { cwd: user, env }).catch(error => error)
  expect(failed.code).toBe(2)
  expect(failed.stderr).toContain('DATABASE_URL')
})

test('its library is imported with its types', async () => {
  const program = `import { Client } from 'writ/client'\nconst client: Client | null = null\nconsole.log(typeof Client, client)\n`
  writeFileSync(join(user, 'program.ts'), program)
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--skipLibCheck',
    '--types',
    '',
  ]
  await run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), ...options, 'program.ts'], {
    cwd: user,
    env,
  })
  const { stdout } = await run(process.execPath, ['program.ts'], { cwd: user, env })
  expect(stdout).toBe('function null\n')
})
