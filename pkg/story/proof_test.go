package story_test

import (
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/audit"
	"github.com/sluice-gate/sluice/pkg/journal"
	"github.com/sluice-gate/sluice/pkg/story"
)

// TestProven: what is proven, what is not, and how far a checkpoint reaches.
func TestProven(t *testing.T) {
	signed := audit.Checkpoint{Index: 1, At: at(5), Key: "UA"}
	for _, c := range []struct {
		v    journal.Verified
		want string
	}{
		{journal.Verified{}, "0 releases, 0 records, 0 links: nothing was removed or changed / no checkpoint yet: no release of it has ended since there are chains"},
		{
			journal.Verified{Releases: 1, Records: 2, Links: 1, Unsigned: 1, Unchained: 2},
			"1 release, 2 records, 1 link: nothing was removed or changed; 2 records of before there were hashes, which nothing proves / " +
				"no checkpoint is signed: what was removed from the end of its chain would not be seen / 1 link is not signed",
		},
		{
			journal.Verified{Releases: 2, Links: 2, Keys: []string{"UA", "UB"}, Signed: signed, Open: 1, Missing: 2, Unlinked: 3, Since: at(4)},
			"2 releases, 0 records, 2 links: nothing was removed or changed, signed by UA and UB / " +
				"the last signed checkpoint is link 1 of 2, of 15:05: whoever keeps it sees when anything up to it is removed or changed / " +
				"1 release is on the way: the last record of each is covered when it has ended / " +
				"2 releases are admitted and without a journal: is the publisher running? / " +
				"3 releases are ended and not in the chain, since 15:04: is the promoter running, or were links removed? A checkpoint would tell",
		},
		{journal.Verified{Unlinked: 1}, "0 releases, 0 records, 0 links: nothing was removed or changed / " +
			"no checkpoint yet: no release of it has ended since there are chains / 1 release is ended before there was a chain, and not in it"},
	} {
		text, notes := story.Proven(c.v)
		all := []string{text, story.Covered(c.v).In(clock)}
		for _, n := range notes {
			all = append(all, n.In(clock))
		}
		if got := strings.Join(all, " / "); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for want, last := range map[string]audit.Checkpoint{
		"the chain is in order up to link 1, of 15:05":                                                 {},
		"the chain is in order up to link 1, of 15:05; its last link, 1, has a signature that is none": signed,
	} {
		if got := story.Followed(journal.Verified{Links: 1, Last: signed}, last).In(clock); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
