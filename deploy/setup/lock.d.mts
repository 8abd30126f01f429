/** Types of lock.mjs, which begins before anything is installed. */
export function takeLock(file: string, waiting?: string): () => void;
