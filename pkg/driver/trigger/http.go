package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/driver/internal/line"
	"github.com/sluice-gate/sluice/pkg/expr"
	"github.com/sluice-gate/sluice/pkg/project"
)

// request is whatever one HTTP request starts.
type request struct {
	*asker
	method          string
	to              *expr.Template
	headers         templates
	body            any // as in project.Request, its texts compiled
	success         *expr.Condition
	poll            *expr.Text // nil: the answer is the end of it
	done, hasFailed *expr.Condition
}

// HTTP makes the driver of one request. It touches nothing outside. An error is a mistake in c.
func HTTP(c project.Request, role driver.Role, opts ...Option) (*Driver, error) {
	o := collect(opts)
	fixed, _, _ := strings.Cut(c.URL, "$")
	l, err := newAsker(line.Plain(fixed), c.Token, o)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	if c.Header != "" {
		l.Header = c.Header
	}
	l.Extra.Set("Accept", "application/json")
	v := &request{asker: l, method: c.Method}
	errs := make([]error, 0, 8)
	read := func(err error) { errs = append(errs, err) }
	v.to, err = expr.ParseTemplate(c.URL)
	read(err)
	v.headers, err = parseTemplates(c.Headers)
	read(err)
	v.body, err = compileBody(c.Body)
	read(err)
	if c.Success != "" {
		v.success, err = expr.ParseCondition(expr.Answer, c.Success)
		read(err)
	}
	interval := project.DefaultPoll
	if c.Poll != nil {
		interval = c.Poll.Interval
		v.poll, err = expr.ParseText(expr.Answer, c.Poll.URL)
		read(err)
		v.done, err = expr.ParseCondition(expr.Answer, c.Poll.Done)
		read(err)
		if c.Poll.Failed != "" {
			v.hasFailed, err = expr.ParseCondition(expr.Answer, c.Poll.Failed)
			read(err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	d, err := open("http", role, v, interval, o)
	if err == nil {
		d.blind = true
	}
	return d, err
}

// compileBody replaces the texts of a body by their templates.
func compileBody(value any) (any, error) {
	switch value := value.(type) {
	case string:
		return expr.ParseTemplate(value)
	case []any:
		list := make([]any, len(value))
		for i, one := range value {
			var err error
			if list[i], err = compileBody(one); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		fields := make(map[string]any, len(value))
		for name, one := range value {
			var err error
			if fields[name], err = compileBody(one); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return fields, nil
	default:
		return value, nil
	}
}

// fill is a compiled body with the values of a job in it.
func fill(ctx context.Context, value any, vars expr.Vars) (any, error) {
	switch value := value.(type) {
	case *expr.Template:
		return value.Value(ctx, vars)
	case []any:
		list := make([]any, len(value))
		for i, one := range value {
			var err error
			if list[i], err = fill(ctx, one, vars); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		fields := make(map[string]any, len(value))
		for name, one := range value {
			var err error
			if fields[name], err = fill(ctx, one, vars); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return fields, nil
	default:
		return value, nil
	}
}

func (v *request) hint() string { return "" } // what it accepts is named by its poll

// runs is empty: nothing is known of the other side, which has the key.
func (v *request) runs(context.Context, job) ([]run, error) { return nil, nil }

func (v *request) start(ctx context.Context, j job) (run, error) {
	to, err := v.to.Text(ctx, j.vars, escape)
	if err != nil {
		return run{}, driver.Refusef("url: %w", err)
	}
	header, err := v.fields(ctx, j)
	if err != nil {
		return run{}, err
	}
	body, err := fill(ctx, v.body, j.vars)
	if err != nil {
		return run{}, driver.Refusef("body: %w", err)
	}
	a, err := v.post(ctx, v.method, to, header, body)
	if err != nil {
		return run{}, err
	}
	what := v.method + " " + line.Plain(to)
	seen := answered(j, a)
	if good := a.OK(); v.success != nil {
		if good, err = v.success.Holds(ctx, seen); err != nil {
			return run{}, driver.Refusef("%w; its success condition can not be asked: %w", a.Err(what), err)
		} else if !good {
			return run{}, driver.Refusef("%w; its success condition does not hold", a.Err(what))
		}
	} else if !good {
		return run{}, driver.Refusef("%w", a.Err(what))
	}
	if v.poll == nil {
		return run{id: line.Plain(to), url: line.Plain(to), state: succeeded, says: http.StatusText(a.Status)}, nil
	}
	where, err := v.poll.Of(ctx, seen)
	if err != nil {
		return run{}, driver.Refusef("%w; the address to ask is not in it: %w", a.Err(what), err)
	}
	address, err := resolve(to, where)
	if err != nil {
		return run{}, err
	}
	return run{id: address, url: line.Plain(address), state: running, says: "begun"}, nil
}

// look refuses an answer that its conditions can not be asked of: it would be no better when it is asked again.
func (v *request) look(ctx context.Context, j job, r run) (run, error) {
	a, err := v.get(ctx, r.id)
	if err != nil {
		return r, err
	}
	seen := answered(j, a)
	now := r
	now.says = a.Err("GET " + r.url).Error()
	if v.hasFailed != nil {
		bad, err := v.hasFailed.Holds(ctx, seen)
		if err != nil {
			return r, driver.Refusef("%w; the condition for a failure can not be asked: %w", a.Err("GET "+r.url), err)
		}
		if bad {
			now.state = failed
			return now, nil
		}
	}
	good, err := v.done.Holds(ctx, seen)
	if err != nil {
		return r, driver.Refusef("%w; the condition for the end can not be asked: %w", a.Err("GET "+r.url), err)
	}
	if good {
		now.state = succeeded
	}
	return now, nil
}

func (v *request) fields(ctx context.Context, j job) (http.Header, error) {
	header := http.Header{"Idempotency-Key": {j.key()}}
	for name, template := range v.headers {
		value, err := template.Text(ctx, j.vars, func(s string) (string, error) {
			if strings.ContainsFunc(s, unicode.IsControl) {
				return "", fmt.Errorf("%s has control characters, which no header can carry", driver.Quote(s))
			}
			return s, nil
		})
		if err != nil {
			return nil, driver.Refusef("headers.%s: %w", name, err)
		}
		header.Set(name, value)
	}
	return header, nil
}

// answered is what conditions see of an answer.
func answered(j job, a *line.Answer) expr.Vars {
	vars := make(expr.Vars, len(j.vars)+3)
	for name, value := range j.vars {
		vars[name] = value
	}
	header := make(map[string]string, len(a.Header))
	for name, values := range a.Header {
		header[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	var body any
	if json.Unmarshal(a.Body, &body) != nil {
		body = strings.ToValidUTF8(string(a.Body), "?")
	}
	vars["status"], vars["header"], vars["body"] = int64(a.Status), header, body
	return vars
}

// resolve is the address that an answer names, on the origin of the request: nobody else is asked, and nobody else gets the token.
func resolve(to, where string) (string, error) {
	from, err := url.Parse(to)
	if err != nil {
		return "", driver.Refusef("the address %s is none", driver.Quote(line.Plain(to)))
	}
	at, err := from.Parse(where)
	if err != nil || !line.SameOrigin(at, from) || where == "" {
		return "", driver.Refusef("the answer says to ask %s, which is not an address on %s", driver.Quote(line.Plain(where)), from.Host)
	}
	return at.String(), nil
}

// escape makes a value fit for one element of a path or one value of a query: all that is not a letter, a digit or one of "-_.~" is
// percent-encoded. An element that means a directory is refused.
func escape(s string) (string, error) {
	if s == "." || s == ".." {
		return "", fmt.Errorf("%q can not be part of a URL", s)
	}
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), nil
}
