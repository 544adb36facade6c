package dash_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/webtest"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

var (
	desk  = webtest.Size{Width: 1360, Height: 850}             //nolint:gochecknoglobals // constants
	phone = webtest.Size{Width: 390, Height: 844, Phone: true} //nolint:gochecknoglobals // constants
)

// TestBrowser uses the dashboard as people do, in a real browser, on what real services made of an afternoon, while they run.
func TestBrowser(t *testing.T) {
	var ids releases
	o := &outside{latency: map[string]float64{}}
	began := time.Now()
	store, dir := inThePast(t, o, past(&ids))
	t.Logf("the past took %s", time.Since(began))
	t.Setenv("USER", "ana")
	w := newWorld(t, o, store, dir)
	w.start()
	t.Cleanup(func() {
		close(w.quit)
		w.stop()
	})
	_, url := w.dashboard(config.Dashboard{Listen: config.DashboardListen})
	b := webtest.Start(t)
	for _, one := range []struct {
		name string
		try  func(t *testing.T, w *world, b *webtest.Browser, url string, ids releases)
	}{
		{"looks", looks}, {"board", board}, {"cancel by click", cancelByClick}, {"expedite by keyboard", expediteByKeyboard},
		{"a failing release turns red", turnsRed}, {"stops", stops}, {"audit by keyboard", auditByKeyboard}, {"without scripts", withoutScripts},
		{"output", output}, {"output comes", outputComes},
		{"the API", api}, {"once", once}, {"roles", roles}, {"login", login}, {"names of others", namesOfOthers},
	} {
		t.Run(one.name, func(t *testing.T) {
			w := *w
			w.TB = t
			one.try(t, &w, b, url, ids)
		})
	}
}

// looks opens every page, in every size and colour: nothing is wrong with it for axe, nothing stands in the console, and nothing
// sticks out of a phone. With UPDATE=1 the pictures of the README are made anew.
func looks(t *testing.T, _ *world, b *webtest.Browser, url string, ids releases) {
	p := b.Open(t, url, desk)
	for _, page := range []struct{ path, ready, shot string }{
		{"/", "document.querySelectorAll('.card').length > 9 && document.querySelector('#pulse').textContent === 'live'", "board"},
		{"/releases/" + ids.soaking, "document.querySelectorAll('#evidence .plot').length === 1", "soaking"},
		{"/releases/" + ids.cancelled, "document.querySelector('.verdict')", "cancelled"},
		{"/releases/" + ids.failed, "document.querySelector('.hero.tone-bad')", ""},
		{"/projects", "document.querySelectorAll('#all-projects tr').length === 8", ""},
		{"/projects/shop", "document.querySelectorAll('#live .card').length === 2", ""},
		{"/audit?since=5h&project=checkout", "document.querySelectorAll('tbody tr').length > 9", ""},
		{"/audit/verify?project=checkout", "document.querySelector('.proofs li')", ""},
		{"/login", "document.querySelector('h1')", ""},
		{"/releases/" + ids.soaking + "/ask/cancel", "document.querySelector('form.ask')", ""},
	} {
		for _, dark := range []bool{false, true} {
			p.Dark(dark)
			for _, size := range []webtest.Size{desk, phone} {
				if dark && size.Phone && page.shot != "board" { // a colour moves nothing
					continue
				}
				p.Resize(size)
				p.Goto(url + page.path)
				p.Until(page.ready)
				name := strings.Join([]string{page.path, map[bool]string{true: "dark", false: "light"}[dark]}, " ")
				if !size.Phone {
					for _, found := range p.Axe() {
						t.Errorf("%s: %s", name, found)
					}
				}
				var wide int
				p.Eval("document.documentElement.scrollWidth - innerWidth", &wide)
				if wide > 0 {
					t.Errorf("%s: %d pixels stick out of a window of %d", name, wide, size.Width)
				}
				if page.shot == "board" || !dark && !size.Phone {
					shoot(t, p, page.shot, dark, size.Phone)
				}
			}
		}
		for _, problem := range p.Problems() {
			t.Errorf("%s: %s", page.path, problem)
		}
	}
}

// board: every release stands in its column, and what is left counts down.
func board(t *testing.T, _ *world, b *webtest.Browser, url string, ids releases) {
	p := b.Open(t, url, desk)
	for id, column := range map[string]string{
		ids.soaking: "soaking", ids.held: "soaking", ids.frozen: "soaking", ids.queued: "coming", ids.cancelled: "ended", ids.failed: "ended",
	} {
		p.Until("document.querySelector('#c-" + column + " > #r-" + id + "')")
	}
	if text := p.Text("#r-" + ids.queued + " .note"); text != "behind shop 1.9.0" {
		t.Errorf("who waits waits %q", text)
	}
	if text := p.Text("#r-" + ids.frozen); !strings.Contains(text, "the fair") {
		t.Errorf("what is frozen says %q", text)
	}
	left := "document.querySelector('#r-" + ids.soaking + " .left').textContent"
	var first string
	p.Eval(left, &first)
	if !strings.HasPrefix(first, "45:") && !strings.HasPrefix(first, "46:") {
		t.Errorf("of two hours of which 74 minutes are over %s are left", first)
	}
	p.Until(left + " !== '" + first + "'")
	p.Press("/")
	p.Type("check")
	p.Press("Enter")
	p.Until("location.search === '?q=check' && document.querySelectorAll('.card').length === 2")
}

// cancelByClick: a cancel takes a click, a reason and a click, and what comes of it is told and seen.
func cancelByClick(t *testing.T, w *world, b *webtest.Browser, url string, ids releases) {
	p := b.Open(t, url, desk)
	card := "#r-" + ids.fresh
	p.Until("document.querySelector('#c-soaking > " + card + "')")
	p.Click(card + " .danger")
	p.Until("document.querySelector('dialog[open] form.ask')")
	for _, found := range p.Axe() {
		t.Errorf("the question: %s", found)
	}
	shoot(t, p, "cancel", false, false)
	p.Type("login is broken")
	p.Click("dialog .danger")
	p.Until("document.querySelector('dialog .answer.good')")
	if text := p.Text("dialog"); !strings.Contains(text, "login is broken") {
		t.Errorf("it is told %q", text)
	}
	p.Until("document.querySelector('#c-ended > " + card + ".tone-bad')")
	p.Press("Escape")
	p.Until("!document.querySelector('dialog[open]')")
	if s := w.becomes(ids.fresh, release.Cancelled); s.End.By == "" || s.End.Reason != "login is broken" {
		t.Errorf("the journal has %+v", s.End)
	}
	p.Goto(url + "/releases/" + ids.fresh)
	if text := p.Text("#head"); !strings.Contains(text, "login is broken") || strings.Contains(text, "Hold") {
		t.Errorf("its page says %q", text)
	}
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// expediteByKeyboard: nothing but keys, from the board to what everybody gets.
func expediteByKeyboard(t *testing.T, w *world, b *webtest.Browser, url string, ids releases) {
	p := b.Open(t, url, desk)
	p.Until("document.querySelector('#c-coming > #r-" + ids.queued + "') && document.querySelector('#pulse').textContent === 'live'")
	tab(p, "#r-"+ids.soaking+" a[href$=expedite]")
	p.Press("Enter")
	p.Until("document.querySelector('dialog[open]') && document.activeElement.name === 'reason'")
	p.Press("Escape")
	p.Until("!document.querySelector('dialog[open]') && document.activeElement.matches('a[href$=expedite]')")
	p.Press("Enter")
	p.Until("document.querySelector('dialog[open]') && document.activeElement.name === 'reason'")
	p.Type("fixes the login")
	p.Press("Enter")
	p.Until("document.querySelector('dialog .answer.good')")
	p.Press("Enter") // on Close
	p.Until("!document.querySelector('dialog[open]')")
	p.Until("document.querySelector('#c-ended > #r-" + ids.soaking + ".tone-good')")
	if s := w.becomes(ids.soaking, release.Promoted); s.Expedited == nil || s.Expedited.Reason != "fixes the login" {
		t.Errorf("the journal has %+v", s.Expedited)
	}
	p.Until("document.querySelector('#c-soaking > #r-" + ids.queued + "')") // its lane is free
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// tab goes with the tabulator until something has the focus.
func tab(p *webtest.Page, selector string) {
	var there bool
	for range 200 {
		if p.Eval("document.activeElement.matches('"+selector+"')", &there); there {
			return
		}
		p.Press("Tab")
	}
	p.Until("document.activeElement.matches('" + selector + "')")
}

// turnsRed: staging errs, the watcher cancels the release, and its page turns red before one's eyes, with the reason.
func turnsRed(t *testing.T, w *world, b *webtest.Browser, url string, ids releases) {
	p := b.Open(t, url+"/releases/"+ids.queued, desk)
	w.becomes(ids.queued, release.Soaking)
	p.Until("document.querySelector('.hero.tone-live') && document.querySelector('#pulse').textContent === 'live'")
	w.publish(topology.Signal("shop", ids.queued), []byte(`{"level":"error","message":"TypeError: cart is undefined"}`))
	p.Until("document.querySelector('.hero.tone-bad')")
	if text := p.Text(".hero"); !strings.Contains(text, "Cancelled by watcher at ") ||
		!strings.Contains(text, ": check errors: 1 signal") || !strings.Contains(text, "cart is undefined") {
		t.Errorf("it says %q", text)
	}
	p.Until("document.querySelector('#timeline li .word').textContent === 'cancelled' || document.querySelector('#timeline').innerText.includes('cancelled')")
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}

// stops: a project is paused from its page, that stands above every page at once, and is taken back there.
func stops(t *testing.T, _ *world, b *webtest.Browser, url string, _ releases) {
	p := b.Open(t, url+"/projects/search", phone)
	p.Click(".head a[href$=pause]")
	p.Until("document.querySelector('dialog[open] form.ask')")
	p.Type("an incident")
	p.Press("Enter")
	p.Until("document.querySelector('dialog .answer.good')")
	p.Click("dialog [data-close]")
	p.Until("document.querySelector('#notices').innerText.includes('search is paused')")
	p.Click("#stop-search-pause a")
	p.Until("document.querySelector('dialog[open] form.ask')")
	p.Press("Enter")
	p.Until("document.querySelector('dialog .answer.good')")
	p.Until("!document.querySelector('#stop-search-pause')")
	for _, problem := range p.Problems() {
		t.Error(problem)
	}
}
