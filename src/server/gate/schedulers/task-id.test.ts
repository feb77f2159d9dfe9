import { expect, test } from 'vitest'
import { parseTaskId } from './task-id.ts'

const GRAMMAR = /[\w.:/-]+/

test.each(['a', 'app.5b3c-11', 'ct:1400:0:job:', 'arn:aws:ecs:eu-west-1:1:task/c/0123', '...', 'x'.repeat(512)])(
  '%s passes its grammar',
  id => expect(parseTaskId(id, GRAMMAR)).toBe(id),
)

test.each(['', '.', '..', '../a', 'a/../b', 'a/.', 'a b', 'a\nb', 'a\n', 'a\0', 'ä', 'x'.repeat(513)])(
  '%j is refused, and not repeated',
  id => {
    expect(() => parseTaskId(id, GRAMMAR)).toThrowError(
      expect.objectContaining({ code: 'task_id_invalid', detail: undefined }),
    )
  },
)

test('alternatives of a grammar are anchored as one', () => {
  expect(() => parseTaskId('a;', /a|b/)).toThrowError(expect.objectContaining({ code: 'task_id_invalid' }))
})
