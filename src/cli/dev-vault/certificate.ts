import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { isIP } from 'node:net'
import { hostname, networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { UsageError } from '../failure.ts'

/** What the server speaks TLS with. */
export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
  /** The file that clients trust it by, when we made it. */
  readonly caFile?: string
  remove(): Promise<void>
}

export interface TlsOptions {
  readonly tls?: boolean
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** The certificate that the options ask for, or none. @throws UsageError */
export async function certificateFor(options: TlsOptions, host: string): Promise<Certificate | undefined> {
  const { tls, tlsCert, tlsKey } = options
  if (tlsCert !== undefined && tlsKey !== undefined) {
    const [cert, key] = [await read(tlsCert), await read(tlsKey)]
    return { cert, key, remove: async () => {} }
  }
  if (tlsCert !== undefined || tlsKey !== undefined) throw new UsageError('--tls-cert and --tls-key go together')
  return tls ? await throwAway(host) : undefined
}

async function read(file: string): Promise<Buffer> {
  return await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${file} cannot be read: ${error.code}`)
  })
}

/** Node signs but writes no X.509, so the machine's openssl makes the pair. The key leaves the disk as soon as it is read. */
async function throwAway(host: string): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), 'writ-dev-vault-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const [caFile, keyFile] = [join(folder, 'ca.pem'), join(folder, 'key.pem')]
  try {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const name = ['-subj', '/CN=writ dev-vault', '-addext', `subjectAltName=${names(host).join(',')}`]
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-days',
      '30',
      ...curve,
      ...name,
      '-keyout',
      keyFile,
      '-out',
      caFile,
    ])
    const [cert, key] = [await readFile(caFile), await readFile(keyFile)]
    await rm(keyFile)
    return { cert, key, caFile, remove }
  } catch (error) {
    await remove()
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new UsageError(
      missing
        ? '--tls makes a certificate with openssl, which is not installed'
        : 'openssl could not make a certificate',
      'Install openssl, or give a pair of your own: --tls-cert FILE --tls-key FILE.',
    )
  }
}

/** Where a client may find the server: on all addresses that means every address of the machine. */
function names(host: string): string[] {
  const everywhere = host === '0.0.0.0' || host === '::'
  const addresses = Object.values(networkInterfaces()).flatMap(list => list?.map(({ address }) => address) ?? [])
  const all = ['localhost', '127.0.0.1', '::1', ...(everywhere ? [hostname(), ...addresses] : [host])]
  return [...new Set(all)].map(name => (isIP(name) ? `IP:${name}` : `DNS:${name}`))
}
