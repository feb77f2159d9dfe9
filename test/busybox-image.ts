import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { type Header, pack } from 'tar-stream'
import { Agent } from 'undici'
import { ENGINE_SOCKET } from './engine-socket.ts'

const LDD = 'ldd'
const BUSYBOX = '/bin/busybox'
const REPOSITORY = 'writ-test/busybox'

/**
 * An image for tests, the benchmarks and the demo, made from this machine's static busybox (Debian: `busybox-static`),
 * so that nothing has to be pulled. Made once per content; returns its reference.
 */
export async function ensureBusyboxImage(socketPath = ENGINE_SOCKET): Promise<string> {
  return importImage(REPOSITORY, await tarOf(busyboxEntries()), [], socketPath)
}

export interface ImageEntry extends Partial<Header> {
  readonly name: string
  readonly data?: string | Buffer
}

/** Everything in the root filesystem of that image, for images that differ from it in something. */
export function busyboxEntries(): ImageEntry[] {
  const folder = (name: string, mode = 0o755): ImageEntry => ({ name, mode, type: 'directory' })
  const applets = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  return [
    ...['bin', 'etc', 'root', 'run', 'var', 'usr', 'home', 'proc', 'sys', 'dev'].map(name => folder(name)),
    folder('tmp', 0o1777),
    { name: 'bin/busybox', mode: 0o755, data: readFileSync(BUSYBOX) },
    // A link named busybox would replace what all others point to.
    ...applets
      .filter(applet => applet !== 'busybox')
      .map((applet): ImageEntry => ({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox' })),
    { name: 'etc/passwd', data: 'root:x:0:0:root:/root:/bin/sh\n' },
    { name: 'etc/group', data: 'root:x:0:\n' },
  ]
}

/**
 * A root filesystem of this machine's own programs and their libraries: another shell and another tar than busybox's.
 */
export function hostEntries(programs: readonly string[]): ImageEntry[] {
  const libraries = programs.flatMap(program => {
    const listed = execFileSync(LDD, [program], { encoding: 'utf8' })
    return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
  })
  const file = (path: string): ImageEntry => ({ name: path.slice(1), mode: 0o755, data: readFileSync(path) })
  return [...programs, ...new Set(libraries)].map(file)
}

export async function tarOf(entries: Iterable<ImageEntry>): Promise<Buffer> {
  const tar = pack()
  // A fixed time: the same files must give the same bytes, from which the tag is made.
  for (const { data = '', ...header } of entries) tar.entry({ mtime: new Date(0), ...header }, data)
  tar.finalize()
  return buffer(tar)
}

/** Imports a root filesystem, unless that was done before, and returns the image's reference. */
export async function importImage(
  repo: string,
  tar: Buffer,
  changes: readonly string[] = [],
  socketPath = ENGINE_SOCKET,
): Promise<string> {
  const config = ['ENV PATH=/bin', ...changes]
  const tag = createHash('sha256').update(tar).update(config.join('\n')).digest('hex').slice(0, 12)
  const ref = `${repo}:${tag}`
  const origin = 'http://engine'
  const agent = new Agent({ connect: { socketPath } })
  try {
    const found = await agent.request({ origin, method: 'GET', path: `/images/${ref}/json` })
    await found.body.dump()
    if (found.statusCode === 200) return ref
    const query = new URLSearchParams({ fromSrc: '-', repo, tag })
    for (const change of config) query.append('changes', change)
    const imported = await agent.request({ origin, method: 'POST', path: `/images/create?${query}`, body: tar })
    const answer = await imported.body.text()
    if (imported.statusCode !== 200 || answer.includes('"error"')) throw new Error(`import of ${ref}: ${answer}`)
    // Podman 4.3 imports without the name
    const id = /"status":"(?:sha256:)?([0-9a-f]{64})/.exec(answer)?.[1]
    const named = await agent.request({ origin, method: 'POST', path: `/images/${id}/tag?repo=${repo}&tag=${tag}` })
    await named.body.dump()
    return ref
  } finally {
    await agent.close()
  }
}
