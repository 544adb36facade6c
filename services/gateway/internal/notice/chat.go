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

// What Slack takes at most, in characters: https://docs.slack.dev/reference/block-kit/blocks/section-block and
// https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object
const (
	slackText    = 3000
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

// Slack is the body of an incoming webhook of Slack. With buttons people act from it; they come to the gateway's /slack/actions.
func Slack(m Message, buttons bool) ([]byte, error) {
	section := func(text string) slackBlock {
		return slackBlock{Type: "section", Text: &slackObject{Type: "mrkdwn", Text: cut(text, slackText), Verbatim: true}}
	}
	out := slackMessage{Text: cut(m.subject(slackEscape), slackText)}
	switch first, rest, _ := strings.Cut(m.text(slackEscape), "\n"); {
	case m.Own != nil:
		out.Blocks = append(out.Blocks, section(m.text(slackEscape)))
	default:
		out.Blocks = append(out.Blocks, section("*"+first+"*"))
		if rest = strings.TrimSpace(rest); rest != "" {
			out.Blocks = append(out.Blocks, section(rest))
		}
	}
	if buttons && !m.grouped() && len(m.Notices[0].Acts) > 0 {
		block := slackBlock{Type: "actions"}
		for _, a := range m.Notices[0].Acts {
			block.Elements = append(block.Elements, button(m.Notices[0], a))
		}
		out.Blocks = append(out.Blocks, block)
	}
	return json.Marshal(out)
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

// Adaptive cards, as much of them as is used: https://adaptivecards.io/explorer/
type (
	teamsMessage struct {
		Type        string            `json:"type"`
		Attachments []teamsAttachment `json:"attachments"`
	}
	teamsAttachment struct {
		ContentType string    `json:"contentType"`
		Content     teamsCard `json:"content"`
	}
	teamsCard struct {
		Schema  string        `json:"$schema"`
		Type    string        `json:"type"`
		Version string        `json:"version"`
		Body    []teamsBlock  `json:"body"`
		Actions []teamsAction `json:"actions,omitempty"`
	}
	teamsBlock struct {
		Type    string     `json:"type"`
		Inlines []teamsRun `json:"inlines"`
	}
	teamsRun struct {
		Type   string `json:"type"`
		Text   string `json:"text"`
		Weight string `json:"weight,omitempty"`
	}
	teamsAction struct {
		Type  string `json:"type"`
		Title string `json:"title"`
		URL   string `json:"url"`
	}
)

// teamsText is how many characters of text a message has at most: Teams takes 28 KB in all,
// https://learn.microsoft.com/en-us/microsoftteams/limits-specifications-teams
const teamsText = 6000

// Teams is what a workflow "when a Teams webhook request is received" takes: an adaptive card. Its texts are runs, in which, other than
// in a TextBlock, nothing is markdown: https://adaptivecards.io/explorer/TextRun.html
func Teams(m Message) ([]byte, error) {
	card := teamsCard{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4"}
	for i, line := range strings.Split(cut(m.text(Plain), teamsText), "\n") {
		if line == "" {
			continue
		}
		run := teamsRun{Type: "TextRun", Text: line}
		if i == 0 {
			run.Weight = "Bolder"
		}
		card.Body = append(card.Body, teamsBlock{Type: "RichTextBlock", Inlines: []teamsRun{run}})
	}
	if !m.grouped() && m.Notices[0].Board != "" {
		card.Actions = []teamsAction{{Type: "Action.OpenUrl", Title: "Open", URL: m.Notices[0].Board}}
	}
	return json.Marshal(teamsMessage{Type: "message", Attachments: []teamsAttachment{{
		ContentType: "application/vnd.microsoft.card.adaptive", Content: card,
	}}})
}

// discordText is what the content of a message may have, in characters:
// https://docs.discord.com/developers/resources/webhook#execute-webhook
const discordText = 2000

// discordEscape keeps markdown, mentions and links from being any: https://docs.discord.com/developers/reference#message-formatting
func discordEscape(text string) string {
	var out strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\*_~`|>#[]()<@", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return strings.ReplaceAll(out.String(), "://", ":\u200B//") // no preview of what somebody else wrote
}

// Discord is the body of a webhook of Discord. Nobody is mentioned by it, whatever it says.
func Discord(m Message) ([]byte, error) {
	const suppressEmbeds = 1 << 2
	return json.Marshal(map[string]any{
		"content": cut(m.text(discordEscape), discordText), "flags": suppressEmbeds,
		"allowed_mentions": map[string]any{"parse": []string{}},
	})
}

// JSON is the body for any other program. Fields are only ever added.
func JSON(m Message) ([]byte, error) {
	notices := make([]project.Notice, len(m.Notices))
	for i, n := range m.Notices {
		notices[i] = n
		notices[i].Text = m.one(n, Plain)
	}
	return json.Marshal(struct {
		Key     string           `json:"key"`
		Subject string           `json:"subject"`
		Text    string           `json:"text"`
		Notices []project.Notice `json:"notices"`
		More    int              `json:"more,omitempty"`
	}{m.Key, m.subject(Plain), m.text(Plain), notices, m.More})
}

// Text is the message for those who know no more than text.
func Text(m Message) string { return m.text(Plain) }
