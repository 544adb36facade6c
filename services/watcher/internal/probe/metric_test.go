package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/promtest"
	"github.com/sluice-gate/sluice/services/watcher/internal/probe"
)

func metric(m project.Metric, timeout time.Duration) probe.Probe {
	return open(project.Check{Name: "metric", Metric: &m, Timeout: timeout})
}

// judged is what the judge makes of what a probe saw: whether it is well, and why.
func judged(m project.Metric, seen probe.Seen) probe.Seen {
	return weighed(project.Check{Metric: &m}, seen, nil)
}

func weighed(c project.Check, seen probe.Seen, err error) probe.Seen {
	word, said := judge.RuleOf(c, time.Time{}).Weigh(seen.Look(time.Now(), err))
	return probe.Seen{OK: word == judge.Pass, None: word == judge.Inconclusive, Busy: seen.Busy, Said: said, Value: seen.Value}
}

// asked is a metric's probe of a server that answers with that.
func asked(t *testing.T, m project.Metric, status int, body string, header ...string) probe.Probe {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.Prometheus != nil && (r.FormValue("query") != m.Prometheus.Query || r.URL.Path != "/api/v1/query") {
			t.Errorf("%s is asked %q", r.URL.Path, r.FormValue("query"))
		}
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	if m.Prometheus != nil {
		m.Prometheus.URL = s.URL
	} else {
		m.JSON.URL = s.URL + "/numbers?key=secret"
	}
	return metric(m, time.Second)
}

// The answers are those of Prometheus' documentation: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries.
func TestPrometheusAnswers(t *testing.T) {
	const vector = `{"status":"success","data":{"resultType":"vector","result":[%s]}}`
	for name, c := range map[string]struct {
		status int
		body   string
		ok     bool
		said   string // of what was seen
		none   string // why there is nothing
		wrong  string // why it can never look
	}{
		"below":      {body: fmt.Sprintf(vector, `{"metric":{},"value":[1435781451.781,"0.001"]}`), ok: true, said: "0.001, and value < 0.01"},
		"above":      {body: fmt.Sprintf(vector, `{"metric":{},"value":[1435781451.781,"0.5"]}`), said: "0.5, not value < 0.01"},
		"a scalar":   {body: `{"status":"success","data":{"resultType":"scalar","result":[1435781451.781,"1"]}}`, said: "1, not value < 0.01"},
		"no series":  {body: fmt.Sprintf(vector, ""), none: `the query "up" has no result`},
		"NaN":        {body: fmt.Sprintf(vector, `{"metric":{},"value":[1435781451.781,"NaN"]}`), none: "the number is NaN"},
		"infinite":   {body: fmt.Sprintf(vector, `{"metric":{},"value":[1435781451.781,"+Inf"]}`), none: "the number is +Inf"},
		"two series": {body: fmt.Sprintf(vector, `{"value":[1,"1"]},{"value":[1,"2"]}`), wrong: `the query "up" has 2 results, and a check reads one number: aggregate it`},
		"a matrix":   {body: `{"status":"success","data":{"resultType":"matrix","result":[]}}`, wrong: "is a matrix"},
		"a mistake": {
			status: 400, body: `{"status":"error","errorType":"bad_data","error":"1:3: parse error: unexpected end of input"}`, wrong: "parse error: unexpected end",
		},
		"too much":     {status: 422, body: `{"status":"error","errorType":"execution","error":"too many samples"}`, none: "execution: too many samples"},
		"broken":       {status: 500, body: "oh", none: "answered 500, and not as Prometheus does"},
		"too often":    {status: 429, none: "answered 429: it is asked too often"},
		"nobody knows": {status: 401, body: "secret", wrong: "answered 401: look at the token"},
		"endless":      {body: strings.Repeat("x", 2<<20), none: "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			m := project.Metric{Prometheus: &project.Prometheus{Query: "up"}, Condition: "value < 0.01", NoData: project.IgnoreNoData}
			seen, err := asked(t, m, max(c.status, 200), c.body)(t.Context())
			seen = judged(m, seen)
			switch {
			case c.wrong != "":
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("%+v, %v", seen, err)
				}
			case c.none != "":
				if !seen.None || !strings.Contains(seen.Said, c.none) {
					t.Errorf("%+v, %v", seen, err)
				}
			case err != nil || seen.OK != c.ok || seen.Said != c.said || seen.None:
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}

// TestPrometheusRanges: https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries. Nothing is asked about from before the soak.
func TestPrometheusRanges(t *testing.T) {
	const series = `{"metric":{},"values":[%s]}`
	const values = `[1435781430.781,"3"],[1435781445.781,"NaN"],[1435781460.781,"1"],[1435781475.781,"2"]`
	for name, c := range map[string]struct {
		take              project.Take
		result, said, err string
		age, asked        time.Duration
	}{
		"the most":      {project.TakeMax, fmt.Sprintf(series, values), "3, and value > 0", "", time.Hour, 10 * time.Minute},
		"the least":     {project.TakeMin, fmt.Sprintf(series, values), "1, and value > 0", "", time.Hour, 10 * time.Minute},
		"the last":      {project.TakeLast, fmt.Sprintf(series, values), "2, and value > 0", "", time.Hour, 10 * time.Minute},
		"their average": {project.TakeAverage, fmt.Sprintf(series, values), "2, and value > 0", "", time.Hour, 10 * time.Minute},
		"a young soak":  {project.TakeMax, fmt.Sprintf(series, values), "3, and value > 0", "", time.Minute, time.Minute},
		"none":          {project.TakeMax, "", "", "has no result in this range", time.Hour, 10 * time.Minute},
		"only NaN":      {project.TakeMax, fmt.Sprintf(series, `[1,"NaN"]`), "", "has no result in this range", time.Hour, 10 * time.Minute},
		"infinite":      {project.TakeMax, fmt.Sprintf(series, `[1,"+Inf"],[2,"1"]`), "", "the number is +Inf", time.Hour, 10 * time.Minute},
		"two": {
			project.TakeMax, fmt.Sprintf(series, values) + "," + fmt.Sprintf(series, values), "", "has 2 results", time.Hour, 10 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				start, err := strconv.ParseFloat(r.FormValue("start"), 64)
				end, err2 := strconv.ParseFloat(r.FormValue("end"), 64)
				if got := end - start - c.asked.Seconds(); err != nil || err2 != nil || got > 5 || got < -5 || r.FormValue("step") != "2.500" {
					t.Errorf("asked from %s to %s by %s", r.FormValue("start"), r.FormValue("end"), r.FormValue("step"))
				}
				if r.URL.Path != "/api/v1/query_range" || r.FormValue("query") != "up" {
					t.Errorf("%s is asked %q", r.URL.Path, r.FormValue("query"))
				}
				_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[%s]}}`, c.result)
			}))
			t.Cleanup(s.Close)
			p := &project.Prometheus{URL: s.URL, Query: "up", Range: 10 * time.Minute, Take: c.take}
			check := project.Check{Metric: &project.Metric{Prometheus: p, Condition: "value > 0"}, Timeout: 20 * time.Second}
			seen, err := probe.Tools{}.Open(check, driver.Facts{}, time.Now().Add(-c.age))(t.Context())
			seen = weighed(check, seen, err)
			if c.err != "" {
				if seen.OK || !seen.None || !strings.Contains(seen.Said, c.err) {
					t.Errorf("%+v, %v", seen, err)
				}
			} else if err != nil || !seen.OK || seen.Said != c.said {
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}

// What it means that there is no number is the judge's to say, whatever the policy; so is that the source was asked too often.
func TestNoData(t *testing.T) {
	for status, busy := range map[int]bool{500: false, 404: false, 429: true, 503: true} {
		m := project.Metric{JSON: &project.JSON{Value: "body.n"}, Condition: "value < 1.0", NoData: project.FailOnNoData}
		seen, err := asked(t, m, status, "{}", "Retry-After", "7")(t.Context())
		wait := new(probe.PauseError)
		paused := errors.As(err, &wait) && wait.For == 7*time.Second
		if seen.OK || !seen.None || seen.Busy != busy || paused != busy || seen.Value != nil || seen.Said == "" {
			t.Errorf("%d: %+v, %v", status, seen, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") || strings.Contains(seen.Said, "secret") {
			t.Errorf("the secret is shown: %v %s", err, seen.Said)
		}
	}
}

func TestJSON(t *testing.T) {
	for name, c := range map[string]struct {
		value, body, said string
		none              bool
	}{
		"a number":        {value: "body.queue.depth", body: `{"queue":{"depth":3}}`, said: "3, and value < 5.0"},
		"too many":        {value: "body.queue.depth", body: `{"queue":{"depth":7}}`, said: "7, not value < 5.0"},
		"of text":         {value: "double(body.depth)", body: `{"depth":"4.5"}`, said: "4.5, and value < 5.0"},
		"counted":         {value: "size(body.alerts)", body: `{"alerts":[1,2]}`, said: "2, and value < 5.0"},
		"null":            {value: "body.depth", body: `{"depth":null}`, none: true},
		"nothing":         {value: "body.depth", body: `{}`, none: true},
		"text":            {value: "body.depth", body: `{"depth":"$(reboot)"}`, none: true},
		"no JSON":         {value: "body.depth", body: `<html>`, none: true},
		"of a header":     {value: "double(header['x-depth'])", body: `{}`, said: "2, and value < 5.0"},
		"nested too deep": {value: "body.depth", body: strings.Repeat("[", 100_000), none: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := project.Metric{JSON: &project.JSON{Value: c.value}, Condition: "value < 5.0", NoData: project.IgnoreNoData}
			seen, err := asked(t, m, 200, c.body, "X-Depth", "2")(t.Context())
			seen = judged(m, seen)
			if err != nil || seen.None != c.none || !c.none && seen.Said != c.said {
				t.Errorf("%+v, %v", seen, err)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	t.Setenv("METRIC_TOKEN", "s3cret")
	got := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"n":1}`))
	}))
	t.Cleanup(s.Close)
	m := project.Metric{JSON: &project.JSON{URL: s.URL, Value: "body.n", Token: project.Token{Env: "METRIC_TOKEN"}}, Condition: "value == 1.0"}
	if seen, err := metric(m, time.Second)(t.Context()); err != nil || !seen.OK || got != "Bearer s3cret" {
		t.Errorf("%+v, %v, with %q", seen, err, got)
	}
	m.JSON.Token.Env = "NOT_THERE_TOKEN"
	if seen, err := metric(m, time.Second)(t.Context()); err == nil || !strings.Contains(err.Error(), "NOT_THERE_TOKEN") {
		t.Errorf("%+v, %v", seen, err)
	}
}

// TestRealPrometheus asks a real one: for a number, for what it has not, for nonsense, and for the counters of a comparison.
func TestRealPrometheus(t *testing.T) {
	t.Parallel()
	p := promtest.Start(t)
	p.Add(`requests_total{env="staging"}`, 1000)
	p.Add(`requests_total{env="production"}`, 2000)
	p.Add(`errors_total{env="production"}`, 3)
	number := func(query string) func(context.Context) (probe.Seen, error) {
		m := project.Metric{Prometheus: &project.Prometheus{URL: p.URL, Query: query}, Condition: "value >= 1000.0"}
		look := metric(m, 5*time.Second)
		return func(ctx context.Context) (probe.Seen, error) {
			seen, err := look(ctx)
			return judged(m, seen), err
		}
	}
	requests := number(`sum(requests_total{env="staging"})`)
	for end := time.Now().Add(time.Minute); ; <-time.After(50 * time.Millisecond) {
		seen, err := requests(t.Context())
		if err == nil && seen.OK && seen.Said == "1000, and value >= 1000.0" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v, %v", seen, err)
		}
	}
	for query, want := range map[string]string{
		`sum(nobody_total)`: "has no result", `requests_total`: "has 2 results", `sum(`: "parse error", `requests_total[1m]`: "is a matrix",
		`sum(requests_total) / 0`: "the number is +Inf",
	} {
		seen, err := number(query)(t.Context())
		if said := fmt.Sprint(seen.Said, err); seen.OK || !strings.Contains(said, want) || seen.None != (err == nil) {
			t.Errorf("%s: %+v, %v", query, seen, err)
		}
	}
	ranged := project.Prometheus{URL: p.URL, Query: `sum(requests_total{env="staging"})`, Range: time.Minute, Take: project.TakeLast}
	past := project.Check{Metric: &project.Metric{Prometheus: &ranged, Condition: "value == 1000.0"}}
	if seen, err := look(t.Context(), past, 5*time.Second); err != nil || !seen.OK {
		t.Errorf("a range: %+v, %v", seen, err)
	}
	seen, err := metric(project.Metric{Prometheus: &project.Prometheus{URL: p.URL, Compare: &project.Compare{
		Errors: `sum(errors_total{env="staging"})`, Requests: `sum(requests_total{env="staging"})`, // there was no error yet
		BaselineErrors: `sum(errors_total{env="production"})`, BaselineRequests: `sum(requests_total{env="production"})`,
	}}}, 5*time.Second)(t.Context())
	if err != nil || seen.Counters == nil {
		t.Fatalf("%+v, %v", seen, err)
	}
	if c := seen.Counters; c.Mine.Events != 0 || c.Mine.Exposure != 1000 || c.Base.Events != 3 || c.Base.Exposure != 2000 {
		t.Errorf("%+v", *c)
	}
	pair := func(value, baseline string) (probe.Seen, error) {
		c := &project.Compare{Value: value, Baseline: baseline}
		return metric(project.Metric{Prometheus: &project.Prometheus{URL: p.URL, Compare: c}}, 5*time.Second)(t.Context())
	}
	seen, err = pair(`sum(requests_total{env="staging"})`, `sum(requests_total{env="production"})`)
	if err != nil || seen.Value == nil || *seen.Value != 1000 || seen.Baseline == nil || *seen.Baseline != 2000 || seen.None {
		t.Errorf("%+v, %v", seen, err)
	}
	for _, none := range []string{`sum(nobody_total)`, `vector(0) / 0`} {
		if seen, err := pair(`vector(1)`, none); err != nil || !seen.None || seen.Value != nil {
			t.Errorf("%s: %+v, %v", none, seen, err)
		}
	}
}
