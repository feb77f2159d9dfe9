import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Real keys and signatures by ssh-keygen, in a temporary folder. */
export class SshKeys {
  readonly path = mkdtempSync(join(tmpdir(), 'writ-ssh-'))
  #count = 0

  generate(name: string, type = 'ed25519', bits?: number): void {
    const size = bits ? ['-b', String(bits)] : []
    execFileSync('ssh-keygen', ['-q', '-t', type, ...size, '-N', '', '-C', name, '-f', join(this.path, name)])
  }

  publicKey(name: string): string {
    return readFileSync(join(this.path, `${name}.pub`), 'utf8').trim()
  }

  privateKeyFile(name: string): string {
    return join(this.path, name)
  }

  /** Armoured. */
  sign(name: string, content: string | Uint8Array, namespace = 'git', hash = 'sha512'): string {
    const file = join(this.path, `content-${this.#count++}`)
    writeFileSync(file, content)
    const options = ['-q', '-Y', 'sign', '-n', namespace, '-O', `hashalg=${hash}`, '-f', join(this.path, name), file]
    execFileSync('ssh-keygen', options, { stdio: 'ignore' })
    return readFileSync(`${file}.sig`, 'utf8')
  }

  close(): void {
    rmSync(this.path, { recursive: true })
  }
}
