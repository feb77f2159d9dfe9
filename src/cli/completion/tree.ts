import type { Command, Option } from 'commander'

/** A command as the scripts of all shells are made from it. */
export interface Node {
  /** `writ watch add` */
  readonly path: string
  readonly name: string
  readonly description: string
  readonly commands: readonly Node[]
  readonly options: readonly Flag[]
  /** Values of its first argument. */
  readonly choices: readonly string[]
  /** What follows the first argument is not ours any more. */
  readonly passes: boolean
}

export interface Flag {
  /** `-f`, `--follow` */
  readonly names: readonly string[]
  readonly description: string
  readonly value: Value | null
}

/** What may come after an option. */
export type Value =
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  | { readonly kind: 'file' | 'text' }

/** The commands as they are: nothing about completion is written down a second time. */
export function treeOf(command: Command, above = ''): Node {
  const path = `${above}${command.name()}`
  const [first] = command.registeredArguments
  const options = command.options.filter(option => !option.hidden).map(flagOf)
  return {
    path,
    name: command.name(),
    description: command.description(),
    commands: command.commands.map(sub => treeOf(sub, `${path} `)),
    options: [...options, { names: ['-h', '--help'], description: 'what it takes', value: null }],
    choices: first?.argChoices ?? [],
    passes: first?.variadic === true && !first.required,
  }
}

function flagOf(option: Option): Flag {
  const { short, long, description, argChoices, required, optional, flags } = option
  const names = [short, long].filter(name => name !== undefined)
  if (!required && !optional) return { names, description, value: null }
  if (argChoices) return { names, description, value: { kind: 'choice', choices: argChoices } }
  return { names, description, value: { kind: /<[^>]*\b(?:file|dir|folder)\b/.test(flags) ? 'file' : 'text' } }
}

/** It and all below it. */
export function nodesOf(node: Node): Node[] {
  return [node, ...node.commands.flatMap(nodesOf)]
}
