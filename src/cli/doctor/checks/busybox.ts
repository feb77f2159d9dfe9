import { open } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Check } from '../check.ts'
import { howToInstall } from '../packages.ts'

const PROGRAM_INTERPRETER = 3

/** The image of the demonstration and of the tests is made of this one file, which needs no library: nothing is downloaded. */
export const busybox: Check = {
  name: 'busybox',
  needs: ['test', 'demo'],
  async probe(machine) {
    const found = await findStaticBusybox(machine.env)
    if (found) return { ok: true, detail: found }
    const packages = ['busybox-static']
    return { ok: false, cause: 'no statically linked busybox', remedy: howToInstall(machine, packages), packages }
  },
}

/** The first busybox in PATH that runs without any library, as in an empty image. */
export async function findStaticBusybox(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const file = join(folder || '.', 'busybox')
    if (await isStatic(file)) return file
  }
  return undefined
}

/** An ELF file whose program headers name no interpreter (elf(5)); only 64 bit little-endian, as all that we run on. */
async function isStatic(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined)
  if (!file) return false
  try {
    const head = Buffer.alloc(4096)
    const { bytesRead } = await file.read(head, 0, head.length, 0)
    if (bytesRead < 64 || head.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return false
    const [start, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)]
    if (start + size * count > bytesRead) return false
    return !Array.from({ length: count }, (_, n) => head.readUInt32LE(start + n * size)).includes(PROGRAM_INTERPRETER)
  } finally {
    await file.close()
  }
}
