package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/sluice-gate/sluice/pkg/project"
)

// Queue is a queue of SQS from which merges are taken.
type Queue struct {
	URL      string
	AWS      project.AWS
	Projects []string // at least one: what may come in through it
	Mapping  *Mapping // nil: its messages are merge events, as `sluice merge` publishes them
}

// AWSSink is a topic of SNS or a queue of SQS that is told what the journals of releases record: one of the two is set.
type AWSSink struct {
	Topic    string // an ARN
	Queue    string // a URL
	AWS      project.AWS
	Events   []string      // of these kinds only; all when empty
	Projects []string      // of these projects only; all when empty
	MaxAge   time.Duration // older records are passed over; none when 0
	Attempts uint64        // after so many a record is kept as a dead letter
}

// FIFO tells whether a topic or queue keeps the order of its messages: its name says so
// (https://docs.aws.amazon.com/sns/latest/dg/sns-fifo-topics.html).
func (s AWSSink) FIFO() bool { return strings.HasSuffix(s.Topic+s.Queue, ".fifo") }

// Name names it for people: the topic or queue without what is around it.
func (s AWSSink) Name() string {
	return (s.Topic + s.Queue)[strings.LastIndexAny(s.Topic+s.Queue, ":/")+1:]
}

// Name names the queue for people.
func (q Queue) Name() string { return q.URL[strings.LastIndexByte(q.URL, '/')+1:] }

const maxEvents = 64

func reachFields() []string {
	return []string{"region", "endpoint", "key_env", "key_file", "secret_env", "secret_file", "session_env", "session_file"}
}

func (d *decoder) queue(path string, node ast.Node) Queue {
	mapped := []string{"when", "project", "commit", "artifact", "version", "ref", "url", "actor", "at"}
	s, ok := d.section(path, node, append(append([]string{"queue", "projects"}, reachFields()...), mapped...)...)
	if !ok {
		return Queue{}
	}
	s.need("queue", "the queue's URL, as in https://sqs.eu-central-1.amazonaws.com/123456789012/merges")
	q := Queue{URL: s.text("queue", checkQueue), AWS: s.aws()}
	for _, name := range mapped {
		if s.has(name) {
			m := s.mapping(Generic)
			q.Mapping, q.Projects = &m, m.Projects
			return q
		}
	}
	s.needItems("projects", "whose merges may come in through the queue")
	for i, item := range s.list("projects", maxMerges) {
		q.Projects = append(q.Projects, s.scalar(index(s.at("projects"), i), item, project.Safe))
	}
	return q
}

func (d *decoder) sink(path string, node ast.Node) AWSSink {
	s, ok := d.section(path, node, append([]string{"topic", "queue", "events", "projects", "max_age", "attempts"}, reachFields()...)...)
	if !ok {
		return AWSSink{}
	}
	sink := AWSSink{Topic: s.text("topic", checkTopic), Queue: s.text("queue", checkQueue), AWS: s.aws(), Attempts: s.attempts()}
	s.text("max_age", func(text string) (err error) {
		sink.MaxAge, err = project.ParseDuration(text)
		return err
	})
	switch {
	case s.has("topic") && s.has("queue"):
		d.fail(s.at("queue"), "stands beside topic: allowed is one of the two")
	case !s.has("topic") && !s.has("queue"):
		d.fail(s.at("topic"), "is missing: the topic's ARN, or with queue the URL of a queue")
	}
	for i, item := range s.list("events", maxEvents) {
		sink.Events = append(sink.Events, s.scalar(index(s.at("events"), i), item, checkEvent))
	}
	for i, item := range s.list("projects", maxMerges) {
		sink.Projects = append(sink.Projects, s.scalar(index(s.at("projects"), i), item, project.Safe))
	}
	return sink
}

// aws is how the service is reached. The region is that of the queue or topic unless it is set.
func (s section) aws() project.AWS {
	named := func(what string) project.Token {
		env, file := what+"_env", what+"_file"
		if s.has(env) && s.has(file) {
			s.fail(s.at(file), "stands beside %s: allowed is one of the two", env)
		}
		return project.Token{Env: s.text(env, checkVariable), File: s.text(file, notEmpty)}
	}
	a := project.AWS{
		Region: s.text("region", checkRegion), Endpoint: s.text("endpoint", checkEndpoint),
		Key: named("key"), Secret: named("secret"), Session: named("session"),
	}
	none := project.Token{}
	if (a.Key == none) != (a.Secret == none) || a.Key == none && a.Session != none {
		s.fail(s.path, "names a part of its credentials only: key_env (or key_file) and secret_env (or secret_file) belong together; "+
			"without both, the SDK looks for credentials itself")
	}
	if a.Region == "" {
		a.Region = regionOf(s)
	}
	return a
}

var (
	queueHost = regexp.MustCompile(`^(?:sqs\.)?([a-z0-9-]+)\.(?:queue\.)?amazonaws\.com(?:\.cn)?$`)
	topicARN  = regexp.MustCompile(`^arn:[a-z-]+:sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`)
)

func regionOf(s section) string {
	if m := topicARN.FindStringSubmatch(s.text("topic", func(string) error { return nil })); m != nil {
		return m[1]
	}
	u, err := url.Parse(s.text("queue", func(string) error { return nil }))
	if err != nil {
		return ""
	}
	if m := queueHost.FindStringSubmatch(u.Hostname()); m != nil {
		return m[1]
	}
	return ""
}

func checkQueue(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(u.Path) < 2 ||
		u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("must be a queue's URL, such as https://sqs.eu-central-1.amazonaws.com/123456789012/merges, without credentials")
	}
	return nil
}

func checkTopic(text string) error {
	if !topicARN.MatchString(text) {
		return fmt.Errorf("%s: want a topic's ARN, such as arn:aws:sns:eu-central-1:123456789012:releases", quote(text))
	}
	return nil
}

func checkRegion(text string) error {
	if !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(text) {
		return fmt.Errorf("%s: want a region, such as eu-central-1", quote(text))
	}
	return nil
}

func checkEndpoint(text string) error {
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("must be a URL: https://, a host, and no credentials")
	}
	return nil
}

func checkEvent(text string) error {
	if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(text) {
		return fmt.Errorf("%s: want the word of a journal's event, such as published or rolled-back", quote(text))
	}
	return nil
}
