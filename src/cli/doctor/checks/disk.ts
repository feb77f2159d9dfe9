import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import type { Check } from '../check.ts'

/** A database, a few images and the output of jobs; PostgreSQL and Docker fail in many ways below this. */
const LEAST_GB = 1

export const disk: Check = {
  name: 'disk',
  needs: ['run', 'test', 'demo'],
  async probe() {
    const free = await Promise.all([process.cwd(), tmpdir(), '/var/lib/docker'].map(freeGb))
    const least = free.reduce((a, b) => (b.gb < a.gb ? b : a))
    if (least.gb >= LEAST_GB) return { ok: true, detail: `${least.gb.toFixed(1)} GB free` }
    return {
      ok: false,
      cause: `${least.gb.toFixed(1)} GB free in ${least.folder}, needed is ${LEAST_GB} GB`,
      remedy: 'Make room; docker system prune removes containers and images that nothing uses',
    }
  },
}

async function freeGb(folder: string): Promise<{ folder: string; gb: number }> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return { folder, gb: (bavail * bsize) / 1e9 }
  } catch {
    return freeGb(dirname(folder)) // not there yet: it will be on the file system of the folder above
  }
}
