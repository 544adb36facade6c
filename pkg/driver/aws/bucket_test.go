package aws

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// store is a bucket with conditional writes, in memory, after service/s3@v1.114.8/request_snapshot (PutObject, GetObject, HeadObject,
// DeleteObject) and https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html. It is an http.RoundTripper.
type store struct {
	host    string
	mu      sync.Mutex
	objects map[string]object
	fault   func(r *http.Request) *http.Response // before all else; nil: none
	after   func(r *http.Request)                // when a write has happened
	asked   []string
}

type object struct {
	body     []byte
	checksum string
	cache    string
}

func (o object) tag() string {
	sum := md5.Sum(o.body) // as S3's ETag is
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/")
	s.asked = append(s.asked, r.Method+" "+key)
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	w := httptest.NewRecorder()
	var res *http.Response
	if s.fault != nil {
		res = s.fault(r)
	}
	switch {
	case res != nil:
	case r.URL.Host != s.host:
		res = xmlError(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+goodKey+"/"):
		res = xmlError(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id "+r.Header.Get("X-Amz-Security-Token")+" you provided does not exist")
	default:
		s.serve(w, r, key, body)
		res = w.Result()
		if s.after != nil && (r.Method == http.MethodPut || r.Method == http.MethodDelete) && res.StatusCode/100 == 2 {
			s.after(r)
		}
	}
	if r.Method == http.MethodHead {
		res.Body = http.NoBody
	}
	res.Request = r
	return res, nil
}

func (s *store) serve(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	now, there := s.objects[key]
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case r.Method == http.MethodPut && match != "" && !there:
		refuse(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	case there && (match != "" && match != now.tag() || none == "*"), r.Method == http.MethodPut && match == "" && none == "":
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		return
	}
	switch r.Method {
	case http.MethodPut:
		sum := sha256.Sum256(body)
		// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
		if got := base64.StdEncoding.EncodeToString(sum[:]); r.Header.Get("X-Amz-Checksum-Sha256") != got || r.Header.Get("Content-Encoding") != "" {
			refuse(w, http.StatusBadRequest, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")
			return
		}
		s.objects[key] = object{body, r.Header.Get("X-Amz-Checksum-Sha256"), r.Header.Get("Cache-Control")}
		w.Header().Set("Etag", s.objects[key].tag())
	case http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		if !there {
			refuse(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
			return
		}
		w.Header().Set("Etag", now.tag())
		w.Header().Set("Content-Length", strconv.Itoa(len(now.body)))
		if r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && now.checksum != "" {
			w.Header().Set("X-Amz-Checksum-Sha256", now.checksum)
			w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
		}
		_, _ = w.Write(now.body)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: code, Message: message})
}

func xmlError(status int, code, message string, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	refuse(w, status, code, message)
	return w.Result()
}

func bucket(t *testing.T, role driver.Role, at project.AWS, through http.RoundTripper) *Bucket {
	t.Helper()
	channel := map[driver.Role]string{driver.Publish: "beta", driver.Deploy: "staging", driver.Promote: "latest"}[role]
	d, err := S3(project.AWSS3{AWS: at, Bucket: "acme-downloads", Prefix: "site/v1", Channel: channel}, role,
		amazon.WithTransport(through), amazon.WithPause(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newStore() *store {
	return &store{host: "acme-downloads.s3." + region + ".amazonaws.com", objects: map[string]object{}}
}

func bucketPeer(role driver.Role) drivertest.Peer {
	s := newStore()
	through := func(t *testing.T, rt *drivertest.Transport) driver.Driver {
		t.Helper()
		rt.Base = s
		return bucket(t, role, reach("TEST_AWS_KEY", "TEST_AWS_SECRET"), rt)
	}
	return drivertest.Peer{
		Open:  func(t *testing.T) driver.Driver { t.Helper(); return through(t, &drivertest.Transport{}) },
		State: func(t *testing.T) drivertest.State { t.Helper(); return s.state(t, role) },
		OnWrite: func(t *testing.T, before func(int)) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Before: before})
		},
		Kill: func(t *testing.T, n int, call drivertest.Call) bool {
			t.Helper()
			line := &drivertest.Transport{KillAt: n}
			if _, err := call.Run(t.Context(), through(t, line)); line.Killed() != (err != nil) {
				t.Fatalf("%s with a line that is dead: %t: %v", call, line.Killed(), err)
			}
			return line.Killed()
		},
		LoseAnswer: func(t *testing.T, n int) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{LoseAt: n})
		},
		WrongSecret: func(t *testing.T) (driver.Driver, string) {
			t.Helper()
			t.Setenv("TEST_AWS_WRONG_KEY", "AKIDWRONG")
			t.Setenv("TEST_AWS_WRONG", "the-wrong-one")
			at := reach("TEST_AWS_WRONG_KEY", "TEST_AWS_WRONG")
			at.Session = project.Token{Env: "TEST_AWS_WRONG"}
			return bucket(t, role, at, s), "the-wrong-one"
		},
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return through(t, &drivertest.Transport{Down: true})
		},
	}
}

// state reads the bucket as an update client does: the channel's object, and the object that it leads to.
func (s *store) state(t *testing.T, role driver.Role) drivertest.State {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	state := drivertest.State{Stored: map[string]string{}}
	for key, o := range s.objects {
		state.Stored[key] = string(o.body)
	}
	name := map[driver.Role]string{driver.Publish: "beta", driver.Deploy: "staging", driver.Promote: "latest"}[role]
	o, ok := s.objects["site/v1/channels/tracer/"+name+".json"]
	if !ok {
		return state
	}
	var c struct {
		Version, Digest, Name, Path string
		Size                        int64
	}
	err := json.Unmarshal(o.body, &c)
	content := s.objects["site/v1/"+c.Path]
	if err != nil || driver.Digest(content.body) != c.Digest || int64(len(content.body)) != c.Size || c.Name != "tracer-"+c.Version+".tgz" ||
		o.cache != notAtAll || content.cache != forEver {
		t.Fatalf("the channel leads to other bytes, %q (%s, %s), %v:\n%s", content.body, o.cache, content.cache, err, o.body)
	}
	state.Channel = string(content.body)
	return state
}

func TestConformanceOfBuckets(t *testing.T) {
	if raceDetector {
		t.Log("run without the race detector, by make test")
		return
	}
	alone(t)
	for _, role := range []driver.Role{driver.Publish, driver.Deploy, driver.Promote} {
		t.Run(string(role), func(t *testing.T) {
			drivertest.Run(t, drivertest.Subject{Role: role, New: func(*testing.T) drivertest.Peer { return bucketPeer(role) }})
		})
	}
}

// promoted is a bucket on whose channel there is 1.4.0, a driver of that channel, and the facts of that release and of 1.5.0.
func promoted(t *testing.T) (*store, *Bucket, driver.Facts, driver.Facts) {
	t.Helper()
	alone(t)
	s := newStore()
	d := bucket(t, driver.Promote, reach("TEST_AWS_KEY", "TEST_AWS_SECRET"), s)
	one, two := release("1.4.0"), release("1.5.0")
	if _, err := d.Do(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	return s, d, one, two
}

func release(version string) driver.Facts {
	call := drivertest.Call{Artifact: []byte("content of " + version), Facts: newCloud().facts(version)}
	return call.Release()
}

// Whoever moves the channel at the same time is not overwritten.
func TestMovedMeanwhile(t *testing.T) {
	s, d, _, two := promoted(t)
	const key = "site/v1/channels/tracer/latest.json"
	other := func(version string) object {
		newer := release(version)
		peer := newStore()
		peer.objects = maps.Clone(s.objects)
		if _, err := bucket(t, driver.Promote, reach("TEST_AWS_KEY", "TEST_AWS_SECRET"), peer).Do(t.Context(), newer); err != nil {
			t.Fatal(err)
		}
		return peer.objects[key]
	}
	older, newer := other("1.4.1"), other("1.6.0")
	meanwhile := older
	s.fault = func(r *http.Request) *http.Response {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "latest.json") {
			s.objects[key] = meanwhile
			s.fault = nil
		}
		return nil
	}
	done, err := d.Do(t.Context(), two)
	if err != nil || !strings.HasPrefix(done.Value, "1.5.0@") || !strings.HasPrefix(done.Before, "1.4.1@") || done.Existed {
		t.Errorf("an older one came in between: %+v, %v", done, err)
	}
	s.fault = func(r *http.Request) *http.Response {
		if r.Method == http.MethodDelete || r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "latest.json") {
			s.objects[key], s.fault = newer, nil
		}
		return nil
	}
	undone, err := d.Undo(t.Context(), two, driver.Back{})
	if err != nil || !strings.HasPrefix(undone.Value, "1.6.0@") || !strings.Contains(undone.Note, "left alone") {
		t.Errorf("undone while a newer one came: %+v, %v", undone, err)
	}
	if _, err = d.Do(t.Context(), two); !driver.IsRefused(err) || !strings.Contains(err.Error(), "does not go back") {
		t.Errorf("back to 1.5.0: %v", err)
	}
	s.fault = func(r *http.Request) *http.Response { // for ever
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "latest.json") {
			return xmlError(http.StatusConflict, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation")
		}
		return nil
	}
	if _, err = d.Do(t.Context(), release("1.7.0")); err == nil || driver.IsRefused(err) || !strings.Contains(err.Error(), "moved by others") {
		t.Errorf("a channel without rest: %v", err)
	}
}

// Bytes that somebody changed, or put there otherwise, are looked at.
func TestBytes(t *testing.T) {
	s, d, one, two := promoted(t)
	path := func(f driver.Facts) string {
		return "site/v1/artifacts/sha256/" + strings.TrimPrefix(f.Artifact.Digest, "sha256:") + "/" + f.Artifact.Name
	}
	s.objects[path(two)] = object{body: []byte("content of 1.5.0"), cache: forEver} // copied there by hand: S3 has no SHA-256 of it
	if done, err := d.Do(t.Context(), two); err != nil || done.Existed {
		t.Errorf("bytes without a checksum: %+v, %v", done, err)
	}
	if state := s.state(t, driver.Promote); state.Channel != "content of 1.5.0" {
		t.Errorf("%+v", state)
	}
	before := s.objects[path(one)]
	for _, o := range []object{{body: []byte("other")}, {body: before.body, checksum: base64.StdEncoding.EncodeToString(make([]byte, 32))}} {
		s.objects[path(one)] = o
		_, err := d.Undo(t.Context(), two, driver.Back{Value: "1.4.0@" + one.Artifact.Digest})
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), "somebody changed it") {
			t.Errorf("back to changed bytes: %v", err)
		}
	}
	delete(s.objects, path(one))
	if _, err := d.Undo(t.Context(), two, driver.Back{Value: "1.4.0@" + one.Artifact.Digest}); !driver.IsRefused(err) || !strings.Contains(err.Error(), "are missing") {
		t.Errorf("back to bytes that are gone: %v", err)
	}
	s.objects["site/v1/channels/tracer/latest.json"] = object{body: []byte(strings.Repeat("{", 100_000))}
	if _, err := d.Do(t.Context(), release("1.6.0")); !driver.IsRefused(err) || !strings.Contains(err.Error(), "put it right or remove it") {
		t.Errorf("a broken channel: %v", err)
	}
}

// What S3 says is waited out, or told on one line.
func TestAnswersOfS3(t *testing.T) {
	s, d, _, two := promoted(t)
	for _, c := range []struct {
		method string
		status int
		code   string
		want   string // "" for success after two of these
	}{
		{http.MethodPut, 503, "SlowDown", ""}, {http.MethodGet, 500, "InternalError", ""}, {http.MethodHead, 503, "SlowDown", ""},
		{http.MethodPut, 403, "AccessDenied", "may not do this"}, {http.MethodGet, 403, "AccessDenied", "may not do this"},
		{http.MethodGet, 404, "NoSuchBucket", "NoSuchBucket"}, {http.MethodPut, 501, "NotImplemented", "no conditional writes"},
		{http.MethodGet, 301, "PermanentRedirect", "look at the region"}, {http.MethodPut, 400, "BadDigest", "BadDigest"},
	} {
		n, before := 0, maps.Clone(s.objects)
		s.fault = func(r *http.Request) *http.Response {
			if n++; r.Method != c.method || c.want == "" && n > 4 {
				return nil
			}
			return xmlError(c.status, c.code, "says\nS3 "+goodSecret)
		}
		_, err := d.Do(t.Context(), two)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.want != "":
			wantLine(t, c.method+" "+c.code, err, c.want)
		}
		s.fault, s.objects = nil, before
	}
}
