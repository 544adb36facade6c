package npm

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/npmtest"
	"github.com/sluice-gate/sluice/pkg/project"
)

// What a CI's job has published with provenance keeps it through a promotion by tag and a rollback: nothing but tags and the deprecation
// changes. A registry shows provenance as dist.attestations (https://docs.npmjs.com/viewing-package-provenance), which this one is given
// as data: to make an attestation takes a CI's identity and sigstore, which no test has. What this driver publishes itself has none, and
// it says so.
func testProvenance(t *testing.T, registry *npmtest.Registry) {
	files := map[string]string{"package.json": `{"name":"attested","version":"1.4.0","publishConfig":{"provenance":true}}`}
	b := newBench(t, registry, "attested", project.Retag)
	b.release("1.3.0")
	packed := b.pack("1.4.0", files)
	tb, err := openTarball(packed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := document(tb, registry.URL, "beta", "", "")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	attestations := map[string]any{
		"url":        registry.URL + "/-/npm/v1/attestations/attested@1.4.0",
		"provenance": map[string]any{"predicateType": "https://slsa.dev/provenance/v1"},
	}
	doc["versions"].(map[string]any)["1.4.0"].(map[string]any)["dist"].(map[string]any)["attestations"] = attestations
	if text, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, registry.URL+"/attested", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+registry.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatal(err, res)
	}
	_ = res.Body.Close()

	dist := func(name, version string) map[string]any {
		var all struct {
			Versions map[string]struct{ Dist map[string]any }
		}
		getJSON(t, registry.URL+"/"+name, &all)
		return all.Versions[version].Dist
	}
	before := dist("attested", "1.4.0")
	wantEqual(t, attestations, before["attestations"])
	f := b.plan("1.4.0", packed)
	if done := b.beta(f); strings.Contains(done.Note, "provenance") {
		t.Errorf("the note is %q", done.Note)
	}
	if _, err := b.promote.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, before, dist("attested", "1.4.0"))
	if _, err := b.promote.Undo(t.Context(), f, driver.Back{Value: "1.3.0"}); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, before, dist("attested", "1.4.0"))
	for _, w := range b.front.Writes()[2:] { // after those of 1.3.0
		if w != "PUT /attested" && !strings.HasPrefix(w, "PUT /-/package/attested/dist-tags/") {
			t.Errorf("it wrote %s", w)
		}
	}

	files["package.json"] = strings.ReplaceAll(files["package.json"], "attested", "unattested")
	b = newBench(t, registry, "unattested", project.Republish)
	seed(t, registry, "unattested")
	f = b.plan("1.4.0", b.pack("1.4.0", files))
	if done := b.beta(f); !strings.Contains(done.Note, "only npm publish in CI can attest: unattested@1.4.0-beta.0 has none") {
		t.Errorf("the note is %q", done.Note)
	}
}
