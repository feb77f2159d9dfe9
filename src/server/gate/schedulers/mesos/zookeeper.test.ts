import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FakeMesos } from '../../../../../test/mesos/fake-mesos.ts'
import { QUIET } from '../../../../../test/mesos/master.ts'
import { ZooKeeper, type ZooKeeperClient, zooKeeperThere } from '../../../../../test/zookeeper.ts'
import type { Scheduler, Task } from '../scheduler.ts'
import { parseMesosAddress, type ZooKeeperAddress } from './address.ts'
import { readLeader } from './leader.ts'
import { masterInfo } from './master-info.ts'
import { mesosScheduler } from './mesos-scheduler.ts'

const code = (name: string, detail?: string) =>
  expect.objectContaining(detail ? { code: name, detail } : { code: name })
const at = (address: string) => parseMesosAddress(address) as ZooKeeperAddress

/** What a real one needs is large (a Java runtime): left out where it is not, but never where all has to be shown. */
const without = !zooKeeperThere() && !process.env.CI
if (without)
  console.warn('no ZooKeeper on this machine (writ doctor --for test says how to get it): its tests are left out')

describe.skipIf(without)('a real ZooKeeper', () => {
  let keeper: ZooKeeper
  let client: ZooKeeperClient
  beforeAll(async () => {
    keeper = await ZooKeeper.start()
    client = await keeper.client()
    await client.do('create /mesos')
  })
  afterAll(async () => await keeper.close())
  beforeEach(async () => {
    await client.do('deleteall /mesos')
    await client.do('create /mesos')
  })

  test('nobody stands for election, or there is no such path', async () => {
    await expect(readLeader(at(`zk://${keeper.host}/mesos`))).rejects.toEqual(
      code('scheduler_unavailable', 'no Mesos master is in ZooKeeper'),
    )
    await expect(readLeader(at(`zk://${keeper.host}/elsewhere`))).rejects.toEqual(
      code('scheduler_unavailable', 'ZooKeeper: no such node'),
    )
  })

  test('the oldest leads, whatever else lies there', async () => {
    await client.do('create /mesos/log_replicas')
    await client.do('create /mesos/json.info_x y')
    await client.stand('10.0.0.1:5051')
    await client.stand('10.0.0.2:5052')
    expect(await readLeader(at(`zk://${keeper.host}/mesos`))).toBe('10.0.0.1:5051')
  })

  test.each([
    '{',
    '[]',
    'null',
    '{"address":{"hostname":"evil/path?","port":1}}',
    '{"address":{"hostname":"a@b","port":5050}}',
    '{"address":{"hostname":"a","port":99999}}',
    '{"address":{"hostname":"a","port":"5050"}}',
  ])('a node that holds %s is not believed', async data => {
    await client.do(`create -s /mesos/json.info_ '${data}'`)
    await expect(readLeader(at(`zk://${keeper.host}/mesos`))).rejects.toEqual(code('scheduler_lied'))
  })

  test('a path that only a login opens', async () => {
    await client.do('addauth digest gate:right')
    await client.do('create /closed x auth::cdrwa')
    await client.do(`create /closed/json.info_0000000007 '{"address":{"hostname":"m","port":5050}}' auth::r`)
    const closed = (login: string) => readLeader(at(`zk://${login}${keeper.host}/closed`))
    expect(await closed('gate:right@')).toBe('m:5050')
    await expect(closed('gate:wrong@')).rejects.toEqual(code('scheduler_unavailable', 'ZooKeeper: not permitted'))
    await expect(closed('')).rejects.toEqual(code('scheduler_unavailable', 'ZooKeeper: not permitted'))
  })

  test('the first of several that does not answer', async () => {
    await client.stand('10.0.0.1:5050')
    expect(await readLeader(at(`zk://127.0.0.1:1,${keeper.host}/mesos`))).toBe('10.0.0.1:5050')
  })

  describe('in front of masters', () => {
    const task = { id: 'a' }
    let scheduler: Scheduler
    let masters: FakeMesos[]
    beforeAll(async () => {
      masters = [await FakeMesos.start(), await FakeMesos.start()]
    })
    afterAll(async () => await Promise.all(masters.map(master => master.kill())))
    beforeEach(async () => {
      scheduler = mesosScheduler({ address: at(`zk://${keeper.host}/mesos`), timeoutMs: 1_000 })
    })
    const lookup = async (): Promise<Task> => {
      return await scheduler.lookup(scheduler.parseTaskId('a'), { address: '' }, AbortSignal.timeout(20_000))
    }

    test('the leader dies: its session expires, the next one is asked', async () => {
      const [first, second] = masters as [FakeMesos, FakeMesos]
      await first.tell({ ...QUIET, tasks: [task] })
      await second.tell({ ...QUIET, leads: false, leader: first.host, tasks: [task] })
      const [one, two] = [await keeper.client(), await keeper.client()]
      await one.stand(first.host)
      await two.stand(second.host)
      expect(await lookup()).toMatchObject({ id: 'a' })

      await first.kill()
      one.kill()
      const start = Date.now()
      await second.tell({ leads: true })
      const found = await until(lookup, 15_000)
      expect(found).toMatchObject({ id: 'a' })
      expect(Date.now() - start).toBeLessThan(15_000)
      two.kill()
      await first.up()
      await scheduler.close()
    })

    test('ZooKeeper restarts, freezes, comes back', async () => {
      const [first] = masters as [FakeMesos]
      await first.tell({ ...QUIET, tasks: [task] })
      await client.do(
        `create /mesos/json.info_0000000000 '{"address":{"hostname":"127.0.0.1","port":${first.host.split(':')[1]}}}'`,
      )
      keeper.freeze()
      const start = Date.now()
      await expect(lookup()).rejects.toEqual(code('scheduler_unavailable', 'no ZooKeeper answers'))
      expect(Date.now() - start).toBeLessThan(6_000)
      keeper.thaw()
      expect(await until(lookup, 5_000)).toMatchObject({ id: 'a' })
      await keeper.down()
      // who led a moment ago is believed for a moment longer
      expect(await lookup()).toMatchObject({ id: 'a' })
      await first.kill()
      await expect(lookup()).rejects.toEqual(code('scheduler_unavailable'))
      await expect(lookup()).rejects.toEqual(code('scheduler_unavailable', 'no ZooKeeper answers'))
      await keeper.up()
      await first.up({ tasks: [task] })
      expect(await until(lookup, 10_000)).toMatchObject({ id: 'a' })
      await scheduler.close()
      client = await keeper.client()
    })
  })
})

async function until<T>(attempt: () => Promise<T>, ms: number): Promise<T> {
  const end = Date.now() + ms
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise(done => setTimeout(done, 100))
    }
  }
}

describe('something else on its port', () => {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => behave(socket))
  })
  let behave: (socket: Socket) => void = () => {}
  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const ask = () => readLeader(at(`zk://127.0.0.1:${(server.address() as AddressInfo).port}/mesos`))

  test.each<[string, (socket: Socket) => void]>([
    ['closes', socket => socket.end()],
    ['resets', socket => socket.resetAndDestroy()],
    ['says nothing', () => {}],
    ['speaks HTTP', socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['announces two gigabytes', socket => socket.write(Buffer.from('7fffffff00', 'hex'))],
    ['announces less than nothing', socket => socket.write(Buffer.from('ffffffff00', 'hex'))],
    [
      'sends seven bytes that end the process of the usual client',
      socket => socket.write(Buffer.from('00000003010203', 'hex')),
    ],
    ['refuses the session', socket => socket.write(frame(Buffer.alloc(37)))],
    ['answers another question', socket => socket.write(Buffer.concat([hello(), frame(Buffer.alloc(64, 9))]))],
    ['has a list of a billion names', socket => socket.write(Buffer.concat([hello(), frame(children(1_000_000_000))]))],
    ['has a list of less than none', socket => socket.write(Buffer.concat([hello(), frame(children(-2))]))],
  ])('%s', async (_, how) => {
    behave = how
    const start = Date.now()
    await expect(ask()).rejects.toEqual(code('scheduler_unavailable'))
    expect(Date.now() - start).toBeLessThan(4_000)
  })

  test('any bytes', async () => {
    const bytes = fc.uint8Array({ maxLength: 200 })
    await fc.assert(
      fc.asyncProperty(bytes, fc.boolean(), async (noise, greeted) => {
        behave = socket => socket.end(greeted ? Buffer.concat([hello(), noise]) : noise)
        await expect(ask()).rejects.toMatchObject({ code: expect.stringMatching(/^scheduler_/) })
      }),
      { numRuns: 300 },
    )
  })
})

function frame(body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

/** A session is granted. */
function hello(): Buffer {
  const body = Buffer.alloc(37)
  body.writeInt32BE(10_000, 4)
  body.writeInt32BE(16, 16)
  return frame(body)
}

function children(count: number): Buffer {
  const body = Buffer.alloc(20)
  body.writeInt32BE(1, 0)
  body.writeInt32BE(count, 16)
  return body
}

describe('what a master before Mesos 0.24 wrote', () => {
  const text = (field: number, value: string) =>
    Buffer.concat([Buffer.from([field * 8 + 2, value.length]), Buffer.from(value)])
  const number = (field: number, ...bytes: number[]) => Buffer.from([field * 8, ...bytes])

  test('is read', () => {
    const info = [
      text(1, 'id'),
      number(2, 0x81, 1),
      number(3, 0xba, 0x27),
      text(4, 'master@127.0.0.1:5050'),
      text(5, 'm1.example'),
    ]
    expect(masterInfo('info_0000000001', Buffer.concat(info))).toBe('m1.example:5050')
    expect(masterInfo('info_0000000001', Buffer.concat([number(3, 0xbb, 0x27), text(5, 'm1')]))).toBe('m1:5051')
    expect(masterInfo('info_0000000001', text(5, 'm1'))).toBe('m1:5050')
  })

  test('whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        const found = masterInfo('info_0000000001', Buffer.from(bytes))
        expect(found === undefined || typeof found === 'string').toBe(true)
      }),
    )
  })
})
