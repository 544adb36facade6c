package releasepb

import (
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/sluice-gate/sluice/proto/sluice/v1"
)

// object is JSON of which only the first level is taken apart.
type object = map[string]json.RawMessage

// unknownOf returns the fields of a record's state that are not of this version, as JSON, or nil.
func unknownOf(record []byte) []byte {
	var fields object
	if json.Unmarshal(record, &fields) != nil {
		return nil
	}
	return residue(fields["state"], new(pb.State).ProtoReflect().Descriptor())
}

// residue is what of a JSON object the message does not know, at any depth; nil for nothing.
func residue(data []byte, m protoreflect.MessageDescriptor) []byte {
	var fields object
	if m.FullName().Parent() == "google.protobuf" || json.Unmarshal(data, &fields) != nil {
		return nil
	}
	for name, value := range fields {
		f := m.Fields().ByTextName(name)
		if f == nil {
			f = m.Fields().ByJSONName(name)
		}
		var rest []byte
		switch {
		case f == nil:
			continue
		case f.IsMap() && f.MapValue().Message() != nil:
			rest = residues(value, f.MapValue().Message())
		case f.IsMap(): // of names
		case f.IsList() && f.Message() != nil:
			rest = listed(value, f.Message())
		case f.Message() != nil:
			rest = residue(value, f.Message())
		}
		delete(fields, name)
		if rest != nil {
			fields[string(f.Name())] = rest
		}
	}
	return pack(fields)
}

// residues is residue for every value of a map.
func residues(data []byte, m protoreflect.MessageDescriptor) []byte {
	var values object
	if json.Unmarshal(data, &values) != nil {
		return nil
	}
	for key, value := range values {
		delete(values, key)
		if rest := residue(value, m); rest != nil {
			values[key] = rest
		}
	}
	return pack(values)
}

// listed is residue for every element of a list, each in its place; {} where there is nothing, nil for nothing at all.
func listed(data []byte, m protoreflect.MessageDescriptor) []byte {
	var values []json.RawMessage
	if json.Unmarshal(data, &values) != nil {
		return nil
	}
	found := false
	for i, value := range values {
		values[i] = residue(value, m)
		if found = found || values[i] != nil; values[i] == nil {
			values[i] = json.RawMessage("{}")
		}
	}
	if !found {
		return nil
	}
	out, err := json.Marshal(values)
	if err != nil {
		return nil // they were JSON a moment ago
	}
	return out
}

func pack(fields object) []byte {
	if len(fields) == 0 {
		return nil
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil // they were JSON a moment ago
	}
	return data
}

// withUnknown puts unknown fields back into an encoded record's state.
func withUnknown(record, unknown []byte) ([]byte, error) {
	if len(unknown) == 0 {
		return record, nil
	}
	var fields object
	if err := json.Unmarshal(record, &fields); err != nil {
		return nil, fmt.Errorf("hand on unknown fields: %w", err)
	}
	state, err := merge(fields["state"], unknown, new(pb.State).ProtoReflect().Descriptor())
	if err != nil {
		return nil, fmt.Errorf("hand on unknown fields: %w", err)
	}
	fields["state"] = state
	return json.Marshal(fields)
}

// merge puts what residue took out of a message's JSON back in. Where the message has dropped a part meanwhile, the
// attempt that is over for one, the unknown fields of the part are dropped as well.
func merge(data, rest []byte, m protoreflect.MessageDescriptor) ([]byte, error) {
	var fields, more object
	if err := errors.Join(json.Unmarshal(data, &fields), json.Unmarshal(rest, &more)); err != nil {
		return nil, err
	}
	for name, value := range more {
		f := m.Fields().ByTextName(name)
		if f == nil {
			fields[name] = value
			continue
		}
		known, ok := fields[name]
		if !ok {
			continue
		}
		join := merge
		switch {
		case f.IsMap():
			f, join = f.MapValue(), mergeAll
		case f.IsList():
			join = mergeListed
		}
		joined, err := join(known, value, f.Message())
		if err != nil {
			return nil, err
		}
		fields[name] = joined
	}
	return json.Marshal(fields)
}

// mergeAll is merge for every value of a map.
func mergeAll(data, rest []byte, m protoreflect.MessageDescriptor) ([]byte, error) {
	var values, more object
	if err := errors.Join(json.Unmarshal(data, &values), json.Unmarshal(rest, &more)); err != nil {
		return nil, err
	}
	for key, value := range more {
		known, ok := values[key]
		if !ok {
			continue
		}
		joined, err := merge(known, value, m)
		if err != nil {
			return nil, err
		}
		values[key] = joined
	}
	return json.Marshal(values)
}

// mergeListed is merge for every element of a list that is still there. The lists of a state grow at their end or are begun
// anew, so that between two records an element keeps its place or is gone.
func mergeListed(data, rest []byte, m protoreflect.MessageDescriptor) ([]byte, error) {
	var values, more []json.RawMessage
	if err := errors.Join(json.Unmarshal(data, &values), json.Unmarshal(rest, &more)); err != nil {
		return nil, err
	}
	for i := range min(len(values), len(more)) {
		joined, err := merge(values[i], more[i], m)
		if err != nil {
			return nil, err
		}
		values[i] = joined
	}
	return json.Marshal(values)
}
