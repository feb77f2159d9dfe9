/**
 * The same pieces, and `beat` whenever none has come for `ms`. A proxy ends a connection that is silent for a minute, and only by
 * writing does a server notice that nobody is there any more.
 */
export async function* withHeartbeat<T>(pieces: AsyncIterable<T>, beat: T, ms: number): AsyncGenerator<T> {
  const iterator = pieces[Symbol.asyncIterator]()
  let next = iterator.next()
  try {
    for (;;) {
      // not a sleep that is aborted: that makes an exception, with a stack, for each piece
      let timer: NodeJS.Timeout | undefined
      const silence = new Promise<'silence'>(resolve => {
        timer = setTimeout(resolve, ms, 'silence')
      })
      const first = await Promise.race([next, silence]).finally(() => clearTimeout(timer))
      if (first === 'silence') {
        yield beat
        continue
      }
      if (first.done) return
      next = iterator.next()
      yield first.value
    }
  } finally {
    // a piece that is still awaited comes to nobody
    next.catch(() => {})
    await iterator.return?.()
  }
}
