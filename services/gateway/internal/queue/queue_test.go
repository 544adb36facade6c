package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/catalog"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/releasepb"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
	"github.com/sluice-gate/sluice/services/gateway/internal/serve"
)

const (
	queueURL  = "https://sqs.eu-central-1.amazonaws.com/123456789012/merges"
	topicARN  = "arn:aws:sns:eu-central-1:123456789012:releases.fifo"
	releaseID = "01970000-0000-7000-8000-000000000001"
	commit    = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
)

// broker is SQS and SNS in memory, after service/sqs@v1.52.10/request_snapshot (JSON 1.0) and service/sns@v1.47.9/request_snapshot (form
// fields, XML answers: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html). It is an http.RoundTripper.
type broker struct {
	mu      sync.Mutex
	waiting []*stored
	sent    []map[string]any // to a queue
	told    []url.Values     // to a topic
	fail    int              // requests that are answered with 503
	failure func(r *http.Request) *http.Response
	next    int
}

type stored struct {
	id, body, group string
	attributes      map[string]string
	sent            time.Time
	until           time.Time // invisible
	deliveries      int
}

func (b *broker) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	w := httptest.NewRecorder()
	switch {
	case b.failure != nil && b.failure(r) != nil:
		return b.failure(r), nil
	case b.fail > 0:
		b.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
	case !strings.Contains(r.Header.Get("Authorization"), "Credential=AKIDGOOD/"):
		w.Header().Set("X-Amzn-ErrorType", "InvalidClientTokenId")
		w.WriteHeader(http.StatusForbidden)
	case strings.HasPrefix(r.URL.Host, "sns."):
		form, _ := url.ParseQuery(string(body))
		b.told = append(b.told, form)
		_, _ = io.WriteString(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`)
	default:
		b.queue(w, strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS."), body)
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

func (b *broker) queue(w http.ResponseWriter, operation string, body []byte) {
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch operation {
	case "ReceiveMessage":
		var out []any
		for _, m := range b.waiting {
			if len(out) == 10 || time.Now().Before(m.until) {
				continue
			}
			m.deliveries++
			m.until = time.Now().Add(time.Duration(in["VisibilityTimeout"].(float64) * float64(time.Second)))
			attributes := map[string]any{}
			for name, value := range m.attributes {
				attributes[name] = map[string]any{"DataType": "String", "StringValue": value}
			}
			out = append(out, map[string]any{
				"MessageId": m.id, "ReceiptHandle": m.id, "Body": m.body, "MessageAttributes": attributes,
				"Attributes": map[string]any{"SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10), "MessageGroupId": m.group},
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"Messages": out})
	case "DeleteMessage":
		for i, m := range b.waiting {
			if m.id == in["ReceiptHandle"] {
				b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
				break
			}
		}
		_, _ = io.WriteString(w, "{}")
	case "SendMessage":
		b.sent = append(b.sent, in)
		_ = json.NewEncoder(w).Encode(map[string]any{"MessageId": "1"})
	}
}

func (b *broker) put(body string, attributes map[string]string) *stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	m := &stored{id: "m-" + strconv.Itoa(b.next), body: body, attributes: attributes, sent: time.Now()}
	b.waiting = append(b.waiting, m)
	return m
}

func (b *broker) left() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.waiting) }

func reach(t *testing.T) project.AWS {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("TEST_AWS_KEY", "AKIDGOOD")
	t.Setenv("TEST_AWS_SECRET", "the-good-secret")
	return project.AWS{Region: "eu-central-1", Key: project.Token{Env: "TEST_AWS_KEY"}, Secret: project.Token{Env: "TEST_AWS_SECRET"}}
}

// taken is a source at work, in simulated time, and what it has handed over.
type taken struct {
	broker
	mu     sync.Mutex
	merges []hook.Merge
	buried []string
	fail   error
	once   error // of the first
}

// run has a source work for a while.
func (k *taken) run(t *testing.T, q config.Queue, during time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	slow := roundTripper(func(r *http.Request) (*http.Response, error) {
		rest(r.Context(), time.Second) // or an empty queue would be asked without a pause
		return k.RoundTrip(r)
	})
	err := Source{
		Queue: q, Log: zap.NewNop(), options: []amazon.Option{amazon.WithTransport(slow), amazon.WithPause(time.Millisecond)},
		Store: func(_ context.Context, m hook.Merge) (serve.Stored, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if err := cmp.Or(k.once, k.fail); err != nil {
				k.once = nil
				return serve.Stored{}, err
			}
			k.merges = append(k.merges, m)
			return serve.Stored{Project: m.Project, Release: m.Event.ID}, nil
		},
		Bury: func(_ context.Context, project string, letter []byte) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.buried = append(k.buried, project+" "+string(letter))
			return k.fail
		},
	}.Run(ctx)
	if err != nil {
		t.Error(err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Merge events, as they are and as SNS wraps them, become the merges that they are; each message is deleted.
func TestMerges(t *testing.T) {
	q := config.Queue{URL: queueURL, AWS: reach(t), Projects: []string{"tracer", "api"}}
	event := func(fields string) string {
		return `{"commit":"` + commit + `","artifact":"tracer-1.4.0.tgz"` + fields + `}`
	}
	wrapped, err := json.Marshal(map[string]any{
		"Type": "Notification", "MessageId": "n-1", "TopicArn": topicARN, "Message": event(`,"version":"1.6.0"`), "Timestamp": "2026-03-02T15:00:00Z",
		"MessageAttributes": map[string]any{"project": map[string]any{"Type": "String", "Value": "api"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		k := &taken{}
		k.put(event(`,"version":"1.4.0","project":"tracer"`), nil)
		k.put(event(`,"version":"1.5.0","id":"`+releaseID+`","again":true`), map[string]string{"project": "tracer"})
		k.put(string(wrapped), nil)
		k.run(t, q, 10*time.Second)
		if len(k.merges) != 3 || k.left() != 0 || len(k.buried) != 0 {
			t.Fatalf("%+v, %d left, buried %q", k.merges, k.left(), k.buried)
		}
		if m := k.merges[0]; m.Project != "tracer" || m.Event.Version != "1.4.0" || m.Event.Commit != commit || len(m.Event.ID) != 36 {
			t.Errorf("%+v", m)
		}
		if m := k.merges[1]; m.Event.ID != releaseID || !m.Event.Again {
			t.Errorf("%+v", m)
		}
		if m := k.merges[2]; m.Project != "api" || m.Event.Version != "1.6.0" {
			t.Errorf("%+v", m)
		}
	})
}

// A mapping makes merges of anything else, as a generic hook does.
func TestMapping(t *testing.T) {
	c, err := config.Parse("gateway.yaml", []byte(`
queues:
  - queue: `+queueURL+`
    projects: [tracer]
    when: body.status == "passed"
    project: header.project
    commit: body.sha
    artifact: '"tracer-" + body.sha + ".tgz"'
`))
	if err != nil {
		t.Fatal(err)
	}
	q := c.Queues[0]
	if q.AWS.Region != "eu-central-1" {
		t.Errorf("region %q", q.AWS.Region)
	}
	q.AWS = reach(t)
	synctest.Test(t, func(t *testing.T) {
		k := &taken{}
		for _, status := range []string{"passed", "failed"} {
			k.put(`{"status":"`+status+`","sha":"`+commit+`"}`, map[string]string{"Project": "tracer"})
		}
		k.put(`{"status":"passed"}`, map[string]string{"project": "tracer"})
		k.run(t, q, 10*time.Second)
		if len(k.merges) != 1 || k.merges[0].Event.Artifact != "tracer-"+commit+".tgz" || k.left() != 0 || len(k.buried) != 1 {
			t.Errorf("%+v, %d left, buried %q", k.merges, k.left(), k.buried)
		}
	})
}

// What can never be a merge is kept with the reason, and deleted; hostile values are data.
func TestPoison(t *testing.T) {
	q := config.Queue{URL: queueURL, AWS: reach(t), Projects: []string{"tracer", "api"}}
	synctest.Test(t, func(t *testing.T) {
		k := &taken{}
		for _, body := range []string{
			"", "{", `[]`, `{"commit":"$(touch x)","artifact":"a","project":"tracer"}`, `{"commit":"` + commit + `","artifact":"../../x","project":"api"}`,
			`{"commit":"` + commit + `","artifact":"a"}`, `{"commit":"` + commit + `","artifact":"a","project":"other"}`,
			`{"commit":"` + commit + `","artifact":"a","project":"api","again":true}`, `{"project":"api","x":"` + strings.Repeat("a\x01", 100_000) + `"}`,
		} {
			k.put(body, nil)
		}
		k.run(t, q, 10*time.Second)
		if len(k.merges) != 0 || k.left() != 0 || len(k.buried) != 9 {
			t.Errorf("%+v, %d left, %d buried", k.merges, k.left(), len(k.buried))
		}
		for _, one := range k.buried {
			name, letter, _ := strings.Cut(one, " ")
			e, err := releasepb.DecodeMergeEvent([]byte(letter))
			if name != "tracer" || len(letter) > 32<<10 || !strings.Contains(letter, `"refused":"`) || topology.CheckCommit(e.Commit) == nil {
				t.Errorf("%s: %.300q, %v: want what the publisher refuses", name, letter, err)
			}
		}
	})
}

// Nothing is deleted that the broker does not have: what was not stored, or not kept, is delivered again.
func TestBrokerFails(t *testing.T) {
	q := config.Queue{URL: queueURL, AWS: reach(t), Projects: []string{"tracer"}}
	synctest.Test(t, func(t *testing.T) {
		k := &taken{fail: errors.New("nats: no responders")}
		m := k.put(`{"commit":"`+commit+`","artifact":"a"}`, nil)
		k.put(`{`, nil)
		k.run(t, q, 10*time.Second)
		if len(k.merges) != 0 || k.left() != 2 || m.deliveries != 1 {
			t.Errorf("%+v, %d left, %d deliveries", k.merges, k.left(), m.deliveries)
		}
		k.fail, k.broker.fail = nil, 20
		k.run(t, q, 10*time.Minute)
		if len(k.merges) != 1 || k.left() != 0 || m.deliveries != 2 {
			t.Errorf("%+v, %d left, %d deliveries", k.merges, k.left(), m.deliveries)
		}
		first := k.merges[0].Event.ID
		k.put(`{"commit":"`+commit+`","artifact":"a"}`, nil).sent = m.sent
		k.run(t, q, 10*time.Second)
		if len(k.merges) != 2 || k.merges[1].Event.ID != first {
			t.Errorf("delivered twice it is two releases: %+v", k.merges)
		}
		k.fail = fmt.Errorf("%w %q", catalog.ErrUnknownProject, "tracer")
		k.put(`{"commit":"`+commit+`","artifact":"a"}`, nil)
		k.buried = nil
		k.run(t, q, 10*time.Second)
		if len(k.buried) == 0 || k.left() != 1 {
			t.Errorf("an unknown project: buried %q, %d left", k.buried, k.left())
		}
	})
}

// In a message group nothing overtakes what could not be stored.
func TestOrder(t *testing.T) {
	q := config.Queue{URL: queueURL + ".fifo", AWS: reach(t), Projects: []string{"tracer"}}
	synctest.Test(t, func(t *testing.T) {
		k := &taken{once: errors.New("nats: no responders")}
		for n := range 3 {
			k.put(fmt.Sprintf(`{"commit":"%s","artifact":"a","version":"1.4.%d"}`, commit, n), nil).group = "one"
		}
		k.run(t, q, 10*time.Second)
		if k.left() != 3 || len(k.merges) != 0 {
			t.Errorf("%d left, overtaken by %+v", k.left(), k.merges)
		}
		k.run(t, q, 10*time.Minute)
		var versions []string
		for _, m := range k.merges {
			versions = append(versions, m.Event.Version)
		}
		if !slices.Equal(versions, []string{"1.4.0", "1.4.1", "1.4.2"}) || k.left() != 0 {
			t.Errorf("%v, %d left", versions, k.left())
		}
	})
}
