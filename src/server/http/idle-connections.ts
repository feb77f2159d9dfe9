import type { FastifyInstance } from 'fastify'

const EVERY_MS = 50

/**
 * Ends connections on which nothing is under way, again and again while the server closes. It does so by itself only once, at the start:
 * one that was busy then is kept alive for the client's next request, and the end of the server waited for it, for a minute.
 */
export function closeIdleConnections(app: FastifyInstance): void {
  app.addHook('preClose', async () => {
    const timer = setInterval(() => app.server.closeIdleConnections(), EVERY_MS)
    app.server.once('close', () => clearInterval(timer))
    timer.unref()
  })
}
