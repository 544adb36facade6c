package aws

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-gate/sluice/pkg/awstest"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/channelfile"
)

// A peer that takes conditions and does not keep them is found out before a channel is moved on it.
func TestWithoutConditions(t *testing.T) {
	alone(t)
	for ignores, want := range map[bool]string{true: "ignores If-None-Match", false: ""} {
		s := newStore()
		s.host = "127.0.0.1:9000"
		line := roundTripper(func(r *http.Request) (*http.Response, error) {
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/acme-downloads") // so it is addressed, there is no name for each bucket
			if ignores && r.Header.Get("If-None-Match") != "" {
				s.mu.Lock()
				delete(s.objects, strings.TrimPrefix(r.URL.Path, "/"))
				s.mu.Unlock()
			}
			return s.RoundTrip(r)
		})
		at := reach("TEST_AWS_KEY", "TEST_AWS_SECRET")
		at.Endpoint = "http://127.0.0.1:9000"
		d := bucket(t, driver.Promote, at, line)
		_, err := d.Do(t.Context(), release("1.4.0"))
		if ignores {
			wantLine(t, "conditions", err, want)
		} else if err != nil {
			t.Error(err)
		}
		if state := s.state(t, driver.Promote); (state.Channel == "") != ignores {
			t.Errorf("ignores %t: %+v", ignores, state)
		}
	}
}

// TestEmulator: the real peer that there is takes conditions and ignores them.
func TestEmulator(t *testing.T) {
	alone(t)
	at := reach("TEST_AWS_KEY", "TEST_AWS_SECRET")
	at.Endpoint = awstest.Start(t)
	d := bucket(t, driver.Promote, at, http.DefaultTransport)
	_, err := d.Do(t.Context(), release("1.4.0"))
	wantLine(t, "no bucket", err, "NoSuchBucket")
	api, err := d.open(t.Context())
	if err == nil {
		_, err = api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &d.bucket})
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Do(t.Context(), release("1.4.0"))
	wantLine(t, "conditions", err, "ignores If-None-Match")
	if seen, err := d.Look(t.Context(), release("1.4.0")); err != nil || seen.Value != "" {
		t.Errorf("%+v, %v", seen, err)
	}
	there, err := d.stored(t.Context(), must(channelfile.New(t.Context(), release("1.4.0"))))
	if err != nil || !there {
		t.Errorf("the artifact that was put there: %t, %v", there, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
