// Package alert is an alert of somebody else's monitoring as it stands in SLUICE_EVIDENCE, on sluice.alert.<project>.<fingerprint>:
// JSON, one message for each time that the gateway heard of it, of which the newest is its state.
//
//	{"status":"firing","since":"2026-03-02T15:04:05Z","name":"HighErrorRate","labels":{"severity":"page"},
//	 "summary":"a tenth of all requests fail","url":"https://…","source":"alertmanager"}
//
// Only the gateway publishes them, for whoever signed a webhook. They are evidence, and not signals: who sent an alert will not
// send it again, so what the gateway has acknowledged must outlive a crash of the broker and a flood of error messages, which
// SLUICE_SIGNALS, made for those, does not promise.
//
// What is in an alert was written by others: [Encode] makes it fit, [Decode] believes nothing of it that does not.
package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/mask"
	"github.com/sluice-gate/sluice/pkg/releasepb"
)

// Status is what an alert is now.
type Status string

// The statuses. Alive is no alert but a sign of life: the one that always fires (Prometheus' Watchdog), so that its silence can be
// told from all being well.
const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
	Alive    Status = "alive"
)

// Bounds of what is kept, in bytes, and of labels, in number. What is longer is cut; labels beyond the bound, by name, are left out.
const (
	maxName    = 256
	maxSummary = 1024
	maxURL     = 2048
	maxLabel   = 64
	maxValue   = 256
	maxLabels  = 32
	maxBody    = 64 << 10
)

// Alert is one.
type Alert struct {
	Status  Status            `json:"status"`
	Since   time.Time         `json:"since,omitzero"` // when it began to fire, by its source; zero: that does not say
	Name    string            `json:"name,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Summary string            `json:"summary,omitempty"`
	URL     string            `json:"url,omitempty"`
	Source  string            `json:"source,omitempty"` // who sent it, in the gateway's words: alertmanager, sentry, …
}

// Encode makes a message of an alert. The only error is a status that is none.
func Encode(a Alert) ([]byte, error) {
	if err := a.Status.check(); err != nil {
		return nil, err
	}
	return json.Marshal(a.cut())
}

// Decode reads a message. Unknown fields are skipped.
func Decode(data []byte) (Alert, error) {
	if len(data) > maxBody {
		return Alert{}, fmt.Errorf("an alert of %d bytes: at most %d are one", len(data), maxBody)
	}
	var a Alert
	if err := json.Unmarshal(data, &a); err != nil {
		return Alert{}, errors.New("an alert that is not the JSON of one")
	}
	if err := a.Status.check(); err != nil {
		return Alert{}, err
	}
	return a.cut(), nil
}

func (s Status) check() error {
	switch s {
	case Firing, Resolved, Alive:
		return nil
	}
	return fmt.Errorf("an alert is firing, resolved or alive, not %q", releasepb.Line(string(s), maxLabel))
}

// cut is the alert with every text as one line that is not too long.
func (a Alert) cut() Alert {
	a.Name, a.Summary = clean(a.Name, maxName), clean(a.Summary, maxSummary)
	a.Source = releasepb.Line(a.Source, maxLabel)
	if len(a.URL) > maxURL || a.URL != releasepb.Line(a.URL, maxURL) {
		a.URL = "" // half a link leads nowhere
	}
	labels := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		if len(labels) == maxLabels {
			break
		}
		if clean := releasepb.Line(name, maxLabel); clean == name && name != "" {
			labels[name] = releasepb.Line(a.Labels[name], maxValue)
		}
	}
	a.Labels = labels
	a.Since = a.Since.UTC()
	return a
}

// clean is a text as one line of at most so many bytes, without what is most likely a secret. A link is told as it is.
func clean(text string, most int) string {
	const longer = 4 // what is cut off need not be looked at
	return releasepb.Line(mask.Text(releasepb.Line(text, longer*most)), most)
}

// String is the alert in one line, without its status and its time: its name, what its source says of it, and where to look.
func (a Alert) String() string {
	var b strings.Builder
	b.WriteString("alert ")
	if a.Name == "" {
		b.WriteString("(without a name)")
	} else {
		b.WriteString(a.Name)
	}
	if a.Source != "" {
		fmt.Fprintf(&b, " of %s", a.Source)
	}
	if a.Summary != "" && a.Summary != a.Name {
		fmt.Fprintf(&b, ": %s", a.Summary)
	}
	if a.URL != "" {
		fmt.Fprintf(&b, " (%s)", a.URL)
	}
	return b.String()
}
