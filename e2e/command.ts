import { spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { afterAll } from 'vitest'
import { COMPILE_CACHE } from './compile-cache.ts'

/** Of all terminals of the test file that imports this. */
const homes: string[] = []
afterAll(async () => {
  for (const home of homes) await rm(home, { recursive: true, force: true })
})

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs programs with a `writ` in their PATH that is this source tree's. */
export class Terminal {
  readonly #env: Record<string, string>
  readonly folder: string

  private constructor(folder: string, env: Record<string, string>) {
    this.folder = folder
    const path = [folder, dirname(process.execPath), process.env.PATH].join(delimiter)
    this.#env = { ...COMPILE_CACHE, HOME: folder, PATH: path, ...env }
  }

  static async open(env: Record<string, string>): Promise<Terminal> {
    const folder = await mkdtemp(join(tmpdir(), 'writ-terminal-'))
    homes.push(folder)
    const writ = join(folder, 'writ')
    await writeFile(writ, `#!/bin/sh\nexec ${process.execPath} ${resolve('src/cli/main.ts')} "$@"\n`)
    await chmod(writ, 0o755)
    return new Terminal(folder, env)
  }

  async writ(...args: string[]): Promise<Result> {
    return await this.run('writ', args)
  }

  async shell(script: string): Promise<Result> {
    return await this.run('bash', ['-euo', 'pipefail', '-c', script])
  }

  /** `onOutput` hears of everything as it comes; it may end the program by the signal that it returns, as `ending` may. */
  async run(
    command: string,
    args: string[],
    onOutput?: (text: string) => NodeJS.Signals | undefined,
    ending?: Promise<NodeJS.Signals>,
  ): Promise<Result> {
    const child = spawn(command, args, { cwd: this.folder, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] })
    void ending?.then(signal => child.kill(signal))
    const texts = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        texts[name] += chunk
        const signal = onOutput?.(chunk.toString())
        if (signal) child.kill(signal)
      })
    }
    const code = await new Promise<number | null>((done, failed) => child.once('close', done).once('error', failed))
    return { code, ...texts }
  }
}
