// Runs before `npm test` and `npm run demo`, so that these are all that a new machine needs: brings what package-lock.json names
// (the pinned Node and PostgreSQL are among it), then has `writ doctor` look for the rest and mend it.
// Plain JavaScript for Node 18 and newer: at this time there may be nothing but the machine's own Node.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST_NODE = 26
const LIBRARIES = ['libatomic1', 'libstdc++6']
/** The exit code of a program whose libraries are not all there (ld.so). */
const NOT_LOADED = 127
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const profile = process.argv[2] ?? 'test'

process.exitCode = install() && examine() ? 0 : 1

function install() {
  if (isInstalled()) return true
  say('installing what package-lock.json names (npm ci); the first time this takes a while')
  // no install script of a dependency is needed, so none may run; and the tools are needed whatever NODE_ENV says
  const args = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const [command, ...first] = npm()
  const { status, stderr, error } = spawnSync(command, [...first, ...args], {
    cwd: root,
    env: withoutRunningScript(process.env),
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status === 0 && isInstalled()) return true
  const reason = error?.message ?? reasonOf(stderr)
  return fail(`npm ci failed${reason && ` (${reason})`}: is there a network, and does npm reach its registry?`)
}

/** The one line of npm's dozen that says it. */
function reasonOf(stderr) {
  const lines = stderr.split('\n').map(line => line.replace(/^npm (error|ERR!) ?/, '').trim())
  return lines.find(line => line && !/^(code|errno|syscall|path|dest|signal) /.test(line)) ?? ''
}

/** npm notes at the end of an installation what it has installed; a broken-off one, or one of another state, does not match. */
function isInstalled() {
  const wanted = packages('package-lock.json')
  const there = packages('node_modules/.package-lock.json')
  if (!wanted || !there) return false
  const ours = Object.keys(wanted['']?.optionalDependencies ?? {}).map(name => `node_modules/${name}`)
  return Object.entries(wanted).every(([path, { version, integrity, optional, os, cpu }]) => {
    if (path === '') return true
    const found = there[path]
    if (found) return found.version === version && found.integrity === integrity
    // npm skips what is for another platform, and also, without a word, an optional package that it could not get
    const forUs = ours.includes(path) && os?.includes(process.platform) && cpu?.includes(process.arch)
    return optional === true && !forUs
  })
}

function packages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
  } catch {
    return undefined
  }
}

/** The npm that runs this script, on the Node that it runs on: our own PATH leads into the folder that npm ci removes. */
function npm() {
  const { npm_node_execpath: node, npm_execpath: cli } = process.env
  return node && cli && existsSync(node) && existsSync(cli) ? [node, cli] : ['npm']
}

/** Without what npm tells a script about itself, which a second npm would take for settings; the user's npm_config_* stay. */
function withoutRunningScript(env) {
  const own =
    /^(INIT_CWD$|npm_(lifecycle|package)_|npm_(command|config_local_prefix|config_prefix|config_global_prefix)$)/
  return Object.fromEntries(Object.entries(env).filter(([name]) => !own.test(name)))
}

function examine() {
  const pinned = join(root, 'node_modules', '.bin', 'node')
  const node = existsSync(pinned) ? pinned : process.execPath
  if (node === process.execPath && Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    return fail(
      `npm has no Node ${OLDEST_NODE} for ${process.platform} on ${process.arch}: install it, this one is ${process.version}`,
    )
  }
  const { status } = spawnSync(node, ['--version'], { stdio: 'ignore' })
  if (status === NOT_LOADED && !bringLibraries(node)) return false
  const doctor = askDoctor(node)
  if (doctor.status === 0) return true
  process.stderr.write(doctor.stdout ?? '')
  const { error } = doctor
  return fail(error ? `writ doctor did not start: ${error.message}` : 'something is missing on this machine, see above')
}

function askDoctor(node) {
  const command = ['src/cli/main.ts', 'doctor', '--mend', '--for', profile]
  return spawnSync(node, command, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

/** A minimal Debian has no libatomic1, without which Node 26 does not even start. */
function bringLibraries(node) {
  const apt = (...args) =>
    spawnSync('apt-get', args, { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  if (process.getuid?.() === 0) {
    say(`installing ${LIBRARIES.join(' and ')}, which Node ${OLDEST_NODE} needs`)
    apt('update')
    apt('install', '-y', '--no-install-recommends', ...LIBRARIES)
  }
  if (spawnSync(node, ['--version'], { stdio: 'ignore' }).status === 0) return true
  // npm puts this Node first in PATH: were it to stay, it would be called next time instead of this script, and fail
  for (const file of ['.bin/node', '.package-lock.json']) rmSync(join(root, 'node_modules', file), { force: true })
  return fail(`Node ${OLDEST_NODE} does not start here. Try: sudo apt-get install -y ${LIBRARIES.join(' ')}`)
}

function say(line) {
  process.stderr.write(`setup: ${line}\n`)
}

function fail(line) {
  say(line)
  return false
}
