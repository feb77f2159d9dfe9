/**
 * What version 1 of vault-gatekeeper answered, one exchange after the other with one gate that starts sealed (gatekeeper.md, appendix A).
 * `<name>` stands for what the test puts there or finds there.
 */
export interface Exchange {
  readonly it: string
  readonly ask: string
  readonly body?: string
  readonly status: number
  /** The whole body, as far as version 1 had one. */
  readonly answer?: string
  readonly location?: string
}

const refused = (state: 'Sealed' | 'Unsealed', error: string) => `{"status":"${state}","ok":false,"error":"${error}"}`

export const EXCHANGES: readonly Exchange[] = [
  {
    it: 'says its state, which has not begun to count',
    ask: 'GET /status.json',
    status: 200,
    answer:
      '{"stats":{"requests":0,"successful":0,"denied":0},"uptime":"<duration>","status":"Sealed","started":"<time>","ok":true,"version":"dev","provider":"mesos"}',
  },
  {
    it: 'is sealed: no token',
    ask: 'POST /token',
    body: '{"task_id":"t"}',
    status: 503,
    answer: refused('Sealed', 'Gatekeeper is sealed.'),
  },
  {
    it: 'is sealed: no policies either',
    ask: 'POST /policies/reload',
    status: 503,
    answer: refused('Sealed', 'Gatekeeper is sealed.'),
  },
  {
    it: 'has no such method',
    ask: 'POST /unseal',
    body: '{"type":"zzz"}',
    status: 400,
    answer: refused('Sealed', 'Unknown method for authorization.'),
  },
  {
    it: 'repeats what Vault says of a bad token',
    ask: 'POST /unseal',
    body: '{"type":"token","token":"bad"}',
    status: 403,
    answer: refused('Sealed', '403: permission denied'),
  },
  {
    it: 'says which character is none of JSON',
    ask: 'POST /unseal',
    body: '{bad',
    status: 400,
    answer: refused('Sealed', "invalid character 'b' looking for beginning of object key string"),
  },
  {
    it: 'is unsealed by a good token',
    ask: 'POST /unseal',
    body: '{"type":"token","token":"<root>"}',
    status: 200,
    answer: '{"status":"Unsealed","ok":true}',
  },
  {
    it: 'is unsealed already',
    ask: 'POST /unseal',
    body: '{"type":"token","token":"<root>"}',
    status: 200,
    answer: '{"status":"Unsealed","ok":true,"error":"Already unsealed."}',
  },
  {
    it: 'gives a task that is young its token',
    ask: 'POST /token',
    body: '{"task_id":"young"}',
    status: 200,
    answer: '{"status":"Unsealed","ok":true,"token":"<token>"}',
  },
  {
    it: 'gives it no second one',
    ask: 'POST /token',
    body: '{"task_id":"young"}',
    status: 403,
    answer: refused('Unsealed', 'This task has already been given a token.'),
  },
  {
    it: 'gives a task that is old none',
    ask: 'POST /token',
    body: '{"task_id":"old"}',
    status: 403,
    answer: refused('Unsealed', 'This task has been running too long to request a token.'),
  },
  {
    it: 'gives a task that nobody knows none',
    ask: 'POST /token',
    body: '{"task_id":"nobody"}',
    status: 403,
    answer: refused('Unsealed', 'No such task.'),
  },
  {
    it: 'cannot read what is empty',
    ask: 'POST /token',
    body: '',
    status: 400,
    answer: refused('Unsealed', 'EOF'),
  },
  {
    it: 'gives a task with multi_fetch as many as its limit',
    ask: 'POST /token',
    body: '{"task_id":"many"}',
    status: 200,
    answer: '{"status":"Unsealed","ok":true,"token":"<token>"}',
  },
  {
    it: 'and no more',
    ask: 'POST /token',
    body: '{"task_id":"many"}',
    status: 403,
    answer: refused('Unsealed', 'Maximum number of tokens given to this task.'),
  },
  {
    it: 'counts: each request, those that got a token, and all others',
    ask: 'GET /status.json',
    status: 200,
    answer:
      '{"stats":{"requests":8,"successful":2,"denied":6},"uptime":"<duration>","status":"Unsealed","started":"<time>","ok":true,"version":"dev","provider":"mesos"}',
  },
  {
    it: 'reads its policies again',
    ask: 'POST /policies/reload',
    status: 200,
    answer: '{"status":"Unsealed","ok":true}',
  },
  { it: 'is sealed', ask: 'POST /seal', status: 200, answer: '{"status":"Sealed","ok":true}' },
  { it: 'is sealed again', ask: 'POST /seal', status: 200, answer: '{"status":"Sealed","ok":true}' },
  {
    it: 'counts on while it is sealed, from where it was',
    ask: 'GET /status.json',
    status: 200,
    answer:
      '{"stats":{"requests":8,"successful":2,"denied":6},"uptime":"<duration>","status":"Sealed","started":"<time>","ok":true,"version":"dev","provider":"mesos"}',
  },
  { it: 'names the path without its slash', ask: 'POST /token/', status: 307, location: '/token' },
  { it: 'names it to who reads too', ask: 'GET /status.json/', status: 301, location: '/status.json' },
  { it: 'gives no token to who only reads', ask: 'GET /token', status: 404, answer: '404 page not found' },
  { it: 'has no heads', ask: 'HEAD /status.json', status: 404, answer: '' },
]
