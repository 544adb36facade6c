package story

import (
	"fmt"
	"strings"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
)

// Proven says what was proven of a project, and what was not: text, and further lines.
func Proven(v journal.Verified) (text string, notes []Text) {
	text = fmt.Sprintf("%s, %s, %s: nothing was removed or changed", Count(v.Releases, "release"), Count(v.Records, "record"),
		Count(v.Links, "link"))
	if len(v.Keys) > 0 {
		text += ", signed by " + strings.Join(v.Keys, " and ")
	}
	text += Unchained(v.Unchained)
	if v.Unsigned > 0 {
		notes = append(notes, Say(are(v.Unsigned, "link")+" not signed"))
	}
	if v.Open > 0 {
		notes = append(notes, Say(are(v.Open, "release")+" on the way: the last record of each is covered when it has ended"))
	}
	if v.Missing > 0 {
		notes = append(notes, Say(are(v.Missing, "release")+" admitted and without a journal: is the publisher running?"))
	}
	switch {
	case v.Unlinked == 0:
	case v.Since.IsZero():
		notes = append(notes, Say(are(v.Unlinked, "release")+" ended before there was a chain, and not in it"))
	default:
		notes = append(notes, Say(are(v.Unlinked, "release")+" ended and not in the chain, since ", v.Since,
			": is the promoter running, or were links removed? A checkpoint would tell"))
	}
	return text, notes
}

// Covered says how far the last signed checkpoint of a project reaches.
func Covered(v journal.Verified) Text {
	c, links := v.Signed, uint64(v.Links) //nolint:gosec // it is a count
	switch {
	case links == 0:
		return Say("no checkpoint yet: no release of it has ended since there are chains")
	case c.Key == "":
		return Say("no checkpoint is signed: what was removed from the end of its chain would not be seen")
	}
	return Say(fmt.Sprintf("the last signed checkpoint is link %d of %d, of ", c.Index, links), c.At,
		": whoever keeps it sees when anything up to it is removed or changed")
}

// Followed says how far the chain of a project was followed that has a break, and what the last link says of itself that it has now.
func Followed(v journal.Verified, last audit.Checkpoint) Text {
	text := Say("the chain has nothing before it that is proven")
	if v.Links > 0 {
		text = Say(fmt.Sprintf("the chain is in order up to link %d, of ", v.Links), v.Last.At)
	}
	switch {
	case last.Key == "":
		return text
	case last.Verify() != nil:
		return Say(text, fmt.Sprintf("; its last link, %d, has a signature that is none", last.Index))
	}
	return Say(text, fmt.Sprintf("; the last signed checkpoint is link %d, of ", last.Index), last.At, ", by "+last.Key)
}

// Unchained tells of records that are of before there were hashes, if there are any.
func Unchained(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %s of before there were hashes, which nothing proves", Count(n, "record"))
}

// Count is "1 link", "2 links".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// are is "1 link is", "2 links are".
func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return Count(n, what) + " are"
}
