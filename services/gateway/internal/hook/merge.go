package hook

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
)

// merges are those of the events that the hook's settings call merges.
func (r reading) merges(events []event) (Outcome, error) {
	out := r.out
	for _, m := range r.hook.Merges {
		for _, e := range events {
			why := mismatch(m, e)
			if why != "" {
				out.Ignored = why // the last reason stands for all; it is told only when nothing fits
				continue
			}
			merge, err := r.merge(m, e)
			if err != nil {
				return out, err
			}
			out.Merges = append(out.Merges, merge)
		}
	}
	if len(out.Merges) > 0 {
		out.Ignored = ""
	}
	return out, nil
}

// mismatch is why an event is no merge of these settings, "" when it is one.
func mismatch(m config.Merge, e event) string {
	switch {
	case m.Repository != e.repository:
		return fmt.Sprintf("no merge is configured for repository %s", quote(e.repository))
	case m.On != e.on:
		return fmt.Sprintf("a merge of %s is a %s, this is a %s", m.Project, m.On, e.on)
	case m.Branch != "" && m.Branch != e.branch:
		return fmt.Sprintf("a merge of %s is on branch %s, this is on %s", m.Project, m.Branch, quote(e.branch))
	case m.Workflow != "" && !slices.Contains(e.workflow, m.Workflow):
		return fmt.Sprintf("a merge of %s is the workflow %s, this is %s", m.Project, m.Workflow, quote(strings.Join(e.workflow, ", ")))
	}
	return ""
}

func (r reading) merge(m config.Merge, e event) (Merge, error) {
	value := func(name string) string { return r.value(name, e) }
	artifact, err := m.Artifact.Fill(value)
	if err != nil {
		return Merge{}, fmt.Errorf("%w: artifact: %w", ErrRefused, err)
	}
	version, err := m.Version.Fill(value)
	if err != nil {
		return Merge{}, fmt.Errorf("%w: version: %w", ErrRefused, err)
	}
	ref := e.branch
	if ref == "" {
		ref = e.tag
	}
	return checked(m.Project, releasepb.MergeEvent{
		Commit: e.commit, Ref: ref, Version: version, Artifact: artifact, Actor: e.actor, URL: e.url,
	}, e.at, r.delivery.At)
}

// value is what stands for a placeholder; "" when the delivery has none.
func (r reading) value(name string, e event) string {
	const shortHash = 12
	switch name {
	case "commit":
		return e.commit
	case "short":
		return e.commit[:min(len(e.commit), shortHash)]
	case "branch":
		return e.branch
	case "tag":
		return e.tag
	case "number":
		return e.number
	}
	field, ok := strings.CutPrefix(name, config.BodyField)
	if !ok {
		return ""
	}
	return bodyField(r.delivery.Body, strings.Split(field, "."))
}

// bodyField is the text, or the whole number, at a path in a body.
func bodyField(body []byte, names []string) string {
	var value any
	numbers := json.NewDecoder(bytes.NewReader(body))
	numbers.UseNumber() // as they were written
	if numbers.Decode(&value) != nil {
		return ""
	}
	for _, name := range names {
		fields, ok := value.(map[string]any)
		if !ok {
			return ""
		}
		value = fields[name]
	}
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// checked completes a merge event, and refuses what the publisher would refuse: here somebody hears of it.
func checked(project string, m releasepb.MergeEvent, at, now time.Time) (Merge, error) {
	err := topology.CheckProject(project)
	if err == nil {
		err = topology.CheckCommit(m.Commit)
	}
	if err == nil && m.Version != "" {
		if clean, notSemver := driver.CleanVersion(m.Version); notSemver == nil {
			m.Version = clean
		} else if !driver.SafeVersion(m.Version) { // which may do in a project that goes by the order of its merges
			err = notSemver
		}
	}
	if err == nil {
		err = checkArtifact(m.Artifact)
	}
	if err == nil && m.Digest != "" {
		_, err = driver.DigestHex(m.Digest)
	}
	if err != nil {
		return Merge{}, fmt.Errorf("%w: %s", ErrRefused, releasepb.Line(err.Error(), releasepb.MaxReason))
	}
	m.Ref, m.Actor, m.URL = releasepb.Line(m.Ref, maxText), releasepb.Line(m.Actor, maxText), webAddress(m.URL)
	m.ID = releaseID(project, m.Commit, at, now)
	return Merge{Project: project, Event: m}, nil
}

// maxText bounds what a merge says of itself, in bytes.
const maxText = 512

// checkArtifact takes names of objects whose parts, between slashes, could each be a file's.
func checkArtifact(name string) error {
	if len(name) > maxText {
		return fmt.Errorf("artifact %s is %d bytes long, at most %d are allowed", driver.Quote(name), len(name), maxText)
	}
	for part := range strings.SplitSeq(name, "/") {
		if _, err := driver.SafeName("artifact "+driver.Quote(name)+":", part); err != nil {
			return err
		}
	}
	return nil
}

// webAddress is a link that a person may follow; what is none is left out, as it is only for people.
func webAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil || len(text) > releasepb.MaxReason || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// noTime stands for the time of a delivery that tells none: a fixed one, so that the id stays the same.
func noTime() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }

// releaseID is a UUID of version 7 whose random part is a hash: everybody who takes the same delivery makes the same. It begins with
// the time, because ids are listed and searched by age; a time that can not be is not believed.
func releaseID(project, commit string, at, now time.Time) string {
	if at.Before(noTime()) || at.After(now.Add(maxAhead)) {
		at = noTime()
	}
	sum := sha256.Sum256([]byte("sluice merge\x00" + project + "\x00" + commit))
	var id uuid.UUID
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(at.UnixMilli()))
	copy(id[:6], stamp[2:])
	copy(id[6:], sum[:10])
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id.String()
}

// workflowNames are all names that a workflow goes by.
func workflowNames(name, file string) []string {
	names := []string{name}
	if file != "" {
		names = append(names, file, path.Base(file))
	}
	return names
}

// number is a count as text; "" for none.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
