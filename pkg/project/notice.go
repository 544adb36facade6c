package project

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// Notice is what is told of one event, and what templates are about. Every text is one line, but Commands and Text, and
// is made fit for where it goes before a template sees it; one that is not known is empty, and a time is zero.
type Notice struct {
	Event     Tell   `json:"event"`               // in the words of `on`
	Attention bool   `json:"attention,omitempty"` // somebody should look
	Title     string `json:"title"`               // what happened: it says it all
	Project   string `json:"project"`
	Release   string `json:"release"`
	Version   string `json:"version,omitempty"`
	Stage     string `json:"stage,omitempty"`
	Phase     string `json:"phase,omitempty"`
	Commit    string `json:"commit,omitempty"`
	Author    string `json:"author,omitempty"` // of the merge
	Link      string `json:"link,omitempty"`   // of the merge
	Who       string `json:"who,omitempty"`    // made it happen
	Why       string `json:"why,omitempty"`
	Evidence  string `json:"evidence,omitempty"` // what the watcher measured

	At    time.Time `json:"at"`              // when it happened
	Due   time.Time `json:"due,omitzero"`    // when the next thing happens
	Next  string    `json:"next,omitempty"`  // what that is: "promoted, if nobody says no"
	Board string    `json:"board,omitempty"` // the release's page on the dashboard

	Acts     []Act  `json:"acts,omitempty"`     // what can be done about it
	Commands string `json:"commands,omitempty"` // the same as lines of text
	Text     string `json:"text,omitempty"`     // the text that a notification has without a template
}

// Act is something that can be done about a notice.
type Act struct {
	Verb   string `json:"verb"`   // cancel
	Sluice string `json:"sluice"` // the command line that does it
	NATS   string `json:"nats"`   // the same without Sluice
}

// Bounds of templates.
const (
	maxTemplate = 4 << 10 // bytes
	maxTold     = 8 << 10 // bytes of a text that a template makes; what is more is cut
	maxCalls    = 4       // functions in one {{ }}: some make their text twice as long
)

// Template is the text of notifications as a project wants it.
type Template struct{ t *template.Template }

// ParseTemplate reads a text/template about a [Notice] and tries it on [SampleNotice]. It takes texts, fields, if and with; what
// repeats, or remembers, it refuses, so that what is told is short and made at once.
func ParseTemplate(text string) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("has %d bytes; allowed are %d", len(text), maxTemplate)
	}
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("is empty: remove it, and the usual text is sent")
	}
	t, err := template.New("template").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("is no template: %s", oneLine(err))
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("defines another template: write it all in one")
	}
	if err := brief(t.Root); err != nil {
		return nil, err
	}
	out := &Template{t}
	if _, err := out.Execute(SampleNotice()); err != nil {
		return nil, err
	}
	return out, nil
}

// Execute is the text for a notice, cut to 8 KiB.
func (t *Template) Execute(n Notice) (string, error) {
	out := &bounded{}
	if err := t.t.Execute(out, n); err != nil && !errors.Is(err, errFull) {
		return "", fmt.Errorf("is no template for a notice: %s", oneLine(err))
	}
	return strings.ToValidUTF8(out.String(), ""), nil
}

var errFull = errors.New("the text is too long")

// bounded takes as much as a text may have.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if n := maxTold - b.Len(); len(p) > n {
		b.Buffer.Write(p[:n])
		return n, errFull
	}
	return b.Buffer.Write(p)
}

// oneLine is the error of a template without what the library says before it, and without line breaks.
func oneLine(err error) string {
	text := strings.TrimPrefix(err.Error(), "template: template:")
	return strings.Join(strings.Fields(text), " ")
}

// brief refuses what could make a template long.
func brief(node parse.Node) error {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, one := range n.Nodes {
			if err := brief(one); err != nil {
				return err
			}
		}
		return nil
	case *parse.IfNode:
		return branch(n.BranchNode)
	case *parse.WithNode:
		return branch(n.BranchNode)
	case *parse.ActionNode:
		return calls(n.Pipe)
	case *parse.TextNode, *parse.CommentNode:
		return nil
	}
	return fmt.Errorf("has %s: allowed are fields, if and with", quote(node.String()))
}

func branch(b parse.BranchNode) error {
	if err := calls(b.Pipe); err != nil {
		return err
	}
	if err := brief(b.List); err != nil {
		return err
	}
	return brief(b.ElseList)
}

// calls bounds the functions of a pipeline, and refuses variables.
func calls(p *parse.PipeNode) error {
	if len(p.Decl) > 0 {
		return fmt.Errorf("has the variable %s: allowed are fields, if and with", quote(p.Decl[0].String()))
	}
	if n := count(p); n > maxCalls {
		return fmt.Errorf("has %d functions in %s; allowed are %d", n, quote(p.String()), maxCalls)
	}
	return formats(p)
}

// wide is a format that pads what it prints to a thousand characters or more, or to as many as an argument says. A template has room for
// hundreds of those, each of a megabyte, and all of that is made before a byte of it is written.
var wide = regexp.MustCompile(`%[-+# .\[\]0-9]*(\*|[0-9]{4})`)

// formats looks that a pipeline's formats stand in it, and pad little.
func formats(p *parse.PipeNode) error {
	for _, c := range p.Cmds {
		if name, ok := c.Args[0].(*parse.IdentifierNode); ok && name.Ident == "printf" {
			format := (*parse.StringNode)(nil)
			if len(c.Args) > 1 {
				format, _ = c.Args[1].(*parse.StringNode)
			}
			if format == nil || wide.MatchString(format.Text) {
				return fmt.Errorf("has %s: the format must stand there, and pad to less than 1000 characters", quote(c.String()))
			}
		}
		for _, arg := range c.Args {
			inner, ok := arg.(*parse.PipeNode)
			if chain, chained := arg.(*parse.ChainNode); chained {
				inner, ok = chain.Node.(*parse.PipeNode)
			}
			if !ok {
				continue
			}
			if err := formats(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

func count(p *parse.PipeNode) int {
	n := 0
	for _, c := range p.Cmds {
		for _, arg := range c.Args {
			switch arg := arg.(type) {
			case *parse.IdentifierNode:
				n++
			case *parse.PipeNode:
				n += count(arg)
			case *parse.ChainNode:
				if inner, ok := arg.Node.(*parse.PipeNode); ok {
					n += count(inner)
				}
			}
		}
	}
	return n
}

// SampleNotice is a notice that has everything, to try templates on.
func SampleNotice() Notice {
	const id = "0195573c-5000-7000-8000-000000000000"
	return Notice{
		Event: TellHeld, Attention: true, Title: "tracer 1.4.0 is held: nobody watched it", Project: "tracer", Release: id,
		Version: "1.4.0", Stage: "staging", Phase: "held", Commit: "c0ffee", Author: "ana", Link: "https://git.example.com/c0ffee",
		Who: "sluice", Why: "nobody watched it", Evidence: "errors: 3 of 0",
		At: time.Date(2026, time.March, 2, 15, 0, 0, 0, time.UTC), Due: time.Date(2026, time.March, 2, 17, 0, 0, 0, time.UTC),
		Next: "it fails", Board: "https://sluice.example.com/releases/" + id,
		Acts:     []Act{{Verb: "resume", Sluice: "sluice resume " + id, NATS: "nats pub -J sluice.resume." + id + ".you why"}},
		Commands: "resume: sluice resume " + id, Text: "tracer 1.4.0 is held: nobody watched it",
	}
}
