package dash

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/cdevents"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/gateway/internal/auth"
)

const (
	exportWithin = 10 * time.Minute // an export takes no longer
	exportPiece  = 64 << 10         // bytes that are sent at once
)

// kinds are the content types of exports: JSON Lines has none that is registered (https://jsonlines.org).
func kinds() map[string]string {
	return map[string]string{"json": "application/jsonl", "csv": "text/csv; charset=utf-8", "cdevents": "application/jsonl"}
}

// apiExport answers with all transitions that the filters let through, the oldest first. The journals are read 4 MiB at a time, by one
// export at a time. An answer that can not be finished breaks off, so that nobody takes it for all.
func (d *Dash) apiExport(w http.ResponseWriter, r *http.Request, _ auth.Person) {
	q, format := queryOf(r), r.FormValue("format")
	from, err := q.checked(d.hub.now())
	if !slices.Contains(story.Formats(), format) {
		err = errWrong("as what? json, csv or cdevents")
	}
	if err != nil {
		d.unable(w, r, err)
		return
	}
	select {
	case d.exporting <- struct{}{}:
		defer func() { <-d.exporting }()
	default:
		w.Header().Set("Retry-After", "5")
		d.fail(w, r, http.StatusServiceUnavailable, "Somebody else exports now: try again in a moment.")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), exportWithin) // it may take longer than what else is asked for
	defer cancel()
	defer context.AfterFunc(r.Context(), func() {
		if !errors.Is(r.Context().Err(), context.DeadlineExceeded) { // whoever asked is gone
			cancel()
		}
	})()
	name := "audit." + map[string]string{"json": "jsonl", "csv": "csv", "cdevents": "cdevents.jsonl"}[format]
	w.Header().Set("Content-Type", kinds()[format])
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if err := d.export(ctx, w, format, q, from); err != nil {
		if !errors.Is(r.Context().Err(), context.Canceled) {
			d.log.Warn("dashboard: an export broke off", zap.Error(err))
		}
		panic(http.ErrAbortHandler)
	}
}

func (d *Dash) export(ctx context.Context, w http.ResponseWriter, format string, q Query, from time.Time) error {
	out := bufio.NewWriterSize(patient{w}, exportPiece)
	write, flush := story.Export(out, format, func(r journal.Record) ([]any, error) { return cdevents.All("/sluice", r.Record, r.Seq, r.At) })
	var told error
	err := d.journal.Transitions(ctx, journal.From{At: from}, q.Release, func(t journal.Transition) bool {
		if q.has(t) {
			told = write(t)
		}
		return told == nil
	}, func(seq uint64, err error) {
		d.log.Warn("dashboard: an export lacks a record that can not be read", zap.Uint64("sequence", seq), zap.Error(err))
	})
	if told != nil {
		return told
	}
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	return out.Flush()
}

// patient gives every piece a deadline of its own.
type patient struct{ http.ResponseWriter }

func (p patient) Write(piece []byte) (int, error) {
	if err := http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(readWithin)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(piece)
}
