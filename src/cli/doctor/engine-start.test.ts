import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askEngine, type Engine, engineOf } from './engine.ts'
import { startEngine } from './engine-start.ts'
import { type Machine, thisMachine } from './machine.ts'

let folder: string
let engine: Engine
let log: string
let said: string[]
const say = (line: string) => said.push(line)

beforeEach(async () => {
  folder = await mkdtemp('/tmp/writ-engine-')
  log = join(folder, 'log')
  said = []
  engine = engineOf({ DOCKER_HOST: `unix://${folder}/docker.sock` }) as Engine
})
afterEach(async () => {
  const pid = Number(await readFile(join(folder, 'pid'), 'utf8').catch(() => '0'))
  if (pid) process.kill(pid)
  for (let tries = 0; pid && (await lives(pid)) && tries < 300; tries++) await sleep(50)
  await rm(folder, { recursive: true, force: true })
})

const lives = (pid: number) =>
  readFile(`/proc/${pid}/stat`, 'utf8').then(
    stat => !/ [ZX] /.test(stat),
    () => false,
  )

/** A `dockerd` that does what the text says, before any other in PATH. */
async function withDaemon(script: string): Promise<Machine> {
  await mkdir(join(folder, 'bin'))
  await writeFile(join(folder, 'bin/dockerd'), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, 'bin/dockerd'), 0o755)
  return thisMachine({ ...process.env, PATH: `${folder}/bin:${process.env.PATH}` })
}

const answering = () => `echo $$ > ${folder}/pid; exec ${process.execPath} -e '
  require("http").createServer((_, answer) => answer.end(JSON.stringify({ Version: "9", ApiVersion: "1.41" }))).listen("${folder}/docker.sock")'`

test('a daemon that cannot set up its network is started again without one', async () => {
  const machine = await withDaemon(
    `case "$*" in *--iptables=false*) ;; *) echo "no iptables" >&2; exit 1;; esac\n${answering()}`,
  )
  await startEngine(machine, engine, say, { log, readyMs: 20_000 })
  expect(await askEngine(engine)).toMatchObject({ ok: true })
  expect(said.at(-1)).toBe('containers have no network: iptables cannot be used here')
})

test('one that does not come up: its last words are told', async () => {
  const machine = await withDaemon('echo first; echo "failed to start: no such driver" >&2; exit 1')
  await expect(startEngine(machine, engine, say, { log, readyMs: 20_000 })).rejects.toThrow(
    /failed to start: no such driver/,
  )
})

test('it gets no token and no password of ours: it goes on when we have ended', async () => {
  const { env, ...machine } = await withDaemon('env >&2; exit 1')
  const start = startEngine({ ...machine, env: { ...env, VAULT_TOKEN: 'canary' } }, engine, say, {
    log,
    readyMs: 20_000,
  })
  await expect(start).rejects.toThrow('does not come up')
  const said = await readFile(log, 'utf8')
  expect(said).toContain(`PATH=${folder}/bin:`)
  expect(said).not.toContain('canary')
})

test('one that answers already is left alone', async () => {
  const machine = await withDaemon(answering())
  await startEngine(machine, engine, say, { log, readyMs: 20_000 })
  said = []
  await startEngine(machine, engine, say, { log })
  expect(said).toEqual([])
})

const real = process.getuid?.() === 0 && (await thisMachine().run('dockerd', '--version')).code === 0

test.runIf(real)('the real one comes up, apart from this process', async () => {
  // in a network of its own: a second engine in the same one takes the bridge of the first away
  const machine = await withDaemon(`PATH='${process.env.PATH}'; exec unshare --net dockerd "$@"`)
  const places = { 'data-root': 'data', 'exec-root': 'exec', pidfile: 'pid' }
  const flags = Object.entries(places).map(([flag, place]) => `--${flag}=${join(folder, place)}`)
  await startEngine(machine, engine, say, { flags: [...flags, `--host=unix://${folder}/docker.sock`], log })
  expect(await askEngine(engine)).toMatchObject({
    ok: true,
    name: expect.stringMatching(/^Docker \d+.* \(API 1\.\d+\)$/),
  })
  const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
  const [, , session] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ').slice(1) ?? []
  expect(Number(session)).toBe(pid)
  expect(said).toEqual([`starting dockerd (its log is ${log})`])
})
