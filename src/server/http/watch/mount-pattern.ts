/** Our own interface is not a mount, also where it has no such path: what is asked of it is answered in its own form. */
export const MOUNT = ':mount(^(?!api$)[^/]+$)'
