package awstest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The credentials that CloudWatch takes.
const (
	CloudWatchKey    = "AKIDCLOUDWATCH"
	CloudWatchSecret = "cloudwatch-secret" //nolint:gosec // of a peer in a test
)

// CloudWatch is a peer of Amazon CloudWatch and CloudWatch Logs without a network: an http.RoundTripper. It keeps what is put into it,
// and answers GetMetricData, FilterLogEvents, StartQuery, GetQueryResults and StopQuery as the SDK's current clients ask them: the
// first as Smithy RPC v2 CBOR, the others as AWS JSON 1.1 (aws-sdk-go-v2, service/cloudwatch and service/cloudwatchlogs:
// request_snapshot and response_snapshot; https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html). The exported fields
// are set before it is used.
type CloudWatch struct {
	Page   int                                            // datapoints or events of a page; 100 when 0
	Math   map[string]func(by map[string]float64) float64 // the expressions that it knows, worked out for each period
	Polls  int                                            // how often a query is asked about before it is complete
	Status string                                         // of every time series instead of Complete

	mu      sync.Mutex
	samples map[string][]sample
	events  []logEvent
	queries []*query
	asked   map[string]int
	fault   func(operation string, n int) *Fault
}

// Break puts a fault in the place of the n-th answer to an operation, from 1, and nil lets it answer. A nil f ends that.
func (c *CloudWatch) Break(f func(operation string, n int) *Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
}

// Fault is an error as an answer, or that there is none.
type Fault struct {
	Status int
	Code   string
	Line   error // in place of an answer
}

type sample struct {
	at    time.Time
	value float64
}

type logEvent struct {
	group     string
	at, found time.Time
	text      string
}

type query struct {
	matched []string
	polls   int
	stopped bool
}

// Put adds a sample of a metric, with its dimensions as names and values in turn.
func (c *CloudWatch) Put(at time.Time, value float64, namespace, name string, dimensions ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.samples == nil {
		c.samples = map[string][]sample{}
	}
	by := map[string]string{}
	for i := 0; i < len(dimensions); i += 2 {
		by[dimensions[i]] = dimensions[i+1]
	}
	key := metricKey(namespace, name, by)
	c.samples[key] = append(c.samples[key], sample{at, value})
}

// Log adds an event that can be found some time after it happened.
func (c *CloudWatch) Log(group string, at time.Time, after time.Duration, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, logEvent{group, at, at.Add(after), text})
}

// Asked is how often an operation was asked for.
func (c *CloudWatch) Asked(operation string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[operation]
}

// Stopped is how many queries were stopped.
func (c *CloudWatch) Stopped() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queries {
		if q.stopped {
			n++
		}
	}
	return n
}

// RoundTrip answers one request.
func (c *CloudWatch) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	operation, service, protocol := "", "logs", wireJSON
	if rest, ok := strings.CutPrefix(r.URL.Path, "/service/GraniteServiceVersion20100801/operation/"); ok {
		operation, service, protocol = rest, "monitoring", wireCBOR
		if r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" || r.Header.Get("Content-Type") != "application/cbor" {
			return protocol.sorry(r, http.StatusBadRequest, "SerializationException", "not RPC v2 CBOR"), nil
		}
	} else if rest, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "Logs_20140328."); ok {
		operation = rest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[string]int{}
	}
	c.asked[operation]++
	if c.fault != nil {
		switch f := c.fault(operation, c.asked[operation]); {
		case f != nil && f.Line != nil:
			return nil, f.Line
		case f != nil:
			return protocol.sorry(r, f.Status, f.Code, "not now, "+CloudWatchSecret), nil
		}
	}
	signed := r.Header.Get("Authorization")
	if !strings.Contains(signed, "Credential="+CloudWatchKey+"/") || !strings.Contains(signed, "/"+service+"/aws4_request") {
		return protocol.sorry(r, http.StatusForbidden, "UnrecognizedClientException", "The security token in the request is invalid."), nil
	}
	in, err := protocol.read(body)
	if err != nil {
		return protocol.sorry(r, http.StatusBadRequest, "SerializationException", err.Error()), nil
	}
	out, code, message := c.answer(operation, in)
	if code != "" {
		return protocol.sorry(r, http.StatusBadRequest, code, message), nil
	}
	return protocol.reply(r, http.StatusOK, out), nil
}

func (c *CloudWatch) answer(operation string, in map[string]any) (out map[string]any, code, message string) {
	switch operation {
	case "GetMetricData":
		return c.metricData(in)
	case "FilterLogEvents":
		return c.filter(in)
	case "StartQuery":
		return c.start(in)
	case "GetQueryResults", "StopQuery":
		return c.results(operation, in)
	}
	return nil, "UnknownOperationException", operation
}

func (c *CloudWatch) page() int { return cmp.Or(c.Page, 100) }

// metricData answers with one time series for each query whose data is to be returned.
func (c *CloudWatch) metricData(in map[string]any) (out map[string]any, code, message string) {
	start, end := asTime(in["StartTime"]).Truncate(time.Minute), asTime(in["EndTime"])
	if !start.Before(end) {
		return nil, "InvalidParameterCombinationException", "StartTime must be less than EndTime"
	}
	by := map[string]map[time.Time]float64{}
	type wanted struct{ id, expression string }
	var returned []wanted
	for _, q := range asList(in["MetricDataQueries"]) {
		q := asMap(q)
		id, expression := asText(q["Id"]), asText(q["Expression"])
		if stat := asMap(q["MetricStat"]); stat != nil {
			metric, dims := asMap(stat["Metric"]), map[string]string{}
			for _, d := range asList(metric["Dimensions"]) {
				dims[asText(asMap(d)["Name"])] = asText(asMap(d)["Value"])
			}
			samples := c.samples[metricKey(asText(metric["Namespace"]), asText(metric["MetricName"]), dims)]
			period := time.Duration(asNumber(stat["Period"])) * time.Second
			by[id] = aggregated(samples, start, end, period, asText(stat["Stat"]))
		} else if c.Math[expression] == nil {
			return nil, "ValidationError", "Error in expression '" + id + "': the expression " + expression + " is unknown"
		}
		if data, said := q["ReturnData"].(bool); !said || data {
			returned = append(returned, wanted{id, expression})
		}
	}
	from := 0
	if token := asText(in["NextToken"]); token != "" {
		_, _ = fmt.Sscanf(token, "from-%d", &from)
	}
	results, more := []any{}, false
	for _, w := range returned {
		series := by[w.id]
		if w.expression != "" {
			series = combined(by, c.Math[w.expression])
		}
		times := slices.SortedFunc(maps.Keys(series), func(a, b time.Time) int { return b.Compare(a) })
		page := times[min(from, len(times)):min(from+c.page(), len(times))]
		more = more || from+c.page() < len(times)
		values, stamps := []any{}, []any{}
		for _, at := range page {
			values, stamps = append(values, series[at]), append(stamps, at)
		}
		status := map[bool]string{true: "PartialData", false: cmp.Or(c.Status, "Complete")}[from+c.page() < len(times)]
		results = append(results, map[string]any{"Id": w.id, "Label": w.id, "StatusCode": status, "Timestamps": stamps, "Values": values})
	}
	out = map[string]any{"MetricDataResults": results}
	if more {
		out["NextToken"] = fmt.Sprintf("from-%d", from+c.page())
	}
	return out, "", ""
}

// aggregated is a statistic of each period that has samples, by its beginning.
func aggregated(samples []sample, start, end time.Time, period time.Duration, stat string) map[time.Time]float64 {
	values := map[time.Time][]float64{}
	for _, s := range samples {
		if at := s.at.Truncate(period); !at.Before(start) && at.Before(end) && !s.at.After(time.Now()) {
			values[at] = append(values[at], s.value)
		}
	}
	out := map[time.Time]float64{}
	for at, all := range values {
		slices.Sort(all)
		sum := 0.0
		for _, v := range all {
			sum += v
		}
		var percent float64
		switch _, err := fmt.Sscanf(stat, "p%f", &percent); {
		case err == nil:
			out[at] = all[min(len(all)-1, int(math.Ceil(percent/100*float64(len(all))))-1)]
		case stat == "Average":
			out[at] = sum / float64(len(all))
		case stat == "Maximum":
			out[at] = all[len(all)-1]
		case stat == "SampleCount":
			out[at] = float64(len(all))
		default:
			out[at] = sum
		}
	}
	return out
}

func combined(by map[string]map[time.Time]float64, work func(map[string]float64) float64) map[time.Time]float64 {
	at := map[time.Time]map[string]float64{}
	for id, series := range by {
		for t, v := range series {
			if at[t] == nil {
				at[t] = map[string]float64{}
			}
			at[t][id] = v
		}
	}
	out := map[time.Time]float64{}
	for t, values := range at {
		if len(values) == len(by) {
			out[t] = work(values)
		}
	}
	return out
}

func metricKey(namespace, name string, dimensions map[string]string) string {
	key := namespace + "|" + name
	for _, d := range slices.Sorted(maps.Keys(dimensions)) {
		key += "|" + d + "=" + dimensions[d]
	}
	return key
}

// found are the events of a group and a time that can be found now, in order.
func (c *CloudWatch) found(group string, from, to time.Time, match func(string) bool) []logEvent {
	var out []logEvent
	for _, e := range c.events {
		if e.group == group && !e.at.Before(from) && !e.at.After(to) && !e.found.After(time.Now()) && match(e.text) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b logEvent) int { return a.at.Compare(b.at) })
	return out
}

func (c *CloudWatch) known(group string) bool {
	return slices.ContainsFunc(c.events, func(e logEvent) bool { return e.group == group })
}

// filter knows patterns of words: all of them, or any of those with a question mark before them.
func (c *CloudWatch) filter(in map[string]any) (out map[string]any, code, message string) {
	group := cmp.Or(asText(in["logGroupName"]), asText(in["logGroupIdentifier"]))
	if !c.known(group) {
		return nil, "ResourceNotFoundException", "The specified log group does not exist."
	}
	words := strings.Fields(asText(in["filterPattern"]))
	all := c.found(group, milli(in["startTime"]), milli(in["endTime"]), func(text string) bool {
		some := false
		for _, w := range words {
			word, optional := strings.CutPrefix(w, "?")
			has := strings.Contains(text, word)
			if !optional && !has {
				return false
			}
			some = some || has
		}
		return some
	})
	from := 0
	if token := asText(in["nextToken"]); token != "" {
		if _, err := fmt.Sscanf(token, "from-%d", &from); err != nil {
			return nil, "InvalidParameterException", "The specified nextToken is invalid."
		}
	}
	events := []any{}
	for i, e := range all[min(from, len(all)):min(from+c.page(), len(all))] {
		events = append(events, map[string]any{
			"eventId": fmt.Sprint(from + i), "ingestionTime": e.found.UnixMilli(), "logStreamName": "stream", "message": e.text,
			"timestamp": e.at.UnixMilli(),
		})
	}
	out = map[string]any{"events": events, "searchedLogStreams": []any{}}
	if from+c.page() < len(all) {
		out["nextToken"] = fmt.Sprintf("from-%d", from+c.page())
	}
	return out, "", ""
}

// start knows queries that say filter @message like /words/.
func (c *CloudWatch) start(in map[string]any) (out map[string]any, code, message string) {
	group := asText(in["logGroupName"])
	if ids := asList(in["logGroupIdentifiers"]); len(ids) > 0 {
		group = asText(ids[0])
	}
	if !c.known(group) {
		return nil, "ResourceNotFoundException", "The specified log group does not exist."
	}
	_, rest, ok := strings.Cut(asText(in["queryString"]), "filter @message like /")
	words, _, closed := strings.Cut(rest, "/")
	if !ok || !closed {
		return nil, "MalformedQueryException", "unexpected symbol found"
	}
	from, to := time.Unix(int64(asNumber(in["startTime"])), 0), time.Unix(int64(asNumber(in["endTime"]))+1, -1)
	q := &query{}
	for _, e := range c.found(group, from, to, func(text string) bool { return strings.Contains(text, words) }) {
		q.matched = append(q.matched, e.text)
	}
	c.queries = append(c.queries, q)
	return map[string]any{"queryId": fmt.Sprintf("query-%d", len(c.queries)-1)}, "", ""
}

func (c *CloudWatch) results(operation string, in map[string]any) (out map[string]any, code, message string) {
	n := -1
	if _, err := fmt.Sscanf(asText(in["queryId"]), "query-%d", &n); err != nil || n < 0 || n >= len(c.queries) {
		return nil, "ResourceNotFoundException", "The specified query does not exist."
	}
	q := c.queries[n]
	if operation == "StopQuery" {
		q.stopped = true
		return map[string]any{"success": true}, "", ""
	}
	if q.polls++; q.polls <= c.Polls {
		status := map[bool]string{true: "Scheduled", false: "Running"}[q.polls == 1]
		return map[string]any{"results": []any{}, "status": status, "statistics": map[string]any{"recordsMatched": 0.0}}, "", ""
	}
	rows := []any{}
	for _, text := range q.matched[:min(1, len(q.matched))] {
		rows = append(rows, []any{
			map[string]any{"field": "@timestamp", "value": "2026-03-02 12:00:00.000"}, map[string]any{"field": "@message", "value": text},
			map[string]any{"field": "@ptr", "value": "CmEKJgoi"},
		})
	}
	return map[string]any{
		"queryLanguage": "CWLI", "results": rows, "status": "Complete",
		"statistics": map[string]any{"bytesScanned": 1.0, "recordsMatched": float64(len(q.matched)), "recordsScanned": 9.0},
	}, "", ""
}

func response(r *http.Request, status int, contentType string, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}
