package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/audit"
)

func TestCheckpointFiles(t *testing.T) {
	s := told(t, true)
	var file bytes.Buffer
	lines := json.NewEncoder(&file)
	for _, c := range s.points {
		if err := lines.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	text := file.String()
	// A line of the promoter's log is one, too.
	text += strings.Replace(text[:strings.Index(text, "\n")], "{", `{"level":"info","msg":"audit checkpoint",`, 1) + "\n"
	got, err := audit.ReadCheckpoints(strings.NewReader(text), []string{s.signer.Key()})
	if err != nil || len(got) != len(s.points)+1 {
		t.Fatalf("%d, %v", len(got), err)
	}
	for i, c := range s.points {
		if got[i].Hash != c.Hash || got[i].Index != c.Index || !got[i].At.Equal(c.At) || got[i].Verify() != nil {
			t.Errorf("%+v", got[i])
		}
	}
	other := newSigner(t)
	first := text[:strings.Index(text, "\n")]
	for name, c := range map[string]struct{ text, want string }{
		"nothing":          {"", "no checkpoint in it"},
		"no JSON":          {"checkpoint", "checkpoint 1: invalid character"},
		"another index":    {strings.Replace(first, `"index":1`, `"index":2`, 1), "the signature is not that of"},
		"another project":  {strings.Replace(first, `"tracer"`, `"router"`, 1), "the signature is not that of"},
		"another time":     {strings.Replace(first, `"at":"2023`, `"at":"2024`, 1), "the signature is not that of"},
		"another key":      {strings.Replace(first, s.signer.Key(), other.Key(), 1), "the signature is not that of " + other.Key()},
		"no key":           {strings.Replace(first, s.signer.Key(), "", 1), "want a public nkey"},
		"no project":       {strings.Replace(first, `"tracer"`, `"../x\n"`, 1), "want 1 to 63 of a-z"},
		"no hash":          {strings.Replace(first, `"hash":"`, `"hash":"zz`, 1), "want 64 hexadecimal digits"},
		"no signature":     {strings.Replace(first, `"signature":"`, `"signature":"%%`, 1), "signature: want base64"},
		"an unknown place": {first + "\n{}", "checkpoint 2: hash"},
	} {
		if _, err := audit.ReadCheckpoints(strings.NewReader(c.text), nil); err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := audit.ReadCheckpoints(strings.NewReader(first), []string{other.Key()}); err == nil || !strings.Contains(err.Error(), "none of the expected keys") {
		t.Errorf("%v", err)
	}
}

// The seed is never told.
func TestSeeds(t *testing.T) {
	seed, err := audit.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	if one, err := audit.NewSigner(seed); err != nil || !strings.HasPrefix(one.Key(), "U") || strings.Contains(fmt.Sprintf("%v %+v", one, one), string(bytes.TrimSpace(seed))) {
		t.Errorf("%v", err)
	}
	cut := seed[:len(seed)-5]
	if _, err := audit.NewSigner(cut); err == nil || strings.Contains(err.Error(), string(cut)) {
		t.Errorf("%v", err)
	}
	if s, err := audit.ReadSigner(""); s != nil || err != nil || s.Key() != "" {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := audit.ReadSigner("/does/not/exist"); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("%v", err)
	}
}
