import { EXIT } from '../failure.ts'
import { printJson, progress, table } from '../print.ts'
import { type ConnectOptions, connect } from './connect.ts'

/** One job. */
export async function get(id: string, options: ConnectOptions): Promise<number> {
  const client = await connect(options)
  try {
    const job = await client.get(id)
    if (options.json) printJson(job)
    else {
      const { output: _output, stderr: _stderr, masked, ...facts } = job
      const rows = Object.entries(facts).map(([key, value]) => [key, String(value)])
      const secrets = Object.entries(masked).map(([name, times]) => `${name} ${times}×`)
      process.stdout.write(`${table([...rows, ['masked', secrets.join(', ') || 'nothing']])}\n`)
    }
    return EXIT.ok
  } finally {
    await client.close()
  }
}

/** The newest jobs that one may see. */
export async function ls(options: ConnectOptions & { skip?: number }): Promise<number> {
  const client = await connect(options)
  try {
    const list = await client.list({ skip: options.skip ?? 0 })
    if (options.json) {
      printJson(list)
      return EXIT.ok
    }
    const rows = list.data.map(job => [
      job._id,
      job.status,
      String(job.return_code),
      job.qname || '-',
      job.container_image,
      job.submitted,
    ])
    process.stdout.write(`${table([['ID', 'STATUS', 'CODE', 'QUEUE', 'IMAGE', 'SUBMITTED'], ...rows])}\n`)
    const shown = list.skip + list.data.length
    if (shown < list.total) progress(`${list.total - shown} more: writ ls --skip ${shown}`)
    return EXIT.ok
  } finally {
    await client.close()
  }
}

/** Asks for jobs to be stopped. */
export async function kill(ids: readonly string[], options: ConnectOptions): Promise<number> {
  const client = await connect(options)
  try {
    for (const id of ids) {
      const answer = await client.kill(id)
      if (options.json) printJson(answer)
      else progress(`job ${id} was ${answer.status}; it is being stopped`)
    }
    return EXIT.ok
  } finally {
    await client.close()
  }
}

/** Removes records of ended jobs, or cancels waiting ones. */
export async function rm(ids: readonly string[], options: ConnectOptions): Promise<number> {
  const client = await connect(options)
  try {
    for (const id of ids) {
      await client.remove(id)
      if (options.json) printJson({ _id: id })
      else progress(`job ${id} removed`)
    }
    return EXIT.ok
  } finally {
    await client.close()
  }
}
