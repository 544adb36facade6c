package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// keeper keeps records on the broker by compare-and-set; see [journal.Journal.Keep].
type keeper interface {
	Kept(ctx context.Context, subject string) ([]byte, uint64, error)
	Keep(ctx context.Context, subject string, data []byte, last uint64) error
}

// store keeps outboxes on the broker, one message each: the last one on its subject counts.
type store struct {
	keeper
	locks sync.Map // subject → *sync.Mutex: those of one process need not race on the broker
}

// mostRaces are lost in a row before a change is given up for now.
const mostRaces = 50

// subjectOf is where the outbox of a target is.
func subjectOf(project, target string) string { return topology.Notify(project, fingerprint(target)) }

func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// change reads an outbox, changes it, and stores it, again and again until nobody was faster. change may be called several times; it
// tells whether there is anything to store. What is returned is the outbox as it is stored.
func (s *store) change(ctx context.Context, subject string, change func(o *outbox) (bool, error)) (*outbox, error) {
	lock, _ := s.locks.LoadOrStore(subject, &sync.Mutex{})
	mu := lock.(*sync.Mutex) //nolint:forcetypeassert // nothing else is stored
	mu.Lock()
	defer mu.Unlock()
	for range mostRaces {
		data, last, err := s.Kept(ctx, subject)
		if err != nil {
			return nil, err
		}
		o := &outbox{}
		if last > 0 {
			if err := json.Unmarshal(data, o); err != nil {
				return nil, fmt.Errorf("%s sequence %d is no outbox: %w", subject, last, err)
			}
		}
		news, err := change(o)
		if err != nil || !news {
			return o, err
		}
		if data, err = json.Marshal(o); err != nil {
			return nil, fmt.Errorf("write %s: %w", subject, err)
		}
		if err := s.Keep(ctx, subject, data, last); !errors.Is(err, journal.ErrConflict) {
			return o, err
		}
	}
	return nil, fmt.Errorf("%s: lost %d races for it", subject, mostRaces)
}
