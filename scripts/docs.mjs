// Writes the generated pages of docs/ (after a build).
import { writeFileSync } from 'node:fs';
import { flagsPage } from '../dist/src/cli/flags-page.js';
import { commandsPage } from '../dist/src/commands/commands-page.js';

writeFileSync(new URL('../docs/flags.md', import.meta.url), flagsPage());
writeFileSync(new URL('../docs/redis-commands.md', import.meta.url), commandsPage());
