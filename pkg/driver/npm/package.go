package npm

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/retry"
)

// published is a version as the registry lists it.
type published struct {
	Dist struct {
		Integrity string `json:"integrity"`
		Tarball   string `json:"tarball"`
	} `json:"dist"`
}

// versions are the versions of a package that the registry has; none when it does not know the package.
func (r *registry) versions(ctx context.Context, name string) (map[string]published, error) {
	var packument struct {
		Versions map[string]published `json:"versions"`
	}
	// The abbreviated form, for installers: it is a fraction of the size, and has what is wanted here.
	const accept = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"
	err := r.readJSON(ctx, r.address(name), accept, &packument)
	return packument.Versions, err
}

// tags are a package's dist-tags; none when the registry does not know the package.
func (r *registry) tags(ctx context.Context, name string) (map[string]string, error) {
	tags := map[string]string{}
	err := r.readJSON(ctx, r.address("-", "package", name, "dist-tags"), "application/json", &tags)
	return tags, err
}

// same returns nil when a published version is the package t. When it has other contents the error is driver.Refused.
func (r *registry) same(ctx context.Context, have published, t *tarball) error {
	stated := sha512Of(have.Dist.Integrity)
	if stated == t.integrity() {
		return nil
	}
	if stated == "" || t.rewritten { // what t would have come to with another version of Go is as good
		packed, err := r.download(ctx, t.name, t.version, have)
		if err != nil {
			return err
		}
		if bytes.Equal(packed, t.packed) {
			return nil
		}
		if other, err := openTarball(packed); err == nil && t.rewritten && bytes.Equal(other.unpacked, t.unpacked) {
			return nil
		}
	}
	return driver.Refusef("%s@%s is published already, with other contents: its integrity is %s, this one's is %s; a version can not be replaced, so merge with a new one",
		t.name, t.version, driver.Quote(stated), t.integrity())
}

// sha512Of is the SHA-512 in an integrity, which may state several digests; empty when there is none.
func sha512Of(integrity string) string {
	for _, digest := range strings.Fields(integrity) {
		digest, _, _ = strings.Cut(digest, "?")
		if strings.HasPrefix(digest, "sha512-") {
			return digest
		}
	}
	return ""
}

// download reads a published package, and holds it against its integrity.
func (r *registry) download(ctx context.Context, name, version string, of published) ([]byte, error) {
	what := name + "@" + version
	from, err := url.Parse(of.Dist.Tarball)
	base, errBase := url.Parse(r.base)
	if err := errors.Join(err, errBase); err != nil {
		return nil, fmt.Errorf("the registry's address for %s is %s", what, driver.Quote(of.Dist.Tarball))
	}
	if from.Host == base.Host {
		from.Scheme = base.Scheme // registries behind a proxy say http, and npm does the same
	}
	if from.Scheme != "https" && (from.Scheme != "http" || !loopback(from.Hostname())) {
		return nil, driver.Refusef("the registry's address for %s is %s: it must be https", what, driver.Quote(of.Dist.Tarball))
	}
	a, err := r.read(ctx, from.String(), "*/*", defaultBounds().packed)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", what, err)
	}
	if !a.ok() {
		return nil, fmt.Errorf("download %s: %w", what, r.said(a, "GET "+from.String()))
	}
	sum := sha512.Sum512(a.body)
	if stated := sha512Of(of.Dist.Integrity); stated != "" && stated != "sha512-"+base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, driver.Refusef("the registry's file for %s is not the one of its integrity %s", what, driver.Quote(stated))
	}
	return a.body, nil
}

// write makes a request that changes something, and returns nil when the registry has what the request was for. The context is
// asked right before each try. A request whose answer is lost or doubtful is not simply sent again: there is asked first,
// right before the repetition. An error of there ends it; what it says of the registry's state counts more than the answer.
func (r *registry) write(ctx context.Context, method, to string, body []byte, there func() (bool, error)) error {
	tries := 0
	_, err := retry.Do(ctx, r.waits.Policy, func() (struct{}, error) {
		if tries++; tries > 1 {
			switch is, err := there(); {
			case err != nil:
				return struct{}{}, retry.Final(err)
			case is:
				return struct{}{}, nil
			}
		}
		again, err := r.try(ctx, method, to, body, there)
		if err != nil && !again {
			err = retry.Final(err)
		}
		return struct{}{}, err
	})
	var lost *unanswered
	if errors.As(err, &lost) && ctx.Err() == nil {
		if is, err := there(); is || err != nil {
			return err
		}
	}
	if lost != nil {
		return fmt.Errorf("it may have gone through: %w", err)
	}
	return err
}

// unanswered is the error of a write that may have gone through or may do so yet.
type unanswered struct{ err error }

func (u *unanswered) Error() string { return u.err.Error() }
func (u *unanswered) Unwrap() error { return u.err }

// try makes one request that changes something. again tells whether it may be made once more when it fails.
func (r *registry) try(ctx context.Context, method, to string, body []byte, there func() (bool, error)) (again bool, err error) {
	what := method + " " + to
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("%s was not sent: %w", what, err)
	}
	a, err := r.send(ctx, method, to, body, "application/json", 0)
	switch {
	case driver.IsRefused(err):
		return false, err
	case err != nil:
		return ctx.Err() == nil, &unanswered{fmt.Errorf("%s: the registry can not be reached: %w", what, err)}
	case a.ok():
		return false, nil
	case a.status == http.StatusTooManyRequests:
		return true, retry.Pause(r.said(a, what), a.pause)
	case retry.Later(a.status), a.busy():
		return true, retry.Pause(&unanswered{r.said(a, what)}, a.pause)
	}
	is, err := there()
	if err == nil && !is && a.status == http.StatusForbidden { // registries give that for publishes that went through, too
		is, err = poll(ctx, r.waits.brief(), there)
	}
	if is || err != nil {
		return false, err
	}
	return false, r.refusal(a, what)
}

// busy tells whether an answer is one that registries give for a package that somebody else is writing, or for a version that
// is there and does not show yet. npm's says 403 for the latter: "You cannot publish over the previously published versions".
func (a *answer) busy() bool {
	return a.status == http.StatusConflict ||
		a.status == http.StatusForbidden && bytes.Contains(bytes.ToLower(a.body), []byte("cannot publish over"))
}

// publish uploads a package under a tag, and returns when the registry lists it. Contents that are there already under that
// version are driver.Refused unless they are the same.
func (r *registry) publish(ctx context.Context, t *tarball, tag, access, commit string) error {
	doc, err := document(t, r.base, tag, access, commit)
	if err != nil {
		return driver.Refusef("%s@%s can not be described to the registry: %w", t.name, t.version, err)
	}
	there := func() (bool, error) {
		versions, err := r.versions(ctx, t.name)
		if err != nil {
			return false, err
		}
		have, is := versions[t.version]
		if !is {
			return false, nil
		}
		return true, r.same(ctx, have, t)
	}
	if err := r.write(ctx, http.MethodPut, r.address(t.name), doc, there); err != nil {
		return fmt.Errorf("publish %s@%s: %w", t.name, t.version, err)
	}
	shown, err := poll(ctx, r.waits, there)
	if err == nil && !shown {
		err = fmt.Errorf("the registry accepted it and does not list it after %s", r.waits.show)
	}
	if err != nil {
		return fmt.Errorf("publish %s@%s: %w", t.name, t.version, err)
	}
	return nil
}

// point sets a tag to a version, or removes it when the version is empty. It returns when the registry answered; whether it
// lasted is for the caller to look. Before a repetition may is asked again, with what the tag points to by then.
func (r *registry) point(ctx context.Context, name, tag, version string, may func(now string) error) error {
	method, body := http.MethodPut, []byte(nil)
	if version == "" {
		method = http.MethodDelete
	} else {
		var err error
		if body, err = json.Marshal(version); err != nil {
			return err
		}
	}
	there := func() (bool, error) {
		tags, err := r.tags(ctx, name)
		if err != nil || tags[tag] == version {
			return err == nil, err
		}
		return false, may(tags[tag])
	}
	if err := r.write(ctx, method, r.address("-", "package", name, "dist-tags", tag), body, there); err != nil {
		if version == "" {
			return fmt.Errorf("remove the tag %s of %s: %w", tag, name, err)
		}
		return fmt.Errorf("point the tag %s of %s to %s: %w", tag, name, version, err)
	}
	return nil
}
