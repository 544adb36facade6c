package probe_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

func answering(t *testing.T, status int, body string, header ...string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestHTTPConditions(t *testing.T) {
	for condition, c := range map[string]struct {
		status       int
		body, header string
		ok           bool
		said         string
	}{
		"body.status == 'ok'":                     {200, `{"status":"ok"}`, "", true, "ms, and body.status == 'ok'"},
		"body.status == 'up'":                     {200, `{"status":"down"}`, "", false, "ms, not body.status == 'up'"},
		"body.missing == 'ok'":                    {200, `{"status":"ok"}`, "", false, "no such key: missing"},
		"body.contains('well')":                   {200, `all is well`, "", true, "and body.contains"},
		"body.deps.all(d, d.up)":                  {200, `{"deps":[{"up":true},{"up":false}]}`, "", false, "not body.deps"},
		"header['x-version'] == '1.4.0-b'":        {200, ``, "1.4.0-b", true, ""},
		"header['x-version'] == '1.4.0'":          {200, ``, "", false, "no such key: x-version"},
		"status == 201":                           {201, ``, "", true, "answered 201"},
		"latency_ms < 20000":                      {200, ``, "", true, ""},
		"latency_ms < 0":                          {200, ``, "", false, "not latency_ms < 0"},
		"latency_ms >= 0 && status == 500":        {500, ``, "", false, "answered 500"}, // the status decides first
		"size(body) == 2":                         {200, "\xff\xfe\n", "", true, ""},
		"body.x == '$(reboot)' || size(body) > 3": {200, strings.Repeat("\x1b[2J", 100), "", true, "|| size(body) > 3"},
	} {
		t.Run(condition, func(t *testing.T) {
			var header []string
			if c.header != "" {
				header = []string{"X-Version", c.header}
			}
			h := &project.HTTP{URL: answering(t, c.status, c.body, header...), Condition: condition}
			seen, err := open(project.Check{HTTP: h, Timeout: 20 * time.Second})(t.Context())
			if err != nil || seen.OK != c.ok || !strings.Contains(seen.Said, c.said) || strings.ContainsAny(seen.Said, "\n\x1b") {
				t.Errorf("%+v, %v", seen, err)
			}
			if c.status/100 == 2 && (seen.Value == nil || *seen.Value < 0 || *seen.Value > 20_000) {
				t.Errorf("the latency is not told: %v", seen.Value)
			}
		})
	}
}

// The time that is measured is the one until the answer begins.
func TestHTTPLatency(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(60 * time.Millisecond):
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	seen, err := open(project.Check{HTTP: &project.HTTP{URL: s.URL, Condition: "latency_ms < 50"}, Timeout: 20 * time.Second})(t.Context())
	if err != nil || seen.OK || seen.Value == nil || *seen.Value < 60 {
		t.Errorf("%+v, %v", seen, err)
	}
}

func TestHTTPStatuses(t *testing.T) {
	for _, c := range []struct {
		status   int
		wants    []project.Statuses
		header   []string
		ok, busy bool
	}{
		{404, []project.Statuses{{From: 200, To: 299}, {From: 404, To: 404}}, nil, true, false},
		{300, []project.Statuses{{From: 200, To: 299}, {From: 404, To: 404}}, nil, false, false},
		{429, nil, []string{"Retry-After", "7"}, false, true},
		{429, nil, nil, false, true},
		{503, nil, []string{"Retry-After", "7"}, false, true},
		{503, nil, nil, false, false},
		{503, []project.Statuses{{From: 503, To: 503}}, []string{"Retry-After", "7"}, true, false},
	} {
		h := &project.HTTP{URL: answering(t, c.status, "", c.header...), Status: c.wants}
		seen, err := open(project.Check{HTTP: h, Timeout: 20 * time.Second})(t.Context())
		wait := new(probe.PauseError)
		if seen.Busy != c.busy || seen.OK != c.ok || errors.As(err, &wait) != c.busy {
			t.Errorf("%+v: %+v, %v", c, seen, err)
		}
		if c.header != nil && c.busy && wait.For != 7*time.Second {
			t.Errorf("%+v: a pause of %s", c, wait.For)
		}
	}
}

func TestHTTPToken(t *testing.T) {
	t.Setenv("STAGING_TOKEN", "hunter2")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(s.Close)
	for name, c := range map[string]struct {
		token project.Token
		ok    bool
	}{"with": {project.Token{Env: "STAGING_TOKEN"}, true}, "without": {project.Token{}, false}} {
		seen, err := open(project.Check{HTTP: &project.HTTP{URL: s.URL, Token: c.token}, Timeout: 20 * time.Second})(t.Context())
		if err != nil || seen.OK != c.ok {
			t.Errorf("%s: %+v, %v", name, seen, err)
		}
	}
	h := &project.HTTP{URL: s.URL, Token: project.Token{Env: "SURELY_NOT_SET"}}
	if seen, err := open(project.Check{HTTP: h, Timeout: time.Second})(t.Context()); err == nil || !strings.Contains(err.Error(), "SURELY_NOT_SET") {
		t.Errorf("%+v, %v", seen, err)
	}
}

// certified is a server whose certificate is valid for that long, and what trusts it.
func certified(t *testing.T, valid time.Duration) (string, http.RoundTripper) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "staging"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(valid), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return s.URL, &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
}

func TestHTTPCertificates(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		valid     time.Duration
		condition string
		ok        bool
		said      string
	}{
		"for long":        {30 * day, "tls_days_left > 14", true, "and tls_days_left > 14"},
		"not for long":    {10 * day, "tls_days_left > 14", false, "not tls_days_left > 14"},
		"about ten days":  {10 * day, "tls_days_left > 9.99 && tls_days_left <= 10", true, ""},
		"expired":         {-time.Hour, "tls_days_left > -9999", false, "certificate"},
		"nobody asks":     {time.Hour, "", true, "answered 200"},
		"expired, not so": {-time.Hour, "", false, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			url, through := certified(t, c.valid)
			check := project.Check{HTTP: &project.HTTP{URL: url, Condition: c.condition}, Timeout: 20 * time.Second}
			seen, err := probe.Tools{Transport: through}.Open(check, driver.Facts{}, time.Now())(t.Context())
			if err != nil || seen.OK != c.ok || !strings.Contains(seen.Said, c.said) {
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}
