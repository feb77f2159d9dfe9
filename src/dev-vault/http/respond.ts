import type { ServerResponse } from 'node:http'
import { VaultError } from '../errors.ts'
import { envelope } from '../pipeline/envelope.ts'
import type { Answer } from '../routing/backend.ts'
import type { VaultRequest } from '../routing/request.ts'
import type { JsonObject } from '../text/json.ts'
import { UncleanPath } from './request.ts'

/** Sends an answer; what is nothing on a read or a list is a 404, on a write a 204. */
export function sendAnswer(response: ServerResponse, request: VaultRequest, answer: Answer | undefined): void {
  if (!answer || emptyList(request, answer)) {
    const reads = request.operation === 'read' || request.operation === 'list'
    send(response, reads ? 404 : 204, reads ? { errors: [] } : undefined)
    return
  }
  if (answer.bare) {
    send(response, answer.status ?? 200, answer.bare)
    return
  }
  // What was wrapped has no request id of its own.
  const body = { request_id: answer.wrap ? '' : request.id, ...envelope(answer) }
  send(response, answer.status ?? 200, answer.flat ? { ...answer.data, ...body } : body)
}

function emptyList(request: VaultRequest, answer: Answer): boolean {
  if (request.operation !== 'list' || answer.wrap || answer.warnings?.length) return false
  const keys = answer.data?.keys
  return keys === undefined || (Array.isArray(keys) && keys.length === 0)
}

/** Is the error one that is meant for the client? */
export function isAnswer(error: unknown): boolean {
  return error instanceof VaultError || error instanceof UncleanPath
}

/** An error as an answer. What is no answer of ours says nothing about itself: its text could hold anything. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (error instanceof UncleanPath) {
    response.writeHead(301, { Location: error.location }).end()
  } else if (error instanceof VaultError) {
    send(response, error.status, error.data ?? { errors: error.errors })
  } else {
    send(response, 500, { errors: ['1 error occurred:\n\t* internal error\n\n'] })
  }
}

function send(response: ServerResponse, status: number, body: JsonObject | undefined): void {
  if (body === undefined) {
    response.writeHead(status, { 'Cache-Control': 'no-store' }).end()
    return
  }
  const text = Buffer.from(`${JSON.stringify(body)}\n`)
  response
    .writeHead(status, {
      'Cache-Control': 'no-store',
      'Content-Type': 'application/json',
      'Content-Length': text.length,
    })
    .end(text)
}
