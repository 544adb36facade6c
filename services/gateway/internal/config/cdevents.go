package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// CDEventsOut says where releases are told of as CDEvents.
type CDEventsOut struct {
	Source string    // a URI reference with which the source of every event begins; the project follows
	NATS   bool      // on sluice.cdevents.<release>
	Since  time.Time // records from before it are not told; zero: all are
	Sink   *Sink     // nil: none
}

// Sink takes events by HTTP.
type Sink struct {
	URL       string // what stands in its query may be a secret: it is not shown
	TokenEnv  string // of a bearer token; at most one of the two is set
	TokenFile string
	Attempts  uint64 // after so many an event is kept as a dead letter
}

const (
	defaultSource   = "/sluice"
	defaultAttempts = 1000 // the pauses grow to half a minute: eight hours
	mostAttempts    = 1_000_000
)

func (s section) cdevents() *CDEventsOut {
	if !s.has("cdevents") {
		return nil
	}
	in, ok := s.section(s.at("cdevents"), s.values["cdevents"], "source", "nats", "since", "sink")
	if !ok {
		return nil
	}
	out := &CDEventsOut{Source: in.text("source", checkSource), NATS: in.yes("nats")}
	if out.Source == "" {
		out.Source = defaultSource
	}
	in.text("since", func(text string) (err error) {
		if out.Since, err = time.Parse(time.RFC3339, text); err != nil {
			return fmt.Errorf("%s is no time such as 2026-03-02T15:00:00Z", quote(text))
		}
		return nil
	})
	if in.has("sink") {
		out.Sink = in.sink()
	}
	if !out.NATS && out.Sink == nil {
		s.fail(s.at("cdevents"), "tells nobody: say nats: true, or name a sink")
	}
	return out
}

func (s section) sink() *Sink {
	in, ok := s.section(s.at("sink"), s.values["sink"], "url", "token_env", "token_file", "attempts")
	if !ok {
		return nil
	}
	in.need("url", "where events are sent")
	sink := &Sink{
		URL: in.text("url", checkURL), TokenEnv: in.text("token_env", checkVariable), TokenFile: in.text("token_file", notEmpty),
		Attempts: in.attempts(),
	}
	if in.has("token_env") && in.has("token_file") {
		s.fail(in.at("token_file"), "stands beside token_env: allowed is one of the two")
	}
	return sink
}

// attempts is how often a sink is told of something before that is given up.
func (s section) attempts() uint64 {
	if !s.has("attempts") {
		return defaultAttempts
	}
	return s.count("attempts", mostAttempts)
}

// yes is the field as true or false; false when there is none.
func (s section) yes(name string) bool {
	if !s.has(name) {
		return false
	}
	node, ok := s.values[name].(*ast.BoolNode)
	if !ok {
		s.fail(s.at(name), "must be true or false")
		return false
	}
	return node.Value
}

// count is the field as a whole number from 1 to most.
func (s section) count(name string, most uint64) uint64 {
	node, ok := s.values[name].(*ast.IntegerNode)
	if ok {
		if n, err := strconv.ParseUint(node.GetToken().Value, 10, 64); err == nil && n >= 1 && n <= most {
			return n
		}
	}
	s.fail(s.at(name), "must be a whole number from 1 to %d", most)
	return 0
}

// checkSource takes what the source of a CloudEvent may begin with. The project is added with a slash.
func checkSource(text string) error {
	u, err := url.Parse(text)
	if err != nil || text == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || text[len(text)-1] == '/' {
		return errors.New("must be a URI such as https://sluice.example.com or /sluice, without a slash at its end")
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("must be a URL such as https://events.example.com/cdevents")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("must be https, so that the token and what is told stay secret; http is for this machine only")
	}
	if u.User != nil {
		return errors.New("has a user in it: secrets are never written here, name one with token_env or token_file")
	}
	return nil
}
