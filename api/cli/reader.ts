/**
 * What to do when whoever reads our output has gone (`ostler run … | head`): end at once, unless a command has
 * something to put away first.
 */
export const reader: { gone: (() => void) | null } = { gone: null };
