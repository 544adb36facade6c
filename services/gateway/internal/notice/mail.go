package notice

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

// subjectMost bounds a mail's subject, in characters.
const subjectMost = 200

// Mail is the message as a mail: https://www.rfc-editor.org/rfc/rfc5322. Its Message-ID is made of the key, so that most readers show
// once what was sent twice, and no vacation answers it (https://www.rfc-editor.org/rfc/rfc3834).
func Mail(m Message, e project.Email, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	_, domain, _ := strings.Cut(e.From, "@")
	for _, header := range [][2]string{
		{"From", e.From}, {"To", strings.Join(e.To, ", ")}, {"Date", at.Format(time.RFC1123Z)},
		{"Subject", mime.QEncoding.Encode("utf-8", cut(m.subject(Plain), subjectMost))},
		{"Message-ID", "<" + m.Key + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&out, "%s: %s\r\n", header[0], header[1])
	}
	out.WriteString("\r\n")
	body := quotedprintable.NewWriter(&out)
	if _, err := body.Write([]byte(strings.ReplaceAll(m.text(Plain), "\n", "\r\n") + "\r\n")); err != nil {
		return nil, err
	}
	if err := body.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
