#!/usr/bin/env node
import { EXIT, reportFailure } from './failure.ts'
import { program } from './program.ts'

// `writ logs -f ID | head`: who does not want to read more is no error, and is not to be waited for
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.unread : reportFailure(error, process.stderr))
})
// what is going on may be of no interest to anybody; a job's code is, and so is what has to be given back
process.stderr.on('error', () => {})

try {
  await program().parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, process.stderr)
}
