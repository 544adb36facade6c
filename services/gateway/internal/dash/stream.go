package dash

import (
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
)

const (
	// stillThere is how often a browser hears something, so that both sides notice when the other is gone.
	stillThere = 15 * time.Second
	// writeWithin bounds one write to a browser.
	writeWithin = 10 * time.Second
	// againAfter is when a browser comes back that lost its stream, in milliseconds.
	againAfter = 1000
)

// live sends what changes on a page, as server-sent events, until the browser or the person's session is gone. A browser that has the
// page of this very version gets only what comes; any other gets all of it first.
func (d *Dash) live(w http.ResponseWriter, r *http.Request, p auth.Person) {
	q := r.URL.Query()
	s, ok := d.sceneOf(q.Get("page"), q.Get("project"), q.Get("release"), filter(r), p)
	if !ok {
		d.fail(w, r, http.StatusNotFound, "There is no such page.")
		return
	}
	listener, stop := d.hub.listen(s.release)
	defer stop()
	out := stream{w: w, control: http.NewResponseController(w)}
	_ = out.control.SetReadDeadline(time.Time{}) // the server's is for requests that have an end
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is not to collect it
	if out.write(fmt.Sprintf("retry: %d\n\n", againAfter)) != nil {
		return
	}
	known := r.Header.Get("Last-Event-ID")
	if known == "" {
		known = q.Get("v")
	}
	if err := d.follow(r, p, s, listener, &out, known); err != nil && r.Context().Err() == nil {
		d.log.Debug("dashboard: a browser is gone", zap.Error(err))
	}
}

// follow sends changes until something ends it.
func (d *Dash) follow(r *http.Request, p auth.Person, s scene, l *listener, out *stream, known string) error {
	ctx := r.Context()
	have, first := sent{}, true
	idle := time.NewTicker(stillThere)
	defer idle.Stop()
	for {
		view, version, err := s.make(ctx)
		if err != nil {
			return err
		}
		if first && known == version {
			have = has(view)
		}
		c, next := have.diff(view)
		if first || !c.empty() {
			if err := out.event(version, c, d.hub.now()); err != nil {
				return err
			}
			d.sent.Add(1)
		}
		have, first = next, false
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return nil
			case <-l.dirty:
				again = true
			case <-idle.C:
				if who, ok := d.guard.Who(r); !ok || who.Role != p.Role || time.Now().After(p.Until()) && !d.guard.Open() {
					return out.write("event: bye\ndata: {}\n\n")
				}
				if err := out.event("", change{}, d.hub.now()); err != nil {
					return err
				}
			}
		}
		if err := pause(ctx.Done(), time.Duration(d.gap.Load())); err != nil {
			return nil // the browser is gone
		}
	}
}

// pause waits, or says that there is no use.
func pause(done <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return http.ErrAbortHandler
	case <-t.C:
		return nil
	}
}

// stream is the way to one browser.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *stream) event(id string, c change, now time.Time) error {
	data, err := c.text(now)
	if err != nil {
		return err
	}
	head := ""
	if id != "" {
		head = "id: " + id + "\n"
	}
	return s.write(head + "data: " + string(data) + "\n\n")
}

func (s *stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
