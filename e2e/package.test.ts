import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'writ-package-'))
const source = join(folder, 'source')
const user = join(folder, 'user')
const installed = join(user, 'node_modules', 'writ')
/** As a person has it who has installed writ: nothing of this repository. */
const env = { PATH: process.env.PATH ?? '', HOME: folder }

beforeAll(async () => {
  for (const name of ['package.json', 'README.md', 'LICENSE', 'docs', 'src', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(name, join(source, name), { recursive: true })
  symlinkSync(resolve('node_modules'), join(source, 'node_modules'))
  // of an earlier build, and not in the source any more
  cpSync('LICENSE', join(source, 'dist', 'stale.js'))
  await run('npm', ['pack', '--pack-destination', folder], { cwd: source })
  mkdirSync(installed, { recursive: true })
  const [packed = ''] = readdirSync(folder).filter(name => name.endsWith('.tgz'))
  await run('tar', ['-xzf', join(folder, packed), '--strip-components=1', '-C', installed])
  // in the versions of the lock file, which are in npm's cache since this repository was set up
  cpSync('package-lock.json', join(installed, 'package-lock.json'))
  const flags = ['--omit=dev', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', ['ci', ...flags], { cwd: installed })
  writeFileSync(join(user, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true }))

/** By the name under which npm would put it into PATH. */
async function command(name: string, ...args: string[]) {
  const { bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  const done = run(process.execPath, [join(installed, bin[name]), ...args], { cwd: user, env })
  return await done.then(result => ({ code: 0, ...result })).catch(error => error)
}

test('what is packed is built from the source, without its tests, and with its documents', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' })
  expect(files).toEqual(
    expect.arrayContaining(['dist/cli/main.js', 'dist/client/index.d.ts', 'docs/submit.md', 'LICENSE']),
  )
  const dist = files.filter(name => name.startsWith('dist/'))
  expect(dist.filter(name => /stale|\.test\.|(?<!\.d)\.ts$/.test(name))).toEqual([])
})

test('both commands start, where nothing of the repository is', async () => {
  const { stdout } = await command('writ', '--help')
  expect(stdout).toContain('vault-setup')
  const client = await command('gostint-client', '-help')
  expect(`${client.stdout}${client.stderr}`).toContain('-gostint-approle')
})

test('a server of it says what it needs', async () => {
  const failed = await command('writ', 'server')
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
