package aws

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// Where others begin more than is looked through, a run of the release may be beyond that: it is not begun again.
func TestBeyondWhatIsLookedThrough(t *testing.T) {
	each(t, func(t *testing.T, name string, open maker, c *cloud) {
		most := map[string]int{"codebuild": 2 * buildPages, "codepipeline": mostLooked}[name] // the peer has pages of 2
		if most == 0 {
			return // they are found by their names, or not at all
		}
		f := c.facts("1.4.0")
		if _, err := open.good(t, driver.Deploy, c).Do(t.Context(), f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		others := func(n int) {
			for range n {
				id := fmt.Sprint("other:", c.count())
				c.begin(id, id, "", map[string]string{buildKey: "other", pipelineKey: "other"}, nil)
			}
		}
		others(most - 1)
		if done, err := open.good(t, driver.Deploy, c).Do(t.Context(), next(f)); err != nil || !done.Existed {
			t.Errorf("%s, the last that is looked at: %+v, %v", name, done, err)
		}
		others(2)
		_, err := open.good(t, driver.Deploy, c).Do(t.Context(), next(f))
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), "as far as is looked") || c.count() != most+2 {
			t.Errorf("%s: %v, %d runs", name, err, c.count())
		}
	})
}
