// Package npmtest gives tests a real npm registry: verdaccio on a free port of the loopback, with storage of its own and no
// other registry behind it, a user, and that user's token.
//
// The server is installed once, with npm ci from the package.json and package-lock.json in this folder, into
// .tmp/verdaccio at the root of the repository. Several test binaries may want that at once: the first one
// installs and the others wait. It needs node and npm, and a test fails, saying so, where they are missing.
//
// [Front] is a reverse proxy to put before the registry: it fails requests as a test tells it to, and remembers which
// requests would have changed something.
package npmtest
