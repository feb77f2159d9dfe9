import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { Engine } from '../src/server/runtimes/docker/engine.ts'
import { busyboxEntries, hostEntries, importImage, tarOf } from './busybox-image.ts'

const LABEL = 'writ.test'
/** Part of every Debian; busybox's nc knows no Unix sockets. */
const PERL = '/usr/bin/perl'

export interface PlainOptions {
  readonly labels?: Readonly<Record<string, string>>
  readonly env?: readonly string[]
  readonly binds?: readonly string[]
  readonly image?: string
  readonly host?: object
}

/** Containers on the real engine that are not jobs: what other people run. Removed at the end of the file. */
export class PlainContainers {
  readonly engine = new Engine()
  readonly #mark = randomBytes(6).toString('hex')
  #image = ''

  constructor() {
    beforeAll(async () => {
      this.#image = await this.labelled({})
    })
    afterAll(async () => {
      const query = { all: 1, filters: JSON.stringify({ label: [`${LABEL}=${this.#mark}`] }) }
      const found = await this.engine.json<{ Id: string }[]>('GET', '/containers/json', { query })
      for (const { Id } of found) await this.remove(Id)
      await this.engine.close()
    })
  }

  /** The image, with these labels in it. */
  async labelled(labels: Readonly<Record<string, string>>): Promise<string> {
    const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${value}`)
    return await importImage('writ-test/perl', await tarOf([...busyboxEntries(), ...hostEntries([PERL])]), changes)
  }

  async create(argv: readonly string[], options: PlainOptions = {}): Promise<{ id: string; name: string }> {
    const name = `writ-test-${randomBytes(6).toString('hex')}`
    const body = {
      Image: options.image ?? this.#image,
      Cmd: argv,
      Labels: { [LABEL]: this.#mark, ...options.labels },
      Env: options.env ?? [],
      HostConfig: { NetworkMode: 'none', Binds: options.binds ?? [], Init: true, ...options.host },
    }
    const { Id } = await this.engine.json<{ Id: string }>('POST', '/containers/create', { query: { name }, body })
    return { id: Id, name }
  }

  async start(argv: readonly string[], options: PlainOptions = {}): Promise<{ id: string; name: string }> {
    const made = await this.create(argv, options)
    await this.engine.json('POST', `/containers/${made.id}/start`)
    return made
  }

  async act(id: string, verb: 'stop' | 'pause' | 'unpause' | 'restart' | 'start'): Promise<void> {
    const query = verb === 'stop' || verb === 'restart' ? { t: 0 } : {}
    await this.engine.json('POST', `/containers/${id}/${verb}`, { query })
  }

  async wait(id: string): Promise<void> {
    await this.engine.json('POST', `/containers/${id}/wait`)
  }

  async remove(id: string): Promise<void> {
    await this.engine.json('DELETE', `/containers/${id}`, { query: { force: 1, v: 1 } }).catch(() => {})
  }
}

/** A Perl program that connects to a Unix socket; `then` goes on with the connection S. */
export function connecting(path: string, then: string): string[] {
  const connect = `socket(S,1,1,0) or die $!; connect(S,pack("S a*",1,"${path}")) or die $!;`
  return [PERL, '-e', `$|=1; ${connect} ${then}`]
}
