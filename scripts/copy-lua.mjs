// Copies the Lua scripts beside the compiled module that reads them; tsc copies only what it compiles.
import { cpSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const from = fileURLToPath(new URL('../src/store/redis/lua/', import.meta.url));
const to = fileURLToPath(new URL('../dist/src/store/redis/lua/', import.meta.url));

for (const name of readdirSync(from)) if (name.endsWith('.lua')) cpSync(from + name, to + name);
