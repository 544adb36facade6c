package drivertest

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// Transport is an http.RoundTripper with faults, for drivers whose peer speaks HTTP: it gives them Peer.OnWrite, Kill, LoseAnswer
// and Outage. A write is every request whose method is not GET, HEAD or OPTIONS, unless Writes says otherwise.
type Transport struct {
	Base   http.RoundTripper            // http.DefaultTransport when nil
	Before func(n int)                  // called before the n-th write, counting from 1; may be nil
	KillAt int                          // before this write the line goes dead for ever; 0 for never
	LoseAt int                          // of this write the answer is lost; 0 for none
	Down   bool                         // nothing gets through
	Writes func(req *http.Request) bool // may be nil

	mu     sync.Mutex
	writes int
	dead   bool
}

// ErrLine is what a broken Transport returns.
var ErrLine = errors.New("drivertest: the line is dead")

// RoundTrip passes the request on, or not.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.roundTrip(req)
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // as a RoundTripper must
	}
	return resp, err
}

func (t *Transport) roundTrip(req *http.Request) (*http.Response, error) {
	n, err := t.count(req)
	if err != nil {
		return nil, err
	}
	if n > 0 && t.Before != nil {
		t.Before(n)
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	// The context is asked here so that a request whose context ended in Before is never sent, whatever Base does.
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	resp, err := base.RoundTrip(req)
	if err == nil && n > 0 && n == t.LoseAt {
		_ = resp.Body.Close() // its answer is lost anyway
		return nil, fmt.Errorf("the answer to %s %s was lost: %w", req.Method, req.URL.Path, ErrLine)
	}
	return resp, err
}

// Killed tells whether KillAt was reached.
func (t *Transport) Killed() bool { t.mu.Lock(); defer t.mu.Unlock(); return t.dead }

// count returns the number of this write, or 0 for a read.
func (t *Transport) count(req *http.Request) (int, error) {
	write := req.Method != http.MethodGet && req.Method != http.MethodHead && req.Method != http.MethodOptions
	if t.Writes != nil {
		write = t.Writes(req)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	if write {
		t.writes++
		n = t.writes
	}
	if n > 0 && n == t.KillAt {
		t.dead = true
	}
	if t.dead || t.Down {
		return 0, ErrLine
	}
	return n, nil
}
