import { type Logger, pino } from 'pino'

/** The log: JSON lines. What could carry a token is taken out, although nothing of ours should put one in. */
export function createLog(level: string, destination?: pino.DestinationStream): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    redact: {
      // rawPacket: the whole request, token and all, that was no HTTP
      paths: [
        'err.rawPacket',
        'req.headers',
        'headers',
        '*.headers',
        '*.token',
        '*.secret_id',
        '*.wrap_secret_id',
        '*.cubby_token',
      ],
      censor: '[secret]',
    },
  }
  return destination ? pino(options, destination) : pino(options)
}
