// Package up is `sluice up`: an embedded broker and all services in one process, on one data directory.
//
// The data directory belongs to one process at a time, by a lock (flock) that goes with the process, however that dies. It
// has a name, made once and kept, which is the services' instance name: a restarted `sluice up` is the same instance, and
// goes on with the attempts that it had begun without waiting for their deadlines.
//
//	sluice.lock   the lock; holds the process id of whoever has it
//	instance      the instance name
//	audit.nk      the seed of the nkey that signs the audit chains; made once, for this user's eyes only
//	up.json       where the running process listens; gone when it stopped in order
//	jetstream/    the broker's store; every message is synced to disk before it is acknowledged
//
// The broker has the accounts of pkg/topology/accounts. Each service connects in-process as its own user, with a password
// that is made up at each start unless the environment has one (SLUICE_PUBLISHER_PASSWORD and so on). On a loopback address
// a client without credentials is let into the account OPS; on any other address every client needs a user.
//
// With --gateway it takes webhooks, too. That service lives with the people in OPS, here as anywhere: it talks to the world.
// Its address is listened on before the broker has read its store, because most sources send a webhook once only.
//
// # What fails
//
// When a service gives up, or the broker has switched JetStream off because it could not write, all of it stops with an
// error: half a gate is worse than none that says so. What was acknowledged is on disk, and the next start goes on with it.
package up
