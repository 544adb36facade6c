// Runs the emulator on a free port of the loopback, says which, and ends with its standard input, so that it never outlives the test:
// node serve.mjs <where it is installed>
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [installed] = process.argv.slice(2);
const { buildApp } = await import(pathToFileURL(path.join(installed, 'node_modules', 'fauxqs', 'dist', 'app.js')));
const app = buildApp({ logger: false });
await app.listen({ port: 0, host: '127.0.0.1' });
console.log(JSON.stringify({ port: app.server.address().port }));
process.stdin.resume().on('end', () => process.exit(0));
