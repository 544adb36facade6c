// Package signal reads what applications and log shippers publish on sluice.signal.<project>[.<release>]: one message is one signal or
// a batch of them, in whichever way logs are written. It does no I/O and has no clock.
//
//   - JSON: an object, several objects one after another (JSON lines), or an array of objects, as loggers, and shippers such as
//     Fluent Bit and Vector, write them. The level is taken from level, severity, levelname and the like, the text from message, msg,
//     and what the error says. Numbers are levels of syslog (0 to 7, as in GELF and journald) or of pino and bunyan (10 to 60).
//   - OTLP logs in JSON: {"resourceLogs": …}, as OTLP/HTTP sends them and the Collector's file exporter writes them, a line each
//     (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding; the fields are those of
//     https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto, and an exception's are
//     https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-logs/). Each log record is a signal.
//   - logfmt: level=error msg="can not connect" err=timeout, in one line.
//   - Anything else is text: one signal, however many lines it has, so that a stack trace is one. Its level is what its first line
//     names: ERROR, [error], E0102 (glog), <11> (syslog), panic:, Traceback, SomeException: and so on.
//
// # No level
//
// What names no level counts as an error, whatever level a check asks for: nobody publishes on a subject for errors what is none, and a
// filter that overlooks what it does not understand would let a release pass that nobody watched. Who ships everything says how
// bad it is.
//
// # Gaps
//
// {"gap": 12} says that twelve signals were lost on the way, before they were stored. The watcher holds the release then: what was lost
// may have been what it waited for.
package signal
