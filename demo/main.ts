import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { Client, packContent, RequestError, Secret, Vault } from '../src/client/index.ts'
import { listAudit } from '../src/server/audit/list.ts'
import { verifyAudit } from '../src/server/audit/verify.ts'
import { openDatabase } from '../src/server/store/database.ts'
import { ensureBusyboxImage } from '../test/busybox-image.ts'
import { searchDatabase } from './database-search.ts'
import { type Program, startOrGiveUp, startProgram } from './program.ts'
import { brokenClaims, claim, heading, quote, say } from './story.ts'

/** `npm run demo`: one sealed job from end to end, on real parts. `--once` stops everything at the end. */
const once = process.argv.includes('--once')
const started = Date.now()

heading('Starting a server, PostgreSQL and an embedded Vault')
const writ = await startOrGiveUp('src/cli/main.ts', ['dev', '--json', '--port', once ? '0' : '3232'])
const {
  server = '',
  vault: vaultAddress = '',
  database_url = '',
  requestor_token = '',
  vault_root_token = '',
} = writ.ready
say(`server   ${server}`)
say(`Vault    ${vaultAddress} (in memory)`)
const image = existsSync('/bin/busybox') ? await ensureBusyboxImage() : 'busybox:latest'
say(`image    ${image}`)
const courier = await startOrGiveUp('demo/courier.ts', [server])
say(`courier  ${courier.ready.courier}, a process of its own that nobody trusts`)

const programs: Program[] = [courier, writ]
const stop = async () => {
  for (const program of programs) await program.stop()
}
try {
  await tellStory()
} catch (error) {
  claim(false, `the story came to its end: ${(error as Error).message}`)
}
if (brokenClaims().length > 0 || once) {
  await stop()
  process.stdout.write(
    `\n${brokenClaims().length === 0 ? 'All of it held' : 'NOT all of it held'}, in ${((Date.now() - started) / 1000).toFixed(1)} s.\n`,
  )
  process.exit(brokenClaims().length === 0 ? 0 : 1)
}
heading('What to try next')
say('The server goes on until you press Ctrl-C. In another terminal, in this folder:')
// to be copied: nothing before them
process.stdout.write(
  [
    '',
    `export WRIT_ADDR=${courier.ready.courier} VAULT_ADDR=${vaultAddress} VAULT_TOKEN=${requestor_token}`,
    `npm run -s writ -- run --image ${image} --secret-ref NAME@secret/data/hello.name -- cat /secrets.yml`,
    'npm run -s writ -- ls',
    '',
    '',
  ].join('\n'),
)
say(
  'The second shows the name of a secret and *** for its value: what is masked in the output is not masked in the container.',
)
process.once('SIGINT', () => void stop().then(() => process.exit(0)))
process.once('SIGTERM', () => void stop().then(() => process.exit(0)))

async function tellStory(): Promise<void> {
  const vault = new Vault({ address: vaultAddress })
  const secrets = { password: `pw-${randomBytes(12).toString('hex')}`, key: `key-${randomBytes(12).toString('hex')}` }
  const values = [...Object.values(secrets), Buffer.from(secrets.key).toString('base64')]

  heading('Two secrets in Vault, which the requestor herself cannot read')
  await vault.send({
    method: 'POST',
    path: 'secret/data/demo',
    token: new Secret(vault_root_token),
    body: { data: secrets },
  })
  const token = new Secret(requestor_token)
  const denied = await vault.send({ method: 'GET', path: 'secret/data/demo', token }).then(
    () => false,
    () => true,
  )
  claim(denied, 'Vault refuses them to the requestor')

  heading('She seals a job and hands it to the courier')
  const client = new Client({ server: courier.ready.courier ?? '', vault, token })
  const { _id } = await client.submit({
    qname: 'demo',
    container_image: image,
    content: await packContent('demo/job'),
    run: ['/deploy.sh'],
    secret_refs: ['DB_PASSWORD@secret/data/demo.password', 'API_KEY@secret/data/demo.key'],
  })
  const seen = courier.lines.map(line => line.body ?? '').join('\n')
  say('What the courier could see of it:')
  for (const line of courier.lines)
    quote(
      `${line.method} ${line.path} ${line.body?.length} bytes: ${Object.keys(JSON.parse(line.body ?? '{}')).join(', ')}`,
    )
  claim(
    !seen.includes('deploy.sh') && !seen.includes('DB_PASSWORD') && !seen.includes(image),
    'neither the image, nor the command, nor the names of the secrets',
  )

  heading(`Job ${_id} runs; this is its output, live through the courier`)
  const output = await follow(client, _id)
  claim(output.gapMs > 200, `it came while the job ran: its pieces are up to ${Math.round(output.gapMs)} ms apart`)
  claim(!values.some(value => output.text.includes(value)), 'the secrets in it are masked, also in base64')
  const job = await client.get(_id)
  claim(Object.keys(job.masked).length >= 2, `the record says which, and how often: ${JSON.stringify(job.masked)}`)
  claim(job.return_code === 7, `the exit code is the job's own: ${job.return_code}`)

  heading('A nosy courier looks into the next envelope')
  const nosy = await startProgram('demo/courier.ts', [server, vaultAddress])
  programs.unshift(nosy)
  const deceived = new Client({ server: nosy.ready.courier ?? '', vault, token })
  const refusal = await deceived.submit({ container_image: image, run: ['true'] }).catch((error: Error) => error)
  const loot = nosy.lines[0]?.loot ?? ''
  quote(`it has taken out ${loot.length} bytes: ${loot.slice(0, 48)}…`)
  claim(loot.startsWith('vault:v1:'), 'ciphertext, for which it has no key')
  const code = refusal instanceof RequestError ? refusal.code : 'none'
  claim(code === 'envelope_opened', `and it is found out: the requestor gets ${code}, and nothing runs`)
  await deceived.close()

  heading('Looking for the secrets where they must not be')
  const search = await searchDatabase(database_url, values)
  claim(
    search.rows > 0 && search.hits.length === 0,
    `not in the database: ${search.rows} rows in ${search.tables} tables`,
  )
  claim(!values.some(value => seen.includes(value)), 'not with the courier')

  heading('What the audit trail says of the job')
  await tellTrail(_id)
  await client.close()
  await vault.close()
}

async function tellTrail(id: string): Promise<void> {
  const db = openDatabase(database_url, () => {})
  const released = () => entries.at(-1)?.action === 'job.token_revoked'
  let entries = await listAudit(db, id)
  // the end of a job is told first, then all that it held is taken away
  for (const giveUp = Date.now() + 5_000; !released() && Date.now() < giveUp; entries = await listAudit(db, id)) {
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  for (const { action, detail = {} } of entries) {
    const { path, names, status, return_code } = detail
    quote([action, path, names && `(${names})`, status, return_code].filter(part => part !== undefined).join(' '))
  }
  claim(released(), 'its token is revoked, and with it every lease')
  const { brokenAt, head } = await verifyAudit(db)
  claim(brokenAt === null, `the chain of its hashes is whole, up to ${head.slice(0, 16)}…`)
  await db.destroy()
}

async function follow(client: Client, id: string): Promise<{ text: string; gapMs: number }> {
  let text = ''
  let gapMs = 0
  let last: number | null = null
  for await (const event of client.follow(id)) {
    if (event.kind !== 'output') break
    const now = performance.now()
    if (last !== null) gapMs = Math.max(gapMs, now - last)
    last = now
    const piece = Buffer.from(event.data).toString('utf8')
    text += piece
    quote(piece)
  }
  return { text, gapMs }
}
