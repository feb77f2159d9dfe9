import { readFile } from 'node:fs/promises'
import type { DevVault } from '../../dev-vault/index.ts'
import { UsageError } from '../failure.ts'
import { printable } from '../printable.ts'
import { readSeed, type Seed, type SeedProblem } from './seed.ts'

/** Reads and checks a seed file. @throws UsageError with every problem and its line */
export async function loadSeed(file: string): Promise<Seed> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${file} cannot be read: ${error.code}`)
  })
  const seed = readSeed(text)
  if (seed.problems.length > 0) throw refused(file, seed.problems)
  return seed
}

/** Writes what the seed asks for. What Vault refuses is told together too: one run shows all there is to mend. @throws UsageError */
export async function applySeed(vault: DevVault, seed: Seed, file: string): Promise<void> {
  const problems: SeedProblem[] = []
  for (const { line, path, data } of seed.writes) {
    await vault.write(path, data).catch((error: Error) => {
      problems.push({ line, text: `${path}: ${error.message.replaceAll(/\s+/g, ' ').trim()}` })
    })
  }
  if (problems.length > 0) throw refused(file, problems)
}

function refused(file: string, problems: readonly SeedProblem[]): UsageError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  const list = problems.map(({ line, text }) => `\n  line ${line}: ${printable(text)}`)
  return new UsageError(`${file} has ${count}:${list.join('')}`, 'docs/dev-vault.md shows what a seed file looks like.')
}
