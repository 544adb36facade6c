package gateway_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sluice-gate/sluice/pkg/amazon"
	"github.com/sluice-gate/sluice/pkg/awstest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/gateway/internal/queue"
)

// emulator is SQS and SNS, as somebody who has an account there sees them.
type emulator struct {
	*world
	endpoint string
	sqs      *sqs.Client
	sns      *sns.Client
}

func newEmulator(t *testing.T, w *world) *emulator {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
		"TEST_AWS_KEY": "AKIDGOOD", "TEST_AWS_SECRET": "the-good-secret",
	} {
		t.Setenv(name, value)
	}
	e := &emulator{world: w, endpoint: awstest.Start(t)}
	line, err := amazon.New(project.AWS{
		Region: "eu-central-1", Endpoint: e.endpoint, Key: project.Token{Env: "TEST_AWS_KEY"}, Secret: project.Token{Env: "TEST_AWS_SECRET"},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := line.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.sqs, e.sns = sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg)
	return e
}

// make makes a queue, perhaps one that keeps order, and returns its URL.
func (e *emulator) make(name string, fifo bool) string {
	e.Helper()
	in := &sqs.CreateQueueInput{QueueName: &name}
	if fifo {
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	out, err := e.sqs.CreateQueue(e.Context(), in)
	if err != nil {
		e.Fatal(err)
	}
	return *out.QueueUrl
}

// topic makes a topic that a queue subscribes to, and returns its ARN.
func (e *emulator) topic(name, queueURL string, topic, subscription map[string]string) string {
	e.Helper()
	made, err := e.sns.CreateTopic(e.Context(), &sns.CreateTopicInput{Name: &name, Attributes: topic})
	if err != nil {
		e.Fatal(err)
	}
	arn, err := e.sqs.GetQueueAttributes(e.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		e.Fatal(err)
	}
	_, err = e.sns.Subscribe(e.Context(), &sns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(arn.Attributes["QueueArn"]), Attributes: subscription,
	})
	if err != nil {
		e.Fatal(err)
	}
	return *made.TopicArn
}

// read takes what a queue has now.
func (e *emulator) read(queueURL string) (bodies []string) {
	e.Helper()
	out, err := e.sqs.ReceiveMessage(e.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queueURL, MaxNumberOfMessages: 10})
	if err != nil {
		e.Fatal(err)
	}
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
		if _, err := e.sqs.DeleteMessage(e.Context(), &sqs.DeleteMessageInput{QueueUrl: &queueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
			e.Fatal(err)
		}
	}
	return bodies
}

// empty tells whether a queue has nothing, also nothing that is in somebody's hands.
func (e *emulator) empty(queueURL string) error {
	e.Helper()
	out, err := e.sqs.GetQueueAttributes(e.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return err
	}
	if a := out.Attributes; a["ApproximateNumberOfMessages"] != "0" || a["ApproximateNumberOfMessagesNotVisible"] != "0" {
		return fmt.Errorf("it has %s and %s messages", a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"])
	}
	return nil
}

// TestMergesAndReleasesOverAWS: what CI tells a topic is a release, once, by whichever gateway takes it; what can be none is a dead letter;
// and the topic and the queue that are to hear of releases do, under the permissions that are deployed.
func TestMergesAndReleasesOverAWS(t *testing.T) {
	const commit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	w := setup(t)
	e := newEmulator(t, w)
	merges, told, plain := e.make("merges", false), e.make("told.fifo", true), e.make("plain", false)
	ci := e.topic("ci", merges, nil, nil)
	releases := e.topic("releases.fifo", told, map[string]string{"FifoTopic": "true"},
		map[string]string{"RawMessageDelivery": "true", "FilterPolicy": `{"project":["tracer"],"event":["merged","publishing","published"]}`})
	reach := fmt.Sprintf("endpoint: %q, region: eu-central-1, key_env: TEST_AWS_KEY, secret_env: TEST_AWS_SECRET", e.endpoint)
	err := os.WriteFile(w.file, fmt.Appendf(nil, `
queues: [ { queue: %q, projects: [tracer, docs], %s } ]
sinks:
  - { topic: %q, %s }
  - { queue: %q, events: [published], %s }
  - { topic: "arn:aws:sns:eu-central-1:123456789012:gone", events: [publishing], attempts: 2, %s }
`, merges, reach, releases, reach, plain, reach, reach), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w.handIn(commit)
	for _, instance := range []string{"gateway-0", "gateway-1"} {
		w.gateway(instance)
	}
	w.publisher()

	event := fmt.Sprintf(`{"commit":%q,"version":"1.4.0","artifact":"tracer-%s.bin"}`, commit, commit)
	for range 3 { // at least once
		_, err := e.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: &ci, Message: &event, MessageAttributes: map[string]snstypes.MessageAttributeValue{
			"project": {DataType: aws.String("String"), StringValue: aws.String("tracer")},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	poison := "$(reboot)"
	if _, err := e.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &merges, MessageBody: &poison}); err != nil {
		t.Fatal(err)
	}
	w.eventually("the merges are taken", func() error { return e.empty(merges) })
	w.eventually("the dead letter is kept", func() error {
		if n := w.stored("sluice.dead.merge.tracer"); n != 1 {
			return fmt.Errorf("%d dead letters", n)
		}
		return nil
	})
	w.eventually("what nobody takes is kept", func() error {
		if n := w.stored("sluice.dead.aws.*"); n != 1 {
			return fmt.Errorf("%d dead letters", n)
		}
		return nil
	})
	var events []string
	var id string
	w.eventually("the topic has told of the release", func() error {
		for _, body := range e.read(told) {
			var one queue.Told
			if err := json.Unmarshal([]byte(body), &one); err != nil || one.Project != "tracer" || len(one.Record) == 0 || time.Since(one.At) > time.Hour {
				t.Errorf("%s: %v", body, err)
			}
			events, id = append(events, one.Event), one.Release
		}
		slices.Sort(events)
		if want := []string{"merged", "published", "publishing"}; !slices.Equal(slices.Compact(slices.Clone(events)), want) {
			return fmt.Errorf("told %v, want %v", events, want)
		}
		return nil
	})
	if w.published(id); w.stored("sluice.commit.tracer.*") != 1 {
		t.Errorf("%d releases", w.stored("sluice.commit.tracer.*"))
	}
	w.eventually("the queue has told of the release", func() error {
		if bodies := e.read(plain); len(bodies) != 1 {
			return fmt.Errorf("told %q", bodies)
		}
		return nil
	})
}
