package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
)

// The services of a remote, https://git-scm.com/docs/gitprotocol-http. Only the first tells which commit an annotated tag is on.
const (
	reading = "git-upload-pack"
	writing = "git-receive-pack"
)

const (
	tagsAt  = "refs/tags/"
	headsAt = "refs/heads/"
)

// refs is what a remote has: the commit of each tag and branch.
type refs map[string]string

// remote is a repository.
type remote struct{ line *line.Line }

func (r *remote) name() string { return strings.TrimRight(r.line.Base, "/") }

// refs reads all tags and branches.
func (r *remote) refs(ctx context.Context) (refs, error) {
	adv, err := r.advertised(ctx, reading)
	if err != nil {
		return nil, err
	}
	found := make(refs, len(adv.References))
	for name, hash := range adv.References {
		if peeled, annotated := adv.Peeled[name]; annotated {
			hash = peeled
		}
		found[name] = hash.String()
	}
	return found, nil
}

// advertised is what a service of the remote says of itself.
func (r *remote) advertised(ctx context.Context, service string) (*packp.AdvRefs, error) {
	to := r.line.Address(url.Values{"service": {service}}, "info", "refs")
	a, err := r.line.Send(ctx, line.Request{Method: http.MethodGet, URL: to})
	if err != nil {
		return nil, err
	}
	if a.Status == http.StatusNotFound || a.Status == http.StatusGone {
		return nil, driver.Refusef("%s is no git repository, or not for this token: %w", r.name(), a.Err("GET info/refs"))
	}
	if !a.OK() || a.Header.Get("Content-Type") != "application/x-"+service+"-advertisement" {
		return nil, driver.Refusef("%s does not speak git's smart HTTP: %w", r.name(), a.Err("GET info/refs"))
	}
	adv := packp.NewAdvRefs()
	if err := adv.Decode(bytes.NewReader(a.Body)); err != nil && !errors.Is(err, packp.ErrEmptyAdvRefs) {
		return nil, fmt.Errorf("%s: what it says of its tags can not be read: %s", r.name(), line.OneLine(err.Error()))
	}
	return adv, nil
}

// command changes one ref from one commit to another; empty is no commit. The remote does it only if the ref is as it should be.
type command struct{ ref, from, to string }

// change is commands, and the tag objects that they need.
type change struct {
	commands []command
	objects  []plumbing.EncodedObject
}

func (c *change) add(ref, from, to string) { c.commands = append(c.commands, command{ref, from, to}) }

// rejected is the remote's no to a change.
type rejected struct {
	ref, reason string
}

func (r *rejected) Error() string {
	return fmt.Sprintf("the remote does not change %s: %s", r.ref, line.OneLine(r.reason))
}

// busy tells whether somebody else was at work on the ref: the words are those of git's builtin/receive-pack.c and refs.c.
func (r *rejected) busy() bool {
	for _, word := range []string{"lock", "failed to update ref", "transaction"} {
		if strings.Contains(r.reason, word) {
			return true
		}
	}
	return false
}

// push makes a change: all of it at once where the remote can do that, and otherwise a command after the other.
func (r *remote) push(ctx context.Context, c change) error {
	adv, err := r.advertised(ctx, writing)
	if err != nil {
		return err
	}
	if !adv.Capabilities.Supports(capability.ReportStatus) {
		return driver.Refusef("%s does not report what became of a push", r.name())
	}
	if len(c.commands) == 1 || adv.Capabilities.Supports(capability.Atomic) {
		return r.send(ctx, adv.Capabilities, c)
	}
	for _, one := range c.commands {
		if err := r.send(ctx, adv.Capabilities, change{[]command{one}, c.objects}); err != nil {
			return err
		}
	}
	return nil
}

func (r *remote) send(ctx context.Context, can *capability.List, c change) error {
	body, err := encode(can, c)
	if err != nil {
		return fmt.Errorf("encode a push: %w", err)
	}
	a, err := r.line.Send(ctx, line.Request{
		Method: http.MethodPost, URL: r.line.Address(nil, writing), Body: body,
		Type: "application/x-" + writing + "-request", Accept: "application/x-" + writing + "-result",
	})
	if err != nil {
		return err
	}
	if !a.OK() {
		return driver.Refusef("push to %s: %w", r.name(), a.Err("POST "+writing))
	}
	report := packp.NewReportStatus()
	if err := report.Decode(bytes.NewReader(a.Body)); err != nil {
		return fmt.Errorf("%s: what it says of the push can not be read: %s", r.name(), line.OneLine(err.Error()))
	}
	if report.UnpackStatus != "ok" {
		return &rejected{c.commands[0].ref, report.UnpackStatus}
	}
	done := map[string]bool{}
	for _, s := range report.CommandStatuses {
		if s.Status != "ok" {
			return &rejected{driver.Quote(s.ReferenceName.String()), s.Status}
		}
		done[s.ReferenceName.String()] = true
	}
	for _, one := range c.commands {
		if !done[one.ref] {
			return fmt.Errorf("%s does not say what became of %s", r.name(), one.ref)
		}
	}
	return nil
}

// encode writes a push. One that only deletes has no pack: https://git-scm.com/docs/gitprotocol-pack, "Reference Update Request and
// Packfile Transfer".
func encode(can *capability.List, c change) ([]byte, error) {
	req := packp.NewReferenceUpdateRequestFromCapabilities(can)
	names := []capability.Capability{capability.DeleteRefs}
	if len(c.commands) > 1 {
		names = append(names, capability.Atomic)
	}
	for _, name := range names {
		if can.Supports(name) {
			if err := req.Capabilities.Set(name); err != nil {
				return nil, err
			}
		}
	}
	deletes := true
	for _, one := range c.commands {
		req.Commands = append(req.Commands, &packp.Command{
			Name: plumbing.ReferenceName(one.ref), Old: plumbing.NewHash(one.from), New: plumbing.NewHash(one.to),
		})
		deletes = deletes && one.to == ""
	}
	if !deletes {
		pack, err := packed(c.objects)
		if err != nil {
			return nil, err
		}
		req.Packfile = io.NopCloser(pack)
	}
	var body bytes.Buffer
	err := req.Encode(&body)
	return body.Bytes(), err
}

func packed(objects []plumbing.EncodedObject) (io.Reader, error) {
	store := memory.NewStorage()
	var hashes []plumbing.Hash
	for _, o := range objects {
		hash, err := store.SetEncodedObject(o)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	var pack bytes.Buffer
	_, err := packfile.NewEncoder(&pack, store, false).Encode(hashes, 0)
	return &pack, err
}
