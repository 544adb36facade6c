// Package exec is the driver of a command: a deploy script, a publish script, whatever the project has. It is also how the watcher
// runs its exec probes ([Run]).
//
// # What the command gets
//
// Its arguments are those of the project file, word for word; no shell sees them. Its standard input is empty. Its environment
// has the variables of the service that every program needs (PATH, HOME, USER, LOGNAME, SHELL, TMPDIR, TZ, LANG, LC_*,
// SSL_CERT_FILE, SSL_CERT_DIR), those that the project file sets (env) or names (env_from), and nothing else of the service's.
// And these:
//
//	SLUICE_ACTION           publish, deploy, promote, or restore
//	SLUICE_RELEASE          the release's id
//	SLUICE_PROJECT          its project
//	SLUICE_STAGE            the stage that it is deployed to, or was last: "staging"
//	SLUICE_VERSION          the version everybody will get, "1.4.0"
//	SLUICE_BETA             the version of its beta, "1.4.0-beta.0", or the same as SLUICE_VERSION
//	SLUICE_COMMIT, SLUICE_REF, SLUICE_URL, SLUICE_ACTOR    as the merge stated them
//	SLUICE_ARTIFACT         the artifact's name
//	SLUICE_DIGEST           its digest, "sha256:…"
//	SLUICE_ARTIFACT_PATH    a private copy of it, verified; empty when the release has no bytes of its own (an image reference)
//	SLUICE_ATTEMPT          1, 2, …: how often the action was begun, takeovers after a crash included
//	SLUICE_IDEMPOTENCY_KEY  the same for the same action of a release, whichever attempt it is; another when it is retried after a failure
//	SLUICE_RUN              names this one run
//
// All are strings from outside: quote them ("$SLUICE_REF"). One with a NUL, or longer than 32 KiB, is refused. The private copy
// is removed when the command is over: move or copy it away.
//
// restore is what follows a cancel. The facts above are then those of the earlier release, that is, of what shall be
// there afterwards: a script that deploys SLUICE_ARTIFACT_PATH whatever the action does the right thing. All but
// SLUICE_PROJECT, SLUICE_STAGE, SLUICE_ATTEMPT, SLUICE_IDEMPOTENCY_KEY and SLUICE_RUN are empty when there was no earlier
// release: stop what runs, or exit 1. SLUICE_UNDO_RELEASE, SLUICE_UNDO_VERSION, SLUICE_UNDO_BETA and SLUICE_UNDO_DIGEST name what is taken
// away. A command whose outside can be used by others compares them with what it finds there, and when that is
// something else it changes nothing and exits 0.
//
// # What the command says
//
// Exit status 0 is success. 75 (EX_TEMPFAIL) and a death by signal are failures that pass: the command is run again, until the
// action's timeout is over. Any other status fails the release at once: a deploy script that failed is not repeated for
// ten minutes, and whoever waits for it is told now. The error ends with the last 4 KiB of what the command
// wrote to its output and error output, without terminal control sequences, and with the values of its env_from variables
// replaced by ***, wherever they stood as they are; values of fewer than four bytes are not looked for, encoded ones
// (base64) not recognized.
//
// All that it writes to both is kept with the release (package work), in their order, masked in the same way and in common encodings too:
// `sluice output` shows it. Of a command that succeeded and left something running which holds its output, what comes within 250 ms is.
//
// This driver can not look. Look knows nothing, Done.Before is empty, and a second Do runs the command again: the command has to
// find out by SLUICE_VERSION and SLUICE_DIGEST, or by the idempotency key, that its work is done.
//
// # What is left running
//
// After a success everything that the command started stays: a deploy command may well leave a server behind. Let that
// server write to a file: Sluice reads and drops what comes through the command's output, but only while the service lives,
// and a server that writes to a pipe without a reader dies of SIGPIPE.
//
// After a failure, a timeout, or when the service shuts down, the command's process group gets SIGTERM, then, after a grace of
// five seconds, SIGKILL. On Linux so does everything that bears the same SLUICE_RUN in its environment, because a
// child may have left the group (setsid, a daemon).
//
// When the service itself is killed, Linux kills the command (PR_SET_PDEATHSIG, SIGKILL), so that the next attempt does not meet
// it. That signal is for the command alone, children do not inherit it; it is bound to the thread that started the command, which is
// therefore kept until the command is over. Other systems leave the command running: there give it a timeout of its own.
package exec
