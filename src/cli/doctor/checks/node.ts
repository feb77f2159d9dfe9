import type { Check } from '../check.ts'

const OLDEST = 26

export const node: Check = {
  name: 'node',
  needs: ['run', 'test', 'demo'],
  async probe(_machine, _profile) {
    if (Number.parseInt(process.versions.node, 10) >= OLDEST) return { ok: true, detail: process.versions.node }
    return {
      ok: false,
      cause: `this is Node ${process.versions.node}, writ needs ${OLDEST}`,
      remedy: 'npm ci, which brings it, then start through npm or npx',
    }
  },
}
