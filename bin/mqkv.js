#!/usr/bin/env node
// The command; everything is in dist/, which `npm run build` makes in a checkout and the npm package brings along.
import { existsSync } from 'node:fs';

const entry = new URL('../dist/src/cli/main.js', import.meta.url);
if (existsSync(entry)) {
  const { main } = await import(entry.href);
  await main(process.argv.slice(2));
} else {
  process.stderr.write('mqkv: dist/ is missing: run "npm ci && npm run build" first\n');
  process.exit(1);
}
