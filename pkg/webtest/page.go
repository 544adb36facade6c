package webtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Page is an open page, with cookies of its own.
type Page struct {
	b       *Browser
	t       testing.TB
	session string

	mu       sync.Mutex
	problems []string
}

// Size is that of a window, in CSS pixels.
type Size struct {
	Width, Height int
	Phone         bool // it is touched, and has its meta viewport respected
}

// Open opens a page of that size and goes to a URL; it returns when that is loaded.
func (b *Browser) Open(t testing.TB, url string, size Size) *Page {
	t.Helper()
	var context struct {
		ID string `json:"browserContextId"`
	}
	b.call("", "Target.createBrowserContext", nil, &context)
	var target struct {
		ID string `json:"targetId"`
	}
	b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.ID}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.call("", "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	p := &Page{b: b, t: t, session: attached.Session}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.call(domain+".enable", nil, nil)
	}
	p.call("Emulation.setTimezoneOverride", map[string]any{"timezoneId": "UTC"}, nil)
	p.Resize(size)
	p.Goto(url)
	return p
}

func (p *Page) call(method string, params, into any) {
	p.t.Helper()
	if err := p.b.try(p.session, method, params, into); err != nil {
		p.t.Fatal(err)
	}
}

// hear notes what a person would find in the browser's console.
func (p *Page) hear(m message) {
	var e struct {
		Type string `json:"type"`
		Args []struct {
			Value       any    `json:"value"`
			Description string `json:"description"`
		} `json:"args"`
		Details struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
		Entry struct {
			Level string `json:"level"`
			Text  string `json:"text"`
			URL   string `json:"url"`
		} `json:"entry"`
	}
	if json.Unmarshal(m.event, &e) != nil {
		return
	}
	said := ""
	switch m.Method {
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "warning" {
			said = fmt.Sprintf("console %s: %v", e.Type, e.Args)
		}
	case "Runtime.exceptionThrown":
		said = "exception: " + e.Details.Text + " " + e.Details.Exception.Description
	case "Log.entryAdded":
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			said = fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	}
	if said != "" {
		p.mu.Lock()
		p.problems = append(p.problems, said)
		p.mu.Unlock()
	}
}

// Problems are the errors and warnings of the console since the last call.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.problems
	p.problems = nil
	return out
}

// Goto goes to a URL and waits until it is loaded.
func (p *Page) Goto(url string) {
	p.t.Helper()
	var went struct {
		Error string `json:"errorText"`
	}
	p.call("Page.navigate", map[string]any{"url": url}, &went)
	if went.Error != "" {
		p.t.Fatalf("go to %s: %s", url, went.Error)
	}
	p.Until("document.readyState === 'complete' && location.href !== 'about:blank'")
}

// Resize gives the window another size.
func (p *Page) Resize(size Size) {
	p.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": size.Width, "height": size.Height, "deviceScaleFactor": 1, "mobile": size.Phone,
	}, nil)
	p.call("Emulation.setTouchEmulationEnabled", map[string]any{"enabled": size.Phone}, nil)
}

// Dark asks for dark colours, or for light ones.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	feature := map[string]string{"name": "prefers-color-scheme", "value": value}
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{feature}}, nil)
}

// Eval evaluates an expression, waits for it if it is a promise, and reads its value.
func (p *Page) Eval(expression string, into any) {
	p.t.Helper()
	if err := p.eval(expression, into); err != nil {
		p.t.Fatalf("%s: %v", first(expression), err)
	}
}

func first(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}

func (p *Page) eval(expression string, into any) error {
	var out struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Details *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.b.try(p.session, "Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &out)
	switch {
	case err != nil:
		return err
	case out.Details != nil:
		return fmt.Errorf("%s %s", out.Details.Text, out.Details.Exception.Description)
	case into == nil || len(out.Result.Value) == 0:
		return nil
	}
	return json.Unmarshal(out.Result.Value, into)
}

// Until waits until an expression is true. It is tried every few milliseconds, also while the page goes to another one.
func (p *Page) Until(expression string) {
	p.t.Helper()
	look := fmt.Sprintf("(() => { try { return !!(%s); } catch { return false; } })()", expression)
	tick := time.NewTicker(8 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		var ok bool
		if err := p.eval(look, &ok); err == nil && ok { // an error: it is between two pages
			return
		}
	}
	var text string
	_ = p.eval("document.body.innerText", &text)
	p.t.Fatalf("waited in vain for %s; problems: %v; the page is:\n%s", expression, p.Problems(), text)
}

// Text is the text of the first element of a selector, as it is rendered.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	var text string
	p.Eval(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &text)
	return text
}

// Click clicks into the middle of the first element of a selector, with the mouse.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.Until(fmt.Sprintf("document.querySelector(%q)", selector))
	var at struct{ X, Y float64 }
	p.Eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: 'center'});
		const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2}; })()`, selector), &at)
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		p.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}

// Press presses keys one after the other: Tab, Enter, Escape, Space, or a character.
func (p *Page) Press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		event := map[string]any{"key": key, "code": key}
		switch key {
		case "Tab":
			event["windowsVirtualKeyCode"] = 9
		case "Enter":
			event["windowsVirtualKeyCode"], event["text"] = 13, "\r"
		case "Escape":
			event["windowsVirtualKeyCode"] = 27
		case "Space":
			event["key"], event["windowsVirtualKeyCode"], event["text"] = " ", 32, " "
		default:
			event["text"], event["windowsVirtualKeyCode"] = key, int(strings.ToUpper(key)[0])
		}
		for _, kind := range []string{"keyDown", "keyUp"} {
			event["type"] = kind
			p.call("Input.dispatchKeyEvent", event, nil)
		}
	}
}

// Type writes text where the focus is.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.call("Input.insertText", map[string]any{"text": text}, nil)
}

// Shot is a screenshot of the window, as PNG.
func (p *Page) Shot() []byte {
	p.t.Helper()
	var out struct {
		Data string `json:"data"`
	}
	p.call("Page.captureScreenshot", map[string]any{"format": "png"}, &out)
	png, err := base64.StdEncoding.DecodeString(out.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return png
}

// Heap is how much the page's script holds on to after all garbage is collected, in bytes, and how many DOM nodes there are.
func (p *Page) Heap() (used float64, nodes int) {
	p.t.Helper()
	p.call("HeapProfiler.collectGarbage", nil, nil)
	var heap struct {
		Used float64 `json:"usedSize"`
	}
	p.call("Runtime.getHeapUsage", nil, &heap)
	var counters struct {
		Nodes int `json:"nodes"`
	}
	p.call("Memory.getDOMCounters", nil, &counters)
	return heap.Used, counters.Nodes
}

// Axe looks for what people with disabilities would stumble over, by the rules of WCAG 2.2 AA and axe-core's best practices; each
// finding is a line.
func (p *Page) Axe() []string {
	p.t.Helper()
	p.Eval(axe(p.t)+";0", nil)
	var found []string
	p.Eval(`axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations.map((v) => v.id + ' (' + v.impact + '): ' + v.help +
		': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? '')).join(' | ')))`, &found)
	return found
}
