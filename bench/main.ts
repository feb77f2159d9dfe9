/** `npm run bench -- NAME`: each benchmark against its own baseline, alternating in one run. */
const BENCHES = {
  overhead: './overhead.ts',
  faster: './faster.ts',
  warm: './warm.ts',
  'dev-vault': './dev-vault.ts',
  gate: './gate.ts',
  growth: './growth.ts',
  stream: './stream.ts',
  masker: './masker.ts',
  queues: './queues.ts',
  wake: './wake.ts',
  signatures: './signatures.ts',
  watch: './watch.ts',
  push: './push.ts',
} as const

const [name = '', ...args] = process.argv.slice(2)
if (!Object.hasOwn(BENCHES, name)) {
  process.stderr.write(`usage: npm run bench -- NAME [ARGS]\nnames: ${Object.keys(BENCHES).join(', ')}\n`)
  process.exit(2)
}
const { bench } = (await import(BENCHES[name as keyof typeof BENCHES])) as { bench(args: string[]): Promise<void> }
await bench(args)
