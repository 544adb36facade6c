package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/react"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

func record(t *testing.T, seq uint64) react.Hint {
	t.Helper()
	data, err := releasepb.EncodeRecord(releasepb.Record{
		Event: release.WasMerged{Release: releaseID, Project: "tracer"}, State: release.State{Release: releaseID, Project: "tracer", Phase: release.Merged},
	})
	if err != nil {
		t.Fatal(err)
	}
	subject, err := topology.ParseStored(topology.Release(releaseID))
	if err != nil {
		t.Fatal(err)
	}
	return react.Hint{Subject: subject, Stream: topology.StreamSluice, Seq: seq, At: time.Now(), Event: "merged", Data: data, Delivered: 1}
}

// line is a broker of which a part is out of order.
type line struct {
	*broker
	topics func(r *http.Request) (*http.Response, error) // nil: as the broker
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.topics != nil && strings.HasPrefix(r.URL.Host, "sns.") {
		return l.topics(r)
	}
	return l.broker.RoundTrip(r)
}

func gone(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.WriteString(`<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message></Error></ErrorResponse>`)
	res := w.Result()
	res.Request = r
	return res, nil
}

// two is a topic and a queue, and the dead letters of both.
func two(t *testing.T, l *line) (s *Sinks, letters *[]releasepb.DeadLetter) {
	t.Helper()
	at := reach(t)
	letters = &[]releasepb.DeadLetter{}
	s, err := NewSinks([]config.AWSSink{{Topic: topicARN, AWS: at, Attempts: 3}, {Queue: queueURL, AWS: at, Attempts: 3}},
		func(_ context.Context, release string, data []byte) error {
			letter, err := releasepb.DecodeDeadLetter(data)
			*letters = append(*letters, letter)
			if release != releaseID {
				t.Errorf("a letter of %s", release)
			}
			return err
		}, amazon.WithTransport(l), amazon.WithPause(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return s, letters
}

// A topic that is gone is given up after its attempts, with the reason; the queue is told once, and at once.
func TestSinkGone(t *testing.T) {
	l := &line{broker: &broker{}, topics: gone}
	s, letters := two(t, l)
	h := record(t, 7)
	for ; h.Delivered <= 3; h.Delivered++ {
		err := s.Handle(t.Context(), h)
		var refused *react.RefusedError
		if last := h.Delivered == 3; err == nil || errors.As(err, &refused) != last || !strings.Contains(err.Error(), "sink releases.fifo: ") {
			t.Errorf("attempt %d: %v", h.Delivered, err)
		}
	}
	if len(l.sent) != 1 || len(*letters) != 1 || len(s.lacks) != 0 {
		t.Fatalf("%d sent, %d letters, %d remembered", len(l.sent), len(*letters), len(s.lacks))
	}
	one := (*letters)[0]
	if !strings.Contains(one.Reason, "attempt 3: sink releases.fifo: ") || !strings.Contains(one.Reason, "NotFound") || one.Seq != 7 || string(one.Body) != string(h.Data) {
		t.Errorf("%+v", one)
	}
}

// A topic that does not answer delays nobody: the queue is told at once, and a record takes no longer than its bound.
func TestSinkSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{broker: &broker{}, topics: func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }}
		s, _ := two(t, l)
		begun, took := time.Now(), make(chan time.Duration)
		go func() {
			if err := s.Handle(t.Context(), record(t, 7)); err == nil {
				t.Error("the silent topic was told")
			}
			took <- time.Since(begun)
		}()
		synctest.Wait()
		if len(l.sent) != 1 {
			t.Errorf("the queue waits: %d sent", len(l.sent))
		}
		if d := <-took; d > within {
			t.Errorf("it took %s", d)
		}
	})
}

// No more than a bounded number of records wait for a sink: what comes on top is given up at once. What another gateway has finished is
// forgotten.
func TestSinksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &line{broker: &broker{}, topics: gone}
		s, letters := two(t, l)
		most := mostWaiting / 2
		for seq := range most + 10 {
			if err := s.Handle(t.Context(), record(t, uint64(seq+1))); err == nil {
				t.Fatal("it was told")
			}
		}
		if len(s.lacks) != most || len(*letters) != 10 || len(l.sent) != most+10 {
			t.Errorf("%d wait, %d letters, %d sent", len(s.lacks), len(*letters), len(l.sent))
		}
		time.Sleep(forgetAfter + time.Second)
		if err := s.Handle(t.Context(), record(t, 1)); err == nil || len(s.lacks) > 1 {
			t.Errorf("%v, %d remembered", err, len(s.lacks))
		}
	})
}

// Every sink that wants a record is told, with attributes to filter by; who has it is not told again for another that does not answer.
func TestSinks(t *testing.T) {
	at := reach(t)
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		s, err := NewSinks([]config.AWSSink{
			{Topic: topicARN, AWS: at, Attempts: 9}, {Queue: queueURL, AWS: at, Attempts: 9, Events: []string{"merged"}, Projects: []string{"tracer"}},
			{Queue: queueURL, AWS: at, Attempts: 9, Events: []string{"promoted"}}, {Queue: queueURL, AWS: at, Attempts: 9, Projects: []string{"api"}},
			{Queue: queueURL, AWS: at, Attempts: 9, MaxAge: time.Hour, Events: []string{"merged"}},
		}, nil, amazon.WithTransport(b), amazon.WithPause(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		h := record(t, 7)
		if err := s.Handle(t.Context(), h); err != nil || len(b.told) != 1 || len(b.sent) != 2 || len(s.lacks) != 0 {
			t.Fatalf("%v, %d told, %d sent", err, len(b.told), len(b.sent))
		}
		form := b.told[0]
		if form.Get("MessageGroupId") != releaseID || form.Get("MessageDeduplicationId") != releaseID+"-7" || form.Get("TopicArn") != topicARN {
			t.Errorf("%v", form)
		}
		attributes := map[string]string{}
		for i := 1; form.Get(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)) != ""; i++ {
			entry := fmt.Sprintf("MessageAttributes.entry.%d.", i)
			attributes[form.Get(entry+"Name")] = form.Get(entry + "Value.StringValue")
		}
		if attributes["project"] != "tracer" || attributes["event"] != "merged" || attributes["release"] != releaseID || attributes["sequence"] != "7" {
			t.Errorf("%v", attributes)
		}
		var told Told
		if err := json.Unmarshal([]byte(form.Get("Message")), &told); err != nil || told.Sequence != 7 || told.Event != "merged" || len(told.Record) == 0 {
			t.Errorf("%+v, %v", told, err)
		}
		if b.sent[0]["MessageGroupId"] != nil || b.sent[0]["MessageBody"] != form.Get("Message") {
			t.Errorf("%v", b.sent[0])
		}

		h.Seq, h.At = 8, time.Now().Add(-2*time.Hour)
		b.failure = func(r *http.Request) *http.Response {
			if strings.HasPrefix(r.URL.Host, "sns.") {
				return nil
			}
			w := httptest.NewRecorder()
			w.WriteHeader(http.StatusServiceUnavailable)
			return w.Result()
		}
		for range 3 {
			if err := s.Handle(t.Context(), h); err == nil || !strings.Contains(err.Error(), "sink merges") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		}
		b.failure = nil
		if err := s.Handle(t.Context(), h); err != nil || len(b.told) != 2 || len(b.sent) != 3 || len(s.lacks) != 0 {
			t.Errorf("%v, %d told, %d sent", err, len(b.told), len(b.sent))
		}
		t.Setenv("TEST_AWS_KEY", "AKIDBAD")
		h.Seq = 9
		if err := s.Handle(t.Context(), h); err == nil || !strings.Contains(err.Error(), "does not accept the credentials") || strings.Contains(err.Error(), "the-good-secret") {
			t.Errorf("%v", err)
		}
		h.Data = []byte("{")
		var refused *react.RefusedError
		if err := s.Handle(t.Context(), h); !errors.As(err, &refused) {
			t.Errorf("no record: %v", err)
		}
	})
}
