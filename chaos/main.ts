import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runChaos } from './run.ts'

/** `npm run chaos -- --seed 1 --seconds 60 --rounds 5`: ends with 1 when a promise was broken, and leaves the logs of that seed. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    seconds: { type: 'string', default: '60' },
    nodes: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '1' },
    // such as 'systemctl restart docker': only where nobody else uses this engine
    'restart-engine': { type: 'string' },
  },
})
const say = (text: string) => process.stdout.write(`${text}\n`)
for (let round = 0; round < Number(values.rounds); round += 1) {
  const seed = Number(values.seed) + round * 1_000
  say(`seed ${seed}`)
  const { jobs, byEnd, found, logs } = await runChaos({
    seed,
    seconds: Number(values.seconds),
    nodes: Number(values.nodes),
    restartEngine: values['restart-engine'],
    report: text => say(`  ${text}`),
  })
  say(`  ${jobs} jobs: ${JSON.stringify(byEnd)}`)
  if (found.length === 0) continue
  mkdirSync('.writ', { recursive: true })
  writeFileSync(`.writ/chaos-${seed}.log`, logs)
  for (const line of found) say(`  BROKEN ${line}`)
  say(`  the logs are in .writ/chaos-${seed}.log`)
  process.exitCode = 1
}
