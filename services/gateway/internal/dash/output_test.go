package dash_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/webtest"
)

// prints is what the store's command prints: much, in one line among others, and nothing good.
func prints(o *driver.Output) {
	o.Hide("hunter2-of-a-test")
	_, _ = fmt.Fprintf(o, "with hunter2-of-a-test\n%s\n\x1b[31m</pre><script>alert('printed')</script>\x1b[0m \x00\u202e\xff\n403 Forbidden\n",
		strings.Repeat("a long line ", 5000))
}

// output: what drivers printed stands on the release's page, folded, as text; all of it is one click away.
func output(t *testing.T, _ *world, b *webtest.Browser, base string, ids releases) {
	get := func(path string, want int) string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return fetch(t, req, want)
	}
	page := get("/releases/"+ids.failed, http.StatusOK)
	_, section, _ := strings.Cut(page, `<ul id="output"`)
	section, _, _ = strings.Cut(section, "</ul>")
	for _, want := range []string{"promote, attempt 1", ">refused<", "the store answers 403 Forbidden: the signing certificate has expired", "&lt;/pre&gt;&lt;script&gt;alert"} {
		if !strings.Contains(section, want) {
			t.Errorf("the page has not %s:\n%.2000s", want, section)
		}
	}
	if strings.Contains(page, "<script>alert") || strings.ContainsAny(page, "\x1b\x00\u202e") || strings.Contains(page, "hunter2") || len(section) > 20_000 {
		t.Errorf("%d bytes of what was printed are on the page, or not as text", len(section))
	}
	link := regexp.MustCompile(`href="(/releases/[^/]+/output/\d+)"`).FindStringSubmatch(section)
	if link == nil {
		t.Fatal("there is no link to all of it")
	}
	all := get(link[1], http.StatusOK)
	if !strings.HasPrefix(all, "with ***\n") || !strings.HasSuffix(all, "</script> \uFFFD\n403 Forbidden\n") || len(all) < 60_000 {
		t.Errorf("all of it is %d bytes: %.80q…", len(all), all)
	}
	get("/releases/"+ids.failed+"/output/1", http.StatusNotFound)
	get("/releases/"+ids.failed+"/output/x", http.StatusNotFound)
	if text := get("/releases/"+ids.queued, http.StatusOK); !strings.Contains(text, "Nothing that its drivers printed is stored.") {
		t.Error("a release whose drivers printed nothing does not say so")
	}

	p := b.Open(t, base, desk)
	p.Resize(phone)
	p.Goto(base + "/releases/" + ids.failed)
	p.Until("document.querySelector('#output details')")
	p.Eval("(document.querySelector('#output details').open = true)", new(bool))
	p.Until("document.querySelector('#output pre').getBoundingClientRect().height > 100")
	var wide int
	if p.Eval("document.documentElement.scrollWidth - innerWidth", &wide); wide > 0 {
		t.Errorf("%d pixels stick out of a phone", wide)
	}
	for _, found := range p.Axe() {
		t.Errorf("unfolded: %s", found)
	}
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// outputComes: what was printed is stored a moment after the record that tells of the attempt's end, and nobody tells of it; it comes to a
// page that is open all the same, also when nothing else will ever change on it.
func outputComes(t *testing.T, w *world, b *webtest.Browser, base string, _ releases) {
	id := w.merge("docs", "5.2.0", "ana", "")
	w.publish(topology.Request(topology.VerbCancel, id, "ana"), []byte("no"))
	w.becomes(id, release.Cancelled)
	p := b.Open(t, base, desk)
	p.Goto(base + "/releases/" + id)
	p.Until("document.querySelector('#o-none') && document.querySelector('#pulse').textContent === 'live'")
	data, err := releasepb.EncodeOutput(releasepb.Output{Work: release.Publish, Attempt: 1, Try: 1, Ended: "done", Text: "it came\n"})
	if err != nil {
		t.Fatal(err)
	}
	w.publish(topology.Output(id), data)
	p.Until("document.querySelector('#output pre') && document.querySelector('#output pre').textContent === 'it came\\n'")
}
