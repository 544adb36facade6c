package cdevents_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cdevents/sdk-go/pkg/api"
	v03 "github.com/cdevents/sdk-go/pkg/api/v03"
	v04 "github.com/cdevents/sdk-go/pkg/api/v04"
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/sluice-gate/sluice/pkg/cdevents"
)

const digest = "sha256:0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427"

// oracle is the SDK's verdict on an event of one spec.
type oracle func([]byte) error

func judge[E api.CDEventReader](read func([]byte) (E, error)) oracle {
	return func(data []byte) error {
		e, err := read(data)
		if err == nil {
			err = api.Validate(e)
		}
		return err
	}
}

type known struct {
	data   []byte
	oracle oracle
}

// fromSDK makes an event of every type and spec that may be a merge, as the SDK writes them, by name and with the SDK's verdict.
func fromSDK(t testing.TB) map[string]known {
	t.Helper()
	out := map[string]known{}
	add := func(name string, e api.CDEvent, err error, oracle oracle, content map[string]any) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		e.SetId("e-1")
		e.SetSource("/ci/acme")
		e.SetSubjectId("pkg:npm/%40acme/tracer@1.4.0?checksum=" + digest)
		e.SetTimestamp(time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC))
		if err := e.SetCustomData("application/json", map[string]any{"ref": "main", "commit": "c0ffee"}); err != nil {
			t.Fatal(err)
		}
		data, err := api.AsJsonBytes(e)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		maps.Copy(m["subject"].(map[string]any)["content"].(map[string]any), content)
		if data, err = json.Marshal(m); err != nil {
			t.Fatal(err)
		}
		if err := oracle(data); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = known{data, oracle}
	}
	repository := map[string]any{"repository": map[string]any{"id": "acme/tracer", "source": "https://git.example.com"}}
	change := map[string]any{"change": map[string]any{"id": "c0ffee", "source": "https://git.example.com"}}
	r03, r04, r05 := judge(v03.NewFromJsonBytes), judge(v04.NewFromJsonBytes), judge(v05.NewFromJsonBytes)
	m3, err := v03.NewChangeMergedEvent()
	add("change.merged 0.3", m3, err, r03, repository)
	a3, err := v03.NewArtifactPackagedEvent()
	add("artifact.packaged 0.3", a3, err, r03, change)
	p3, err := v03.NewArtifactPublishedEvent()
	add("artifact.published 0.3", p3, err, r03, nil)
	m4, err := v04.NewChangeMergedEvent()
	add("change.merged 0.4", m4, err, r04, repository)
	a4, err := v04.NewArtifactPackagedEvent()
	add("artifact.packaged 0.4", a4, err, r04, change)
	p4, err := v04.NewArtifactPublishedEvent()
	add("artifact.published 0.4", p4, err, r04, nil)
	m5, err := v05.NewChangeMergedEvent()
	add("change.merged 0.5", m5, err, r05, repository)
	a5, err := v05.NewArtifactPackagedEvent()
	add("artifact.packaged 0.5", a5, err, r05, change)
	p5, err := v05.NewArtifactPublishedEvent()
	add("artifact.published 0.5", p5, err, r05, map[string]any{"user": "ana", "sbom": map[string]any{"uri": "https://sbom.example.com/1"}})
	return out
}

func binary(data []byte) map[string][]string {
	var m struct{ Context struct{ Type string } }
	_ = json.Unmarshal(data, &m)
	return map[string][]string{
		"ce-specversion": {"1.0"}, "ce-id": {"x"}, "ce-source": {"/x"}, "ce-type": {m.Context.Type}, "content-type": {"application/json"},
	}
}

func structured(data []byte) []byte {
	var m struct{ Context struct{ Type string } }
	_ = json.Unmarshal(data, &m)
	return fmt.Appendf(nil, `{"specversion":"1.0","id":"x","source":"/x","type":%q,"datacontenttype":"application/json","data":%s}`, m.Context.Type, data)
}

// TestRead: an event of every type and spec, in every mode, is the merge that it should be.
func TestRead(t *testing.T) {
	for name, k := range fromSDK(t) {
		body := structured(k.data)
		for mode, m := range map[string]struct {
			header map[string][]string
			body   []byte
		}{
			"binary":                     {binary(k.data), k.data},
			"structured":                 {map[string][]string{"Content-Type": {cdevents.Structured + "; charset=UTF-8"}}, body},
			"structured without headers": {nil, body},
		} {
			if !cdevents.Is(m.header, m.body) {
				t.Errorf("%s, %s: is none", name, mode)
			}
			e, err := cdevents.Read(t.Context(), m.header, m.body)
			if err != nil {
				t.Errorf("%s, %s: %v", name, mode, err)
				continue
			}
			got := e.Merge()
			if kind, _, _ := strings.Cut(name, " "); e.Type != kind || !slices.Contains(cdevents.Types(), kind) ||
				got.Commit != "c0ffee" || got.Ref != "main" || e.ID != "e-1" || e.At.IsZero() {
				t.Errorf("%s, %s: %+v %+v", name, mode, e, got)
			}
			if artifact := e.Type != cdevents.ChangeMerged; artifact != (got.Version == "1.4.0" && got.Digest == digest &&
				got.Artifact == strings.Replace(digest, ":", "-", 1) && e.PURL.ID == "pkg:npm/%40acme/tracer") {
				t.Errorf("%s, %s: %+v", name, mode, got)
			}
			if e.Type == cdevents.ChangeMerged && e.Repository != "acme/tracer" {
				t.Errorf("%s: repository %q", name, e.Repository)
			}
		}
	}
	if cdevents.Is(nil, []byte(`{"commit":"c0ffee"}`)) || cdevents.Is(map[string][]string{"Content-Type": {"application/json"}}, nil) {
		t.Error("a merge event of our own is taken for a CloudEvent")
	}
}

// TestIdentity: which merge an event is by itself.
func TestIdentity(t *testing.T) {
	all := fromSDK(t)
	for _, c := range []struct{ name, old, new, commit, version, artifact string }{
		{"artifact.published 0.5", `"commit":"c0ffee"`, `"x":1`, strings.Replace(digest, ":", "-", 1), "1.4.0", strings.Replace(digest, ":", "-", 1)},
		{"artifact.packaged 0.5", `"commit":"c0ffee"`, `"artifact":"tracer.tgz"`, "c0ffee", "1.4.0", "tracer.tgz"},
		{"change.merged 0.5", `"commit":"c0ffee"`, `"commit":7`, "pkg:npm/%40acme/tracer@1.4.0?checksum=" + digest, "", ""},
		{"artifact.packaged 0.4", `pkg:npm/%40acme/tracer@1.4.0?checksum=`, `pkg:oci/app?tag=2.0.0\u0026x=`, "c0ffee", "", ""},
		{"artifact.packaged 0.4", `pkg:npm/%40acme/tracer@1.4.0?checksum=` + digest, `pkg:oci/app@` + strings.Replace(digest, ":", "%3A", 1) + `?tag=2.0.0`, "c0ffee", "2.0.0", strings.Replace(digest, ":", "-", 1)},
		{"artifact.published 0.3", `pkg:npm/%40acme/tracer@1.4.0?checksum=` + digest, "tracer-1.4.0.tgz", "c0ffee", "", ""},
	} {
		data := strings.Replace(string(all[c.name].data), c.old, c.new, 1)
		e, err := cdevents.Read(t.Context(), nil, structured([]byte(data)))
		if m := e.Merge(); err != nil || m.Commit != c.commit || m.Version != c.version || m.Artifact != c.artifact {
			t.Errorf("%s with %s: %+v %v", c.name, c.new, m, err)
		}
	}
}

// TestRefusesWhatTheSDKRefuses changes and takes away every field of every event, and asks the SDK.
func TestRefusesWhatTheSDKRefuses(t *testing.T) {
	refused := 0
	for name, k := range fromSDK(t) {
		var event map[string]any
		if err := json.Unmarshal(k.data, &event); err != nil {
			t.Fatal(err)
		}
		changed(event, func(what string) {
			data, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			theirs := k.oracle(data)
			header := binary(k.data) // a CloudEvent that says what it should
			_, ours := cdevents.Read(t.Context(), header, data)
			if theirs != nil {
				refused++
			}
			if theirs != nil && ours == nil {
				t.Errorf("%s, %s: taken, and the SDK says %v\n%s", name, what, theirs, data)
			}
			if ours != nil && (!errors.Is(ours, cdevents.ErrInvalid) || strings.ContainsAny(ours.Error(), "\r\n") || len(ours.Error()) > 400) {
				t.Errorf("%s, %s: %v", name, what, ours)
			}
		})
	}
	if refused < 100 {
		t.Errorf("the SDK refused %d only: is it asked?", refused)
	}
}

// changed calls look with every field of the tree in turn missing, or with another value.
func changed(tree map[string]any, look func(what string)) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		was := tree[name]
		if inner, ok := was.(map[string]any); ok {
			changed(inner, func(what string) { look(name + "." + what) })
		}
		delete(tree, name)
		look("without " + name)
		for _, other := range []any{nil, "", "x", "%zz", ":", "0.9.9", 7, true, []any{}, map[string]any{}, map[string]any{"id": ""}, "\n" + strings.Repeat("x", 5000)} {
			tree[name] = other
			look(fmt.Sprintf("%s %.40q", name, fmt.Sprint(other)))
		}
		tree[name] = was
	}
}

// TestRefused: what is no CDEvent is refused with one line, and what is another CDEvent is none of ours.
func TestRefused(t *testing.T) {
	k := fromSDK(t)["artifact.published 0.5"]
	for want, m := range map[string]struct {
		header map[string][]string
		body   string
	}{
		"no CloudEvent":          {nil, "{}"},
		"it is no CloudEvent":    {nil, `{"specversion":"1.0","type":"x"}`},
		"none of dev.cdevents":   {nil, `{"specversion":"1.0","type":"com.example\n.x","id":"1","source":"/"}`},
		"want application/json":  {nil, `{"specversion":"1.0","type":"dev.cdevents.change.merged.0.3.0","id":"1","source":"/","datacontenttype":"text/plain","data":"x"}`},
		"context.type is":        {binary([]byte(`{"context":{"type":"dev.cdevents.artifact.packaged.0.3.0"}}`)), string(k.data)},
		`version "9.9.9" is unk`: {binary([]byte(`{"context":{"type":"dev.cdevents.artifact.packaged.9.9.9"}}`)), string(k.data)},
	} {
		_, err := cdevents.Read(t.Context(), m.header, []byte(m.body))
		if !errors.Is(err, cdevents.ErrInvalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	e, err := cdevents.Read(t.Context(), binary([]byte(`{"context":{"type":"dev.cdevents.build.started.0.3.0"}}`)), []byte("{}"))
	if err != nil || e.Type != "build.started" {
		t.Errorf("another event: %+v %v", e, err)
	}
}
