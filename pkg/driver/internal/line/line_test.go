package line

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
)

type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func lineOf(t *testing.T, base string, w wire) *Line {
	t.Helper()
	l, err := New(Settings{Base: base, Transport: w})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A peer that says nothing is given up on, later for a request that carries more; that is no end of the caller's context.
func TestSilence(t *testing.T) {
	for size, want := range map[int64]time.Duration{0: oneRequest, 64 << 20: oneRequest + 1024*time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := lineOf(t, "https://a.example", func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})
			begun := time.Now()
			_, err := l.Send(t.Context(), Request{Method: http.MethodPost, URL: "https://a.example/x", Size: size, File: func() (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader("x")), nil
			}})
			if took := time.Since(begun); err == nil || driver.IsRefused(err) || !strings.Contains(err.Error(), "no answer within "+want.String()) || took != want {
				t.Errorf("after %s: %v", took, err)
			}
		})
	}
}

// endless is an answer without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestTooMuch(t *testing.T) {
	l := lineOf(t, "https://a.example", func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(endless{})}, nil
	})
	_, err := l.Send(t.Context(), Request{Method: http.MethodGet, URL: "https://a.example/x?q"})
	if !driver.IsRefused(err) || !strings.Contains(err.Error(), "GET https://a.example/x is larger than 67108864 bytes") {
		t.Errorf("%v", err)
	}
}

// The token goes to the peer's own origin, and from an API to its uploads.
func TestOwn(t *testing.T) {
	for base, addresses := range map[string]map[string]bool{
		"https://api.github.com": {
			"https://api.github.com/x": true, "https://uploads.github.com/x": true, "http://api.github.com/x": false, "https://github.com/x": false,
			"https://uploads.github.com.evil.example/": false, "https://a@api.github.com/x": false, "https://api.github.com:444/x": false,
		},
		"https://git.example.com/api/v3": {"https://git.example.com/api/uploads/x": true, "https://uploads.git.example.com/": false},
	} {
		l := lineOf(t, base, nil)
		for address, want := range addresses {
			u, err := url.Parse(address)
			if err != nil || l.own(u) != want {
				t.Errorf("%s of %s: %t, %v", address, base, !want, err)
			}
		}
	}
}
