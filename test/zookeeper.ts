import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

/** Of Debian's packages `zookeeper` and `libzookeeper-java`; its manifest names the rest of the class path. */
const JAR = '/usr/share/java/zookeeper.jar'
/** A tick this short lets the session of a client that was killed expire within a second. */
const TICK_MS = 200

export const zooKeeperThere = (): boolean => existsSync(JAR)

function java(args: readonly string[], folder: string): ChildProcess {
  // small heaps and the quick compiler only: there are several of them, for a few seconds
  const jvm = ['-Xmx64m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', `${folder}:${JAR}`]
  return spawn('java', [...jvm, ...args], { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] })
}

/** A real ZooKeeper on a port and in a folder of its own. */
export class ZooKeeper {
  /** `127.0.0.1:port`. */
  readonly host: string
  readonly #folder: string
  #server: ChildProcess | undefined
  readonly #clients: ZooKeeperClient[] = []

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.host = `127.0.0.1:${port}`
  }

  static async start(): Promise<ZooKeeper> {
    const folder = mkdtempSync(join(tmpdir(), 'writ-zookeeper-'))
    const keeper = new ZooKeeper(folder, await freePort())
    const port = keeper.host.split(':')[1]
    const session = `minSessionTimeout=${TICK_MS * 2}\nmaxSessionTimeout=20000`
    const server = `dataDir=${folder}/data\nclientPort=${port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false`
    writeFileSync(join(folder, 'zoo.cfg'), `tickTime=${TICK_MS}\n${session}\n${server}\nmaxClientCnxns=0\n`)
    writeFileSync(join(folder, 'log4j.properties'), 'log4j.rootLogger=OFF\n')
    await keeper.up()
    return keeper
  }

  async up(): Promise<void> {
    this.#server = java(['org.apache.zookeeper.server.quorum.QuorumPeerMain', 'zoo.cfg'], this.#folder)
    while (!(await this.#answers())) {
      if (this.#server.exitCode !== null || this.#server.signalCode) throw new Error('ZooKeeper did not start')
      await sleep(50)
    }
  }

  /** A session with it, in a process of its own: its ephemeral nodes go when it is killed. */
  async client(login?: string): Promise<ZooKeeperClient> {
    const args = ['org.apache.zookeeper.ZooKeeperMain', '-waitforconnection', '-timeout', '2000', '-server', this.host]
    const client = new ZooKeeperClient(java(args, this.#folder))
    this.#clients.push(client)
    if (login) await client.do(`addauth digest ${login}`)
    return client
  }

  /** Accepting connections is not enough: it does so before it serves. */
  async #answers(): Promise<boolean> {
    const socket = connect({ host: '127.0.0.1', port: Number(this.host.split(':')[1]) })
    socket.on('error', () => {})
    // one that listens and does not answer yet is asked again
    socket.setTimeout(1_000, () => socket.destroy())
    socket.end('srvr')
    const answer = await text(socket).catch(() => '')
    return answer.includes('Mode:')
  }

  freeze(): void {
    this.#server?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#server?.kill('SIGCONT')
  }

  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server || server.exitCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.kill()
    await this.down()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** ZooKeeper's own command line. */
export class ZooKeeperClient {
  readonly #process: ChildProcess
  #output = ''
  #count = 0

  constructor(process: ChildProcess) {
    this.#process = process
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += chunk
      })
    }
  }

  /** Runs one command and waits for its end; again if it lost its connection, as it does on a busy machine. */
  async do(command: string): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      this.#count += 1
      const mark = `/writ-mark-${this.#count}`
      const from = this.#output.length
      const said = () => this.#output.slice(from)
      this.#process.stdin?.write(`${command}\nls ${mark}\n`)
      // it has no prompt without a terminal; for a node that is not there there is always an answer
      while (!said().includes(`Node does not exist: ${mark}`) && !said().includes(`ConnectionLoss for ${mark}`)) {
        if (this.#process.exitCode !== null) throw new Error(`zkCli ended: ${said()}`)
        await sleep(20)
      }
      if (!said().includes('ConnectionLoss') || attempt === 10) return said()
      await sleep(200)
    }
  }

  /** Stands for election as a Mesos master does. */
  async stand(host: string, path = '/mesos'): Promise<void> {
    const [hostname, port] = host.split(':')
    const address = { hostname, ip: hostname, port: Number(port) }
    const info = {
      address,
      hostname,
      id: 'b1a1',
      ip: 16777343,
      pid: `master@${host}`,
      port: Number(port),
      version: '1.9.0',
    }
    await this.do(`create -e -s ${path}/json.info_ '${JSON.stringify(info)}'`)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
