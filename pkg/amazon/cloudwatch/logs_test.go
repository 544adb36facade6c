package cloudwatch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-gate/sluice/pkg/amazon/cloudwatch"
	"github.com/sluice-gate/sluice/pkg/awstest"
	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

const group = "/aws/lambda/tracer"

func logsOf(t testing.TB, of project.CloudWatchLogs, from time.Time, c *awstest.CloudWatch) *cloudwatch.Logs {
	t.Helper()
	of.AWS, of.Delay = reach(), 2*time.Minute
	if of.Group == "" {
		of.Group = group
	}
	return cloudwatch.NewLogs(line(t, of.AWS, c), of, from)
}

func count(t testing.TB, l *cloudwatch.Logs, want int, newest string) {
	t.Helper()
	n, text, err := l.Read(t.Context(), time.Now())
	if err != nil || n != want || text != newest {
		t.Errorf("%s: %d %q, %v, want %d %q", time.Now().Format(time.TimeOnly), n, text, err, want, newest)
	}
}

func TestEventsAreCountedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		l := logsOf(t, project.CloudWatchLogs{Filter: "?ERROR ?Exception"}, from, c)
		c.Log(group, from.Add(-time.Second), 0, "ERROR of what was there before")
		c.Log("/another", from.Add(time.Second), 0, "ERROR of another")
		count(t, l, 0, "")
		time.Sleep(time.Minute)
		c.Log(group, time.Now(), 0, "ERROR login is\nbroken")
		c.Log(group, time.Now(), 0, "INFO all is well")
		c.Log(group, time.Now(), 90*time.Second, "NullPointerException") // found only later
		count(t, l, 1, "ERROR login is broken")
		count(t, l, 1, "ERROR login is broken")
		time.Sleep(90 * time.Second)
		count(t, l, 2, "NullPointerException")
		for range 10 {
			time.Sleep(time.Minute)
			count(t, l, 2, "NullPointerException")
		}
		c.Page = 2
		for i := range 9 {
			c.Log(group, time.Now(), 0, fmt.Sprintf("ERROR %d", i))
		}
		before := c.Asked("FilterLogEvents")
		count(t, l, 11, "ERROR 8")
		if pages := c.Asked("FilterLogEvents") - before; pages != 5 {
			t.Errorf("%d pages", pages)
		}
		time.Sleep(time.Hour)
		count(t, l, 11, "ERROR 8")
	})
}

// Whatever happens when, is found when, within the delay, and however often is looked: what a look counts in the end is what happened.
func TestEveryEventIsCountedOnce(t *testing.T) {
	t.Setenv("TEST_KEY", awstest.CloudWatchKey)
	t.Setenv("TEST_SECRET", awstest.CloudWatchSecret)
	rapid.Check(t, func(r *rapid.T) {
		type step struct{ pause, late int }
		var steps []step
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			pause := rapid.IntRange(0, 180).Draw(r, "pause") * 500 // often on a whole second, where one look ends and the next begins
			steps = append(steps, step{pause, rapid.IntRange(-1, 119_000).Draw(r, "late")})
		}
		page := rapid.IntRange(1, 5).Draw(r, "page")
		of := project.CloudWatchLogs{Filter: "ERROR"}
		if rapid.Bool().Draw(r, "query") {
			of = project.CloudWatchLogs{Query: "filter @message like /ERROR/"}
		}
		synctest.Test(t, func(t *testing.T) {
			c, happened := &awstest.CloudWatch{Page: page}, 0
			c.Log(group, time.Now().Add(-time.Hour), 0, "ERROR")
			l := logsOf(t, of, time.Now(), c)
			var none *cloudwatch.NoDataError
			for _, s := range steps {
				time.Sleep(time.Duration(s.pause) * time.Millisecond)
				if s.late >= 0 {
					c.Log(group, time.Now(), time.Duration(s.late)*time.Millisecond, "ERROR")
					happened++
				}
				n, _, err := l.Read(t.Context(), time.Now())
				if n > happened || err != nil && (of.Query == "" || !errors.As(err, &none)) {
					t.Fatalf("%d of %d, %v", n, happened, err)
				}
			}
			time.Sleep(2*time.Minute + time.Second)
			if n, _, err := l.Read(t.Context(), time.Now()); err != nil || n != happened {
				t.Fatalf("%d of %d, %v", n, happened, err)
			}
		})
	})
}

// A log that can not be searched through in one look is searched through in several, and says nothing before.
func TestALongSearchGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		c.Page = 1
		l := logsOf(t, project.CloudWatchLogs{Filter: "ERROR"}, from, c)
		for range 250 {
			c.Log(group, from, 0, "ERROR")
		}
		time.Sleep(10 * time.Minute)
		for range 2 {
			var none *cloudwatch.NoDataError
			if n, _, err := l.Read(t.Context(), time.Now()); !errors.As(err, &none) || !strings.Contains(err.Error(), "goes on") {
				t.Errorf("%d, %v", n, err)
			}
		}
		count(t, l, 250, "ERROR")
		if n := c.Asked("FilterLogEvents"); n != 250 {
			t.Errorf("%d pages for 250", n)
		}
	})
}

func TestQueries(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		c.Polls = 3
		l := logsOf(t, project.CloudWatchLogs{Query: "fields @message | filter @message like /ERROR/"}, from, c)
		c.Log(group, from.Add(-time.Second), 0, "ERROR of what was there before")
		c.Log(group, from.Add(time.Second), 100*time.Second, "ERROR login is broken with https://ana:pw@db.example/")
		var none *cloudwatch.NoDataError
		if _, _, err := l.Read(t.Context(), time.Now()); !errors.As(err, &none) || !strings.Contains(err.Error(), "old enough") {
			t.Errorf("%v", err)
		}
		time.Sleep(2*time.Minute + 10*time.Second)
		const text = "ERROR login is broken with https://ana:pw@db.example/"
		count(t, l, 1, text)
		for range 10 {
			time.Sleep(time.Minute)
			count(t, l, 1, text)
		}
		c.Log(group, time.Now(), 0, "ERROR two")
		count(t, l, 1, text)
		time.Sleep(3 * time.Minute)
		count(t, l, 2, "ERROR two")
		c.Polls = 0
		count(t, l, 2, "ERROR two")
		started := c.Asked("StartQuery")
		count(t, l, 2, "ERROR two")
		if n := c.Asked("StartQuery") - started; n != 0 {
			t.Errorf("%d queries about nothing", n)
		}

		c.Polls = 1_000_000
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if n, _, err := l.Read(ctx, time.Now()); !errors.As(err, &none) || !strings.Contains(err.Error(), "no answer in time") || c.Stopped() != 1 {
			t.Errorf("%d, %v, %d stopped", n, err, c.Stopped())
		}
		c.Polls = 0
		count(t, l, 2, "ERROR two")
	})
}

func TestLogsThatAreAskedWrong(t *testing.T) {
	bubble(t, func(t *testing.T, c *awstest.CloudWatch, from time.Time) {
		c.Log(group, from, 0, "x")
		time.Sleep(time.Hour)
		for name, of := range map[string]struct {
			project.CloudWatchLogs
			want string
		}{
			"no such group":            {project.CloudWatchLogs{Group: "/nowhere", Filter: "x"}, "ResourceNotFoundException"},
			"no such group of a query": {project.CloudWatchLogs{Group: "/nowhere", Query: "x"}, "ResourceNotFoundException"},
			"no query":                 {project.CloudWatchLogs{Query: "fliter"}, "MalformedQueryException"},
		} {
			_, _, err := logsOf(t, of.CloudWatchLogs, from, c).Read(t.Context(), time.Now())
			if !driver.IsRefused(err) || !strings.Contains(err.Error(), of.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		t.Setenv("TEST_KEY", "somebody-else")
		_, _, err := logsOf(t, project.CloudWatchLogs{Filter: "x"}, from, c).Read(t.Context(), time.Now())
		if !driver.IsRefused(err) || !strings.Contains(err.Error(), `"TEST_KEY"`) {
			t.Errorf("%v", err)
		}
	})
}
