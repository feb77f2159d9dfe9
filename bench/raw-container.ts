import { connect, type Socket } from 'node:net'
import { Agent } from 'undici'
import { FrameParser } from '../src/server/runtimes/docker/frames.ts'

/** The baseline: the same container by the bare engine API, and nothing else. */
export class RawContainers {
  readonly #socketPath: string
  readonly #agent: Agent
  #made = 0

  constructor(socketPath: string) {
    this.#socketPath = socketPath
    this.#agent = new Agent({ connect: { socketPath } })
  }

  /** create, attach, start, wait: as hardened as a job's. Returns its name, to be removed when the time is taken. */
  async run(image: string, command: readonly string[], network: string): Promise<string> {
    const name = await this.#create(image, command, network)
    const output = await this.#attach(name)
    await this.#call('POST', `/containers/${name}/start`)
    await this.#call('POST', `/containers/${name}/wait`)
    output.destroy()
    return name
  }

  /** Runs it, follows its log to the end and removes it; ms from the creation to the last byte. */
  async follow(image: string, command: readonly string[], wanted: number): Promise<number> {
    const start = performance.now()
    const name = await this.#create(image, command, 'none')
    await this.#call('POST', `/containers/${name}/start`)
    const query = 'follow=1&stdout=1&stderr=1'
    const { body } = await this.#agent.request({
      origin: 'http://engine',
      method: 'GET',
      path: `/containers/${name}/logs?${query}`,
      bodyTimeout: 0,
    })
    const parser = new FrameParser()
    let seen = 0
    for await (const chunk of body) for (const { data } of parser.push(chunk)) seen += data.length
    const ms = performance.now() - start
    await this.remove(name)
    if (seen !== wanted) throw new Error(`the log has ${seen} bytes instead of ${wanted}`)
    return ms
  }

  async #create(image: string, command: readonly string[], network: string): Promise<string> {
    this.#made += 1
    const name = `writ-bench-${process.pid}-${this.#made}`
    await this.#call('POST', `/containers/create?name=${name}`, {
      Image: image,
      Cmd: command,
      User: '2001:2001',
      HostConfig: {
        Init: true,
        NetworkMode: network,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: 512,
        Memory: 2 ** 30,
        MemorySwap: 2 ** 30,
        Tmpfs: { '/run/writ': 'size=1m' },
        LogConfig: { Type: 'json-file', Config: {} },
      },
    })
    return name
  }

  async remove(name: string): Promise<void> {
    await this.#call('DELETE', `/containers/${name}?force=1&v=1`)
  }

  async close(): Promise<void> {
    await this.#agent.close()
  }

  async #call(method: 'POST' | 'DELETE', path: string, body?: object): Promise<void> {
    const answer = await this.#agent.request({
      origin: 'http://engine',
      method,
      path,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
      headersTimeout: 0,
    })
    const text = await answer.body.text()
    if (answer.statusCode >= 400) throw new Error(`${path}: ${answer.statusCode} ${text}`)
  }

  #attach(name: string): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#socketPath)
      socket.once('error', reject)
      socket.write(
        `POST /containers/${name}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`,
      )
      socket.once('data', () => resolve(socket.resume()))
    })
  }
}
