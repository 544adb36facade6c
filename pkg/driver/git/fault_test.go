package git

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// wire answers as a test says.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// reply is what the remote answers.
type reply struct {
	status int
	body   string
	header []string
}

func says(status int, body string, header ...string) *reply { return &reply{status, body, header} }

func (r *reply) response() *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(r.header); i += 2 {
		h.Set(r.header[i], r.header[i+1])
	}
	return &http.Response{StatusCode: r.status, Header: h, Body: io.NopCloser(strings.NewReader(r.body))}
}

const (
	commit = "0123456789012345678901234567890123456789"
	none   = "0000000000000000000000000000000000000000"
)

// empty is a repository with nothing in it that takes whatever comes: the answers of git 2.39, https://git-scm.com/docs/gitprotocol-http.
func empty(r *http.Request) *reply {
	const caps = "report-status delete-refs atomic"
	if r.Method == http.MethodPost {
		return says(http.StatusOK, packet("unpack ok\n")+packet("ok refs/tags/v1.4.0-rc.1\n")+"0000", "Content-Type", "application/x-git-receive-pack-result")
	}
	service := r.URL.Query().Get("service")
	body := packet("# service="+service+"\n") + "0000" + packet(none+" capabilities^{}\x00"+caps+"\n") + "0000"
	return says(http.StatusOK, body, "Content-Type", "application/x-"+service+"-advertisement")
}

func packet(text string) string {
	const digits = "0123456789abcdef"
	n := len(text) + 4
	return string([]byte{digits[n>>12&15], digits[n>>8&15], digits[n>>4&15], digits[n&15]}) + text
}

func faulty(t *testing.T, fault func(*http.Request) *reply) driver.Publisher {
	t.Helper()
	line := wire(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		if res := fault(r); res != nil {
			return res.response(), nil
		}
		return empty(r).response(), nil
	})
	return must[driver.Publisher](t)(Publish(project.Git{
		Remote: "https://git.example.com/tracer.git", Token: project.Token{File: tokenFile(t, goodToken)},
	}, WithTransport(line)))
}

// Whatever is asked for too often is asked for again, after as long as the remote says.
func TestRetryAfter(t *testing.T) {
	for _, asked := range []string{"GET git-upload-pack", "GET git-receive-pack", "POST "} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			synctest.Test(t, func(t *testing.T) {
				times := 0
				d := faulty(t, func(r *http.Request) *reply {
					if r.Method+" "+r.URL.Query().Get("service") != asked {
						return nil
					}
					if times++; times > 1 {
						return nil
					}
					return says(status, "later", "Retry-After", "120")
				})
				begun := time.Now()
				done, err := d.Do(t.Context(), facts("1.4.0", commit))
				if err != nil || done.Existed || done.Value != "1.4.0-rc.1@"+commit {
					t.Errorf("%s, %d: %+v, %v", asked, status, done, err)
				}
				if took := time.Since(begun); times != 2 || took < 2*time.Minute || took > 3*time.Minute {
					t.Errorf("%s, %d: %d times, it took %s", asked, status, times, took)
				}
			})
		}
	}
}

// An outage is repeated a few times only, and who is told to come back after the attempt's end does not wait for it.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := 0
		d := faulty(t, func(*http.Request) *reply { times++; return says(http.StatusBadGateway, "") })
		_, err := d.Do(t.Context(), facts("1.4.0", commit))
		if wantAgain(t, err, "answered with 502"); times != 5 {
			t.Errorf("it was tried %d times", times)
		}
		d = faulty(t, func(*http.Request) *reply { return says(http.StatusTooManyRequests, "", "Retry-After", "3600") })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		begun := time.Now()
		_, err = d.Look(ctx, facts("1.4.0", commit))
		if wantAgain(t, err, "answered with 429"); time.Since(begun) > time.Minute {
			t.Errorf("it took %s", time.Since(begun))
		}
	})
}

// Nothing that a remote says brings a secret into an error, several lines, or what a terminal obeys; nor is it taken for what it is not.
func TestRefusals(t *testing.T) {
	post := func(body string) func(*http.Request) *reply {
		return func(r *http.Request) *reply {
			if r.Method != http.MethodPost {
				return nil
			}
			return says(http.StatusOK, body)
		}
	}
	always := func(status int, header ...string) func(*http.Request) *reply {
		return func(r *http.Request) *reply {
			return says(status, r.Header.Get("Authorization")+" \x1b[2J\n"+goodToken, header...)
		}
	}
	for want, fault := range map[string]func(*http.Request) *reply{
		"it does not accept the token in the file":       always(http.StatusUnauthorized),
		"may not do this":                                always(http.StatusForbidden),
		"is no git repository, or not for this token":    always(http.StatusNotFound),
		"it redirects":                                   always(http.StatusMovedPermanently, "Location", "https://evil.example/x.git"),
		"does not speak git's smart HTTP":                always(http.StatusOK, "Content-Type", "text/html"),
		"answered with 501":                              always(http.StatusNotImplemented),
		"does not change refs/tags/v1.4.0-rc.1: a [2J b": post(packet("unpack a \x1b[2J b\n") + "0000"),
		"hook declined":                                  post(packet("unpack ok\n") + packet("ng refs/tags/v1.4.0-rc.1 hook declined\n") + "0000"),
	} {
		_, err := faulty(t, fault).Do(t.Context(), facts("1.4.0", commit))
		if wantRefused(t, err, want); err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "Basic e")) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for want, fault := range map[string]func(*http.Request) *reply{
			"of its tags can not be read": func(r *http.Request) *reply {
				return says(200, "zz\x1b[2J\n", "Content-Type", "application/x-"+r.URL.Query().Get("service")+"-advertisement")
			},
			"of the push can not be read":                   post("garbage"),
			"does not say what became of refs/tags/v1.4.0-": post(packet("unpack ok\n") + "0000"),
			"failed to update ref":                          post(packet("unpack ok\n") + packet("ng refs/tags/v1.4.0-rc.1 failed to update ref\n") + "0000"),
		} {
			_, err := faulty(t, fault).Do(t.Context(), facts("1.4.0", commit))
			if wantAgain(t, err, want); err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%q", err)
			}
		}
	})
}
