package signal

import (
	"encoding/json"
	"strconv"
	"strings"
)

// otlpLogs is the part of OTLP's ExportLogsServiceRequest that matters here. Enumerations are numbers in its JSON; a severity's
// name is taken, too, as some write it.
type otlpLogs []struct {
	ScopeLogs []struct {
		LogRecords []otlpRecord `json:"logRecords"`
	} `json:"scopeLogs"`
}

type otlpRecord struct {
	SeverityNumber json.RawMessage `json:"severityNumber"`
	SeverityText   string          `json:"severityText"`
	Body           otlpValue       `json:"body"`
	Attributes     []otlpPair      `json:"attributes"`
}

type otlpPair struct {
	Key   string    `json:"key"`
	Value otlpValue `json:"value"`
}

// otlpValue is an AnyValue.
type otlpValue struct {
	String *string         `json:"stringValue"`
	Bool   *bool           `json:"boolValue"`
	Int    json.RawMessage `json:"intValue"` // a number, or a text with one
	Double json.RawMessage `json:"doubleValue"`
	Array  *struct {
		Values []otlpValue `json:"values"`
	} `json:"arrayValue"`
	Map *struct {
		Values []otlpPair `json:"values"`
	} `json:"kvlistValue"`
}

// parseOTLP reads the log records of a batch. An empty batch has no signal.
func parseOTLP(raw json.RawMessage) ([]Signal, bool) {
	var logs otlpLogs
	if json.Unmarshal(raw, &logs) != nil {
		return nil, false
	}
	all := []Signal{}
	for _, resource := range logs {
		for _, scope := range resource.ScopeLogs {
			for _, r := range scope.LogRecords {
				all = append(all, r.signal())
			}
		}
	}
	return all, true
}

func (r otlpRecord) signal() Signal {
	s := Signal{Level: r.level()}
	var kind, said, stack string
	for _, a := range r.Attributes {
		switch a.Key {
		case "exception.type":
			kind = a.Value.text()
		case "exception.message":
			said = a.Value.text()
		case "exception.stacktrace":
			stack = a.Value.text()
		}
	}
	if kind != "" && said != "" {
		said = kind + ": " + said
	} else if said == "" {
		said = kind
	}
	s.Text = joined(r.Body.text(), said, stack)
	if s.Level == Unknown {
		if said != "" {
			s.Level = Error
		} else {
			s.Level = parseText(s.Text).Level
		}
	}
	return s
}

// level reads SeverityNumber: 1 to 24, four for each level; 0 is none, and then its text counts.
func (r otlpRecord) level() Level {
	text := strings.Trim(string(r.SeverityNumber), `"`)
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= 24 {
		return Trace + Level((n-1)/4)
	}
	if l := LevelOf(strings.TrimRight(strings.TrimPrefix(text, "SEVERITY_NUMBER_"), "234")); l != Unknown {
		return l
	}
	return LevelOf(strings.TrimRight(r.SeverityText, "234"))
}

// text is a string as it is; of anything else, its JSON or the message in it.
func (v otlpValue) text() string {
	switch {
	case v.String != nil:
		return *v.String
	case v.Bool != nil:
		return strconv.FormatBool(*v.Bool)
	case len(v.Int) > 0:
		return strings.Trim(string(v.Int), `"`)
	case len(v.Double) > 0:
		return string(v.Double)
	case v.Array != nil:
		var parts []string
		for _, e := range v.Array.Values {
			parts = append(parts, e.text())
		}
		return strings.Join(parts, " ")
	case v.Map != nil:
		var parts []string
		for _, p := range v.Map.Values {
			if p.Key == "message" || p.Key == "msg" {
				return p.Value.text()
			}
			parts = append(parts, p.Key+"="+p.Value.text())
		}
		return strings.Join(parts, " ")
	}
	return ""
}
