import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestVault, type TestVault } from '../test/dev-vault.ts'
import { FakeMesos } from '../test/mesos/fake-mesos.ts'
import { connecting, PlainContainers } from '../test/plain-containers.ts'
import { startGate } from './gate-process.ts'

let stack: TestVault
const containers = new PlainContainers()
const folder = mkdtempSync(join(tmpdir(), 'writ-gate-'))
beforeAll(async () => {
  stack = await startTestVault()
  await stack.write('secret/data/gatekeeper', { data: { '*': { policies: ['default'], ttl: 600 } } })
})
afterAll(async () => {
  await stack.close()
  rmSync(folder, { recursive: true })
})

const start = (env: Record<string, string>) =>
  startGate(['-listen', '127.0.0.1:0'], {
    VAULT_ADDR: stack.vault.address,
    VAULT_TOKEN: stack.root.reveal(),
    ...env,
  })

const ask = async (address: string, id: string) => {
  const answer = await fetch(`${address}/token`, { method: 'POST', body: JSON.stringify({ task_id: id }) })
  return (await answer.json()) as { ok: boolean; error?: string; token?: string }
}

/** Asks for these ids over the socket, one after the other, and prints what comes. */
const asking = (...ids: string[]) =>
  connecting(
    '/gate/gate.sock',
    ids
      .map(id => JSON.stringify({ task_id: id }))
      .map(body => {
        const head = `POST /token HTTP/1.1\\r\\nHost: gate\\r\\nContent-Length: ${body.length}\\r\\n\\r\\n`
        // no quotes of Perl's own in it: ids here are words
        return `syswrite(S, "${head}" . q(${body})); sysread(S, $b, 65536); print $b, "\\n--\\n";`
      })
      .join(' '),
  )

async function output(id: string): Promise<string> {
  await containers.wait(id)
  const { body } = await containers.engine.stream('GET', `/containers/${id}/logs`, { query: { stdout: 1, stderr: 1 } })
  let text = ''
  for await (const chunk of body) text += chunk
  return text
}

test('a container gets its token over the Unix socket, once, and none of another', async () => {
  const socket = join(folder, 'gate.sock')
  const gate = await start({ PROVIDER: 'docker', WRIT_GATE_SOCKET: socket, WRIT_GATE_DOCKER_PEER_ONLY: '1' })
  expect(existsSync(socket)).toBe(true)
  const binds = [`${folder}:/gate`]
  const victim = await containers.start(['sleep', '60'])

  const said = (await output((await containers.start(asking(victim.id, 'self', 'self'), { binds })).id)).split('--')
  expect(said[0]).not.toContain('"token"')
  expect(said[0]).toMatch(/HTTP\/1.1 40[13]/)
  expect(said[1]).toMatch(/HTTP\/1.1 200/)
  expect(said[1]).toMatch(/"token":"[^"]+"/)
  expect(said[2]).not.toContain('"token":"')
  expect(said[2]).toMatch(/HTTP\/1.1 (403|429)/)

  // over TCP, and from the host, an id is nothing
  expect(await ask(gate.address, victim.id)).toMatchObject({ ok: false })
  expect(gate.lines()).toContain('foreign_task')
})

test('masters of Mesos restart, lose the lead and the network: refusals, then tokens, without a restart of the gate', async () => {
  const tasks = Array.from({ length: 6 }, (_, i) => ({ id: `app.${i}` }))
  const first = await FakeMesos.start({ tasks })
  const second = await FakeMesos.start({ tasks, leads: false, leader: first.host })
  const gate = await start({ PROVIDER: 'mesos', MESOS_MASTER: `http://${second.host},${first.host}` })
  try {
    expect(await ask(gate.address, 'app.0')).toMatchObject({ ok: true, token: expect.any(String) })

    await first.kill()
    expect(await ask(gate.address, 'app.1')).toMatchObject({ ok: false })
    await second.tell({ leads: true })
    expect(await ask(gate.address, 'app.1')).toMatchObject({ ok: true })

    await first.up({ tasks, leads: false, leader: second.host })
    second.freeze()
    const start = Date.now()
    expect(await ask(gate.address, 'app.2')).toMatchObject({ ok: false })
    expect(Date.now() - start).toBeLessThan(20_000)
    second.thaw()
    await sleep(50)
    expect(await ask(gate.address, 'app.2')).toMatchObject({ ok: true })
    // what was served stays served, whoever leads
    expect(await ask(gate.address, 'app.0')).toMatchObject({ ok: false })
  } finally {
    second.thaw()
    await Promise.all([first.kill(), second.kill()])
  }
})
