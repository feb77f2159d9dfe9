interface Asked<Item, Answer> {
  readonly item: Item
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** A statement that holds more rows than this for itself keeps others waiting. */
const MOST = 250
/** A batch that takes longer, behind a row that somebody holds or on a connection that hangs, keeps no later one waiting. */
const PATIENCE_MS = 1_000

/**
 * Does in one go what is asked for while the last of it is still being done: what comes alone waits for nothing, and what comes
 * under load shares its transaction (ADR 10). When a batch fails as a whole each of it is done by itself, so that what is wrong with one
 * is the matter of that one. `act` answers in the order of its items; it may be called again for items of which it is not known
 * whether they came through.
 */
export function together<Item, Answer>(
  act: (items: readonly Item[]) => Promise<readonly Answer[]>,
): (item: Item) => Promise<Answer> {
  const waiting: Asked<Item, Answer>[] = []
  let busy = false
  const work = async () => {
    busy = true
    // who asks in the same breath is in the same batch
    await null
    while (waiting.length > 0) await atMost(PATIENCE_MS, settle(act, waiting.splice(0, MOST)))
    busy = false
  }
  return item =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!busy) void work()
    })
}

async function settle<Item, Answer>(
  act: (items: readonly Item[]) => Promise<readonly Answer[]>,
  batch: readonly Asked<Item, Answer>[],
): Promise<void> {
  try {
    const answers = await act(batch.map(({ item }) => item))
    for (const [n, one] of batch.entries()) one.resolve(answers[n] as Answer)
  } catch (error) {
    if (batch.length === 1) batch[0]?.reject(error)
    else await Promise.all(batch.map(one => settle(act, [one])))
  }
}

async function atMost(ms: number, task: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<void>(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([task, over])
  clearTimeout(timer)
}
