// Runs the npm registry server on a free port of the loopback, says which, and ends with its standard input, so that it
// never outlives the test: node serve.js <where it is installed> <its configuration>
'use strict';

const path = require('node:path');

const [installed, config] = process.argv.slice(2);
const { runServer } = require(path.join(installed, 'node_modules', 'verdaccio'));

runServer(config).then((server) => {
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
  process.stdin.resume().on('end', () => process.exit(0));
});
