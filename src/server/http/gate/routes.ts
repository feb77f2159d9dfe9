import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WritError } from '../../../protocol/errors.ts'
import { goDuration } from '../../../protocol/go-time.ts'
import type { Gate } from '../../gate/gate.ts'
import type { Operator } from '../../gate/operator.ts'
import { operatorOf, requireAdmin, requireSameSite } from './admin.ts'
import { endOf, type Fields, formFields, isForm, jsonTexts, mediaType } from './body.ts'
import { callerOf, untilGone } from './caller.ts'
import type { Counters } from './counters.ts'
import { metricsText } from './metrics.ts'
import { isSaid, type Said } from './page/said.ts'
import { adminRefusal, type Refusal, tokenRefusal, unsealRefusal } from './refusals.ts'
import type { GateHttpSettings, Wire } from './settings.ts'
import { statusBody } from './status.ts'
import { formTexts, requireNoneInUrl, UNSEAL_KEYS, type UnsealTexts, unsealRequest } from './unseal-fields.ts'

/** All routes of both versions of vault-gatekeeper, and the page. Answers are unions of both (gatekeeper.md §11.4). */
export function gateRoutes(
  app: FastifyInstance,
  gate: Gate,
  counters: Counters,
  settings: GateHttpSettings,
  limitUnseal: (request: FastifyRequest, reply: FastifyReply) => Promise<void>,
): void {
  const { identity, vault, log } = gate.parts
  const status = () => statusBody(gate, counters, settings)
  const sealed = () => identity.state.sealed
  const end = endOf(settings.wire)
  /** What the handler is to return; as text, which takes Fastify's shortest way. */
  const json = (reply: FastifyReply, http: number, body: object): string => {
    reply.code(http).header('content-type', 'application/json; charset=utf-8').header('cache-control', 'no-store')
    return JSON.stringify(body) + end
  }
  const states = () => ({ status: sealed() ? 'Sealed' : 'Unsealed', unsealed: !sealed() })

  app.get('/status.json', async (_request, reply) => {
    return json(reply, sealed() ? settings.sealedStatus : 200, status())
  })
  app.get('/status', async (_request, reply) => json(reply, sealed() ? 503 : 200, status()))
  app.get('/metrics', async (_request, reply) => {
    return await reply.type('text/plain; version=0.0.4; charset=utf-8').send(metricsText(status()))
  })
  app.get('/', async (request, reply) => {
    if (!wantsPage(request, settings.wire)) {
      const sealedAs = settings.wire === 'v1' ? settings.sealedStatus : 503
      return json(reply, sealed() ? sealedAs : 200, status())
    }
    const { sendPage } = await import('./page/send.ts')
    const { said, tried = '' } = request.query as { said?: unknown; tried?: unknown }
    return await sendPage(reply, status(), { said: isSaid(said) ? said : null, tried: String(tried) })
  })

  app.post('/token', async (request, reply) => {
    counters.requests += 1
    let wire = settings.wire
    let scheduler = ''
    let task = ''
    try {
      // The attack: any page that knows a task's id could have a browser ask for its token, and so burn it unseen
      requireSameSite(request)
      identity.token()
      const asked = jsonTexts(request, ['task_id', 'scheduler', 'role'])
      if (asked.scheduler || asked.role) wire = 'v2'
      scheduler = printable(asked.scheduler)
      task = asked.task_id
      const found = { taskId: asked.task_id, scheduler: asked.scheduler, role: asked.role }
      const issued = await gate.issue(found, callerOf(request), untilGone(reply, ANSWER_MS))
      counters.successful += 1
      return json(reply, 200, {
        status: 'Unsealed',
        ok: true,
        token: issued.token.reveal(),
        unsealed: true,
        ttl: goDuration(issued.ttlSeconds * 1000),
        vault_addr: settings.vaultAddress,
      })
    } catch (cause) {
      const error = known(cause, request)
      const detailed = error.code === 'scheduler_unknown' ? new WritError(error.code, scheduler) : error
      const refusal = tokenRefusal(detailed, wire)
      counters.denied += 1
      if (refusal.http >= 500) counters.failed += 1
      if (gate.refusals.allows(error.code)) {
        // an id that has passed no grammar may be anything
        const named = task && !UNKNOWN_FORM.has(error.code) ? { task } : {}
        request.log.info({ code: error.code, reason: error.message, address: request.ip, ...named }, 'no token')
      }
      return refuse(reply, error, refusal)
    }
  })

  app.post('/unseal', { onRequest: limitUnseal }, async (request, reply) => {
    let wire = settings.wire
    let method = ''
    const form = isForm(request)
    try {
      requireSameSite(request)
      requireNoneInUrl(request.query)
      const type = mediaType(request)
      // anything else has no method, as in version 1; version 2 read everything as JSON
      const fields: Fields = form ? await formFields(request) : new Map()
      const texts = form
        ? formTexts(fields)
        : JSON_TYPES.has(type) || wire === 'v2'
          ? jsonTexts(request, UNSEAL_KEYS)
          : NO_TEXTS
      const asked = unsealRequest(texts, wire)
      wire = asked.wire
      method = printable(asked.method)
      const credentials = asked.credentials(settings.userId)
      // The attack: with no credential of his own, anybody could undo an operator's seal
      const by =
        OF_THE_GATE.has(credentials.kind) && !settings.legacyAdmin
          ? await requireAdmin(vault, request, fields)
          : operatorOf(request)
      const unsealed = await gate.unseal(credentials, by)
      if (form && acceptsHtml(request)) return await back(reply, unsealed ? 'unsealed' : 'already')
      const told = unsealed
        ? { message: `Unseal successful with the '${method}' method.` }
        : { error: 'Already unsealed.', message: 'Already unsealed.' }
      return json(reply, 200, { ...states(), ok: true, ...told })
    } catch (cause) {
      const error = known(cause, request)
      // what is no method may be a secret in the wrong place
      const named = error.code === 'login_method_unknown' ? {} : { method }
      if (gate.refusals.allows(error.code))
        request.log.warn({ code: error.code, ...named, reason: error.message, address: request.ip }, 'not unsealed')
      if (form && acceptsHtml(request)) return await back(reply, said(error), method)
      return refuse(reply, error, unsealRefusal(error, wire, method))
    }
  })

  app.post(
    '/seal',
    async (request, reply) =>
      await administer(request, reply, 'sealed', async by => {
        await gate.seal(by)
        return 'Gatekeeper sealed.'
      }),
  )
  app.post(
    '/policies/reload',
    async (request, reply) =>
      await administer(request, reply, 'reloaded', async by => {
        return `Policies reloaded. ${await gate.reload(by)} total policies.`
      }),
  )

  async function administer(
    request: FastifyRequest,
    reply: FastifyReply,
    done: Said,
    action: (by: Operator) => Promise<string>,
  ): Promise<FastifyReply | string> {
    const form = isForm(request)
    try {
      requireSameSite(request)
      const fields: Fields = form ? await formFields(request) : new Map()
      const by = settings.legacyAdmin ? operatorOf(request) : await requireAdmin(vault, request, fields)
      if (settings.legacyAdmin)
        log.warn({ address: request.ip, route: request.url }, 'administration without authentication')
      if (done === 'reloaded') identity.token()
      const message = await action(by)
      if (form && acceptsHtml(request)) return await back(reply, done)
      return json(reply, 200, { ...states(), ok: true, message })
    } catch (cause) {
      const error = known(cause, request)
      if (gate.refusals.allows(error.code))
        request.log.warn({ code: error.code, reason: error.message, address: request.ip }, 'not administered')
      if (form && acceptsHtml(request)) return await back(reply, said(error))
      return refuse(reply, error, adminRefusal(error, settings.wire))
    }
  }

  function refuse(reply: FastifyReply, error: WritError, { http, text }: Refusal): string {
    if (error.code === 'task_pending') reply.header('retry-after', '5')
    return json(reply, http, {
      ...states(),
      ok: false,
      error: text,
      code: error.code,
      remedy: error.entry.remedy,
    })
  }

  /** What is no refusal of ours is a fault: its text stays here. */
  function known(cause: unknown, request: FastifyRequest): WritError {
    if (cause instanceof WritError) return cause
    request.log.error({ err: cause, request: request.id }, 'a request failed')
    return new WritError('internal', `request ${request.id}`)
  }
}

/** Methods that prove who the gate is, and not who asks. */
const OF_THE_GATE: ReadonlySet<string> = new Set(['aws-ec2', 'cert'])

/** Refusals before a scheduler has looked at the form of the id. */
const UNKNOWN_FORM: ReadonlySet<string> = new Set(['task_id_invalid', 'scheduler_unknown', 'server_sealed', 'internal'])

/** For all peers together; what is under way then is still taken back. */
const ANSWER_MS = 20_000

/** The second: what is called a form, and is none. */
const JSON_TYPES: ReadonlySet<string> = new Set(['application/json', 'application/x-www-form-urlencoded'])

const NO_TEXTS = Object.fromEntries(UNSEAL_KEYS.map(key => [key, ''])) as UnsealTexts

/** A name in an answer: without what could forge a line, and short. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64)
}

const acceptsHtml = (request: FastifyRequest) => (request.headers.accept ?? '').includes('text/html')

/** Version 1 shows the page to all but those who want exactly JSON, version 2 has none (gatekeeper.md §2, §13). */
function wantsPage(request: FastifyRequest, wire: Wire): boolean {
  return acceptsHtml(request) || (wire === 'v1' && request.headers.accept !== 'application/json')
}

/** Back to the page, which says what happened, one of a few words, and opens the form again that was sent. */
async function back(reply: FastifyReply, word: Said, method = ''): Promise<FastifyReply> {
  const tried = /^[a-z0-9-]{1,20}$/.test(method) ? `&tried=${method}` : ''
  return await reply.code(303).header('location', `/?said=${word}${tried}`).send()
}

function said(error: WritError): Said {
  return isSaid(error.code) ? error.code : 'failed'
}
