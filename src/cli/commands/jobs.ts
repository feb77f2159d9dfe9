import { each } from '../each.ts'
import { EXIT } from '../failure.ts'
import { printJson, printTable, progress } from '../print.ts'
import { type ConnectOptions, withClient } from './connect.ts'

/** One job. */
export async function get(id: string, options: ConnectOptions): Promise<number> {
  return await withClient(options, async client => {
    const job = await client.get(id)
    if (options.json) printJson(job)
    else {
      const { output: _output, stderr: _stderr, masked, origin, ...facts } = job
      const rows = Object.entries(facts).map(([key, value]) => [key, String(value)])
      const commit = origin ? [['origin', `${origin.watch} ${origin.commit}`]] : []
      const secrets = Object.entries(masked).map(([name, times]) => `${name} ${times}×`)
      printTable([...rows, ...commit, ['masked', secrets.join(', ') || 'nothing']])
    }
    return EXIT.ok
  })
}

/** The queues that one may read. */
export async function queues(options: ConnectOptions): Promise<number> {
  return await withClient(options, async client => {
    const list = await client.queues()
    if (options.json) printJson(list)
    else {
      const rows = list.data.map(({ qname, waiting, running, oldest }) => {
        return [qname || '-', String(waiting), String(running), waiting > 0 ? oldest : '-']
      })
      printTable(rows, ['QUEUE', 'WAITING', 'RUNNING', 'OLDEST'])
    }
    return EXIT.ok
  })
}

/** Asks for jobs to be stopped. */
export async function kill(ids: readonly string[], options: ConnectOptions): Promise<number> {
  return await withClient(options, async client => {
    return await each(ids, async id => {
      const answer = await client.kill(id)
      if (options.json) printJson(answer)
      else progress(`job ${id} was ${answer.status}; it is being stopped`)
    })
  })
}

/** Removes records of ended jobs, or cancels waiting ones. */
export async function rm(ids: readonly string[], options: ConnectOptions): Promise<number> {
  return await withClient(options, async client => {
    return await each(ids, async id => {
      await client.remove(id)
      if (options.json) printJson({ _id: id })
      else progress(`job ${id} removed`)
    })
  })
}
