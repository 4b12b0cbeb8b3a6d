// The version, from package.json; imports nothing of mqkv so that `mqkv version` is quick.
import { existsSync, readFileSync } from 'node:fs';

/** mqkv's version, such as `0.1.0`. */
export function version(): string {
  let folder = new URL('./', import.meta.url);
  while (!existsSync(new URL('package.json', folder)) && folder.pathname !== '/')
    folder = new URL('../', folder);
  const content: unknown = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
  const known = typeof content === 'object' && content !== null && 'version' in content;
  return known ? String(content.version) : 'unknown';
}
