package hook_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/hook"
)

// The release is that of the time at which the message was sent, however late and however often it is delivered; what looks like an
// envelope of SNS and is none is taken as it is.
func TestMessages(t *testing.T) {
	const event = `{"commit":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","artifact":"a"}`
	sent := time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC)
	q := config.Queue{Projects: []string{"tracer"}}
	ids := map[string]bool{}
	for _, m := range []hook.Message{
		{Body: []byte(event), Sent: sent, At: sent},
		{Body: []byte(event), Sent: sent, At: sent.Add(72 * time.Hour)},
		{
			Body: []byte(`{"Type":"Notification","TopicArn":"arn:x","Message":"{\"commit\":\"6113728f27ae82c7b1a177c8d03f9e96e0adf246\",\"artifact\":\"a\"}",` +
				`"MessageId":"n","Timestamp":"2026-03-02T15:00:00.000Z"}`),
			Sent: sent.Add(time.Hour), At: sent.Add(time.Hour),
		},
	} {
		out, err := hook.ReadMessage(t.Context(), q, m)
		if err != nil || len(out.Merges) != 1 {
			t.Fatalf("%s: %+v, %v", m.Body, out, err)
		}
		ids[out.Merges[0].Event.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("%v", ids)
	}
	for _, body := range []string{`{"Type":"Notification","Message":"{}"}`, `{"Type":"SubscriptionConfirmation","TopicArn":"a","Message":"x"}`} {
		if _, err := hook.ReadMessage(t.Context(), q, hook.Message{Body: []byte(body), At: sent}); !errors.Is(err, hook.ErrMalformed) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
