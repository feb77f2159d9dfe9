import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { Agent } from 'undici'

const BUSYBOX = '/bin/busybox'
const REPOSITORY = 'writ-test/busybox'

/**
 * An image for tests, the benchmarks and the demo, made from this machine's static busybox (Debian: `busybox-static`), so
 * that nothing has to be pulled. Made once per content; returns its reference.
 */
export async function ensureBusyboxImage(host?: string): Promise<string> {
  const tar = await rootFilesystem()
  const tag = createHash('sha256').update(tar).digest('hex').slice(0, 12)
  return importImage(`${REPOSITORY}:${tag}`, tar, host)
}

/** Imports a root filesystem as an image, unless there is one of that name. */
export async function importImage(ref: string, tar: Buffer, host = engineHost()): Promise<string> {
  const socketPath = host.startsWith('unix://') ? host.slice('unix://'.length) : undefined
  const agent = new Agent(socketPath ? { connect: { socketPath } } : {})
  const origin = socketPath ? 'http://engine' : host.replace('tcp://', 'http://')
  try {
    const found = await agent.request({ origin, method: 'GET', path: `/images/${ref}/json` })
    await found.body.dump()
    if (found.statusCode === 200) return ref
    const [repo = '', tag = ''] = ref.split(':')
    const query = new URLSearchParams({ fromSrc: '-', repo, tag, changes: 'ENV PATH=/bin' })
    const imported = await agent.request({ origin, method: 'POST', path: `/images/create?${query}`, body: tar })
    const answer = await imported.body.text()
    if (imported.statusCode !== 200 || answer.includes('"error"')) throw new Error(`import of ${ref}: ${answer}`)
    return ref
  } finally {
    await agent.close()
  }
}

function engineHost(): string {
  return process.env.DOCKER_HOST || 'unix:///var/run/docker.sock'
}

async function rootFilesystem(): Promise<Buffer> {
  const tar = pack()
  // A fixed time: the same busybox must give the same bytes, which are the tag.
  const mtime = new Date(0)
  const folder = (name: string, mode = 0o755) => tar.entry({ name, mode, mtime, type: 'directory' })
  for (const name of ['bin', 'etc', 'root', 'run', 'var', 'usr', 'home', 'proc', 'sys', 'dev']) folder(name)
  folder('tmp', 0o1777)
  tar.entry({ name: 'bin/busybox', mode: 0o755, mtime }, readFileSync(BUSYBOX))
  const applets = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  for (const applet of applets) {
    // A link of that name would replace what all others point to.
    if (applet !== 'busybox') tar.entry({ name: `bin/${applet}`, mtime, type: 'symlink', linkname: 'busybox' })
  }
  tar.entry({ name: 'etc/passwd', mtime }, 'root:x:0:0:root:/root:/bin/sh\n')
  tar.entry({ name: 'etc/group', mtime }, 'root:x:0:\n')
  tar.finalize()
  return buffer(tar)
}
