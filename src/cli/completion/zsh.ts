import { quote } from '../shell-word.ts'
import { type Flag, type Node, nodesOf } from './tree.ts'

/** The script for zsh: a function for each command, by zsh's own means. */
export function zshScript(root: Node): string {
  const functions = nodesOf(root).map(node => (node.commands.length > 0 ? group(node) : leaf(node)))
  return `#compdef writ
# completes writ in zsh, behind compinit: eval "$(writ completion zsh)"
${functions.join('\n')}
compdef _writ writ
`
}

function group(node: Node): string {
  const described = node.commands.map(({ name, description }) => `    ${quote(`${colons(name)}:${description}`)}`)
  const cases = node.commands.map(sub => `        ${sub.name}) ${functionOf(sub)} ;;`)
  return `${functionOf(node)}() {
  local curcontext=$curcontext state line
  local -a commands=(
${described.join('\n')}
  )
  _arguments -C ${node.options.map(specOf).join(' ')} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
${cases.join('\n')}
      esac ;;
  esac
}`
}

function leaf(node: Node): string {
  return `${functionOf(node)}() {
  _arguments -S ${[...node.options.map(specOf), quote(argumentsOf(node))].join(' \\\n    ')}
}`
}

/** What is no option: without a word about it nothing is completed behind it, and without the empty list options are shown but not taken. */
function argumentsOf({ passes, choices }: Node): string {
  if (passes) return '*:: :_default'
  return choices.length > 0 ? `1: :(${choices.join(' ')})` : '*: :()'
}

/** `'*--offset=[from this byte on]:value:'` */
function specOf({ names, description, value }: Flag): string {
  const text = description.replaceAll(/[[\]\\:]/g, '\\$&')
  const action =
    value === null
      ? ''
      : value.kind === 'choice'
        ? `:value:(${value.choices.join(' ')})`
        : `:value:${value.kind === 'file' ? '_files' : ''}`
  return names.map(name => quote(`*${name}${value && name.startsWith('--') ? '=' : ''}[${text}]${action}`)).join(' ')
}

const functionOf = ({ path }: Node): string => `_${path.replaceAll(/[ -]/g, '_')}`

const colons = (text: string): string => text.replaceAll(':', '\\:')
