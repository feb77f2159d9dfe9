import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'

/** Real gpg with a home of its own. Its path is short: gpg-agent's sockets lie in it. */
export class GpgHome {
  readonly path = mkdtempSync('/tmp/wg-')
  readonly environment = { PATH: process.env.PATH ?? '/usr/bin:/bin', GNUPGHOME: this.path, LC_ALL: 'C' }

  /** `at`: the time that gpg takes for now, `YYYYMMDDThhmmss`. */
  run(args: readonly string[], input: string | Uint8Array = '', at?: string): Buffer {
    const options = ['--batch', '--yes', '--no-tty', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '']
    const time = at ? ['--faked-system-time', `${at}!`, '--ignore-time-conflict', '--ignore-valid-from'] : []
    return execFileSync('gpg', [...options, ...time, ...args], {
      input,
      env: this.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  generate(name: string, algorithm = 'ed25519', { usage = 'sign', expires = 'never', at }: KeyOptions = {}): void {
    this.run(['--quick-generate-key', `${name} <${name}@example.com>`, algorithm, usage, expires], '', at)
  }

  fingerprint(name: string): string {
    const listing = this.run(['--with-colons', '--list-keys', `=${name} <${name}@example.com>`]).toString()
    return /^fpr:{9}([0-9A-F]{40}):/m.exec(listing)?.[1] as string
  }

  /** Fingerprints. */
  subkeys(name: string): string[] {
    const listing = this.run(['--with-colons', '--list-keys', `=${name} <${name}@example.com>`]).toString()
    return [...listing.matchAll(/^sub:(?:.*\n)+?fpr:{9}([0-9A-F]{40}):/gm)].map(([, found]) => found as string)
  }

  addSubkey(name: string, algorithm = 'ed25519', { usage = 'sign', expires = 'never', at }: KeyOptions = {}): void {
    this.run(['--quick-add-key', this.fingerprint(name), algorithm, usage, expires], '', at)
  }

  export(name: string): string {
    return this.run(['--armor', '--export', `=${name} <${name}@example.com>`]).toString()
  }

  exportSecret(name: string): string {
    return this.run(['--armor', '--export-secret-keys', `=${name} <${name}@example.com>`]).toString()
  }

  /** Interactive commands of `--edit-key`. */
  edit(name: string, commands: readonly string[], at?: string, options: readonly string[] = []): void {
    this.run(
      [...options, '--command-fd', '0', '--expert', '--edit-key', `=${name} <${name}@example.com>`],
      `${commands.join('\n')}\n`,
      at,
    )
  }

  /** What gpg-agent calls the secret of each part of a key: the primary one first. */
  keygrips(name: string): string[] {
    const listing = this.run(['--with-colons', '--with-keygrip', '--list-keys', `=${name} <${name}@example.com>`])
    return [...listing.toString().matchAll(/^grp:{9}([0-9A-F]{40}):/gm)].map(([, grip]) => grip as string)
  }

  /** Detached and binary, unless `options` say otherwise. */
  sign(name: string, content: string | Uint8Array, options: readonly string[] = [], at?: string): Buffer {
    return this.run(
      ['--local-user', `=${name} <${name}@example.com>`, ...options, '--detach-sign', '--output', '-'],
      content,
      at,
    )
  }

  close(): void {
    execFileSync('gpgconf', ['--kill', 'all'], { env: this.environment })
    rmSync(this.path, { recursive: true, force: true })
  }
}

interface KeyOptions {
  readonly usage?: string
  readonly expires?: string
  readonly at?: string
}

/** As gpg and ssh-keygen write it around the bytes of a signature. */
export function armored(bytes: Uint8Array, kind = 'PGP SIGNATURE'): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  const body = kind.startsWith('PGP') ? ['', ...lines, checksum(bytes)] : lines
  return `-----BEGIN ${kind}-----\n${body.join('\n')}\n-----END ${kind}-----\n`
}

/** CRC-24 (RFC 4880 §6.1): without it, gpg 2.2 does not find the end of some signatures. */
function checksum(bytes: Uint8Array): string {
  let crc = 0xb704ce
  for (const byte of bytes) {
    crc ^= byte << 16
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ ((crc & 0x800000) === 0 ? 0 : 0x1864cfb)
  }
  return `=${Buffer.from([crc >> 16, crc >> 8, crc]).toString('base64')}`
}
