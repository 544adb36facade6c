package awstest

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// wire is a protocol of AWS. What is read and written is maps, lists, text, numbers, true and false, and times.
type wire int

const (
	wireJSON wire = iota
	wireCBOR
)

func (w wire) read(body []byte) (map[string]any, error) {
	if w == wireJSON {
		var in map[string]any
		return in, json.Unmarshal(body, &in)
	}
	value, err := cbor.Decode(body)
	if err != nil {
		return nil, err
	}
	in, ok := fromCBOR(value).(map[string]any)
	if !ok {
		return nil, errors.New("not a map")
	}
	return in, nil
}

func (w wire) reply(r *http.Request, status int, out map[string]any) *http.Response {
	if w == wireJSON {
		body, _ := json.Marshal(out) //nolint:errchkjson // it is made of what JSON knows
		return response(r, status, "application/x-amz-json-1.1", body)
	}
	res := response(r, status, "application/cbor", cbor.Encode(toCBOR(out)))
	res.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	return res
}

// sorry is an error as the protocol has it.
func (w wire) sorry(r *http.Request, status int, code, message string) *http.Response {
	if w == wireJSON {
		return w.reply(r, status, map[string]any{"__type": code, "message": message})
	}
	res := w.reply(r, status, map[string]any{"__type": "com.amazonaws.cloudwatch#" + code, "message": message})
	if r.Header.Get("X-Amzn-Query-Mode") == "true" { // the code as it was in the protocol before this one
		res.Header.Set("X-Amzn-Query-Error", code+";Sender")
	}
	return res
}

func fromCBOR(v cbor.Value) any {
	switch v := v.(type) {
	case cbor.Map:
		out := map[string]any{}
		for name, one := range v {
			out[name] = fromCBOR(one)
		}
		return out
	case cbor.List:
		out := []any{}
		for _, one := range v {
			out = append(out, fromCBOR(one))
		}
		return out
	case cbor.String:
		return string(v)
	case cbor.Bool:
		return bool(v)
	case cbor.Uint:
		return float64(v)
	case cbor.Float64:
		return float64(v)
	case *cbor.Tag:
		return fromCBOR(v.Value) // the only one is that of a time, seconds since 1970
	}
	return nil
}

func toCBOR(v any) cbor.Value {
	switch v := v.(type) {
	case map[string]any:
		out := cbor.Map{}
		for name, one := range v {
			out[name] = toCBOR(one)
		}
		return out
	case []any:
		out := cbor.List{}
		for _, one := range v {
			out = append(out, toCBOR(one))
		}
		return out
	case string:
		return cbor.String(v)
	case bool:
		return cbor.Bool(v)
	case float64:
		return cbor.Float64(v)
	case time.Time:
		return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(v.UnixMilli()) / 1000)}
	}
	return &cbor.Nil{}
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }
func asList(v any) []any         { l, _ := v.([]any); return l }
func asText(v any) string        { s, _ := v.(string); return s }
func asNumber(v any) float64     { n, _ := v.(float64); return n }
func asTime(v any) time.Time     { return milli(asNumber(v) * 1000) }
func milli(v any) time.Time      { return time.UnixMilli(int64(asNumber(v))) }
