#!/usr/bin/env node
import { constants } from 'node:os'
import { printError } from './print.ts'
import { gostintClient } from './run.ts'

// Overwrites the arguments that `ps` shows to everybody on the machine, tokens among them. Until here they were seen: @file is better
process.title = 'gostint-client'

const leaving = new AbortController()
let exitCode: number | undefined
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // once: the second time it ends at once, without revoking anything
  process.once(name, () => {
    exitCode = 128 + constants.signals[name]
    leaving.abort(new Error(name))
  })
}
// `gostint-client … | head`: who does not want to read more is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exit(printError(error, process.stderr))
})
process.stderr.on('error', () => {})

const { env, stdout: out, stderr: err, argv } = process
const code = await gostintClient(argv.slice(2), { env, out, err, signal: leaving.signal })
process.exitCode = exitCode ?? code
