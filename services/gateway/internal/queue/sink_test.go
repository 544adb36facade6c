package queue

import (
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
	return react.Hint{Subject: subject, Stream: topology.StreamSluice, Seq: seq, At: time.Now(), Event: "merged", Data: data}
}

// Every sink that wants a record is told, with attributes to filter by; who has it is not told again for another that does not answer.
func TestSinks(t *testing.T) {
	at := reach(t)
	synctest.Test(t, func(t *testing.T) {
		b := &broker{}
		s, err := NewSinks([]config.AWSSink{
			{Topic: topicARN, AWS: at}, {Queue: queueURL, AWS: at, Events: []string{"merged"}, Projects: []string{"tracer"}},
			{Queue: queueURL, AWS: at, Events: []string{"promoted"}}, {Queue: queueURL, AWS: at, Projects: []string{"api"}},
			{Queue: queueURL, AWS: at, MaxAge: time.Hour, Events: []string{"merged"}},
		}, amazon.WithTransport(b), amazon.WithPause(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		h := record(t, 7)
		if err := s.Handle(t.Context(), h); err != nil || len(b.told) != 1 || len(b.sent) != 2 || len(s.done) != 0 {
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
		if err := s.Handle(t.Context(), h); err != nil || len(b.told) != 2 || len(b.sent) != 3 || len(s.done) != 0 {
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
