// Writes the generated pages of docs/ (after a build).
import { writeFileSync } from 'node:fs';
import { flagsPage } from '../dist/src/cli/flags-page.js';

writeFileSync(new URL('../docs/flags.md', import.meta.url), flagsPage());
