/** An image reference, with the tag that the engine would else not assume: given none, it pulls every tag there is. */
export function withTag(ref: string): string {
  if (ref.includes('@') || /^(sha256:)?[0-9a-f]{64}$/.test(ref)) return ref
  // A colon before the last slash is the port of a registry.
  return ref.slice(ref.lastIndexOf('/') + 1).includes(':') ? ref : `${ref}:latest`
}
