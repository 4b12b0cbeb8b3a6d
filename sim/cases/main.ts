// `npm run --silent cases -- FILE`: runs a file of golden cases; exit status 1 if any failed, 2 if it cannot be read.
import { readFileSync } from 'node:fs';
import { messageOf } from '../../src/base/index.ts';
import { runCases } from './run.ts';

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: npm run --silent cases -- FILE');
  process.exit(2);
}
try {
  const { passed, failed } = await runCases(readFileSync(file, 'utf8'), (line) => console.log(line));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 2;
}
