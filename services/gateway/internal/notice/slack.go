package notice

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/release"
)

// SlackAction begins the id of every button; the verb follows.
const SlackAction = "sluice:"

// What Slack takes at most: in characters, and in blocks of a message, https://docs.slack.dev/reference/block-kit/blocks and
// https://docs.slack.dev/reference/block-kit/blocks/section-block and
// https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object
const (
	slackText    = 3000
	slackBlocks  = 50
	slackEach    = 800 // of one notice of a group
	slackShort   = 100 // of one that did not fit
	slackConfirm = 300
)

// slackEscape is what Slack asks for; nothing in an escaped text is a mention, a channel or a link:
// https://docs.slack.dev/messaging/formatting-message-text#escaping
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// SlackText is a plain text for Slack: a version of somebody else's choice calls nobody.
func SlackText(text string) string { return slackEscape(text) }

// Block Kit, as much of it as is used.
type (
	slackMessage struct {
		Text   string       `json:"text"` // for where blocks are not shown: in the list of notifications
		Mrkdwn bool         `json:"mrkdwn"`
		Blocks []slackBlock `json:"blocks"`
	}
	slackBlock struct {
		Type     string        `json:"type"`
		Text     *slackObject  `json:"text,omitempty"`
		Elements []slackButton `json:"elements,omitempty"`
	}
	slackObject struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Verbatim bool   `json:"verbatim,omitempty"` // nothing in it is looked up
	}
	slackButton struct {
		Type     string             `json:"type"`
		Text     slackObject        `json:"text"`
		ActionID string             `json:"action_id"`
		Value    string             `json:"value"`
		Style    string             `json:"style,omitempty"`
		Confirm  *slackConfirmation `json:"confirm,omitempty"`
	}
	slackConfirmation struct {
		Title   slackObject `json:"title"`
		Text    slackObject `json:"text"`
		Confirm slackObject `json:"confirm"`
		Deny    slackObject `json:"deny"`
	}
)

// section is a text of a message.
func section(text string, most int) slackBlock {
	return slackBlock{Type: "section", Text: &slackObject{Type: "mrkdwn", Text: cut(text, most), Verbatim: true}}
}

// Slack is the body of an incoming webhook of Slack. With buttons people act from it; they come to the gateway's /slack/actions.
func Slack(m Message, buttons bool) ([]byte, error) {
	out := slackMessage{Text: cut(m.subject(slackEscape), slackText)}
	switch first, rest, _ := strings.Cut(m.text(slackEscape), "\n"); {
	case buttons && m.grouped():
		out.Blocks = slackGroup(m)
		return json.Marshal(out)
	case m.Own != nil:
		out.Blocks = append(out.Blocks, section(m.text(slackEscape), slackText))
	default:
		out.Blocks = append(out.Blocks, section("*"+first+"*", slackText))
		if rest = strings.TrimSpace(rest); rest != "" {
			out.Blocks = append(out.Blocks, section(rest, slackText))
		}
	}
	if buttons && !m.grouped() && len(m.Notices[0].Acts) > 0 {
		out.Blocks = append(out.Blocks, row(m.Notices[0]))
	}
	return json.Marshal(out)
}

// slackGroup is a group in blocks: each notice with its release's buttons below it, the newest of a release alone, since what older ones
// offer is over. What does not fit is a line each, with a link.
func slackGroup(m Message) []slackBlock {
	newest := map[string]int{}
	for i, n := range m.Notices {
		if at, known := newest[n.Release]; !known || !n.At.Before(m.Notices[at].At) {
			newest[n.Release] = i
		}
	}
	out := []slackBlock{section("*"+m.subject(slackEscape)+"*", slackText)}
	rest, size, more := []string{}, 0, m.More
	for i, n := range m.Notices {
		blocks := []slackBlock{section(m.one(n, slackEscape), slackEach)}
		if newest[n.Release] == i && len(n.Acts) > 0 {
			blocks = append(blocks, row(n))
		}
		if len(rest) > 0 || len(out)+len(blocks) >= slackBlocks { // one is kept for the rest
			if line := m.short(n); size+len(line) < slackText-slackShort { // in bytes, which are no fewer
				rest, size = append(rest, line), size+len(line)+1
			} else {
				more++
			}
			continue
		}
		out = append(out, blocks...)
	}
	if more > 0 {
		rest = append(rest, fmt.Sprintf("and %d more: sluice status", more))
	}
	if len(rest) > 0 {
		out = append(out, section(strings.Join(rest, "\n"), slackText))
	}
	return out
}

// short is a notice in one line, and where the rest of it is: a link is ours, and nothing in it is anybody's choice.
func (m Message) short(n project.Notice) string {
	line := cut(m.line(fitting(n, slackEscape)), slackShort)
	if n.Board == "" || strings.ContainsAny(n.Board, "<>|") {
		return line + ": sluice show " + slackEscape(n.Release)
	}
	return line + ": <" + n.Board + "|open>"
}

// row is the buttons of a release.
func row(n project.Notice) slackBlock {
	block := slackBlock{Type: "actions"}
	for _, a := range n.Acts {
		block.Elements = append(block.Elements, button(n, a))
	}
	return block
}

// button asks once more before anything is done: a phone is easily touched.
func button(n project.Notice, a project.Act) slackButton {
	plain := func(text string) slackObject { return slackObject{Type: "plain_text", Text: text} }
	word := strings.ToUpper(a.Verb[:1]) + a.Verb[1:]
	b := slackButton{Type: "button", Text: plain(word), ActionID: SlackAction + a.Verb, Value: n.Release, Confirm: &slackConfirmation{
		Title: plain(word + "?"), Confirm: plain(word), Deny: plain("No"),
		Text: plain(cut(fmt.Sprintf("%s %s: %s", n.Project, n.Version, n.Title), slackConfirm)),
	}}
	if a.Verb == string(release.Cancel) || a.Verb == string(release.Recall) {
		b.Style = "danger"
	}
	return b
}
