package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/e2e/chaos/internal/rig"
)

// What is done to the cluster and to deliveries through the broker itself, as a client with all rights.

// meddleWithin bounds one request to the broker.
const meddleWithin = 3 * time.Second

// stepDown makes the leader of a stream, or of a consumer, give up leading.
func stepDown(a *arena) fault {
	what := "STREAM.LEADER.STEPDOWN." + topology.StreamSluice
	switch rand.IntN(4) {
	case 0:
		what = "STREAM.LEADER.STEPDOWN." + []string{topology.StreamTimers, topology.StreamEvidence}[rand.IntN(2)]
	case 1:
		c := anyConsumer(a)
		what = "CONSUMER.LEADER.STEPDOWN." + c.Stream + "." + c.Config.Durable
	}
	return fault{
		kind: "leader step-down", heal: nothing,
		inject: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, meddleWithin)
			defer cancel()
			m, err := a.admin.Conn().RequestWithContext(ctx, jetstream.DefaultAPIPrefix+what, nil)
			if err != nil {
				return err
			}
			var answer struct {
				Error *jetstream.APIError `json:"error"`
			}
			if err := json.Unmarshal(m.Data, &answer); err != nil {
				return err
			}
			if answer.Error != nil {
				return answer.Error
			}
			return nil
		},
	}
}

// anyConsumer is one that a service of the arena reads.
func anyConsumer(a *arena) topology.Consumer {
	used := slices.DeleteFunc(topology.Consumers(), func(c topology.Consumer) bool {
		kind, _, _ := strings.Cut(c.Config.Durable, "-")
		return !slices.ContainsFunc(a.services, func(s *rig.Service) bool { return s.Kind == kind })
	})
	return used[rand.IntN(len(used))]
}

// stealDeliveries takes messages out of a service's consumer and never acknowledges them: they come again, late.
func stealDeliveries(a *arena) fault {
	return fault{
		kind: "stolen deliveries", heal: nothing,
		inject: func(ctx context.Context) error {
			return a.take(ctx, 20, func(jetstream.Msg) error { return nil })
		},
	}
}

// reorderDeliveries takes messages out of a service's consumer and gives them back at random times.
func reorderDeliveries(a *arena) fault {
	return fault{
		kind: "duplicated and reordered deliveries", heal: nothing,
		inject: func(ctx context.Context) error {
			return a.take(ctx, 50, func(m jetstream.Msg) error {
				return m.NakWithDelay(time.Duration(rand.Int64N(int64(2 * time.Second))))
			})
		},
	}
}

// take gets some messages that were meant for a service. None is an error: nothing happened then.
func (a *arena) take(ctx context.Context, n int, each func(jetstream.Msg) error) error {
	c := anyConsumer(a)
	ctx, cancel := context.WithTimeout(ctx, meddleWithin)
	defer cancel()
	consumer, err := a.admin.Consumer(ctx, c.Stream, c.Config.Durable)
	if err != nil {
		return err
	}
	batch, err := consumer.Fetch(n, jetstream.FetchMaxWait(2*time.Second))
	if err != nil {
		return err
	}
	taken := 0
	for m := range batch.Messages() {
		if err := each(m); err != nil {
			return err
		}
		taken++
	}
	if taken == 0 {
		return errors.Join(errNothing, batch.Error())
	}
	return nil
}

var errNothing = errors.New("nothing was delivered")

// mostAgain bounds a stream of which everything may be delivered again.
const mostAgain = 4000

// recreateConsumer deletes a service's consumer and has `sluice init` make it again, which delivers all there is once more. When
// that is much, it is a consumer of a stream that does not hold much.
func recreateConsumer(a *arena) fault {
	c := anyConsumer(a)
	return fault{
		kind: "consumer deleted and made again by sluice init", most: time.Second,
		inject: func(ctx context.Context) error {
			within, cancel := context.WithTimeout(ctx, meddleWithin)
			defer cancel()
			s, err := a.admin.Stream(within, c.Stream)
			if err != nil {
				return err
			}
			if s.CachedInfo().State.Msgs > mostAgain {
				c.Stream, c.Config.Durable = topology.StreamTimers, topology.ConsumerPromoterDue
			}
			_ = a.admin.DeleteConsumer(within, c.Stream, c.Config.Durable) // without an answer it may be gone all the same
			return nil
		},
		heal: func() error { // without it nothing goes on
			ctx, cancel := context.WithTimeout(context.Background(), healWithin)
			defer cancel()
			for {
				err := a.Init(ctx)
				if err == nil || !pause(ctx, time.Second) {
					return err
				}
			}
		},
	}
}

// healWithin bounds what has to succeed for the run to go on.
const healWithin = 3 * time.Minute

// stopAt waits until an instance of a service announces outside work, and stops it there.
func (a *arena) stopAt(ctx context.Context, kind string) (*rig.Service, error) {
	m, err := a.hub.next(ctx, workAt(kind), 5*time.Second)
	if err != nil {
		return nil, err
	}
	rec, err := releasepb.DecodeRecord(m.Data)
	if err != nil {
		return nil, err
	}
	for _, s := range a.services {
		if rec.Service == s.Kind+"@"+s.Instance {
			return s, s.Pause()
		}
	}
	return nil, fmt.Errorf("%s is no instance of ours", rec.Service)
}
