package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-gate/sluice/pkg/compare"
	"github.com/sluice-gate/sluice/pkg/judge"
	"github.com/sluice-gate/sluice/pkg/project"
)

// prometheus asks a server's API for instant values (https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries).
type prometheus struct {
	client *http.Client
	from   project.Prometheus
}

func (p prometheus) number(ctx context.Context) (n float64, beside string, err error) {
	n, err = p.ask(ctx, p.from.Query)
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
	base, err := p.finite(ctx, p.from.Compare.Baseline)
	if err != nil {
		return Seen{}, err
	}
	return Seen{OK: true, Value: &mine, Baseline: &base}, nil
}

// finite is a number that is one: a quantile of nothing is NaN.
func (p prometheus) finite(ctx context.Context, query string) (float64, error) {
	n, err := p.ask(ctx, query)
	if err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
		return 0, &noData{why: fmt.Sprintf("%s: the number is %v", named(query), n)}
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
	what := "POST " + maskURL(p.from.URL) + "/api/v1/query"
	a, err := fetch(p.client, what, p.from.Token, func() (*http.Request, error) {
		form := url.Values{"query": {query}}.Encode()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.from.URL+"/api/v1/query", strings.NewReader(form))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	})
	if err != nil {
		return 0, err
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
		return 0, &noData{why: fmt.Sprintf("%s answered %d, and not as Prometheus does", what, a.status)}
	}
	switch {
	case answer.Kind == "bad_data": // the query is wrong, and stays so
		return 0, fmt.Errorf("%s: %s", named(query), Line(answer.Error))
	case answer.Status != "success":
		return 0, &noData{why: Line(fmt.Sprintf("%s answered %d: %s: %s", what, a.status, answer.Kind, answer.Error))}
	}
	return single(query, answer.Data.Type, answer.Data.Result)
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
			return 0, fmt.Errorf("%s has %d results, and a check reads one number: aggregate it, as in sum(…)", named(query), len(series))
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
