package npm

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// stagePeer is staged publishing before a real registry that has none: what is approved is published there. It is written from npm's
// description of its API, https://github.com/npm/api-documentation, stage.yaml (paths, fields, statuses,
// that npm-otp is always required to approve and to delete) and https://docs.npmjs.com/cli/v11/commands/npm-stage (a staged version takes
// the version's place; the tag can not be changed). npm's own command line, which is a client of that API, is used against it below.
type stagePeer struct {
	bench *bench

	mu    sync.Mutex
	items []stagedItem
}

type stagedItem struct {
	ID        string `json:"id"`
	Name      string `json:"packageName"`
	Version   string `json:"version"`
	Tag       string `json:"tag"`
	CreatedAt string `json:"createdAt"`
	Actor     string `json:"actor"`
	ActorType string `json:"actorType"`
	Access    string `json:"access"`
	Shasum    string `json:"shasum"`
	Status    string `json:"status"`

	doc, packed []byte
}

// newStage is a bench with a package whose betas are published, and whose releases are staged.
func newStage(t *testing.T, registry *npmtest.Registry, name string, opts ...Option) (*bench, *stagePeer) {
	t.Helper()
	w := quick()
	w.show = 200 * time.Millisecond
	b := newBench(t, registry, name, project.Staged, append([]Option{withWaits(w)}, opts...)...)
	seed(t, registry, name)
	p := &stagePeer{bench: b}
	b.front.Faults(p.fault)
	return b, p
}

func (p *stagePeer) fault(r *http.Request) npmtest.Fault {
	if !strings.HasPrefix(r.URL.Path, "/-/stage") {
		return nil
	}
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) { p.serve(w, r) }
}

func (p *stagePeer) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	say := func(status int, value any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(value)
	}
	if r.Header.Get("Authorization") != "Bearer "+p.bench.registry.Token {
		say(http.StatusUnauthorized, map[string]string{"message": "Unauthorized"})
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/-/stage"), "/")
	at := slices.IndexFunc(p.items, func(i stagedItem) bool { return len(parts) > 1 && i.ID == parts[1] })
	switch {
	case len(parts) == 1:
		p.list(r, say)
	case parts[1] == "package" && r.Method == http.MethodPost:
		p.stage(r, say)
	case at < 0:
		say(http.StatusNotFound, map[string]string{"message": "Not Found - No staged package version found with the provided ID."})
	case len(parts) == 2 && r.Method == http.MethodGet:
		say(http.StatusOK, p.items[at])
	case len(parts) == 3 && parts[2] == "tarball":
		_, _ = w.Write(p.items[at].packed)
	case r.Header.Get("Npm-Otp") != "123456":
		w.Header().Set("Www-Authenticate", "OTP")
		say(http.StatusUnauthorized, map[string]string{"message": "You must provide a one-time pass."})
	case len(parts) == 2 && r.Method == http.MethodDelete:
		p.items = slices.Delete(p.items, at, at+1)
		w.WriteHeader(http.StatusNoContent)
	default:
		p.approve(r, at)
		say(http.StatusCreated, map[string]string{"message": "Package version approved and published successfully."})
	}
}

func (p *stagePeer) list(r *http.Request, say func(int, any)) {
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	perPage, _ := strconv.Atoi(r.URL.Query().Get("perPage"))
	all := []stagedItem{}
	for _, i := range p.items {
		if name := r.URL.Query().Get("package"); name == "" || name == i.Name {
			all = append(all, i)
		}
	}
	from := min(page*perPage, len(all))
	say(http.StatusOK, map[string]any{"items": all[from:min(from+perPage, len(all))], "page": page, "perPage": perPage, "total": len(all)})
}

func (p *stagePeer) stage(r *http.Request, say func(int, any)) {
	var doc struct {
		Name        string
		DistTags    map[string]string                `json:"dist-tags"`
		Attachments map[string]struct{ Data string } `json:"_attachments"`
		Versions    map[string]struct{ Dist struct{ Shasum string } }
	}
	var text bytes.Buffer
	_, _ = text.ReadFrom(r.Body)
	if err := json.Unmarshal(text.Bytes(), &doc); err != nil || len(doc.Versions) != 1 || len(doc.Attachments) != 1 {
		say(http.StatusBadRequest, map[string]string{"message": "Bad Request - Missing required fields: name, version, _attachments"})
		return
	}
	i := stagedItem{
		ID: uuid.NewString(), Name: doc.Name, CreatedAt: "2026-03-16T09:00:00.000Z", Actor: "ci", ActorType: "user", Access: "public", Status: "staged",
		doc: text.Bytes(),
	}
	for tag := range doc.DistTags {
		i.Tag = tag
	}
	for version, of := range doc.Versions {
		i.Version, i.Shasum = version, of.Dist.Shasum
	}
	for _, a := range doc.Attachments {
		i.packed, _ = base64.StdEncoding.DecodeString(a.Data)
	}
	taken := slices.ContainsFunc(p.items, func(o stagedItem) bool { return o.Name == i.Name && o.Version == i.Version })
	if taken {
		say(http.StatusConflict, map[string]string{"message": "Conflict - Cannot publish over previously staged version"})
		return
	}
	p.items = append(p.items, i)
	say(http.StatusCreated, map[string]string{"message": "Package version staged successfully.", "stageId": i.ID})
}

// approve publishes what is staged, as the registry would: with its tag.
func (p *stagePeer) approve(r *http.Request, at int) {
	i := p.items[at]
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPut, p.bench.registry.URL+"/"+strings.ReplaceAll(i.Name, "/", "%2f"), bytes.NewReader(i.doc))
	if err != nil {
		p.bench.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.bench.registry.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusCreated {
		p.bench.Errorf("approve: %v, %v", err, res)
		return
	}
	_ = res.Body.Close()
	p.items = slices.Delete(p.items, at, at+1)
}

// all is what is staged now.
func (p *stagePeer) all() []stagedItem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.items)
}

// npm runs npm's command line as a maintainer.
func (p *stagePeer) npm(dir string, args ...string) (string, error) {
	auth := "--" + strings.TrimPrefix(p.bench.front.URL, "http:") + "/:_authToken=" + p.bench.registry.Token
	return p.bench.registry.NPM(p.bench.Context(), dir, append(args, "--registry", p.bench.front.URL, auth)...)
}

// promoted runs a promotion until something is staged, lets a maintainer do something with it, and waits for the end.
func (p *stagePeer) promoted(f driver.Facts, maintainer func(id string)) (driver.Done, error) {
	p.bench.Helper()
	var done driver.Done
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		done, err = p.bench.promote.Do(p.bench.Context(), f)
	}()
	for len(p.all()) == 0 {
		select {
		case <-over:
			return done, err
		case <-time.After(time.Millisecond):
		}
	}
	maintainer(p.all()[0].ID)
	<-over
	return done, err
}

// A release is staged after its soak, and published when a maintainer approves it: npm's own commands see it, look into it and approve it.
func testStaged(t *testing.T, registry *npmtest.Registry) {
	b, p := newStage(t, registry, "@acme/staged")
	packed := b.pack("1.4.0", map[string]string{"a": "1"})
	f := b.plan("1.4.0", packed)
	b.beta(f)
	b.wantTags("latest", "0.0.1", "beta", "1.4.0-beta.0")
	done, err := p.promoted(f, func(id string) {
		dir := t.TempDir()
		if out, err := p.npm(dir, "stage", "list", "@acme/staged", "--json"); err != nil || !strings.Contains(out, id) || !strings.Contains(out, `"tag": "latest"`) {
			t.Errorf("npm stage list says %s, %v", out, err)
		}
		if _, err := p.npm(dir, "stage", "download", id); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "acme-staged-1.4.0-"+id+".tgz")); err != nil || !bytes.Equal(got, packed) {
			t.Errorf("what is staged is not CI's package, %v", err)
		}
		if shown := b.shown(); shown.Tags["latest"] != "0.0.1" || shown.Versions["1.4.0"].Dist.Integrity != "" {
			t.Errorf("everybody sees it already: %+v", shown)
		}
		if _, err := p.npm(dir, "stage", "approve", id, "--otp", "123456"); err != nil {
			t.Error(err)
		}
	})
	if err != nil || done.Value != "1.4.0" || done.Before != "0.0.1" || done.Existed {
		t.Fatalf("%+v, %v", done, err)
	}
	b.wantTags("latest", "1.4.0", "beta", "1.4.0-beta.0")
	checkSame(b, packed, "1.4.0-beta.0")
	if again, err := b.promote.Do(t.Context(), f); err != nil || !again.Existed || len(p.all()) > 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if seen, err := b.promote.Look(t.Context(), f); err != nil || !seen.Mine {
		t.Errorf("look: %+v, %v", seen, err)
	}
	if back, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "0.0.1"}); err != nil || back.Value != "0.0.1" {
		t.Errorf("undo: %+v, %v", back, err)
	}
	for _, w := range b.front.Writes() {
		if strings.HasSuffix(w, "/approve") || strings.HasPrefix(w, "DELETE") {
			return // npm's own
		}
	}
	t.Error("nobody approved it")
}

// What a maintainer rejects is not promoted, and is not staged again by itself.
func testStagedRejected(t *testing.T, registry *npmtest.Registry) {
	b, p := newStage(t, registry, "rejected")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	b.beta(f)
	_, err := p.promoted(f, func(id string) {
		if _, err := p.npm(t.TempDir(), "stage", "reject", id, "--otp", "123456"); err != nil {
			t.Error(err)
		}
	})
	b.wantRefused(err, "rejected@1.4.0 was staged, and is neither that nor published any longer: a maintainer rejected it")
	b.wantTags("latest", "0.0.1", "beta", f.Beta)
}

// An attempt that ends while nobody has approved says what there is. The next finds it, as does one after a kill or a lost answer, and a
// rollback says that it can not take it back.
func testStagedOnce(t *testing.T, registry *npmtest.Registry) {
	b, p := newStage(t, registry, "staged-once")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	b.beta(f)
	for i, line := range []*drivertest.Transport{{KillAt: 1}, {LoseAt: 1}, {}, {}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		d, err := Promote(b.cfg, withWaits(quick()), withTransport(line))
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Do(ctx, f)
		cancel()
		items := p.all()
		if i == 0 {
			if err == nil || len(items) != 0 {
				t.Errorf("killed: %v, %v", err, items)
			}
			continue
		}
		if len(items) != 1 {
			t.Fatalf("%d: %d are staged, %v", i, len(items), err)
		}
		b.wantAgain(err, "staged-once@1.4.0 is staged and waits for a maintainer, who is asked for a second factor (npm stage approve \""+items[0].ID)
	}
	if back, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "0.0.1"}); err != nil || !back.Existed || !strings.Contains(back.Note, "npm stage reject \""+p.all()[0].ID) {
		t.Errorf("undo: %+v, %v", back, err)
	}
	if _, err := p.npm(t.TempDir(), "stage", "approve", p.all()[0].ID, "--otp", "123456"); err != nil {
		t.Error(err)
	}
	if done, err := b.promote.Do(t.Context(), f); err != nil || done.Value != "1.4.0" {
		t.Errorf("%+v, %v", done, err)
	}
}

// What somebody else has staged is not taken for the release's; what can not be staged is said in one line.
func testStagedRefused(t *testing.T, registry *npmtest.Registry) {
	b, p := newStage(t, registry, "staged-refused")
	f := b.plan("1.4.0", b.pack("1.4.0", nil))
	b.beta(f)
	for want, with := range map[string][]string{
		"with other contents; reject it": {"latest"}, `is staged already, for the tag "next\n$(id)" and not for latest`: {"next\n$(id)"},
	} {
		p.mu.Lock()
		p.items = []stagedItem{{ID: "../../x", Name: "staged-refused", Version: "1.4.0", Tag: with[0], Shasum: "0", packed: b.pack("1.4.0", map[string]string{"b": "2"})}}
		p.mu.Unlock()
		_, err := b.promote.Do(t.Context(), f)
		b.wantRefused(err, want)
	}
	p.mu.Lock()
	p.items = nil
	p.mu.Unlock()
	for status, want := range map[int]string{
		http.StatusNotFound: "a registry without staged publishing needs the mode republish", http.StatusUnauthorized: "does not accept the token",
		http.StatusForbidden: "may not do this",
	} {
		b.front.Faults(func(r *http.Request) npmtest.Fault {
			if r.Method == http.MethodPost {
				return npmtest.Answer(status)
			}
			return p.fault(r)
		})
		_, err := b.promote.Do(t.Context(), f)
		b.wantRefused(err, want)
	}
	b.front.Faults(nil) // a registry that knows nothing of it
	_, err := b.promote.Do(t.Context(), f)
	b.wantRefused(err, "needs the mode republish")
	// One that is busy is asked again, as long as it says.
	once := true
	b.front.Faults(func(r *http.Request) npmtest.Fault {
		if r.Method == http.MethodPost && once {
			once = false
			return npmtest.Answer(http.StatusTooManyRequests, "Retry-After", "1")
		}
		return p.fault(r)
	})
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = b.promote.Do(ctx, f)
	if b.wantAgain(err, "waits for a maintainer"); once || len(p.all()) != 1 || time.Since(begun) < time.Second {
		t.Errorf("%v, %d are staged", once, len(p.all()))
	}
}
