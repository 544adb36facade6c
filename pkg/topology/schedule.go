package topology

import (
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// HeaderDue is on a delayed message, and so on the due message that comes of it: when it was to arrive, RFC 3339 with
// nanoseconds, UTC. It is there to measure lateness; what is due is decided by the journal.
const HeaderDue = "Sluice-Due"

// DelayMsg is the delayed message of a release: published to [StreamTimers], it makes the broker publish [Due] at the
// given time, or within a quarter of a second if that is past. Publishing again for the same release replaces it.
// The broker keeps the nanoseconds; nats.go's WithScheduleAt would cut them off.
func DelayMsg(release string, at time.Time) *nats.Msg {
	when := at.UTC().Format(time.RFC3339Nano)
	m := nats.NewMsg(Delay(release))
	m.Header.Set("Nats-Schedule", "@at "+when)
	m.Header.Set("Nats-Schedule-Target", Due(release))
	m.Header.Set(jetstream.ExpectedStreamHeader, StreamTimers)
	m.Header.Set(HeaderDue, when)
	return m
}
