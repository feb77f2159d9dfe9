import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMessage, generateKey, type PrivateKey, sign } from 'openpgp'
import { openRepository } from '../src/server/watch/repository/repository.ts'
import { checkQuorum, type TrustedKey } from '../src/server/watch/signatures/quorum.ts'
import { GitRepository } from '../test/repositories/git-repository.ts'
import { armored, GpgHome } from '../test/repositories/gpg-home.ts'
import { timed } from './figures.ts'

const BASELINE = 50

interface Signer {
  readonly trusted: TrustedKey
  readonly key: PrivateKey
}

/** `npm run bench -- signatures [COMMITS]`: commits with three signatures each, and `git verify-commit` for the same. */
export async function bench([count = '1000']: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'writ-bench-signatures-'))
  const gpg = new GpgHome()
  try {
    const signers = [await signer('ann', 'ecc'), await signer('bob', 'rsa'), await signer('cat', 'ecc')] as const
    const repository = new GitRepository(folder)
    const commits = await manyCommits(repository, folder, signers, Number(count))
    const opened = openRepository({
      address: repository.path,
      branch: 'main',
      protocols: ['file'],
      cacheDirectory: join(folder, 'cache'),
    })
    const fetching = await timed(async () => await opened.fetch(await opened.tip()))
    const keys = signers.map(({ trusted }) => trusted)
    const cpu = process.cpuUsage()
    const ours = await timed(async () => {
      for (const commit of commits) await checkQuorum(await opened.evidence(commit), keys, 3, new Date())
    })
    const { user, system } = process.cpuUsage(cpu)
    opened.close()
    for (const { key } of keys) gpg.run(['--import'], key)
    const few = commits.slice(0, BASELINE)
    const theirs = await timed(async () => {
      for (const commit of few) repository.git(['verify-commit', commit], '', gpg.environment)
    })
    const each = (ms: number, signatures: number) => `${(ms / signatures).toFixed(2)} ms a signature`
    const lines = [
      `fetch of ${commits.length} commits and their notes     ${fetching.toFixed(0)} ms`,
      `${commits.length} commits, 3 signatures each            ${ours.toFixed(0)} ms, ${each(ours, 3 * commits.length)}`,
      `  CPU of it                               ${((user + system) / 1000).toFixed(0)} ms`,
      `git verify-commit, 1 signature each       ${each(theirs, few.length)}`,
      `ratio                                     ${(theirs / few.length / (ours / 3 / commits.length)).toFixed(1)}`,
    ]
    process.stdout.write(`${lines.join('\n')}\n`)
  } finally {
    gpg.close()
    await rm(folder, { recursive: true })
  }
}

async function signer(name: string, type: 'ecc' | 'rsa'): Promise<Signer> {
  const kind = type === 'rsa' ? ({ type, rsaBits: 3072 } as const) : ({ type, curve: 'ed25519Legacy' } as const)
  const { privateKey } = await generateKey({ userIDs: [{ name }], ...kind, format: 'object' })
  return { trusted: { name, key: privateKey.toPublic().armor() }, key: privateKey }
}

async function detached({ key }: Signer, content: string): Promise<Buffer> {
  const message = await createMessage({ binary: Buffer.from(content) })
  return Buffer.from((await sign({ message, signingKeys: key, detached: true, format: 'binary' })) as Uint8Array)
}

/** All objects by two gits: a git for each would take longer than what is measured. */
async function manyCommits(
  repository: GitRepository,
  folder: string,
  signers: readonly [Signer, Signer, Signer],
  count: number,
) {
  const tree = repository.tree({ 'run.sh': 'echo hi\n' })
  const [author, ...others] = signers
  const files: string[] = []
  mkdirSync(join(folder, 'objects'))
  for (let at = 0; at < count; at++) {
    const people = ['author', 'committer'].map(role => `${role} Ann <ann@example.com> ${1_760_000_000 + at} +0000\n`)
    const [head, message] = [`tree ${tree}\n${people.join('')}`, `\ncommit ${at}\n`]
    const signature = armored(await detached(author, head + message)).trim()
    files.push(join(folder, 'objects', String(at)))
    writeFileSync(files.at(-1) as string, `${head}gpgsig ${signature.replaceAll('\n', '\n ')}\n${message}`)
  }
  const commits = repository.git(['hash-object', '-w', '-t', 'commit', '--stdin-paths'], files.join('\n')).split('\n')
  for (const [at, commit] of commits.entries()) {
    const lines = await Promise.all(others.map(async other => (await detached(other, commit)).toString('base64')))
    writeFileSync(files[at] as string, `${lines.join('\n')}\n`)
  }
  const notes = repository.git(['hash-object', '-w', '--stdin-paths'], files.join('\n')).split('\n')
  const entries = commits.map((commit, at) => `100644 ${notes[at]}\t${commit.slice(0, 2)}/${commit.slice(2)}\n`)
  const index = { GIT_INDEX_FILE: join(folder, 'index') }
  repository.git(['update-index', '--index-info'], entries.join(''), index)
  repository.ref('refs/tags/latest-signature', repository.commit(repository.git(['write-tree'], '', index)))
  const parents = commits.map(commit => `parent ${commit}\n`).join('')
  const merge = `tree ${tree}\n${parents}author A <a@b> 1760000000 +0000\ncommitter A <a@b> 1760000000 +0000\n\nall\n`
  repository.ref('refs/heads/main', repository.raw('commit', merge))
  execFileSync('git', [`--git-dir=${repository.path}`, 'repack', '-adq'])
  return commits
}
