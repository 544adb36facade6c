// Package ocitest gives tests a real OCI registry: Debian's docker-registry on a free port of the loopback, with storage of its own, a
// user, and that user's password.
//
// Where the machine has no docker-registry, its package is downloaded with apt-get and unpacked into .tmp/docker-registry at the
// root of the repository; nothing is installed, and no service is started. Several test binaries may want that at once: the first one
// downloads and the others wait. A test fails, saying so, where that is not possible.
package ocitest
