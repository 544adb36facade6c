package releasepb

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Line makes text from outside one printable line of at most most bytes. What does not print becomes a space, also what
// would turn the direction of the text around it; joiners stay, because scripts and emoji need them.
func Line(s string, most int) string {
	if len(s) > 4*most { // whatever is cut later need not be looked at now
		s = s[:4*most]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == zeroWidthJoiner || r == zeroWidthNonJoiner {
			return r
		}
		return ' '
	}, s))
	return short(s, most)
}

const (
	zeroWidthNonJoiner = '\u200C'
	zeroWidthJoiner    = '\u200D'
)

// clip is Line for what an error quotes.
func clip(s string) string { return Line(s, 40) }

// short cuts valid UTF-8 to at most most bytes, between two characters.
func short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strings.TrimSpace(s[:most])
}

// MaxText bounds every text of a journal record that would otherwise be too large, in bytes.
const MaxText = 16 << 10

// cut shortens all texts of a message, and makes them valid UTF-8.
func cut(m protoreflect.Message, most int) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		text := f.Kind() == protoreflect.StringKind
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				cut(v.Message(), most)
				return true
			})
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				cut(v.List().Get(i).Message(), most)
			}
		case f.IsMap() || f.IsList(): // names, which are short
		case text:
			m.Set(f, protoreflect.ValueOfString(short(strings.ToValidUTF8(v.String(), "\uFFFD"), most)))
		case f.Message() != nil:
			cut(v.Message(), most)
		}
		return true
	})
}

// leastText is longer than any name that something is found by.
const leastText = 256

// fit encodes a message so that it can be stored: while it is too large, its longest texts are cut. what names it in errors;
// finish completes what is encoded.
func fit(what string, m proto.Message, finish func([]byte) ([]byte, error)) ([]byte, error) {
	for most := MaxText; ; most /= 2 {
		data, err := encode(m)
		if err == nil {
			data, err = finish(data)
		}
		if err != nil || len(data) <= MaxBody {
			return data, err
		}
		if most < leastText {
			return nil, fmt.Errorf("%s of %d bytes: at most %d can be stored", what, len(data), MaxBody)
		}
		cut(m.ProtoReflect(), most)
	}
}

func encode(m proto.Message) ([]byte, error) {
	marshal := protojson.MarshalOptions{UseProtoNames: true}
	data, err := marshal.Marshal(m)
	if err == nil {
		return data, nil
	}
	m = proto.Clone(m)
	cut(m.ProtoReflect(), MaxBody) // text that is not UTF-8, most likely
	return marshal.Marshal(m)
}

func decode(data []byte, m proto.Message) error {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		why := strings.TrimSpace(strings.TrimPrefix(Line(err.Error(), 200), "proto:"))
		return fmt.Errorf("%w: %s", ErrMalformed, why)
	}
	return nil
}

// parseDuration reads a length of time as everything here takes it: as [time.ParseDuration], and, as in a project file, with whole
// days first, such as 2d or 1d12h.
func parseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	const most = int(math.MaxInt64 / (24 * time.Hour))
	n, err := strconv.ParseUint(days, 10, 17)
	if err != nil || int(n) > most {
		return 0, fmt.Errorf("%q is not a number of days, at most %d", clip(days), most)
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err == nil && (more < 0 || d > math.MaxInt64-more) {
		err = fmt.Errorf("%q is too long, or goes back", clip(text))
	}
	return d + more, err
}
