// The help texts, against copies that a person has read.
import { expect, it } from 'vitest';
import { LATER_OPTIONS, OPTIONS } from '../site/index.ts';
import { generalHelp, serveHelp } from './help.ts';

it('prints the help in testdata/', async () => {
  await expect(generalHelp()).toMatchFileSnapshot('testdata/help.txt');
  await expect(serveHelp()).toMatchFileSnapshot('testdata/help-serve.txt');
});

it('names every option in the help', () => {
  for (const name of [...Object.keys(OPTIONS), ...Object.keys(LATER_OPTIONS)]) {
    expect(serveHelp()).toContain(`--${name}`);
  }
});
