import { styleText } from 'node:util'

let chapter = 0

/** A new part of the story. */
export function heading(text: string): void {
  chapter += 1
  process.stdout.write(`\n${styleText(['bold', 'cyan'], `${chapter}. ${text}`)}\n`)
}

export function say(text: string): void {
  process.stdout.write(`   ${text}\n`)
}

/** Output of somebody else. */
export function quote(text: string): void {
  for (const line of text.replace(/\n$/, '').split('\n')) process.stdout.write(`   ${styleText('dim', '│')} ${line}\n`)
}

const broken: string[] = []

/** A claim that was tested just now. One that does not hold fails the demo. */
export function claim(holds: boolean, text: string): void {
  const mark = holds ? styleText('green', '✓') : styleText('red', '✗')
  process.stdout.write(`   ${mark} ${text}\n`)
  if (!holds) broken.push(text)
}

export function brokenClaims(): readonly string[] {
  return broken
}
