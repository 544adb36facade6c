package journal_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/natstest"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// brokenAnswers is what can become of an answer of several messages on its way.
func brokenAnswers() map[string]func([]*nats.Msg) []*nats.Msg {
	return map[string]func([]*nats.Msg) []*nats.Msg{
		"nothing":               func([]*nats.Msg) []*nats.Msg { return nil },
		"only the first":        func(a []*nats.Msg) []*nats.Msg { return a[:1] },
		"without its end":       func(a []*nats.Msg) []*nats.Msg { return a[:len(a)-1] },
		"without its first":     func(a []*nats.Msg) []*nats.Msg { return a[1:] },
		"without its last":      func(a []*nats.Msg) []*nats.Msg { return slices.Delete(slices.Clone(a), len(a)-2, len(a)-1) },
		"with a hole":           func(a []*nats.Msg) []*nats.Msg { return slices.Delete(slices.Clone(a), 1, 2) },
		"only its end":          func(a []*nats.Msg) []*nats.Msg { return a[len(a)-1:] },
		"one twice":             func(a []*nats.Msg) []*nats.Msg { return slices.Insert(slices.Clone(a), 1, a[0]) },
		"failed in the middle":  func(a []*nats.Msg) []*nats.Msg { return append(a[:2:2], status("404", "Message Not Found")) },
		"an error":              func([]*nats.Msg) []*nats.Msg { return []*nats.Msg{status("500", "store is closed")} },
		"refused":               func([]*nats.Msg) []*nats.Msg { return []*nats.Msg{status("408", "Bad Request")} },
		"no responders":         func([]*nats.Msg) []*nats.Msg { return []*nats.Msg{status("503", "No Responders")} },
		"an end without number": func(a []*nats.Msg) []*nats.Msg { return append(a[:len(a)-1:len(a)-1], status("204", "EOB")) },
		"without a header":      func([]*nats.Msg) []*nats.Msg { return []*nats.Msg{{Data: []byte("{}")}} },
	}
}

// TestBrokenOffAnswer: an answer that did not arrive whole is an error, and soon. It is never a shorter list.
func TestBrokenOffAnswer(t *testing.T) {
	for name, edit := range brokenAnswers() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := single(t).setup(t)
				e := b.soaking(t)
				for range 3 {
					b.ask(t, release.Extend, "ana", "5m")
					b.store(t, &nats.Msg{Subject: topology.Heartbeat(b.id), Data: []byte("{}")})
				}
				b.ask(t, release.Hold, "bo", "wait")
				for _, verb := range topology.Stops() {
					b.stop(t, verb, b.project, "ana", "")
				}
				c := b.append(t, e, claim())
				m, j := b.meddle(t)
				m.set(hooks{edit: edit})

				reads := map[string]func() error{
					"snapshot": func() error { _, _, err := j.Snapshot(b.ctx, b.id); return err },
					"settle":   func() error { _, err := j.Settle(b.ctx, c); return err },
					"gate":     func() error { _, err := j.Gate(b.ctx, c, 0); return err },
					"beats":    func() error { _, err := j.Beats(b.ctx, b.id, time.Unix(0, 0)); return err },
				}
				for what, read := range reads {
					began := time.Now()
					if err := read(); err == nil {
						t.Errorf("%s believed it", what)
					} else if took := time.Since(began); took > 6*time.Second {
						t.Errorf("%s took %s: %v", what, took, err)
					}
				}
				m.set(hooks{})
				for what, read := range reads {
					if err := read(); err != nil {
						t.Errorf("%s afterwards: %v", what, err)
					}
				}
			})
		})
	}
}

// TestCutConnection: the client reconnects in the middle of an answer, and what comes after that ends it properly.
func TestCutConnection(t *testing.T) {
	b := single(t, natstest.Listen()).setup(t)
	e := b.merged(t)
	for _, actor := range []string{"a", "b", "c", "d"} {
		b.ask(t, release.Hold, actor, "wait")
	}
	m, _ := b.meddle(t)
	nc := b.connect(t)
	j := m.open(t, nc)
	connected := nc.StatusChanged(nats.CONNECTED)
	m.set(hooks{between: func(sent int) {
		m.out.sync()
		id, err := nc.GetClientID()
		if err != nil {
			t.Error(err)
		}
		switch sent {
		case 1: // gone while the second one is sent
			if err := b.server.NATS().DisconnectClientByID(id); err != nil {
				t.Error(err)
			}
		case 2:
			select {
			case <-connected:
			case <-b.ctx.Done():
			}
			if err := nc.FlushWithContext(b.ctx); err != nil {
				t.Error(err)
			}
		}
	}})
	ctx, cancel := context.WithTimeout(b.ctx, 6*time.Second)
	defer cancel()
	if got, requests, err := j.Snapshot(ctx, b.id); err == nil {
		t.Fatalf("believed %+v with %d requests", got, len(requests))
	} else if !strings.Contains(err.Error(), "gap") {
		t.Fatal(err)
	}
	m.set(hooks{})
	got, requests, err := j.Snapshot(b.ctx, b.id)
	if err != nil || got.Seq != e.Seq || len(requests) != 4 {
		t.Fatal(got, requests, err)
	}
}

// TestServerStopsInTheMiddle: the broker goes away between two messages of its answer and comes back.
func TestServerStopsInTheMiddle(t *testing.T) {
	b := single(t).setup(t)
	e := b.merged(t)
	b.ask(t, release.Hold, "ana", "wait")
	m, j := b.meddle(t)
	stopped := make(chan struct{})
	m.set(hooks{
		edit: func(a []*nats.Msg) []*nats.Msg { return a[:1] }, // the rest was never sent
		between: func(int) {
			m.out.sync()
			b.server.Stop()
			close(stopped)
		},
	})
	failed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		_, _, err := j.Snapshot(ctx, b.id)
		failed <- err
	}()
	<-stopped
	b.server.Start(t)
	if err := <-failed; err == nil {
		t.Fatal("believed half an answer")
	}
	b.eventually(t, "the journal can be read again", func() bool {
		got, requests, err := b.j.Snapshot(b.ctx, b.id)
		return err == nil && got.Seq == e.Seq && len(requests) == 1
	})
}

// TestAcknowledgementThatDoesNotCount: only the right stream's own word that it stored the record counts.
func TestAcknowledgementThatDoesNotCount(t *testing.T) {
	s := natstest.One(t)
	nc := s.Conn(t)
	var answer string
	reply := func(with func() string) nats.MsgHandler {
		return func(m *nats.Msg) { _ = m.Respond([]byte(with())) }
	}
	info := func() string { return `{"config":{"name":"SLUICE","allow_direct":true}}` }
	for subject, handler := range map[string]nats.MsgHandler{
		"FAKE.STREAM.INFO.SLUICE": reply(info), "sluice.release.*": reply(func() string { return answer }),
	} {
		if _, err := nc.Subscribe(subject, handler); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.NewWithAPIPrefix(nc, "FAKE")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	j, err := journal.Open(ctx, js, "test")
	if err != nil {
		t.Fatal(err)
	}
	for a, conflict := range map[string]bool{
		`{"stream":"OTHER","seq":4}`:                   false,
		`{"stream":"SLUICE","seq":0}`:                  false,
		`{"stream":"SLUICE","seq":4,"duplicate":true}`: false,
		`{"seq":4}`: false,
		`{}`:        false,
		`ok`:        false,
		``:          false,
		`{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}`:                        false,
		`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"SLUICE","seq":0}`: true,
		`{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"SLUICE","seq":0}`:    true,
	} {
		answer = a
		_, err := j.Append(ctx, journal.Entry{}, upToSoak(newID())[0], "test")
		if err == nil || errors.Is(err, journal.ErrConflict) != conflict || strings.Contains(err.Error(), "read back") {
			t.Errorf("%s: %v", a, err)
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: waited for more", a)
		}
	}
}
