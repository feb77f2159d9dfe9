import { type Logger, pino } from 'pino'

/** Of pino's levels. */
const WARN = 40

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
  return pino(options, destination ?? linesOfTurns())
}

/**
 * Standard output, with one write for all lines of a turn of the event loop: a write for each was an eighth of what a token costs the
 * gate. What is a warning or worse is written at once, and with it all before it; the rest a moment later, also when the process ends.
 */
export function linesOfTurns(sink: pino.DestinationStream = pino.destination({ dest: 1, sync: true })) {
  let waiting = ''
  const flush = () => {
    const text = waiting
    waiting = ''
    if (text) sink.write(text)
  }
  process.once('exit', flush)
  return {
    // asks pino for the level of each line
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    write(line: string): void {
      if (waiting === '') setImmediate(flush)
      waiting += line
      if (this.lastLevel >= WARN) flush()
    },
  }
}
