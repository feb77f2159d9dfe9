#!/usr/bin/env node
import { EXIT, reportFailure } from './failure.ts'
import { program } from './program.ts'

// `writ logs -f ID | head`: who does not want to read more is no error, and is not to be waited for
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.unread)
})

try {
  await program().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, process.stderr)
}
