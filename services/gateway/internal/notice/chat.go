package notice

import (
	"encoding/json"
	"strings"

	"github.com/sluice-gate/sluice/pkg/project"
)

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
