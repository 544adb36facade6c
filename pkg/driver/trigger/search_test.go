package trigger

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/drivertest"
)

// Where others trigger more than is looked through, a run of the release may be beyond that: it is not triggered again.
func TestBeyondWhatIsLookedThrough(t *testing.T) {
	eachVendor(t, func(t *testing.T, name string, open maker, c *ci) {
		// The peer of CircleCI has pages of 2.
		most := map[string]int{"circleci": 2 * circlePages, "github": 100 * githubPages, "gitlab": 100 * gitlabPages}[name]
		if name == "http" {
			return // nothing is looked for
		}
		f := c.facts("1.4.0")
		d := open(t, driver.Deploy, tokenEnv, c)
		if _, err := d.Do(t.Context(), f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		others := func(n int) {
			for range n {
				c.begin(map[string]string{keyName: "other"})
			}
		}
		others(most - 1)
		if done, err := d.Do(t.Context(), next(f)); err != nil || !done.Existed {
			t.Errorf("%s, the last that is looked at: %+v, %v", name, done, err)
		}
		others(2)
		before := c.count()
		_, err := d.Do(t.Context(), next(f))
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), "as far as is looked") || !strings.Contains(err.Error(), f.Key()) || c.count() != before {
			t.Errorf("%s: %v, %d more", name, err, c.count()-before)
		}
		time.Sleep(clockError + time.Minute)
		f.Merged = time.Now() // what is older is nothing of the release, whatever time its id tells
		if done, err := d.Do(t.Context(), retried(f)); err != nil || done.Existed || c.count() != before+1 {
			t.Errorf("%s, merged since: %+v, %v, %d more", name, done, err, c.count()-before)
		}
	})
}

// What a pipeline was configured with does not change: it is asked for once, however often the release's run is looked for.
func TestConfigurationIsAskedForOnce(t *testing.T) {
	t.Setenv(tokenEnv, goodToken)
	synctest.Test(t, func(t *testing.T) {
		c := newCI()
		for range 5 {
			c.begin(map[string]string{keyName: "other"})
		}
		d := circle(t, driver.Deploy, tokenEnv, &drivertest.Transport{Base: c, LoseAt: 1})
		if _, err := d.Do(t.Context(), c.facts("1.4.0")); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.pipelines {
			if p.asked != 1 {
				t.Errorf("pipeline %d: asked %d times", p.id, p.asked)
			}
		}
	})
}
