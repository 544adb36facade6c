package npmtest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Front is a reverse proxy before a registry: requests go through unless a test has said what else happens to them.
type Front struct {
	URL string // no slash at the end

	mu     sync.Mutex
	fault  func(*http.Request) Fault
	writes []string
}

// Fault is what happens to one request instead of reaching the registry and coming back; pass sends it there.
type Fault func(w http.ResponseWriter, r *http.Request, pass http.Handler)

// StartFront puts a Front before the registry at target until the test ends.
func StartFront(t testing.TB, target string) *Front {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // the registry builds the addresses of tarballs from it
	}}
	f := &Front{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := f.take(r); fault != nil {
			fault(w, r, pass)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.URL = server.URL
	return f
}

// Faults sets what decides about each request from now on; nil, and a nil Fault, let requests through. Requests are
// decided one after the other, so fault needs no lock for what it remembers.
func (f *Front) Faults(fault func(*http.Request) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Writes returns the requests that were to change something, "PUT /tracer", since the last call. Those that a fault
// kept from the registry count too.
func (f *Front) Writes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	writes := slices.Clone(f.writes)
	f.writes = nil
	return writes
}

func (f *Front) take(r *http.Request) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		f.writes = append(f.writes, r.Method+" "+r.URL.EscapedPath())
	}
	if f.fault == nil {
		return nil
	}
	return f.fault(r)
}

// Answer is the fault of a registry that answers with this status and these header lines ("Retry-After", "1").
func Answer(status int, header ...string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// CutBefore is the fault of a connection that breaks before the request reached the registry.
func CutBefore() Fault {
	return func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }
}

// CutAfter is the fault of a connection that breaks after the registry did what was asked and before its answer arrived.
func CutAfter() Fault {
	return func(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
		pass.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}
