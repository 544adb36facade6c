package topology

import (
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// AckWait is how long a delivered message may stay without acknowledgement or in-progress mark before the broker
// delivers it again, to any instance of the service.
const AckWait = 10 * time.Second

// maxAckPending bounds what is in the hands of all instances of a service. A message that waits for its release's turn
// counts, so it is far above what they work on at once.
const maxAckPending = 10_000

// Consumer is a durable consumer and the stream that it reads.
type Consumer struct {
	Stream   string
	Config   jetstream.ConsumerConfig
	Optional bool // only some deployments read it
}

// Consumers returns every durable consumer. All of them acknowledge explicitly and are delivered to without limit: a
// message is given up by whoever handles it, with a reason, never by the broker in silence.
func Consumers() []Consumer {
	durable := func(name, stream, description string, filters ...string) Consumer {
		c := jetstream.ConsumerConfig{
			Durable: name, Name: name, Description: description,
			DeliverPolicy: jetstream.DeliverAllPolicy, ReplayPolicy: jetstream.ReplayInstantPolicy,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait, MaxDeliver: -1, MaxAckPending: maxAckPending,
		}
		if len(filters) == 1 {
			c.FilterSubject = filters[0]
		} else {
			c.FilterSubjects = filters
		}
		return Consumer{Stream: stream, Config: c}
	}
	optional := func(c Consumer) Consumer {
		c.Optional = true
		return c
	}
	return []Consumer{
		durable(ConsumerPublisher, StreamSluice, "publisher: merges", "sluice.merge.*"),
		durable(ConsumerPublisherJournal, StreamSluice, "publisher: journals", AllJournals),
		durable(ConsumerStager, StreamSluice, "stager: journals", AllJournals),
		durable(ConsumerPromoter, StreamSluice, "promoter: journals, requests and stops",
			slices.Concat([]string{AllJournals}, requestSubjects())...),
		durable(ConsumerPromoterDue, StreamTimers, "promoter: due messages", "sluice.due.*"),
		durable(ConsumerPromoterJudged, StreamEvidence, "promoter: verdicts", "sluice.judged.*"),
		durable(ConsumerWatcher, StreamSluice, "watcher: journals", AllJournals),
		optional(durable(ConsumerGatewayAWS, StreamSluice, "gateway: journals, to be told to topics of SNS and queues of SQS", AllJournals)),
		optional(durable(ConsumerGatewayCDEvents, StreamSluice, "gateway: journals, to become CDEvents on the broker", AllJournals)),
		optional(durable(ConsumerGatewaySink, StreamSluice, "gateway: journals, to become CDEvents that are sent over HTTP", AllJournals)),
		optional(durable(ConsumerGatewayNotify, StreamSluice, "gateway: journals, to become notifications", AllJournals)),
	}
}
