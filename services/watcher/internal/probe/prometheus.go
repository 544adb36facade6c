package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// prometheus asks a server's API for instant values (https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries).
type prometheus struct {
	client *http.Client
	from   project.Prometheus
	since  time.Time // nothing from before this counts
}

func (p prometheus) number(ctx context.Context) (n float64, beside string, err error) {
	if p.from.Range > 0 {
		n, err = p.over(ctx)
	} else {
		n, err = p.ask(ctx, p.from.Query)
	}
	return n, "", err
}

// counters are those of a comparison. Errors that nobody has counted yet are none: a counter with a label is there only from its
// first event on. Requests must be there.
func (p prometheus) counters(ctx context.Context) (Seen, error) {
	c := p.from.Compare
	var mine, base compare.Count
	for _, side := range []struct {
		of               *compare.Count
		errors, requests string
	}{{&mine, c.Errors, c.Requests}, {&base, c.BaselineErrors, c.BaselineRequests}} {
		if side.requests == "" { // the baseline is what was measured of the release before
			continue
		}
		requests, err := p.counter(ctx, side.requests)
		if err != nil {
			return Seen{}, err
		}
		failed, err := p.counter(ctx, side.errors)
		if none := new(noData); errors.As(err, &none) && none.empty {
			failed, err = 0, nil
		}
		if err != nil {
			return Seen{}, err
		}
		side.of.Exposure, side.of.Events = requests, int(math.Round(failed))
	}
	return Seen{OK: true, Counters: &judge.Counters{Mine: mine, Base: base}}, nil
}

// pair is a number of staging and of its baseline.
func (p prometheus) pair(ctx context.Context) (Seen, error) {
	mine, err := p.finite(ctx, p.from.Compare.Value)
	if err != nil {
		return Seen{}, err
	}
	if p.from.Compare.Previous {
		return Seen{OK: true, Value: &mine}, nil
	}
	base, err := p.finite(ctx, p.from.Compare.Baseline)
	if err != nil {
		return Seen{}, err
	}
	return Seen{OK: true, Value: &mine, Baseline: &base}, nil
}

// many are the numbers of a score. One that is not there is left out; when none of staging's is, there is nothing to see.
func (p prometheus) many(ctx context.Context) (Seen, error) {
	seen := Seen{OK: true}
	there := false
	for _, m := range p.from.Score.Metrics {
		for side, query := range []string{m.Value, m.Baseline} {
			n, err := p.finite(ctx, query)
			if none := new(noData); errors.As(err, &none) && none.empty {
				n, err = math.NaN(), nil
			}
			if err != nil {
				return Seen{}, err
			}
			there = there || side == 0 && !math.IsNaN(n)
			seen.Many = append(seen.Many, n)
		}
	}
	if !there {
		return Seen{}, &noData{why: fmt.Sprintf("none of %d metrics has a number", len(p.from.Score.Metrics)), empty: true}
	}
	return seen, nil
}

// finite is a number that is one: a quantile of nothing is NaN.
func (p prometheus) finite(ctx context.Context, query string) (float64, error) {
	n, err := p.ask(ctx, query)
	if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
		return 0, &noData{why: fmt.Sprintf("%s: the number is %v", named(query), n), empty: true}
	}
	return n, err
}

// mostCounted bounds a counter: above it a float64 does not count singly any more.
const mostCounted = 1 << 53

func (p prometheus) counter(ctx context.Context, query string) (float64, error) {
	n, err := p.ask(ctx, query)
	if err == nil && !(n >= 0 && n <= mostCounted) {
		return 0, &noData{why: fmt.Sprintf("%s: %v is no counter", named(query), n)}
	}
	return n, err
}

// ask is the value of a query that has one.
func (p prometheus) ask(ctx context.Context, query string) (float64, error) {
	kind, result, err := p.post(ctx, "/api/v1/query", url.Values{"query": {query}})
	if err != nil {
		return 0, err
	}
	return single(query, kind, result)
}

// steps is how many steps a range is looked at in, at least a second long each.
const steps = 240

// over is a number of a range, but of none that began before the soak
// (https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries).
func (p prometheus) over(ctx context.Context) (float64, error) {
	now := time.Now()
	start := now.Add(-p.from.Range)
	if start.Before(p.since) {
		start = p.since
	}
	at := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	step := max(p.from.Range/steps, time.Second)
	kind, result, err := p.post(ctx, "/api/v1/query_range", url.Values{
		"query": {p.from.Query}, "start": {at(start)}, "end": {at(now)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', 3, 64)},
	})
	if err != nil {
		return 0, err
	}
	var series []struct {
		Values [][2]any `json:"values"`
	}
	if kind != "matrix" || json.Unmarshal(result, &series) != nil {
		return 0, &noData{why: named(p.from.Query) + ": no range of values"}
	}
	if len(series) > 1 {
		return 0, manyResults(p.from.Query, len(series))
	}
	var numbers []float64
	for _, s := range series {
		for _, value := range s.Values {
			text, _ := value[1].(string)
			if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) {
				numbers = append(numbers, n)
			}
		}
	}
	if len(numbers) == 0 {
		return 0, &noData{why: named(p.from.Query) + " has no result in this range", empty: true}
	}
	return taken(numbers, p.from.Take), nil
}

// taken is one of some numbers, or their average.
func taken(numbers []float64, take project.Take) float64 {
	switch take {
	case project.TakeMin:
		return slices.Min(numbers)
	case project.TakeLast:
		return numbers[len(numbers)-1]
	case project.TakeAverage:
		sum := 0.0
		for _, n := range numbers {
			sum += n / float64(len(numbers)) // their sum may be too large
		}
		return sum
	case project.TakeMax:
	}
	return slices.Max(numbers)
}

func manyResults(query string, n int) error {
	return fmt.Errorf("%s has %d results, and a check reads one number: aggregate it, as in sum(…)", named(query), n)
}

// post asks the API, and returns the kind of the result, and the result.
func (p prometheus) post(ctx context.Context, path string, form url.Values) (kind string, result json.RawMessage, err error) {
	query := form.Get("query")
	what := "POST " + maskURL(p.from.URL) + path
	a, err := fetch(p.client, what, p.from.Token, func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.from.URL+path, strings.NewReader(form.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	})
	if err != nil {
		return "", nil, err
	}
	var answer struct {
		Status string `json:"status"`
		Kind   string `json:"errorType"`
		Error  string `json:"error"`
		Data   struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.body, &answer); err != nil {
		return "", nil, &noData{why: fmt.Sprintf("%s answered %d, and not as Prometheus does", what, a.status)}
	}
	switch {
	case answer.Kind == "bad_data": // the query is wrong, and stays so
		return "", nil, fmt.Errorf("%s: %s", named(query), Line(answer.Error))
	case answer.Status != "success":
		return "", nil, &noData{why: Line(fmt.Sprintf("%s answered %d: %s: %s", what, a.status, answer.Kind, answer.Error))}
	}
	return answer.Data.Type, answer.Data.Result, nil
}

// single is the only value of a result.
func single(query, kind string, result json.RawMessage) (float64, error) {
	var value [2]any // a time, and the value as text
	switch kind {
	case "scalar":
		if err := json.Unmarshal(result, &value); err != nil {
			return 0, &noData{why: named(query) + ": a scalar without a value"}
		}
	case "vector":
		var series []struct {
			Value [2]any `json:"value"`
		}
		if err := json.Unmarshal(result, &series); err != nil {
			return 0, &noData{why: named(query) + ": a vector without values"}
		}
		switch len(series) {
		case 0:
			return 0, &noData{why: named(query) + " has no result", empty: true}
		case 1:
			value = series[0].Value
		default:
			return 0, manyResults(query, len(series))
		}
	default:
		return 0, fmt.Errorf("%s is a %s, and a check reads one number", named(query), Line(kind))
	}
	text, _ := value[1].(string)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, &noData{why: named(query) + ": a value that is no number"}
	}
	return n, nil
}

// named is a query in an error.
func named(query string) string {
	const most = 80
	query = strings.Join(strings.Fields(query), " ")
	if len(query) > most {
		query = strings.ToValidUTF8(query[:most], "") + "…"
	}
	return "the query " + strconv.Quote(query)
}
